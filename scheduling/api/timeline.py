"""/patients/{id}/timeline/: how one patient responded, in one reply of bounded size."""

from datetime import timedelta
from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import DayField, InstantField
from clinic.api.views import OnsetViewSet
from patients.models import Assessment, Instrument, Patient
from scheduling.api.check_ins import DoseField
from scheduling.api.follow_ups import FollowUpSerializer
from scheduling.models import Appointment, CheckIn, DoseEvent
from scheduling.selectors import timeline as selector
from scheduling.selectors.timeline import Window, outcome, timeline

_MOST_CODES = 20


class TimelineQuery(serializers.Serializer[Any]):
    """Which dates, and whose scores."""

    to = DayField(required=False)
    instrument = serializers.CharField(required=False, max_length=200)

    def get_fields(self) -> dict[str, Any]:
        """``from`` is a word of the language, so it cannot be an attribute."""
        return {"from": DayField(required=False), **super().get_fields()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A forward and bounded range; instruments that are in the catalogue."""
        today = self.context["today"]
        window = Window.around(today, first=attrs.get("from"), last=attrs.get("to"))
        if window.last < window.first:
            detail = f"The range ends before it begins: {window.first} to {window.last}. Send from and to."
            raise serializers.ValidationError({"to": detail}, code="end_before_start")
        if window.last - window.first > timedelta(days=selector.LONGEST_DAYS):
            detail = f"Ask for at most {selector.LONGEST_DAYS} days at once."
            raise serializers.ValidationError({"to": detail}, code="range_too_long")
        codes = [code.strip() for code in attrs.get("instrument", "").split(",") if code.strip()]
        if codes and len(codes) <= _MOST_CODES:
            known = set(Instrument.objects.filter(code__in=codes).values_list("code", flat=True))
            codes = codes if known == set(codes) else []
        if "instrument" in attrs and not codes:
            detail = "Use codes of instruments in the catalogue, with commas between them."
            raise serializers.ValidationError({"instrument": detail}, code="unknown_choice")
        return {"window": window, "instruments": codes}


class TimelineDoseSerializer(serializers.Serializer[Any]):
    """One change of dose. ``effective_on`` is the anchor, never the day of the order."""

    prescription = serializers.IntegerField(source="event.prescription_id")
    medication = serializers.CharField(source="event.prescription.medication")
    drug_class = serializers.CharField(source="event.prescription.drug_class")
    sequence = serializers.IntegerField(source="event.sequence")
    kind = serializers.ChoiceField(source="event.kind", choices=DoseEvent.Kind.choices)
    dose_mg = DoseField(source="event.dose_mg")
    ordered_on = DayField(source="event.ordered_on")
    effective_on = DayField(source="event.effective_on")
    planned = serializers.BooleanField(source="event.planned")
    standing = serializers.BooleanField(help_text="False: a later order overtook it.")


class AnchorSerializer(serializers.Serializer[Any]):
    """A day that check-ins count from. Those of which every check-in is superseded stay on record."""

    prescription = serializers.IntegerField(source="prescription_id")
    medication = serializers.CharField()
    sequence = serializers.IntegerField(help_text="Of the dose event it is.")
    kind = serializers.ChoiceField(choices=DoseEvent.Kind.choices)
    on = DayField()
    dose_mg = DoseField()
    check_ins = serializers.IntegerField(help_text="In this range of dates.")
    superseded = serializers.IntegerField(help_text="Of those.")
    in_force = serializers.BooleanField()


class TreatmentSessionSerializer(serializers.ModelSerializer[Appointment]):
    """One infusion or esketamine session."""

    appointment = serializers.IntegerField(source="pk")
    start = InstantField(source="start_at", zone=lambda row: row.site.zone)
    visit_type = serializers.CharField(source="visit_type.code")
    course = serializers.IntegerField(source="course_id", allow_null=True)
    number = serializers.IntegerField(source="session_number", allow_null=True, help_text="In its course.")
    planned_sessions = serializers.SerializerMethodField()
    prescription_note = serializers.SerializerMethodField()

    class Meta:
        model = Appointment
        fields = (
            "appointment", "start", "visit_type", "status", "course", "number", "planned_sessions",
            "prescription_note",
        )  # fmt: skip
        read_only_fields = fields

    def get_planned_sessions(self, row: Appointment) -> int | None:
        """Of the course."""
        return row.course.sessions_planned if row.course else None

    def get_prescription_note(self, row: Appointment) -> str:
        """What the course says is given; empty outside a course."""
        return row.course.prescription_note if row.course else ""


class TimelineCheckInSerializer(serializers.ModelSerializer[CheckIn]):
    """One check-in and where its day comes from."""

    prescription = serializers.IntegerField(source="prescription_id")
    anchor_dose_mg = DoseField()

    class Meta:
        model = CheckIn
        fields = (
            "id", "prescription", "code", "due_on", "window_start_on", "window_end_on", "status",
            "mandatory", "answered_on", "anchor_sequence", "anchor_kind", "anchor_on", "anchor_dose_mg",
            "explanation",
        )  # fmt: skip
        read_only_fields = fields


class OutcomeSerializer(serializers.Serializer[Any]):
    """From the patient's own baseline: negative points are a fall, which is better on every scale."""

    from_baseline = serializers.IntegerField()
    percent = serializers.FloatField(allow_null=True, help_text="Null from a baseline of 0.")
    meaning = serializers.CharField(
        help_text="remission, response, substantial, improved, worse or no_meaningful_change."
    )
    meets = serializers.ListField(child=serializers.CharField())
    baseline_score = serializers.IntegerField()
    baseline_rule = serializers.CharField()


class TimelineScoreSerializer(serializers.ModelSerializer[Assessment]):
    """One questionnaire; an incomplete one has no score. Corrected ones are left out."""

    instrument = serializers.CharField(source="code")
    answered_at = InstantField()
    change = serializers.SerializerMethodField()

    class Meta:
        model = Assessment
        fields = (
            "id", "instrument", "answered_at", "complete", "score", "band", "change", "subject_kind",
            "subject_id",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(OutcomeSerializer(allow_null=True))
    def get_change(self, row: Assessment) -> dict[str, Any] | None:
        """Null without a score, or without an earlier one."""
        return outcome(row)


class TimelineAlarmSerializer(serializers.Serializer[Any]):
    """One safety alarm."""

    id = serializers.IntegerField()
    assessment = serializers.IntegerField(source="assessment_id")
    instrument = serializers.CharField(source="assessment.code")
    severity = serializers.CharField()
    status = serializers.CharField()
    opened_at = InstantField()
    resolved_at = InstantField(allow_null=True)
    cleared_at = InstantField(allow_null=True)


class TimelineFlagSerializer(serializers.Serializer[Any]):
    """One screening flag that stood in the range of dates."""

    id = serializers.IntegerField()
    kind = serializers.CharField(source="kind.code")
    name = serializers.CharField(source="kind.name")
    severity = serializers.CharField()
    value = serializers.CharField()
    status = serializers.CharField()
    raised_at = InstantField()
    acknowledged_at = InstantField(allow_null=True)
    withdrawn_at = InstantField(allow_null=True)


class TimelineSerializer(serializers.Serializer[Any]):
    """Each kind in order of time."""

    patient = serializers.IntegerField(source="patient.pk")
    to = DayField(source="window.last")
    doses = TimelineDoseSerializer(many=True, help_text="Those from before the range too.")
    anchors = AnchorSerializer(many=True)
    sessions = TreatmentSessionSerializer(many=True)
    check_ins = TimelineCheckInSerializer(many=True)
    assessments = TimelineScoreSerializer(many=True)
    alarms = TimelineAlarmSerializer(many=True)
    flags = TimelineFlagSerializer(many=True)
    follow_ups = FollowUpSerializer(many=True)
    truncated = serializers.ListField(
        child=serializers.CharField(),
        help_text=f"Kinds of which only the latest {selector.MOST_ROWS} are shown. Ask for fewer days.",
    )

    def get_fields(self) -> dict[str, Any]:
        """``from`` is a word of the language, so it cannot be an attribute."""
        fields = super().get_fields()
        return {"patient": fields.pop("patient"), "from": DayField(source="window.first"), **fields}


class TimelineViewSet(OnsetViewSet):
    """How one patient responded over time; clinical roles only."""

    queryset = Patient.objects.select_related("site")
    serializer_class = TimelineSerializer
    permissions: ClassVar = {"timeline": "assessments.read"}
    query_parameters: ClassVar = {"timeline": frozenset({"from", "to", "instrument"})}

    @extend_schema(
        operation_id="patient_timeline",
        parameters=[
            OpenApiParameter(
                "from", OpenApiTypes.DATE, description=f"Default: {selector.DAYS_BACK} days ago."
            ),
            OpenApiParameter(
                "to", OpenApiTypes.DATE, description=f"Included. Default: {selector.DAYS_AHEAD} days ahead."
            ),
            OpenApiParameter("instrument", OpenApiTypes.STR, description="Codes, such as PHQ-9,NRS."),
        ],
        responses=TimelineSerializer,
    )
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=())
    def timeline(self, request: Request, pk: str) -> Response:
        """Everything in a range of dates of the patient's zone, at most ten years of it."""
        patient = self.get_object()
        self.actor.require("assessments.read", patient.site_id)
        today = self.now.astimezone(patient.zone).date()
        query = TimelineQuery(data=request.query_params.dict(), context={"today": today})
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        found = timeline(patient, actor=self.actor, window=asked["window"], instruments=asked["instruments"])
        return Response(self.get_serializer(found).data)
