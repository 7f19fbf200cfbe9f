"""How courses and plans are shown: as the clocks of their site have it."""

from typing import Any

from rest_framework import serializers

from clinic.access.models import Site
from scheduling.domain import courses as domain
from scheduling.models import Course, CourseEvent, VisitType
from scheduling.selectors.course_plans import Answer
from scheduling.selectors.courses import Standing, standing
from scheduling.services.allocations import length_of


class CourseSessionSerializer(serializers.Serializer[Any]):
    """One visit of the course. ``number`` counts those that take place, by date."""

    number = serializers.IntegerField()
    appointment = serializers.IntegerField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    status = serializers.CharField()


class GapSerializer(serializers.Serializer[Any]):
    """Between a session and the one before."""

    number = serializers.IntegerField()
    days = serializers.IntegerField()
    unit = serializers.ChoiceField([unit.value for unit in domain.GapUnit])
    min_gap_days = serializers.IntegerField()
    max_gap_days = serializers.IntegerField()
    in_range = serializers.BooleanField()
    detail = serializers.CharField()


class CourseSerializer(serializers.Serializer[Course]):
    """A course and its sessions, lost ones included."""

    id = serializers.IntegerField()
    patient = serializers.IntegerField()
    template = serializers.IntegerField()
    visit_type = serializers.IntegerField()
    site = serializers.IntegerField()
    status = serializers.ChoiceField(Course.Status.choices)
    sessions_planned = serializers.IntegerField()
    allowed_weekdays = serializers.ListField(child=serializers.IntegerField(), allow_null=True)
    prescription_note = serializers.CharField(required=False, help_text="For those who read prescriptions.")
    created_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    sessions = CourseSessionSerializer(many=True)

    def to_representation(self, instance: Course) -> dict[str, Any]:
        """Plain dicts, in the order of the dates."""
        zone = instance.site.zone
        shown = {
            "id": instance.pk,
            "patient": instance.patient_id,
            "template": instance.template_id,
            "visit_type": instance.visit_type_id,
            "site": instance.site_id,
            "status": instance.status,
            "sessions_planned": instance.sessions_planned,
            "allowed_weekdays": instance.allowed_weekdays,
            "prescription_note": instance.prescription_note,
            "created_at": instance.created_at.astimezone(zone).isoformat(),
            "version": instance.version,
            "sessions": [
                {
                    "number": session.session_number,
                    "appointment": session.pk,
                    "start": session.start_at.astimezone(zone).isoformat(),
                    "end": session.end_at.astimezone(zone).isoformat(),
                    "status": session.status,
                }
                for session in instance.sessions.all()
            ],
        }
        if not self.context["view"].actor.may("prescriptions.read", instance.site_id):
            del shown["prescription_note"]
        return shown


class CourseDetailSerializer(CourseSerializer):
    """With the gaps between the sessions that take place; ``drift`` are those out of range."""

    stages = serializers.ListField(child=serializers.DictField())
    gaps = GapSerializer(many=True)
    drift = GapSerializer(many=True)
    owed = serializers.IntegerField(help_text="Sessions lost and not yet planned anew.")
    possible = serializers.ListField(child=serializers.CharField(), help_text="What can be done next.")

    def to_representation(self, instance: Course) -> dict[str, Any]:
        """The list's fields and how the course stands."""
        state: Standing = standing(instance, list(instance.sessions.all()))
        return {
            **super().to_representation(instance),
            "stages": instance.stages,
            "gaps": [_gap(gap) for gap in state.gaps],
            "drift": [_gap(gap) for gap in state.drift],
            "owed": state.owed,
            "possible": [verb.value for verb in domain.TRANSITIONS[domain.Status(instance.status)]],
        }


def _gap(gap: domain.Gap) -> dict[str, Any]:
    return {
        "number": gap.number,
        "days": gap.days,
        "unit": gap.stage.gap_unit.value,
        "min_gap_days": gap.stage.min_gap_days,
        "max_gap_days": gap.stage.max_gap_days,
        "in_range": gap.in_range,
        "detail": gap.sentence,
    }


class CourseEventSerializer(serializers.ModelSerializer[CourseEvent]):
    """One decision."""

    class Meta:
        model = CourseEvent
        fields = ("id", "verb", "at", "by", "reason", "override_reason")


class CourseHistorySerializer(serializers.Serializer[Any]):
    """Every decision, oldest first."""

    results = CourseEventSerializer(many=True)


class PlannedSessionSerializer(serializers.Serializer[Any]):
    """One session of a plan."""

    number = serializers.IntegerField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class PlanCostSerializer(serializers.Serializer[Any]):
    """The points, by what they are for."""

    time_of_day = serializers.IntegerField()
    beginning = serializers.IntegerField(help_text="Of a first session that waits or is overdue.")
    gaps = serializers.IntegerField()
    nurse = serializers.IntegerField()


class CoursePlanSerializer(serializers.Serializer[Any]):
    """One plan."""

    sessions = PlannedSessionSerializer(many=True)
    score = serializers.FloatField(help_text="100 is perfect; the best plan comes first.")
    points = serializers.IntegerField(
        help_text="What it costs: 1 for each 15 minutes off the usual time, 2 for each day of waiting, 4 for "
        "each day off the ideal gap, 6 for each session with another nurse, 10 for each day overdue."
    )
    cost = PlanCostSerializer()
    nurse = serializers.IntegerField(allow_null=True, help_text="The nurse most sessions can have, if asked.")


class PlanReasonSerializer(serializers.Serializer[Any]):
    """What is in the way of one session, on one of the days on which it would have to be."""

    session = serializers.IntegerField()
    first = serializers.DateField()
    last = serializers.DateField()
    day = serializers.DateField()
    kind = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    detail = serializers.CharField()


class PlansSerializer(serializers.Serializer[Any]):
    """Plans, or why there is none."""

    plans = CoursePlanSerializer(many=True)
    reasons = PlanReasonSerializer(many=True)


def plans_of(answer: Answer, *, site: Site, visit_type: VisitType) -> dict[str, Any]:
    """The answer of the planner as JSON."""
    zone, length = site.zone, length_of(visit_type)
    return {
        "plans": [
            {
                "sessions": [
                    {
                        "number": number,
                        "start": option.start.astimezone(zone).isoformat(),
                        "end": (option.start + length).astimezone(zone).isoformat(),
                    }
                    for number, option in enumerate(plan.options, start=answer.first_number)
                ],
                "score": plan.score,
                "points": plan.points,
                "cost": plan.cost._asdict(),
                "nurse": plan.nurse,
            }
            for plan in answer.plans
        ],
        "reasons": [
            {
                "session": reason.session,
                "first": reason.first.isoformat(),
                "last": reason.last.isoformat(),
                "day": reason.day.isoformat(),
                "kind": reason.kind,
                "code": reason.code,
                "detail": reason.detail,
            }
            for reason in answer.reasons
        ],
    }
