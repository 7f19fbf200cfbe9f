"""/courses/: plan, book, and change whole courses of sessions.

``replan`` and ``extend`` propose when the body has no ``sessions``, and do it when it has: what a person
confirms is what was shown to them.
"""

from datetime import date, time
from typing import Any

import django_filters
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.models import Site
from clinic.api.etags import etag_of
from clinic.api.fields import DayField, IdFilter, InstantField, VisibleField, WallTimeField
from clinic.api.related import VisibleByCodeField
from clinic.api.views import OnsetViewSet, ReadMixin
from patients.models import Patient
from scheduling.api.appointments import ActionSerializer
from scheduling.api.course_shows import (
    CourseDetailSerializer,
    CourseHistorySerializer,
    CourseSerializer,
    PlansSerializer,
    plans_of,
)
from scheduling.api.course_templates import WeekdaysField
from scheduling.domain import courses as domain
from scheduling.domain.course_plans import MAX_PLANS
from scheduling.models import Course, CourseTemplate
from scheduling.selectors.course_plans import MAX_DAYS, PlanQuestion, Preferences, plan
from scheduling.selectors.course_progress import propose_more, propose_rest
from scheduling.selectors.courses import local_date
from scheduling.services import course_changes, courses

_LAST_HOUR = 23


class HourField(WallTimeField):
    """A time on the clocks of the site: ``"09:00"``, or the hour alone, ``9``."""

    def to_internal_value(self, value: Any) -> time:
        """Raises ValidationError (``invalid``)."""
        if type(value) is int and 0 <= value <= _LAST_HOUR:
            return time(value)
        return super().to_internal_value(value)


class PlanPreferencesSerializer(serializers.Serializer[Any]):
    """What suits the patient."""

    weekdays = WeekdaysField(required=False, allow_null=True, help_text="0 is Monday.")
    earliest = HourField(required=False, allow_null=True, help_text="The earliest start that suits.")
    latest = HourField(required=False, allow_null=True, help_text="The latest start that suits.")
    preferred_hour = HourField(required=False, allow_null=True, help_text="The start to aim at.")
    same_nurse = serializers.BooleanField(required=False, default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Raises ValidationError (``earliest_after_latest``)."""
        earliest, latest = attrs.get("earliest"), attrs.get("latest")
        if earliest and latest and latest < earliest:
            raise serializers.ValidationError(
                {"latest": "The latest start is before the earliest."}, code="earliest_after_latest"
            )
        return attrs


def _preferences(given: dict[str, Any]) -> Preferences:
    weekdays = given.get("weekdays")
    return Preferences(
        weekdays=None if weekdays is None else frozenset(weekdays),
        earliest=given.get("earliest"),
        latest=given.get("latest"),
        preferred=given.get("preferred_hour"),
        same_nurse=given.get("same_nurse", False),
    )


class _PlanOptions(serializers.Serializer[Any]):
    """Common to everything that proposes."""

    preferences = PlanPreferencesSerializer(required=False, default=dict)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PLANS, default=3)


class CoursePlanQuestionSerializer(_PlanOptions):
    """What to plan."""

    patient = VisibleField(queryset=Patient.objects)
    template = VisibleByCodeField(
        queryset=CourseTemplate.objects.select_related("visit_type"), help_text="Id or code."
    )
    site = VisibleField(queryset=Site.objects)
    start_on = DayField(help_text="The first session is on this day or soon after.")
    start_by = DayField(
        required=False, allow_null=True, help_text="The last day for the first session; default 14 days on."
    )
    sessions = serializers.IntegerField(
        min_value=1, max_value=domain.MAX_SESSIONS, required=False, help_text="Default: the first stage's."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Raises ValidationError (``in_the_past``, ``end_before_start``, ``range_too_long``)."""
        start_on: date = attrs["start_on"]
        start_by: date | None = attrs.get("start_by")
        if start_on < local_date(attrs["site"], self.context["view"].now):
            raise serializers.ValidationError(
                {"start_on": "This day is over. Choose a later one."}, code="in_the_past"
            )
        if start_by is not None and start_by < start_on:
            raise serializers.ValidationError(
                {"start_by": "This is before start_on."}, code="end_before_start"
            )
        if start_by is not None and (start_by - start_on).days >= MAX_DAYS:
            raise serializers.ValidationError(
                {"start_by": f"A plan looks at {MAX_DAYS} days."}, code="range_too_long"
            )
        return attrs


class SessionStartSerializer(serializers.Serializer[Any]):
    """When one session starts."""

    start = InstantField()


class SessionsField(serializers.ListField):
    """Sessions in order."""

    child = SessionStartSerializer()

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_length": 1, "max_length": domain.MAX_SESSIONS, **options})


class _WritingSerializer(serializers.Serializer[Any]):
    """Common to everything that books."""

    override_reason = serializers.CharField(
        max_length=200,
        required=False,
        allow_blank=True,
        default="",
        help_text="Why gaps or weekdays that the course does not allow are accepted.",
    )
    same_nurse = serializers.BooleanField(required=False, default=False)


class CourseBookingSerializer(_WritingSerializer):
    """A whole course, all or nothing."""

    patient = VisibleField(queryset=Patient.objects)
    template = VisibleByCodeField(
        queryset=CourseTemplate.objects.select_related("visit_type"), help_text="Id or code."
    )
    site = VisibleField(queryset=Site.objects)
    sessions = SessionsField()
    prescription_note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class CourseReplanSerializer(_PlanOptions, _WritingSerializer, ActionSerializer):
    """With ``sessions``: all that is still to come. Without: propose it."""

    sessions = SessionsField(required=False)
    count = serializers.IntegerField(
        min_value=1,
        max_value=domain.MAX_SESSIONS,
        required=False,
        help_text="How many to propose; default: those to come and those lost.",
    )
    start_on = DayField(required=False, help_text="Default: tomorrow.")


class CourseExtendSerializer(_PlanOptions, _WritingSerializer, ActionSerializer):
    """With ``sessions``: add these after the last. Without: propose ``count`` more."""

    sessions = SessionsField(required=False)
    count = serializers.IntegerField(min_value=1, max_value=domain.MAX_SESSIONS, default=1)


class CourseMaintenanceSerializer(ActionSerializer):
    """One interval for everything after the series and after what has been held."""

    interval_days = serializers.IntegerField(min_value=2, max_value=domain.MAX_GAP_DAYS - 60)
    tolerance_days = serializers.IntegerField(
        min_value=0,
        max_value=60,
        required=False,
        allow_null=True,
        help_text="Default: a seventh, at least 1.",
    )


class CourseStopSerializer(serializers.Serializer[Any]):
    """Why the course ends."""

    reason = serializers.CharField(max_length=200)


class CourseFilters(django_filters.FilterSet):
    """What a list of courses can be narrowed by."""

    site = IdFilter(field_name="site_id")
    patient = IdFilter(field_name="patient_id")
    template = IdFilter(field_name="template_id")
    status = django_filters.ChoiceFilter(choices=Course.Status.choices)


_DONE_OR_PROPOSED = PolymorphicProxySerializer(
    component_name="CourseOrPlans",
    serializers=[CourseDetailSerializer, PlansSerializer],
    resource_type_field_name=None,
)


class CourseViewSet(ReadMixin, OnsetViewSet):
    """Courses of the sites at which the caller reads the schedule."""

    queryset = Course.objects.select_related("site", "visit_type").prefetch_related("sessions")
    serializer_class = CourseSerializer
    filterset_class = CourseFilters
    page_ordering = ("-created_at", "-id")
    permissions = {
        "list": "appointments.read",
        "retrieve": "appointments.read",
        "history": "appointments.read",
        "plan": "appointments.read",
        "create": "appointments.write",
        "replan": "appointments.write",
        "extend": "appointments.write",
        "maintenance": "appointments.write",
        "stop": "appointments.write",
    }

    @extend_schema(responses={200: CourseDetailSerializer})
    def retrieve(self, request: Request, pk: str) -> Response:
        """One course with its gaps, and its drift: the gaps that left their range."""
        return self._shown(self.get_object())

    @extend_schema(request=CoursePlanQuestionSerializer, responses={200: PlansSerializer})
    @action(detail=False, methods=["post"], filter_backends=(), pagination_class=None)
    def plan(self, request: Request) -> Response:
        """Ranked plans for a course, found whenever one exists; else reasons. Nothing is booked."""
        asked = self.parse(CoursePlanQuestionSerializer)
        template, site = asked["template"], asked["site"]
        self.actor.require("appointments.read", site.pk)
        stages = domain.parse(template.stages)
        question = PlanQuestion(
            visit_type=template.visit_type,
            site=site,
            patient_id=asked["patient"].pk,
            now=self.now,
            stages=stages,
            count=asked.get("sessions") or domain.series_length(stages),
            start_on=asked["start_on"],
            start_by=asked.get("start_by"),
            allowed_weekdays=template.allowed_weekdays,
            preferences=_preferences(asked["preferences"]),
        )
        answer = plan(question, limit=asked["limit"])
        return Response(plans_of(answer, site=site, visit_type=template.visit_type))

    @extend_schema(request=CourseBookingSerializer, responses={201: CourseDetailSerializer})
    def create(self, request: Request) -> Response:
        """Book every session or none; a 409 names the ``session`` and its nearest ``alternatives``."""
        wanted = self.parse(CourseBookingSerializer)
        course = courses.book(
            actor=self.actor,
            now=self.now,
            patient_id=wanted["patient"].pk,
            template=wanted["template"],
            site=wanted["site"],
            starts=[each["start"] for each in wanted["sessions"]],
            prescription_note=wanted["prescription_note"],
            override_reason=wanted["override_reason"],
            same_nurse=wanted["same_nurse"],
        )
        return self._shown(course, status=201)

    @extend_schema(request=CourseReplanSerializer, responses={200: _DONE_OR_PROPOSED})
    @action(detail=True, methods=["post"])
    def replan(self, request: Request, pk: str) -> Response:
        """The rest of the course, lost sessions included: propose it, or with ``sessions`` do it."""
        wanted = self.parse(CourseReplanSerializer)
        if "sessions" in wanted:
            return self._changed(course_changes.replan, pk, wanted)
        answer = propose_rest(
            actor=self.actor,
            now=self.now,
            course_id=int(pk),
            preferences=_preferences(wanted["preferences"]),
            sessions=wanted.get("count"),
            start_on=wanted.get("start_on"),
            limit=wanted["limit"],
        )
        return self._proposed(answer, pk)

    @extend_schema(request=CourseExtendSerializer, responses={200: _DONE_OR_PROPOSED})
    @action(detail=True, methods=["post"])
    def extend(self, request: Request, pk: str) -> Response:
        """Sessions after the last one: propose ``count`` of them, or with ``sessions`` book them."""
        wanted = self.parse(CourseExtendSerializer)
        if "sessions" in wanted:
            return self._changed(course_changes.extend, pk, wanted)
        answer = propose_more(
            actor=self.actor,
            now=self.now,
            course_id=int(pk),
            count=wanted["count"],
            preferences=_preferences(wanted["preferences"]),
            limit=wanted["limit"],
        )
        return self._proposed(answer, pk)

    @extend_schema(request=CourseMaintenanceSerializer, responses={200: CourseDetailSerializer})
    @action(detail=True, methods=["post"])
    def maintenance(self, request: Request, pk: str) -> Response:
        """Widen or narrow the interval after the series."""
        wanted = self.parse(CourseMaintenanceSerializer)
        course = course_changes.set_maintenance(
            actor=self.actor,
            now=self.now,
            course_id=int(pk),
            interval_days=wanted["interval_days"],
            tolerance_days=wanted.get("tolerance_days"),
            expected_version=self.expected_version(),
            reason=wanted["reason"],
        )
        return self._shown(course)

    @extend_schema(request=CourseStopSerializer, responses={200: CourseDetailSerializer})
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: str) -> Response:
        """End the course: what is still to come is cancelled, its time free at once."""
        course = course_changes.stop(
            actor=self.actor,
            now=self.now,
            course_id=int(pk),
            reason=self.parse(CourseStopSerializer)["reason"],
            expected_version=self.expected_version(),
        )
        return self._shown(course)

    @extend_schema(responses={200: CourseHistorySerializer})
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=())
    def history(self, request: Request, pk: str) -> Response:
        """Every decision about the course, oldest first; each session has a history of its own."""
        return Response(CourseHistorySerializer({"results": self.get_object().events.all()}).data)

    def _changed(self, change: Any, pk: str, wanted: dict[str, Any]) -> Response:
        course = change(
            actor=self.actor,
            now=self.now,
            course_id=int(pk),
            starts=[each["start"] for each in wanted["sessions"]],
            expected_version=self.expected_version(),
            reason=wanted["reason"],
            override_reason=wanted["override_reason"],
            same_nurse=wanted["same_nurse"],
        )
        return self._shown(course)

    def _proposed(self, answer: Any, pk: str) -> Response:
        course = self.get_object()
        return Response(plans_of(answer, site=course.site, visit_type=course.visit_type))

    def _shown(self, course: Course, *, status: int = 200) -> Response:
        serializer = CourseDetailSerializer(course, context=self.get_serializer_context())
        return Response(serializer.data, status=status, headers={"ETag": etag_of(course)})
