"""Visits in the admin: lists by day, one page per visit with exactly the steps that are possible now."""

from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import RecordAdmin, SiteFilter, actor_in
from clinic.access.admin.refusals import attempt
from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common import clock
from scheduling.admin import booking, day_board, session, visit_sections
from scheduling.domain import board_steps, transitions
from scheduling.domain.transitions import Status, Verb
from scheduling.models import Appointment
from scheduling.models.infusion_rules import INFUSED
from scheduling.services import history, visit_steps

_VERBS = {
    Verb.CONFIRM: "Confirm",
    Verb.CHECK_IN: "Patient is here",
    Verb.START: "Start",
    Verb.COMPLETE: "Complete",
    Verb.NO_SHOW: "Did not come",
    Verb.CANCEL: "Cancel visit",
}
_CLINICAL = frozenset({Verb.START, Verb.COMPLETE})


class DayFilter(DropdownFilter):
    """Days as each site counts them."""

    title = "day"
    parameter_name = "day"
    spans = {"today": (0, 1), "tomorrow": (1, 2), "week": (0, 7), "past": (-365, 0)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The days most asked for; the date list above the table has the others."""
        return [("today", "Today"), ("tomorrow", "Tomorrow"), ("week", "Next 7 days"), ("past", "Past year")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Appointment]) -> QuerySet[Appointment]:
        """Each site's day begins at its own midnight."""
        span = self.spans.get(self.value() or "")
        if span is None:
            return queryset
        return queryset.filter(within_days(actor_in(request), clock.now(), *span))


def within_days(actor: Actor, now: datetime, first: int, end: int) -> Q:
    """Visits that start between two midnights, counted in days from today at each site."""
    found = Q(pk__in=())
    for site in Site.objects.visible_to(actor):
        today = now.astimezone(site.zone).date()
        start, until = (
            datetime.combine(today + timedelta(days=days), time(), site.zone) for days in (first, end)
        )
        found |= Q(site_id=site.pk, start_at__gte=start, start_at__lt=until)
    return found


@admin.register(Appointment)
class AppointmentAdmin(RecordAdmin):
    """Lists, the page of a visit, and its steps. Nothing about a visit is edited in a form."""

    reads, writes = "appointments.read", "appointments.write"
    list_display = ("starts", "patient_link", "visit_type", "site", "status_shown")
    list_display_links = ("starts",)
    list_filter = (DayFilter, SiteFilter, ("status", ChoicesDropdownFilter), "visit_type")
    list_filter_submit = True
    date_hierarchy = "start_at"
    ordering = ("start_at", "id")
    empty_hint = "No visit fits. Choose another day, or book one with the + above."

    @display(description="start", ordering="start_at")  # type: ignore[untyped-decorator]
    def starts(self, obj: Appointment) -> str:
        """On the clocks of the site."""
        return shown.local_time(obj.start_at, obj.site.zone)

    @display(description="patient")  # type: ignore[untyped-decorator]
    def patient_link(self, obj: Appointment) -> str:
        """To the patient's page."""
        return shown.to("patients_patient_record", obj.patient_id, text=obj.patient)

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: Appointment) -> str:
        """As coloured text."""
        return shown.label(obj.status, obj.get_status_display())

    def get_urls(self) -> list[URLPattern]:
        """The day board, booking, moving and the steps."""
        return [
            *day_board.urls(self),
            self.route("book/", self.book, "book"),
            self.route("<int:pk>/move/", self.move, "move"),
            self.route("<int:pk>/step/", self.step, "step", post=True),
            self.route("<int:pk>/undo/", self.undo, "undo", post=True),
            self.route("<int:pk>/session/", partial(session.page, self), "session"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The date list counts days in the zone of the person's (first) site."""
        first = Site.objects.visible_to(actor_in(request)).first()
        with timezone.override(first.zone if first else None):
            response: HttpResponse = super().changelist_view(request, extra_context)
            if isinstance(response, TemplateResponse):
                response.render()
            return response

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Visits are booked, not typed in."""
        return HttpResponseRedirect(reverse("admin:scheduling_appointment_book"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Appointment]:
        """With what the list and the page show."""
        rows: QuerySet[Appointment] = super().get_queryset(request)
        return rows.select_related("patient", "visit_type", "site")

    def show(self, request: HttpRequest, visit: Appointment) -> HttpResponse:
        """The page of a visit."""
        actor, now = actor_in(request), clock.now()
        may_write = actor.may("appointments.write", visit.site_id)
        return self.page(
            request,
            "admin/scheduling/visit.html",
            title=f"Visit {visit.pk}",
            visit=visit,
            zone=visit.site.zone,
            steps=possible_steps(visit, actor, now),
            may_undo=can_undo(visit, actor, now),
            may_move=may_write and visit.status in {Status.BOOKED, Status.CONFIRMED},
            displaced=may_write and visit_sections.displaced(visit),
            has_session=visit.visit_type.kind in INFUSED and actor.may("gates.read", visit.site_id),
            sections=visit_sections.sections(visit, actor),
        )

    def book(self, request: HttpRequest) -> HttpResponse:
        """Book a visit."""
        return booking.book(self, request)

    def move(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Move a visit."""
        return booking.move(self, request, self.found(request, pk))

    def step(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take a step that the page offered."""
        visit = self.found(request, pk)
        try:
            verb = Verb(request.POST.get("verb", ""))
        except ValueError:
            raise Http404("There is no such step.") from None
        done = attempt(
            request,
            lambda: visit_steps.step(
                actor=actor_in(request),
                now=clock.now(),
                appointment_id=visit.pk,
                verb=verb,
                expected_version=booking.admin_version(request),
                reason=request.POST.get("reason", "").strip()[:200],
            ),
        )
        return self._back(request, visit, done, "The visit is now {}.")

    def undo(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take the latest step back."""
        visit = self.found(request, pk)
        done = attempt(
            request,
            lambda: visit_steps.undo(
                actor=actor_in(request),
                now=clock.now(),
                appointment_id=visit.pk,
                expected_version=booking.admin_version(request),
            ),
        )
        return self._back(request, visit, done, "Taken back: the visit is {} again.")

    def _back(
        self, request: HttpRequest, visit: Appointment, done: Appointment | None, said: str
    ) -> HttpResponse:
        if done is not None:
            messages.success(request, said.format(done.get_status_display().lower()))
        return self.to(visit.pk)


def possible_steps(visit: Appointment, actor: Actor, now: datetime) -> list[dict[str, Any]]:
    """The steps of the transition table that this person may take now; cancelling comes last."""
    steps = []
    for verb, text in _VERBS.items():
        if verb not in transitions.allowed(Status(visit.status)):
            continue
        needed = "infusion_day.write" if verb in _CLINICAL else "appointments.write"
        too_early = verb == Verb.NO_SHOW and now < visit.start_at
        if actor.may(needed, visit.site_id) and not too_early:
            steps.append({"verb": verb.value, "text": text, "ends": verb in {Verb.CANCEL, Verb.NO_SHOW}})
    return steps


def can_undo(visit: Appointment, actor: Actor, now: datetime) -> bool:
    """Whether this person can still take the latest step back."""
    latest = history.latest_step(visit)
    if latest is None or not board_steps.undoable(latest.verb, latest.at, now=now):
        return False
    needed = "infusion_day.write" if latest.verb in board_steps.CLINICAL else "appointments.write"
    return actor.may(needed, visit.site_id)
