"""/check-ins/: what patients are asked after a change of dose, and the answers staff record."""

from collections.abc import Mapping
from typing import Any

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import DayField, FlagFilter, IdFilter
from clinic.api.views import OnsetViewSet, ReadMixin
from patients.api.assessments import TOLD_TO_STAFF, AnswersField, AssessmentSerializer
from patients.models import Assessment, Patient
from scheduling.models import CheckIn
from scheduling.services import check_ins

_MOST_INSTRUMENTS = 20


class DoseField(serializers.DecimalField):
    """Milligrams, a JSON number with up to three decimals. What is absurd is the service's to say."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_digits": 20, "decimal_places": 3, "coerce_to_string": False, **options})

    def to_representation(self, value: Any) -> Any:
        """37.5, not "37.500"."""
        return float(value)


class CheckInSerializer(serializers.ModelSerializer[CheckIn]):
    """One check-in. Dates are in the patient's zone; ``explanation`` says why it is there."""

    patient = serializers.IntegerField(source="patient_id")
    prescription = serializers.IntegerField(source="prescription_id")
    merged_into = serializers.IntegerField(
        source="merged_into_id", allow_null=True, help_text="The check-in together with which it is asked."
    )
    asks = serializers.ListField(child=serializers.CharField(), help_text="Codes of instruments.")
    anchor_dose_mg = DoseField()

    class Meta:
        model = CheckIn
        fields = (
            "id",
            "patient",
            "prescription",
            "code",
            "due_on",
            "window_start_on",
            "window_end_on",
            "contact_on",
            "merged_into",
            "status",
            "mandatory",
            "staff_contact",
            "asks",
            "day",
            "anchor_kind",
            "anchor_on",
            "anchor_dose_mg",
            "explanation",
            "answered_on",
            "answered_at",
            "note",
            "version",
        )
        read_only_fields = fields


class CheckInsSerializer(serializers.Serializer[Any]):
    """All check-ins of one prescription, by due date."""

    results = CheckInSerializer(many=True)


class AnsweredSerializer(CheckInSerializer):
    """The check-in, and what its questionnaires came to: scores, changes and alerts."""

    assessments = AssessmentSerializer(many=True)

    class Meta:
        model = CheckIn
        fields = (*CheckInSerializer.Meta.fields, "assessments")
        read_only_fields = fields


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "additionalProperties": {"type": ["integer", "null"]},
        },
    }
)
class QuestionnairesField(serializers.Field[Any, Any, Any, Any]):
    """``{instrument: {item: value}}``; null means not answered."""

    def to_internal_value(self, data: Any) -> dict[str, dict[str, object]]:
        """Raises ValidationError (``invalid``)."""
        if not isinstance(data, Mapping) or len(data) > _MOST_INSTRUMENTS:
            raise serializers.ValidationError(
                "Send an object of instrument codes and their answers.", code="invalid"
            )
        return {str(code): AnswersField().to_internal_value(given) for code, given in data.items()}

    def to_representation(self, value: Any) -> Any:
        """As it was sent."""
        return value


class RecordSerializer(serializers.Serializer[Any]):
    """What the patient told staff, and on which day (their own date; today when left out)."""

    answers = QuestionnairesField(
        required=False, default=dict, help_text="Instrument code to its answers; what the contact asks."
    )
    note = serializers.CharField(max_length=1000, required=False, allow_blank=True, default="")
    answered_on = DayField(required=False, allow_null=True, default=None)
    language = serializers.ChoiceField(
        Patient.Language.choices, required=False, help_text="The patient's when left out."
    )
    source = serializers.ChoiceField(  # type: ignore[assignment]  # our word, and DRF's for something else
        TOLD_TO_STAFF, default=Assessment.Source.PHONE
    )


class AnswerSerializer(serializers.Serializer[Any]):
    """What the patient filled in, in an app."""

    answers = QuestionnairesField(help_text="Instrument code to its answers; what the contact asks.")
    language = serializers.ChoiceField(
        Patient.Language.choices, required=False, help_text="The patient's when left out."
    )

    def validate_answers(self, given: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
        """Raises ValidationError (``no_answers``)."""
        if not any(value is not None for answers in given.values() for value in answers.values()):
            raise serializers.ValidationError("Send at least one answer.", code="no_answers")
        return given


class CheckInFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    patient = IdFilter(field_name="patient_id")
    prescription = IdFilter(field_name="prescription_id")
    site = IdFilter(field_name="patient__site_id")
    status = django_filters.ChoiceFilter(choices=CheckIn.Status.choices)
    code = django_filters.CharFilter()
    due_before = django_filters.DateFilter(field_name="due_on", lookup_expr="lt")
    due_after = django_filters.DateFilter(field_name="due_on", lookup_expr="gte")
    mandatory = FlagFilter()


_EXAMPLE = OpenApiExample(
    "Pain and side effects",
    request_only=True,
    value={"answers": {"NRS": {"1": 4}, "SIDE-EFFECTS": {"nausea": 1, "dizziness": 0}}},
)


class CheckInViewSet(ReadMixin, OnsetViewSet):
    """Check-ins of patients at the sites where the caller reads them."""

    queryset = CheckIn.objects.all()
    serializer_class = CheckInSerializer
    filterset_class = CheckInFilters
    page_ordering = ("due_on", "id")
    permissions = {
        "list": "check_ins.read",
        "retrieve": "check_ins.read",
        "answer": "check_ins.write",
        "record": "check_ins.write",
    }

    @extend_schema(request=AnswerSerializer, responses={200: AnsweredSerializer}, examples=[_EXAMPLE])
    @action(detail=True, methods=["post"])
    def answer(self, request: Request, pk: str) -> Response:
        """What the patient filled in today, in an app. Show ``alerts`` at once: 988 and 911 first."""
        given = self.parse(AnswerSerializer)
        return self._record(pk, source=Assessment.Source.PAGE, **given)

    @extend_schema(request=RecordSerializer, responses={200: AnsweredSerializer})
    @action(detail=True, methods=["post"])
    def record(self, request: Request, pk: str) -> Response:
        """Write down an answer given to staff; it answers everything asked in the same contact."""
        return self._record(pk, **self.parse(RecordSerializer))

    def _record(self, pk: str, **given: Any) -> Response:
        done = check_ins.record(
            actor=self.actor,
            now=self.now,
            check_in_id=int(pk),
            expected_version=self.expected_version(),
            **given,
        )
        stored = Assessment.objects.select_related("instrument", "alarm", "superseded_by")
        found = stored.filter(pk__in=[each.assessment.pk for each in done.recorded]).order_by("pk")
        return self.show(done.check_in, extra={"assessments": AssessmentSerializer(found, many=True).data})
