"""/assessments/: answers to questionnaires, what they come to, and the alerts they raise."""

from collections.abc import Mapping
from typing import Any

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import FlagFilter, IdFilter, InstantField, InstantFilter, VisibleField
from clinic.api.views import OnsetViewSet, ReadMixin
from patients.domain.change import BaselineRule, Meaning
from patients.models import Assessment, Patient
from patients.services import assessments
from patients.services.assessments import Submission

TOLD_TO_STAFF = [(each.value, each.label) for each in (Assessment.Source.IN_CLINIC, Assessment.Source.PHONE)]
"""How staff come by answers."""
_MOST_ITEMS = 100


class ScoreBaselineSerializer(serializers.Serializer[Any]):
    """What it is read against: the latest score before the treatment began, or the first of all."""

    assessment = serializers.IntegerField()
    rule = serializers.ChoiceField([(rule.value, rule.value) for rule in BaselineRule])


class ScoreChangeSerializer(serializers.Serializer[Any]):
    """From the baseline; negative is a fall. ``meaning`` is the strongest of all that it ``meets``."""

    from_baseline = serializers.IntegerField(help_text="Points.")
    percent = serializers.FloatField(allow_null=True, help_text="Null from a baseline of 0.")
    meaning = serializers.ChoiceField([(each.value, each.value) for each in Meaning])
    meets = serializers.ListField(child=serializers.CharField())
    baseline = ScoreBaselineSerializer()


class AlertSerializer(serializers.Serializer[Any]):
    """``safety_alarm``: a clinician is needed now. Others open a review item."""

    kind = serializers.CharField(help_text="safety_alarm, or critical, worsening, unanswered.")
    severity = serializers.CharField(help_text="positive, acute; routine for a review.")
    items = serializers.ListField(child=serializers.CharField())
    safety_alarm = serializers.IntegerField(allow_null=True)
    watched = serializers.BooleanField(
        allow_null=True, help_text="Whether the clinic was open, so that somebody could see it at once."
    )
    next_open = InstantField(allow_null=True)


class AssessmentSerializer(serializers.ModelSerializer[Assessment]):
    """One questionnaire answered. Incomplete ones have neither score nor band."""

    patient = serializers.IntegerField(source="patient_id")
    instrument = serializers.CharField(source="code")
    instrument_version = serializers.IntegerField(source="instrument.version")
    answers = serializers.DictField(child=serializers.IntegerField())
    answered_at = InstantField()
    recorded_at = InstantField()
    recorded_by = serializers.IntegerField(source="recorded_by_id", allow_null=True)
    missing = serializers.SerializerMethodField()
    change = serializers.SerializerMethodField()
    alerts = serializers.SerializerMethodField()
    supersedes = serializers.IntegerField(source="supersedes_id", allow_null=True)
    superseded_by = serializers.SerializerMethodField()

    class Meta:
        model = Assessment
        fields = (
            "id",
            "patient",
            "instrument",
            "instrument_version",
            "answers",
            "answered_at",
            "score",
            "band",
            "complete",
            "missing",
            "change",
            "alerts",
            "language",
            "source",
            "subject_kind",
            "subject_id",
            "recorded_at",
            "recorded_by",
            "supersedes",
            "superseded_by",
            "reason",
        )
        read_only_fields = fields

    def get_missing(self, row: Assessment) -> list[str]:
        """Items that were to be answered and were not."""
        return list(row.instrument.rules.missing(row.answers))

    @extend_schema_field(ScoreChangeSerializer(allow_null=True))
    def get_change(self, row: Assessment) -> dict[str, Any] | None:
        """Null without a score, or without an earlier one."""
        if row.baseline_id is None:
            return None
        return {
            "from_baseline": row.change_points,
            "percent": None if row.change_percent is None else float(row.change_percent),
            "meaning": row.meaning,
            "meets": row.meets,
            "baseline": {"assessment": row.baseline_id, "rule": row.baseline_rule},
        }

    @extend_schema_field(AlertSerializer(many=True))
    def get_alerts(self, row: Assessment) -> list[Any]:
        """The alarm first."""
        found: list[dict[str, Any]] = []
        alarm = getattr(row, "alarm", None)
        if alarm is not None:
            found.append(
                {
                    "kind": "safety_alarm",
                    "severity": alarm.severity,
                    "items": alarm.items,
                    "safety_alarm": alarm.pk,
                    "watched": alarm.watched,
                    "next_open": alarm.next_open_at,
                }
            )
        quiet = {"severity": "routine", "safety_alarm": None, "watched": None, "next_open": None}
        found += [{**quiet, **review} for review in row.reviews]
        return [AlertSerializer(each).data for each in found]

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_superseded_by(self, row: Assessment) -> int | None:
        """The correction of it."""
        correction = getattr(row, "superseded_by", None)
        return None if correction is None else correction.pk


@extend_schema_field({"type": "object", "additionalProperties": {"type": ["integer", "null"]}})
class AnswersField(serializers.Field[Any, Any, Any, Any]):
    """``{item: value}``; null means not answered. Which items there are is the instrument's to say."""

    def to_internal_value(self, data: Any) -> dict[str, object]:
        """Raises ValidationError (``invalid``)."""
        if not isinstance(data, Mapping) or len(data) > _MOST_ITEMS:
            raise serializers.ValidationError("Send an object of item codes and values.", code="invalid")
        return dict(data)

    def to_representation(self, value: Any) -> Any:
        """As it was sent."""
        return value


class NewAssessmentSerializer(serializers.Serializer[Any]):
    """What a patient answered."""

    patient = VisibleField(queryset=Patient.objects.all())
    instrument = serializers.CharField(max_length=20, help_text="Its code, such as PHQ-9.")
    answers = AnswersField(help_text="Item code to value; leave out what was not answered.")
    answered_at = InstantField(required=False, help_text="Now when left out.")
    source = serializers.ChoiceField(  # type: ignore[assignment]  # our word, and DRF's for something else
        TOLD_TO_STAFF, default=Assessment.Source.IN_CLINIC
    )
    language = serializers.ChoiceField(Patient.Language.choices, default=Patient.Language.ENGLISH)


class CorrectionSerializer(serializers.Serializer[Any]):
    """The answers as they should have been, all of them."""

    answers = AnswersField()
    reason = serializers.CharField(max_length=200)


class AssessmentFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    patient = IdFilter(field_name="patient_id")
    site = IdFilter(field_name="patient__site_id")
    instrument = django_filters.CharFilter(field_name="code", max_length=20)
    complete = FlagFilter()
    superseded = FlagFilter(field_name="superseded_by", lookup_expr="isnull", exclude=True)
    answered_after = InstantFilter(field_name="answered_at", lookup_expr="gte")
    answered_before = InstantFilter(field_name="answered_at", lookup_expr="lt")
    subject_kind = django_filters.CharFilter(max_length=20)
    subject_id = IdFilter(field_name="subject_id")


_EXAMPLE = OpenApiExample(
    "PHQ-9",
    request_only=True,
    value={
        "patient": 7,
        "instrument": "PHQ-9",
        "answers": {"1": 2, "2": 2, "3": 1, "4": 2, "5": 1, "6": 1, "7": 0, "8": 0, "9": 0},
        "answered_at": "2027-01-22T10:00:00-07:00",
    },
)


class AssessmentViewSet(ReadMixin, OnsetViewSet):
    """Answers of patients at the sites where the caller's role is clinical, the latest stored first."""

    queryset = Assessment.objects.select_related("instrument", "alarm", "superseded_by")
    serializer_class = AssessmentSerializer
    filterset_class = AssessmentFilters
    page_ordering = "-id"
    permissions = {
        "list": "assessments.read",
        "retrieve": "assessments.read",
        "create": "assessments.write",
        "correct": "assessments.write",
    }

    @extend_schema(
        request=NewAssessmentSerializer, responses={201: AssessmentSerializer}, examples=[_EXAMPLE]
    )
    def create(self, request: Request) -> Response:
        """Store answers; score, change and alerts come back. The same answers again are not stored twice."""
        given = self.parse(NewAssessmentSerializer)
        recorded = assessments.record(
            actor=self.actor,
            now=self.now,
            patient_id=given["patient"].pk,
            submission=Submission(
                instrument=given["instrument"],
                answers=given["answers"],
                answered_at=given.get("answered_at", self.now),
                source=given["source"],
                language=given["language"],
            ),
        )
        return self._shown(recorded.assessment.pk, status=200 if recorded.replayed else 201)

    @extend_schema(request=CorrectionSerializer, responses={201: AssessmentSerializer})
    @action(detail=True, methods=["post"])
    def correct(self, request: Request, pk: str) -> Response:
        """Answers that were written down wrongly: a new record supersedes this one."""
        given = self.parse(CorrectionSerializer)
        recorded = assessments.correct(
            actor=self.actor,
            now=self.now,
            assessment_id=int(pk),
            answers=given["answers"],
            reason=given["reason"],
        )
        return self._shown(recorded.assessment.pk, status=201)

    def _shown(self, pk: int, *, status: int) -> Response:
        return self.show(self.get_queryset().get(pk=pk), status=status)
