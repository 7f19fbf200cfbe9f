"""Chairs, nurses, prescribers, pumps and rooms: added, changed, taken out of service. Never deleted.

Every change locks the resource first, as bookings do, so that what is listed as affected is complete.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from django.db import IntegrityError
from django.db.models import Q
from django.db.models.functions import Now

from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.access.services import lock_site
from clinic.common import changes as named
from clinic.common.errors import Conflict, DomainError, FieldError, NotFound
from clinic.common.intervals import Interval
from clinic.common.transactions import durable, violated
from clinic.common.versions import require_version
from scheduling.domain import lanes
from scheduling.domain.phases import Use
from scheduling.models import Allocation, Appointment, Resource
from scheduling.selectors.closures import ACTIVE
from scheduling.services import displaced
from scheduling.services.allocations import forget_expired

_DEFAULT_CAPACITY = {Resource.Kind.NURSE.value: 3}
"""Patients at once where a manager says nothing (API.md); whatever is not listed serves one."""


class ResourceChanges(TypedDict, total=False):
    """What may change about a resource."""

    kind: str
    name: str
    capacity: int
    active: bool


@dataclass(frozen=True)
class ResourceChange:
    """A changed resource, and the ids of appointments that now need another one."""

    resource: Resource
    affected_appointments: list[int]


@durable
def add_resource(
    *,
    actor: Actor,
    now: datetime,
    site_id: int,
    kind: str,
    name: str,
    capacity: int | None = None,
    active: bool = True,
) -> Resource:
    """Add a resource to a site. ``capacity`` is patients at once: 3 for a nurse when not given, else 1.

    Raises Conflict (``name_taken``), NotFound, Forbidden.
    """
    if not Site.objects.visible_to(actor).filter(pk=site_id).exists():
        raise NotFound("This site does not exist.")
    actor.require("setup.write", site_id)
    lock_site(site_id=site_id)  # a closure of the site either finds this resource or is seen by its bookings
    try:
        return Resource.objects.create(
            site_id=site_id,
            kind=kind,
            name=name,
            capacity=_DEFAULT_CAPACITY.get(kind, 1) if capacity is None else capacity,
            active=active,
        )
    except IntegrityError as error:
        raise _refused(error) from error


@durable
def change_resource(
    *,
    actor: Actor,
    now: datetime,
    resource_id: int,
    expected_version: int | None,
    changes: ResourceChanges,
) -> ResourceChange:
    """Change a resource. Taking it out of service opens a work item for each visit still to come on it.

    A lower capacity re-packs the lanes of visits to come. Raises Conflict (``capacity_in_use`` with
    ``affected_appointments`` when more patients than that are booked at once; ``resource_kind_fixed``;
    ``name_taken``), StaleVersion, NotFound, Forbidden.
    """
    resource = Resource.objects.visible_to(actor).select_for_update().filter(pk=resource_id).first()
    if resource is None:
        raise NotFound("This resource does not exist.")
    actor.require("setup.write", resource.site_id)
    require_version(resource, expected_version)
    forget_expired(resource.pk, now=now)
    capacity = changes.get("capacity", resource.capacity)
    if capacity < resource.capacity:
        _fit(resource, capacity, now)
    try:
        changed = named.apply(resource, changes)
    except IntegrityError as error:
        raise _refused(error) from error
    affected = _affected(resource, now) if "active" in changed else []
    return ResourceChange(resource, affected)


def _affected(resource: Resource, now: datetime) -> list[int]:
    """Visits to come on a resource that went out of service, each with a work item; none when it is back."""
    cause = f"resource:{resource.pk}"
    if resource.active:
        displaced.no_longer(cause=cause, still=(), note="The resource is back in service.", now=now)
        return []
    to_come = Allocation.objects.filter(resource=resource, released_at__isnull=True, end_at__gt=now)
    stranded = list(
        Appointment.objects.filter(status__in=ACTIVE, pk__in=to_come.values("appointment_id")).order_by("pk")
    )
    what = f"A {resource.kind} is out of service"
    displaced.ask_somebody(stranded, kind="resource_gone", cause=cause, what=what, now=now)
    return [appointment.pk for appointment in stranded]


def _fit(resource: Resource, capacity: int, now: datetime) -> None:
    """Move shared use into lanes 1 to ``capacity``. Raises Conflict (``capacity_in_use``) if it cannot."""
    # Now(): the trigger that keeps lanes within capacity reads the database's clock, which a turned
    # demo clock is ahead of.
    rows = list(
        Allocation.objects.filter(
            Q(end_at__gt=now) | Q(end_at__gt=Now()),
            resource=resource,
            released_at__isnull=True,
            use=Allocation.Use.SHARED,
        ).order_by("start_at", "pk")
    )
    moved: list[Allocation] = []
    crowded: set[int] = set()
    fits = True
    for group in _overlapping(rows):
        moves = _lanes_within(group, capacity, resource.kind)
        if moves is None:
            fits = False
            crowded |= _beyond(group, capacity)
            continue
        for row in group:
            if row.pk in moves:
                row.lane = moves[row.pk]
                moved.append(row)
    if not fits:
        raise _capacity_in_use(affected_appointments=sorted(crowded))
    if moved:
        # One statement: the exclusion constraint looks when it ends, so lanes may swap.
        Allocation.objects.bulk_update(moved, ["lane"])


def _overlapping(rows: Iterable[Allocation]) -> Iterator[list[Allocation]]:
    """Rows in order of start, split wherever nothing is under way: lanes of one group mind no other's."""
    group: list[Allocation] = []
    until: datetime | None = None
    for row in rows:
        if until is not None and row.start_at >= until:
            yield group
            group, until = [], None
        group.append(row)
        until = row.end_at if until is None else max(until, row.end_at)
    if group:
        yield group


def _lanes_within(group: Iterable[Allocation], capacity: int, kind: str) -> dict[int, int] | None:
    """New lanes by allocation id for those that must move, few others among them; None if too many."""
    rows = [(row, Interval(row.start_at, row.end_at)) for row in group]
    beyond = [(row, during) for row, during in rows if row.lane > capacity]
    placed = lanes.place_all(
        new=[lanes.Wanted(Use.SHARED, during) for _row, during in beyond],
        existing=[lanes.Occupied(row.pk, row.lane, during) for row, during in rows if row.lane <= capacity],
        capacity=capacity,
        kind=kind,
    )
    if placed is None:
        return None
    taken = {row.pk: lane for (row, _during), lane in zip(beyond, placed.lanes, strict=True)}
    return {**placed.moves, **taken}


def _beyond(group: Iterable[Allocation], capacity: int) -> set[int]:
    """Ids of the appointments served at moments when more than ``capacity`` are; holds have none."""
    rows = list(group)
    crowded: set[int] = set()
    for moment in {row.start_at for row in rows}:
        under_way = [row for row in rows if row.start_at <= moment < row.end_at]
        if len(under_way) > capacity:
            crowded |= {row.appointment_id for row in under_way if row.appointment_id is not None}
    return crowded


def _capacity_in_use(**data: list[int]) -> Conflict:
    detail = "More patients than that are booked on it at once. Move some of them first."
    return Conflict(
        detail,
        code="capacity_in_use",
        errors=[FieldError("/capacity", "capacity_in_use", detail)],
        **data,
    )


def _refused(error: IntegrityError) -> DomainError:
    """A broken constraint as a sentence; anything unforeseen is our own fault and re-raised."""
    name = violated(error)
    if name == "resource_name_once":
        detail = "This site has another resource of this kind with that name. Choose another name."
        return Conflict(detail, code="name_taken", errors=[FieldError("/name", "name_taken", detail)])
    if name == "resource_kind_fixed":
        detail = "It has bookings, so its kind stays. Make it inactive and add a new resource."
        return Conflict(detail, code=name, errors=[FieldError("/kind", name, detail)])
    if name == "resource_capacity_in_use":
        return _capacity_in_use()
    raise error
