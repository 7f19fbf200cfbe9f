"""The waiting list in the admin: who waits for what, and what was offered to them."""

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import RecordAdmin, SiteFilter, actor_in
from clinic.access.admin.refusals import attempt, submit
from clinic.common import clock
from scheduling.admin import who
from scheduling.admin.booking import admin_version
from scheduling.admin.waitlist_forms import ChangeForm, NewForm
from scheduling.admin.waitlist_shown import facts, offers_of, status_label, waited_for, window
from scheduling.domain.waitlist import TRANSITIONS, EntryStatus
from scheduling.models import WaitlistEntry
from scheduling.services import waitlist

_NEW = "admin/scheduling/wait.html"


class WaitingFilter(DropdownFilter):
    """Who may still be offered something."""

    title = "waiting"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Still, or not any more."""
        return [("yes", "Waiting now"), ("over", "Their time is over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WaitlistEntry]) -> QuerySet[WaitlistEntry]:
        """By status and by the clock."""
        now, active = clock.now(), EntryStatus.ACTIVE
        if self.value() == "yes":
            return queryset.filter(status=active, latest_at__gt=now)
        return queryset.filter(status=active, latest_at__lte=now) if self.value() == "over" else queryset


@admin.register(WaitlistEntry)
class WaitlistEntryAdmin(RecordAdmin):
    """In the order in which people are asked."""

    reads, writes = "appointments.read", "appointments.write"
    list_display = ("patient_shown", "what", "site", "when", "priority", "since", "status_shown")
    list_display_links = ("patient_shown",)
    list_filter = (SiteFilter, WaitingFilter, ("status", ChoicesDropdownFilter), "visit_type")
    list_filter_submit = True
    empty_hint = "Nobody waits. Add a patient with the + above, or from the patient's page."

    def get_queryset(self, request: HttpRequest) -> QuerySet[WaitlistEntry]:
        """With what the list and the page show."""
        rows: QuerySet[WaitlistEntry] = super().get_queryset(request)
        return rows.select_related("patient", "site", "visit_type", "course__template", "created_by")

    @display(description="patient")  # type: ignore[untyped-decorator]
    def patient_shown(self, obj: WaitlistEntry) -> str:
        """Who."""
        return str(obj.patient)

    @display(description="waits for")  # type: ignore[untyped-decorator]
    def what(self, obj: WaitlistEntry) -> str:
        """A visit, or a session of a course."""
        return waited_for(obj)

    @display(description="when")  # type: ignore[untyped-decorator]
    def when(self, obj: WaitlistEntry) -> str:
        """Days, weekdays and hours, on the clocks of the site."""
        return window(obj)

    @display(description="since", ordering="created_at")  # type: ignore[untyped-decorator]
    def since(self, obj: WaitlistEntry) -> str:
        """The day."""
        return shown.local_day(obj.created_at.astimezone(obj.site.zone).date())

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: WaitlistEntry) -> str:
        """As coloured text."""
        return status_label(obj, clock.now())

    def get_urls(self) -> list[URLPattern]:
        """Adding, changing, taking off."""
        return [
            self.route("new/", self.new, "new"),
            self.route("<int:pk>/wishes/", self.wishes, "wishes"),
            self.route("<int:pk>/cancel/", self.cancel, "cancel", post=True),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A patient is chosen first."""
        return HttpResponseRedirect(reverse("admin:scheduling_waitlistentry_new"))

    def new(self, request: HttpRequest) -> HttpResponse:
        """Put a patient on the list."""
        actor, now = actor_in(request), clock.now()
        if not actor.may(self.writes):
            raise PermissionDenied
        patient = who.chosen(request.GET.get("patient"), actor)
        if patient is None:
            return who.ask(self, request, template=_NEW, title="Add to the waiting list")
        today = now.astimezone(patient.site.zone).date()
        initial = {
            "site": patient.site_id,
            "earliest": today.isoformat(),
            "latest": (today + timedelta(days=14)).isoformat(),
            "has_escort": True,
        }
        form = NewForm(request.POST or None, initial=initial, actor=actor, patient=patient)
        added = submit(
            form,
            lambda given: waitlist.add(
                actor=actor,
                now=now,
                patient_id=patient.pk,
                site=given["site"],
                visit_type=given["visit_type"],
                course=given["course"],
                wishes=form.wishes(given["site"]),
            ),
        )
        if added is not None:
            messages.success(request, "On the waiting list. What becomes free is offered by itself.")
            return self.to(added.pk)
        return self.page(
            request, _NEW, title="Add to the waiting list", form=form, patient=patient, button="Add"
        )

    def wishes(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Change what a patient waits for."""
        entry = self.found(request, pk, self.writes)
        form = ChangeForm(request.POST or None, initial=ChangeForm.initial_of(entry))
        done = submit(
            form,
            lambda given: waitlist.change(
                actor=actor_in(request),
                now=clock.now(),
                entry_id=entry.pk,
                expected_version=given["version"],
                wishes=form.wishes(entry.site),
            ),
        )
        if done is not None:
            messages.success(request, "Changed. An offer already made stands.")
            return self.to(entry.pk)
        back = reverse("admin:scheduling_waitlistentry_change", args=[entry.pk])
        return self.page(
            request,
            "onset/form_page.html",
            title="Change what they wait for",
            under_title=f"{waited_for(entry)} for {entry.patient}",
            button="Save",
            form=form,
            back=back,
        )

    def cancel(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The patient no longer waits."""
        entry = self.found(request, pk, self.writes)
        done = attempt(
            request,
            lambda: waitlist.cancel(
                actor=actor_in(request),
                now=clock.now(),
                entry_id=entry.pk,
                expected_version=admin_version(request),
            ),
        )
        if done is not None:
            messages.success(request, "Taken off the waiting list.")
        return self.to(entry.pk)

    def show(self, request: HttpRequest, entry: WaitlistEntry) -> HttpResponse:
        """The page of an entry."""
        now = clock.now()
        may_write = self.may(request, self.writes, entry)
        return self.page(
            request,
            "admin/scheduling/waitlist_entry.html",
            title="Waiting list",
            entry=entry,
            status_shown=status_label(entry, now),
            facts=facts(entry),
            waited_for=waited_for(entry),
            possible={verb.value for verb in TRANSITIONS[EntryStatus(entry.status)]} if may_write else set(),
            sections=[offers_of(entry, now)],
        )
