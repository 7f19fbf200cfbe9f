"""Courses in the admin: how far each is, what its gaps are, and everything that changes it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import CharField, Exists, OuterRef, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import RecordAdmin, SiteFilter, actor_in
from clinic.access.admin.refusals import submit
from clinic.common import clock
from patients.models import WorkItem
from scheduling.admin import course_planning, course_sections
from scheduling.admin.course_forms import IntervalForm, StopForm
from scheduling.domain.courses import TRANSITIONS, Status
from scheduling.domain.transitions import FREES_RESOURCES
from scheduling.domain.transitions import Status as Visit
from scheduling.models import Course
from scheduling.services import course_changes

_COMING = frozenset({Visit.BOOKED, Visit.CONFIRMED})


def with_alarm(courses: QuerySet[Course]) -> QuerySet[Any]:
    """The courses with ``alarm``: whether a work item asks for them to be planned anew."""
    # The key is the one of services/course_gaps.py.
    key = Concat(Value("course:"), Cast(OuterRef("pk"), CharField()), Value(":gap"), output_field=CharField())
    return courses.annotate(
        alarm=Exists(WorkItem.objects.filter(key=key).exclude(status=WorkItem.Status.RESOLVED))
    )


def of_planned(course: Course) -> str:
    """``2 of 6``: sessions held, of those meant in all."""
    held = sum(session.status == Visit.COMPLETED for session in course.sessions.all())
    return f"{held} of {course.sessions_planned}"


def next_session(course: Course, now: datetime) -> str:
    """When the next one begins."""
    coming = (each.start_at for each in course.sessions.all() if Visit(each.status) in _COMING)
    return shown.local_time(min((start for start in coming if start > now), default=None), course.site.zone)


def alarm_label(course: Course) -> str:
    """Says that a gap left its range, or a session was lost, and nobody has dealt with it."""
    return shown.label("drift", "to plan anew") if getattr(course, "alarm", False) else ""


class AlarmFilter(DropdownFilter):
    """Courses that ask for a plan."""

    title = "drift"
    parameter_name = "drift"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """One way or the other."""
        return [("yes", "To plan anew"), ("no", "As meant")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By the annotation of :func:`with_alarm`."""
        wanted = {"yes": True, "no": False}.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(alarm=wanted)


@admin.register(Course)
class CourseAdmin(RecordAdmin):
    """Nothing about a course is typed in: it is planned, booked, and changed by its own verbs."""

    reads, writes = "appointments.read", "appointments.write"
    list_display = ("course", "patient_link", "site", "held", "next_at", "status_shown", "drift")
    list_display_links = ("course",)
    list_filter = (SiteFilter, ("status", ChoicesDropdownFilter), AlarmFilter, "template")
    list_filter_submit = True
    empty_hint = "No course yet. Plan the first one with the + above, or from a patient's page."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Course]:
        """With what the list and the page show."""
        rows: QuerySet[Course] = super().get_queryset(request)
        related = rows.select_related("patient", "template", "site", "visit_type")
        return with_alarm(related).prefetch_related("sessions")

    @display(description="course", ordering="template__name")  # type: ignore[untyped-decorator]
    def course(self, obj: Course) -> str:
        """The name of its template."""
        return obj.template.name

    @display(description="patient")  # type: ignore[untyped-decorator]
    def patient_link(self, obj: Course) -> str:
        """To the patient's page."""
        return shown.to("patients_patient_record", obj.patient_id, text=obj.patient)

    @display(description="sessions held")  # type: ignore[untyped-decorator]
    def held(self, obj: Course) -> str:
        """Of those meant in all."""
        return of_planned(obj)

    @display(description="next session")  # type: ignore[untyped-decorator]
    def next_at(self, obj: Course) -> str:
        """On the clocks of the site."""
        return next_session(obj, clock.now())

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: Course) -> str:
        """As coloured text."""
        return shown.label(obj.status, obj.get_status_display())

    @display(description="drift")  # type: ignore[untyped-decorator]
    def drift(self, obj: Course) -> str:
        """A flag that leads to the course, which says what is wrong."""
        return alarm_label(obj)

    def get_urls(self) -> list[URLPattern]:
        """Planning, and what changes a course."""
        return [
            self.route("plan/", self.plan, "plan"),
            self.route("<int:pk>/extend/", self.extend, "extend"),
            self.route("<int:pk>/replan/", self.replan, "replan"),
            self.route("<int:pk>/interval/", self.interval, "interval"),
            self.route("<int:pk>/stop/", self.stop, "stop"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Courses are planned, not typed in."""
        return HttpResponseRedirect(reverse("admin:scheduling_course_plan"))

    def show(self, request: HttpRequest, course: Course) -> HttpResponse:
        """The page of a course."""
        actor, now = actor_in(request), clock.now()
        return self.page(
            request,
            "admin/scheduling/course.html",
            title=f"Course {course.pk}",
            course=course,
            held=of_planned(course),
            next_at=next_session(course, now),
            lost=_lost(course),
            possible=self._possible(request, course),
            sections=course_sections.sections(course, actor, now),
        )

    def plan(self, request: HttpRequest) -> HttpResponse:
        """Plan and book a course."""
        return course_planning.plan_new(self, request)

    def extend(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Add sessions."""
        return course_planning.extend(self, request, self.found(request, pk, self.writes))

    def replan(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Plan what is still to come anew."""
        return course_planning.replan(self, request, self.found(request, pk, self.writes))

    def interval(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Widen or narrow what comes after the series."""
        return self._order(
            request,
            pk,
            IntervalForm,
            course_changes.set_maintenance,
            title="Change the interval",
            button="Change the interval",
            explanation="For everything after the first series and after what has been held. Booked sessions "
            "stay where they are; where they no longer fit, the course asks for a new plan.",
        )

    def stop(self, request: HttpRequest, pk: int) -> HttpResponse:
        """End a course."""
        return self._order(
            request,
            pk,
            StopForm,
            course_changes.stop,
            title="Stop the course",
            button="Stop the course",
            explanation="Every session still to come is cancelled, its time is free at once, and messages "
            "about it are withdrawn.",
        )

    def _order(
        self,
        request: HttpRequest,
        pk: int,
        form_class: type[forms.Form],
        service: Callable[..., Course],
        **page: Any,
    ) -> HttpResponse:
        course = self.found(request, pk, self.writes)
        form = form_class(request.POST or None, initial={"version": course.version})
        done = submit(
            form,
            lambda given: service(
                actor=actor_in(request),
                now=clock.now(),
                course_id=course.pk,
                expected_version=given.pop("version"),
                **given,
            ),
        )
        back = reverse("admin:scheduling_course_change", args=[course.pk])
        if done is not None:
            messages.success(request, f"Done: {page['title'].lower()}.")
            return HttpResponseRedirect(back)
        under = f"{course.template.name} for {course.patient}"
        return self.page(request, "onset/form_page.html", form=form, back=back, under_title=under, **page)

    def _possible(self, request: HttpRequest, course: Course) -> set[str]:
        """The verbs that the table allows and the person may use."""
        if not actor_in(request).may(self.writes, course.site_id):
            return set()
        return {verb.value for verb in TRANSITIONS[Status(course.status)]}


def _lost(course: Course) -> int:
    """Sessions that were meant and are not planned any more."""
    live = sum(Visit(session.status) not in FREES_RESOURCES for session in course.sessions.all())
    return max(course.sessions_planned - live, 0)
