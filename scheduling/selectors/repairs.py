"""Reads around repairs: which visits are hit, and the problem a repair is computed from.

The idea to know: the problem is a snapshot. Versions are remembered with the proposal, and accepting it
looks at everything again.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Min, Q, QuerySet

from clinic.common.intervals import Interval, subtract
from scheduling.domain import repair as domain
from scheduling.domain.phases import Kind
from scheduling.domain.ticks import Axis, Taken
from scheduling.models import Allocation, Appointment, Closure, Hold, Repair, Resource
from scheduling.selectors import repair_courses
from scheduling.selectors.availability import Calendar, Visit
from scheduling.selectors.closures import ACTIVE, affected_appointments, with_affected

MAX_HIT = 200
"""Visits of one repair: a bound on its work, several full days of a large clinic."""
MAX_AROUND = 60
"""Visits around them that may swap resources to make room; those nearest in time."""
MAX_DAYS = 62
"""From the first hit visit to the last."""
_MOVABLE = (Appointment.Status.BOOKED, Appointment.Status.CONFIRMED)


@dataclass(frozen=True)
class Snapshot:
    """What a repair is computed from. ``under_way`` are hit visits that have begun: nobody moves them."""

    problem: domain.Problem
    hit: Mapping[int, Appointment]
    around: Mapping[int, Appointment]
    under_way: Sequence[Appointment]
    held: Mapping[int, Mapping[Kind, int]]


def next_due_at() -> datetime | None:
    """When the oldest repair that waits was asked for."""
    oldest: datetime | None = Repair.objects.filter(status=Repair.Status.QUEUED).aggregate(
        oldest=Min("requested_at")
    )["oldest"]
    return oldest


def running() -> bool:
    """Whether a worker is at one now, or died over it."""
    return Repair.objects.filter(status=Repair.Status.RUNNING).exists()


def hit_by(repair: Repair, *, now: datetime) -> QuerySet[Appointment]:
    """The visits at its site that the cause of this repair hits and that have not ended, in order of time."""
    if repair.closure_id is not None:
        closure = with_affected(Closure.objects.all()).get(pk=repair.closure_id)
        chosen = Q(pk__in=affected_appointments(closure))
    elif repair.resource_id is not None:
        held = Allocation.objects.filter(
            resource=repair.resource_id,
            released_at__isnull=True,
            start_at__lt=repair.end_at,
            end_at__gt=repair.start_at,
        )
        chosen = Q(pk__in=held.values("appointment_id"))
    elif repair.start_at is not None:
        chosen = Q(start_at__lt=repair.end_at, end_at__gt=repair.start_at)
    else:
        chosen = Q(pk__in=repair.appointment_ids)
    found = Appointment.objects.filter(chosen, site=repair.site_id, status__in=ACTIVE, end_at__gt=now)
    return found.order_by("start_at", "id")


def snapshot(repair: Repair, *, now: datetime) -> Snapshot | None:
    """Everything the repair needs, or None when nothing is hit any more. A fixed number of queries."""
    rows = list(hit_by(repair, now=now).select_related("visit_type", "course")[:MAX_HIT])
    hit = {row.pk: row for row in rows if row.status != Appointment.Status.IN_PROGRESS}
    under_way = [row for row in rows if row.status == Appointment.Status.IN_PROGRESS]
    if not rows:
        return None
    around = _around(repair, hit, now=now)
    axis = _axis(repair, [*hit.values(), *under_way], now=now)
    visits = {**hit, **around}
    held = _held(visits)
    resources = _resources(repair, visits)
    known = {row.pk for row in resources}
    around = {key: row for key, row in around.items() if _as_planned(row, held[key], known)}
    taken = _taken(resources, axis.span, inside={*hit, *around}, now=now)
    calendar = Calendar.load(site=repair.site, resource_ids=known, span=axis.span)
    away = _away(repair)
    chosen = {key: {Kind(row.resource.kind): row.resource_id for row in held[key]} for key in visits}
    days, gaps = repair_courses.limits(hit, site=repair.site, axis=axis)
    busy = _busy(hit, axis.span, now=now)
    return Snapshot(
        problem=domain.Problem(
            axis=axis,
            visits=[
                *(_visit(row, chosen[row.pk], now, busy[row.patient_id], days) for row in hit.values()),
                *(_visit(row, chosen[row.pk], now, (), {}, hit=False) for row in around.values()),
            ],
            resources=[
                domain.Resource(
                    row.pk,
                    Kind(row.kind),
                    row.capacity,
                    subtract(calendar.open_for(row.pk), away if _is_away(repair, row) else ()),
                    taken[row.pk],
                )
                for row in resources
            ],
            site_open=subtract(calendar.open_for(None), () if repair.resource_id else away),
            horizon_days=repair.horizon_days,
            gaps=gaps,
        ),
        hit=hit,
        around=around,
        under_way=under_way,
        held=chosen,
    )


def _visit(
    row: Appointment,
    held: Mapping[Kind, int],
    now: datetime,
    busy: Sequence[Interval],
    days: Mapping[int, frozenset[date]],
    *,
    hit: bool = True,
) -> domain.Visit:
    visit_type = row.visit_type
    visit = Visit.of(visit_type)
    return domain.Visit(
        id=row.pk,
        patient_id=row.patient_id,
        start_at=row.start_at,
        requirements=visit.requirements,
        minutes=visit.minutes,
        held=held,
        hit=hit,
        movable=hit and row.status in _MOVABLE and visit_type.active,
        confirmed=row.status == Appointment.Status.CONFIRMED,
        grid_minutes=visit_type.start_grid_minutes,
        earliest=now + timedelta(minutes=visit_type.min_notice_minutes),
        latest=now + timedelta(days=visit_type.horizon_days),
        busy=tuple(busy),
        days=days.get(row.pk),
    )


def _around(repair: Repair, hit: Mapping[int, Appointment], *, now: datetime) -> dict[int, Appointment]:
    """Visits to come that overlap a hit one in time, nearest to the first hit ones."""
    overlapping = Q()
    for row in hit.values():
        overlapping |= Q(start_at__lt=row.end_at, end_at__gt=row.start_at)
    if not overlapping:
        return {}
    rows = (
        Appointment.objects.filter(overlapping, site=repair.site_id, status__in=_MOVABLE, start_at__gt=now)
        .exclude(pk__in=hit)
        .select_related("visit_type")
        .order_by("start_at", "id")
    )
    return {row.pk: row for row in rows[:MAX_AROUND]}


def _axis(repair: Repair, rows: Sequence[Appointment], *, now: datetime) -> Axis:
    """From the first day anything could move to, up to the last. Raises ValueError beyond 400 days."""
    zone = repair.site.zone
    reach = timedelta(days=repair.horizon_days)
    earliest = min(row.start_at for row in rows).astimezone(zone).date()
    last = max(row.start_at for row in rows).astimezone(zone).date() + reach
    first = min(earliest, max(now.astimezone(zone).date(), earliest - reach))
    longest = max((Visit.of(row.visit_type).minutes for row in rows), default=0)
    return Axis.over(first=first, days=(last - first).days + 1, zone=zone, visit_minutes=longest)


def _held(visits: Collection[int]) -> defaultdict[int, list[Allocation]]:
    """What each visit holds now."""
    found: defaultdict[int, list[Allocation]] = defaultdict(list)
    rows = Allocation.objects.filter(appointment__in=list(visits), released_at__isnull=True)
    for row in rows.select_related("resource").order_by("pk"):
        assert row.appointment_id is not None  # noqa: S101 - the filter above
        found[row.appointment_id].append(row)
    return found


def _resources(repair: Repair, visits: Mapping[int, Appointment]) -> list[Resource]:
    kinds = {need.kind for row in visits.values() for need in Visit.of(row.visit_type).requirements}
    found = Resource.objects.filter(site=repair.site_id, kind__in=kinds, active=True)
    return list(found.order_by("pk"))


def _as_planned(row: Appointment, held: Sequence[Allocation], known: Collection[int]) -> bool:
    """Whether a visit holds just what its type asks today, on resources in service: else it is left alone."""
    asked = sorted(
        (need.kind.value, need.use.value, row.start_at + timedelta(minutes=need.offset_minutes))
        for need in Visit.of(row.visit_type).requirements
    )
    return (
        sorted((each.resource.kind, each.use, each.start_at) for each in held) == asked
        and row.end_at - row.start_at == timedelta(minutes=Visit.of(row.visit_type).minutes)
        and all(each.resource_id in known for each in held)
    )


def _taken(
    resources: Sequence[Resource], span: Interval, *, inside: Collection[int], now: datetime
) -> defaultdict[int, list[Taken]]:
    """What visits outside the problem, and holds, take of each resource."""
    rows = Allocation.objects.standing(now).filter(
        resource__in=[row.pk for row in resources], start_at__lt=span.end, end_at__gt=span.start
    )
    found: defaultdict[int, list[Taken]] = defaultdict(list)
    columns = ("appointment_id", "resource_id", "use", "start_at", "end_at")
    for appointment_id, resource_id, use, start, end in rows.order_by().values_list(*columns):
        if appointment_id not in inside:
            found[resource_id].append((use, start, end))
    return found


def _away(repair: Repair) -> list[Interval]:
    """The stretch asked about when no closure says it; a closure is in the calendar already."""
    if repair.start_at is None or repair.end_at is None:
        return []
    return [Interval(repair.start_at, repair.end_at)]


def _is_away(repair: Repair, resource: Resource) -> bool:
    return repair.resource_id in {None, resource.pk}


def _busy(
    hit: Mapping[int, Appointment], span: Interval, *, now: datetime
) -> defaultdict[int, list[Interval]]:
    """When each patient is elsewhere: other visits at any site, and times held for them."""
    patients = {row.patient_id for row in hit.values()}
    within = {"patient__in": patients, "start_at__lt": span.end, "end_at__gt": span.start}
    visits = Appointment.objects.filter(**within).exclude(status__in=Appointment.FREES_RESOURCES)
    columns = ("patient_id", "start_at", "end_at")
    found: defaultdict[int, list[Interval]] = defaultdict(list)
    for rows in (visits.exclude(pk__in=hit), Hold.objects.active(now).filter(**within)):
        for patient_id, start, end in rows.order_by().values_list(*columns):
            found[patient_id].append(Interval(start, end))
    return found
