"""/patients/{id}/background/: everything a prescriber weighs, grouped; and the entries of each kind.

An entry is never rewritten: a PATCH answers with the new entry that supersedes the one addressed.
"""

from typing import Any, ClassVar

import django_filters
from django.db import models
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import DayField, InstantField
from clinic.api.views import OnsetViewSet
from patients.api.conditions import ConditionSerializer
from patients.api.flags import FlagSerializer, WhySerializer
from patients.api.of_patient import OfPatient
from patients.models import (
    Allergy,
    FamilyHistory,
    OtherCondition,
    OtherMedicine,
    PainAssessment,
    PainResult,
    Patient,
    Pregnancy,
    Recorded,
    Symptom,
)
from patients.selectors.background import background_of
from patients.selectors.flags import standing
from patients.selectors.patients import conditions_of
from patients.services import background

_CHAIN = ("supersedes", "superseded_by", "closed_at", "closed_by", "closed_reason")
_ABOUT = ("status", "recorded_at", "recorded_by", *_CHAIN, "version")


class EntrySerializer(serializers.ModelSerializer[Any]):
    """What entries of every kind say about themselves."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateField: DayField,
        models.DateTimeField: InstantField,
    }
    superseded_by = serializers.SerializerMethodField()

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_superseded_by(self, entry: Recorded) -> int | None:
        """The entry that holds in its place."""
        later = getattr(entry, "superseded_by", None)
        return later.pk if later else None


def _meta(of: type[Recorded], *names: str) -> Any:
    """What is written, between the id and what the entry says about itself."""

    class Meta:
        model = of
        fields = ("id", *names, "note", *_ABOUT)
        read_only_fields = ("id", *_ABOUT)

    return Meta


class SymptomSerializer(EntrySerializer):
    """A symptom over a stretch of time. Codes are those of the catalogue."""

    Meta = _meta(
        Symptom, "symptom", "body_sites", "radiates_to", "severity", "origin", "since_on", "until_on"
    )


class AllergySerializer(EntrySerializer):
    """What must not be given."""

    Meta = _meta(Allergy, "substance", "reaction", "severity", "since_on", "until_on")


class MedicineSerializer(EntrySerializer):
    """A medicine that was not prescribed here."""

    Meta = _meta(OtherMedicine, "name", "medicine_class", "dose", "from_on", "until_on", "source")


class RelativeSerializer(EntrySerializer):
    """What a relative had, and how well a medicine worked for them."""

    Meta = _meta(FamilyHistory, "relation", "condition", "condition_text", "medicine", "response")


class PregnancySerializer(EntrySerializer):
    """What was known on a day, and until when it may be relied on."""

    Meta = _meta(Pregnancy, "state", "basis", "as_of_on", "expires_on")


class OtherConditionSerializer(EntrySerializer):
    """Another condition that bears on the choice."""

    Meta = _meta(OtherCondition, "concern", "name", "code_text", "since_on", "until_on")


class PainResultSerializer(serializers.ModelSerializer[PainResult]):
    """One result, and which question it answers."""

    class Meta:
        model = PainResult
        fields = ("test", "question", "body_sites", "value", "unit", "finding")


class PainAssessmentSerializer(EntrySerializer):
    """Several results of one day: no single test diagnoses neuropathic pain."""

    results = PainResultSerializer(many=True)
    Meta = _meta(PainAssessment, "assessed_on", "results")


class BackgroundSerializer(serializers.Serializer[Any]):
    """What is held true now. Flags are those that count today, the gravest first."""

    flags = FlagSerializer(many=True)
    conditions = ConditionSerializer(many=True)
    symptoms = SymptomSerializer(many=True, source="symptom")
    allergies = AllergySerializer(many=True, source="allergy")
    medicines = MedicineSerializer(many=True, source="medicine")
    family_history = RelativeSerializer(many=True, source="relative")
    pregnancy = PregnancySerializer(many=True)
    other_conditions = OtherConditionSerializer(many=True, source="other_condition")
    pain_assessments = PainAssessmentSerializer(many=True, source="pain_assessment")


class BackgroundViewSet(OnsetViewSet):
    """The whole background of one patient."""

    queryset = Patient.objects.select_related("site")
    serializer_class = BackgroundSerializer
    permissions: ClassVar = {"background": "background.read"}

    @extend_schema(responses=BackgroundSerializer)
    @action(detail=True, methods=["get"], url_path="background", pagination_class=None, filter_backends=())
    def background(self, request: Request, pk: str) -> Response:
        """What is held true now, by kind, the latest recorded first."""
        patient = self.get_object()
        known = {
            **background_of(patient, actor=self.actor),
            "conditions": conditions_of(patient, actor=self.actor),
            "flags": standing(patient, now=self.now),
        }
        return Response(self.get_serializer(known).data)


class EntryFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    status = django_filters.ChoiceFilter(choices=Recorded.Status.choices)


class EntryViewSet(OfPatient, OnsetViewSet):
    """Entries of one kind, the latest recorded first; superseded ones and errors too."""

    kind: ClassVar[str]
    filterset_class = EntryFilters
    page_ordering = "-id"
    permissions: ClassVar = {
        "list": "background.read",
        "retrieve": "background.read",
        "create": "background.write",
        "partial_update": "background.write",
        "entered_in_error": "background.write",
    }

    def create(self, request: Request, patient_id: str) -> Response:
        """Record an entry. Flags it raises are raised at once."""
        patient = self.patient()
        expected = self.expected_version()
        made = background.add(
            actor=self.actor,
            now=self.now,
            patient_id=patient.pk,
            kind=self.kind,
            given=self.parse(self.get_serializer_class()),
            expected_version=expected,
        )
        return self.show(made, status=201)

    def partial_update(self, request: Request, pk: str, patient_id: str) -> Response:
        """Correct it or say that it ended: the reply is the new entry, which supersedes this one."""
        current = self.get_object()
        expected = self.expected_version(required=True)
        made = background.amend(
            actor=self.actor,
            now=self.now,
            kind=self.kind,
            entry_id=current.pk,
            changes=self.parse(self.get_serializer_class(), partial=True),
            expected_version=expected,
        )
        return self.show(made)

    @extend_schema(request=WhySerializer)
    @action(detail=True, methods=["post"], url_path="entered-in-error")
    def entered_in_error(self, request: Request, pk: str, patient_id: str) -> Response:
        """It was never true. The entry stays, marked, and counts no more."""
        current = self.get_object()
        said = self.parse(WhySerializer)
        expected = self.expected_version()
        marked = background.enter_in_error(
            actor=self.actor,
            now=self.now,
            kind=self.kind,
            entry_id=current.pk,
            expected_version=expected,
            **said,
        )
        return self.show(marked)


class SymptomViewSet(EntryViewSet):
    """Symptoms over time."""

    kind = "symptom"
    queryset = Symptom.objects.select_related("superseded_by")
    serializer_class = SymptomSerializer


class AllergyViewSet(EntryViewSet):
    """What must not be given."""

    kind = "allergy"
    queryset = Allergy.objects.select_related("superseded_by")
    serializer_class = AllergySerializer


class MedicineViewSet(EntryViewSet):
    """Medicines not prescribed here."""

    kind = "medicine"
    queryset = OtherMedicine.objects.select_related("superseded_by")
    serializer_class = MedicineSerializer


class RelativeViewSet(EntryViewSet):
    """Family history."""

    kind = "relative"
    queryset = FamilyHistory.objects.select_related("superseded_by")
    serializer_class = RelativeSerializer


class PregnancyViewSet(EntryViewSet):
    """Answers about pregnancy."""

    kind = "pregnancy"
    queryset = Pregnancy.objects.select_related("superseded_by")
    serializer_class = PregnancySerializer


class OtherConditionViewSet(EntryViewSet):
    """Other conditions that bear on the choice."""

    kind = "other_condition"
    queryset = OtherCondition.objects.select_related("superseded_by")
    serializer_class = OtherConditionSerializer


class PainAssessmentViewSet(EntryViewSet):
    """Pain assessments with their results."""

    kind = "pain_assessment"
    queryset = PainAssessment.objects.select_related("superseded_by").prefetch_related("results")
    serializer_class = PainAssessmentSerializer
