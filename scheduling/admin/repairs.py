"""Repairs in the admin: ask where visits could go that lost their place, look, accept or reject.

While a worker is at it, the page asks again by itself; nothing moves before a person accepts.
"""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import RecordAdmin, SiteFilter, actor_in
from clinic.access.admin.refusals import attempt
from clinic.common import clock
from scheduling.admin import repair_changes, repair_request
from scheduling.admin.booking import admin_version
from scheduling.models import Repair, RepairChange
from scheduling.services import repairs

REFRESH_SECONDS = 3
_GAVE_UP = (
    "The computation did not end well three times. Ask again for a shorter stretch, or move the visits "
    "one by one."
)


def cause(repair: Repair) -> str:
    """Why visits lost their place: ``Nurse 1 is away, …``."""
    zone = repair.site.zone
    if repair.closure_id is not None and repair.closure is not None:
        closure = repair.closure
        owner = closure.resource.name if closure.resource else repair.site.name
        return f"{owner} is closed: {closure.reason or 'no reason given'}"
    if repair.start_at is not None:
        what = f"{repair.resource.name} is away" if repair.resource else f"{repair.site.name} is closed"
        return f"{what}, {shown.local_time(repair.start_at, zone)} to {shown.local_time(repair.end_at, zone)}"
    count = len(repair.appointment_ids)
    return f"{count} visit{'' if count == 1 else 's'}" if count else "a closure that was taken back"


@admin.register(Repair)
class RepairAdmin(RecordAdmin):
    """Asked for by people, computed by a worker, decided by people."""

    reads, writes = "appointments.read", "appointments.write"
    list_display = ("asked", "why", "site", "status_shown", "moves", "without_place")
    list_display_links = ("asked",)
    list_filter = (SiteFilter, ("status", ChoicesDropdownFilter))
    empty_hint = "Nobody asked for a repair yet. When somebody calls in sick, use the + above."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Repair]:
        """With its cause."""
        rows: QuerySet[Repair] = super().get_queryset(request)
        return rows.select_related("site", "closure__resource", "resource", "requested_by", "settled_by")

    @display(description="asked for", ordering="requested_at")  # type: ignore[untyped-decorator]
    def asked(self, obj: Repair) -> str:
        """On the clocks of the site."""
        return shown.local_time(obj.requested_at, obj.site.zone)

    @display(description="cause")  # type: ignore[untyped-decorator]
    def why(self, obj: Repair) -> str:
        """In words."""
        return cause(obj)

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: Repair) -> str:
        """As coloured text."""
        return shown.label(obj.status, obj.get_status_display())

    @display(description="patients moved", ordering="patients_moved")  # type: ignore[untyped-decorator]
    def moves(self, obj: Repair) -> str:
        """To another time, of the proposal."""
        return str(obj.patients_moved) if obj.proposed_at else shown.NOTHING

    @display(description="without a place", ordering="unplaced")  # type: ignore[untyped-decorator]
    def without_place(self, obj: Repair) -> str:
        """Visits that need a call."""
        return str(obj.unplaced) if obj.proposed_at else shown.NOTHING

    def get_urls(self) -> list[URLPattern]:
        """Asking, accepting, rejecting."""
        return [
            self.route("new/", self.new, "new"),
            self.route("<int:pk>/accept/", self.accept, "accept", post=True),
            self.route("<int:pk>/reject/", self.reject, "reject", post=True),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """To our own form, where the question stays."""
        query = f"?{request.GET.urlencode()}" if request.GET else ""
        return HttpResponseRedirect(reverse("admin:scheduling_repair_new") + query)

    def new(self, request: HttpRequest) -> HttpResponse:
        """Ask for a repair."""
        return repair_request.new(self, request)

    def show(self, request: HttpRequest, repair: Repair) -> HttpResponse:
        """The page of a repair."""
        rows = repair_changes.rows(repair)
        may_write = self.may(request, self.writes, repair)
        return self.page(
            request,
            "admin/scheduling/repair.html",
            title=f"Repair {repair.pk}",
            repair=repair,
            cause=cause(repair),
            zone=repair.site.zone,
            refresh=REFRESH_SECONDS if repair.status in Repair.UNFINISHED else 0,
            failure=_GAVE_UP if repair.failure == "gave_up" else repair.failure,
            groups=repair_changes.groups(rows),
            pending=any(row.pending for row in rows),
            may_accept=may_write and repair.status == Repair.Status.PROPOSED,
            may_reject=may_write and repair.status in {*Repair.UNFINISHED, Repair.Status.PROPOSED},
        )

    def accept(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Carry out what was ticked."""
        repair = self.found(request, pk)
        chosen = [int(each) for each in request.POST.getlist("visit") if each.isdecimal() and len(each) < 19]  # noqa: PLR2004 - fits the column
        if not chosen and any(change.pending for change in repair.changes.all()):
            messages.error(request, "Tick the visits that shall be moved, or reject the proposal.")
            return self.to(repair.pk)
        done = attempt(
            request,
            lambda: repairs.accept(
                actor=actor_in(request),
                now=clock.now(),
                repair_id=repair.pk,
                appointment_ids=chosen,
                expected_version=admin_version(request),
            ),
        )
        if done is not None:
            _tell(request, done)
        return self.to(repair.pk)

    def reject(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Nothing (more) of it shall happen."""
        repair = self.found(request, pk)
        done = attempt(
            request,
            lambda: repairs.discard(
                actor=actor_in(request),
                now=clock.now(),
                repair_id=repair.pk,
                expected_version=admin_version(request),
            ),
        )
        if done is not None:
            messages.success(request, "Rejected. Visits stay where they are.")
        return self.to(repair.pk)


def _tell(request: HttpRequest, repair: Repair) -> None:
    """What came of it, in one sentence each."""
    outcome = RepairChange.Outcome
    counts = repair.changes.aggregate(
        done=Count("pk", filter=Q(outcome__in=[outcome.MOVED, outcome.REASSIGNED])),
        left=Count("pk", filter=Q(outcome__in=[outcome.STALE, outcome.REFUSED])),
    )
    messages.success(request, f"{_visits(counts['done'])} moved or given to somebody else; messages follow.")
    if counts["left"]:
        messages.warning(
            request, f"{_visits(counts['left'])} changed meanwhile and stayed. The reasons are below."
        )


def _visits(count: int) -> str:
    return f"{count} visit{'' if count == 1 else 's'}"
