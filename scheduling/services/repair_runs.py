"""Computing repairs in a worker. The row is the work: it is leased by PostgreSQL's clock, computed outside
any transaction, and written only by the worker that still holds the lease.

The idea to know: one repair at a time in the whole system. A computation fills a processor for its time
limit, and the other worker processes are there for messages.
"""

from datetime import datetime, timedelta
from uuid import uuid4

import structlog
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from clinic.common import versions
from clinic.common.transactions import durable
from scheduling.domain import repair_solver
from scheduling.domain.phases import Kind
from scheduling.domain.repair import Answer, Place
from scheduling.domain.repair_order import in_order
from scheduling.models import Appointment, Repair, RepairChange
from scheduling.selectors.repairs import Snapshot, snapshot

MAX_ATTEMPTS = 3
"""A repair whose worker died so often is given up: it would go on killing workers."""
_MARGIN = timedelta(seconds=60)
"""What reading and writing may take beside the time limit before another worker takes over."""
_ONE_AT_A_TIME = 7_304_112

log = structlog.get_logger(__name__)


def run_next(*, now: datetime) -> bool:
    """Compute the next repair that waits; False when there is none, or one is being computed."""
    repair = _claim(now=now)
    if repair is None:
        return False
    try:
        found = snapshot(repair, now=now)
        answer = repair_solver.repair(found.problem, seconds=repair.time_limit_seconds) if found else None
    except Exception:
        _put_back(repair=repair)
        raise
    _propose(repair=repair, changes=_changes(repair, found, answer), answer=answer, now=now)
    return True


@durable
def _claim(*, now: datetime) -> Repair | None:
    """Lease the oldest that waits, or one whose lease ran out."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ONE_AT_A_TIME])
    if Repair.objects.filter(status=Repair.Status.RUNNING, leased_until__gt=Now()).exists():
        return None
    waiting = (
        Repair.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("site")
        .filter(Q(status=Repair.Status.QUEUED) | Q(status=Repair.Status.RUNNING, leased_until__lte=Now()))
        .order_by("requested_at", "id")
    )
    for repair in waiting:
        if repair.attempts >= MAX_ATTEMPTS:
            _fail(repair, "gave_up")
            continue
        repair.status, repair.claim = Repair.Status.RUNNING, uuid4()
        repair.leased_until = Now() + timedelta(seconds=repair.time_limit_seconds) + _MARGIN
        repair.attempts += 1
        versions.save(repair, "status", "claim", "leased_until", "attempts")
        return repair
    return None


def _fail(repair: Repair, code: str) -> None:
    repair.status, repair.failure = Repair.Status.FAILED, code
    repair.claim, repair.leased_until = None, None
    versions.save(repair, "status", "failure", "claim", "leased_until")
    log.error("repair_failed", repair=repair.pk, code=code)


@durable
def _put_back(*, repair: Repair) -> None:
    """Something went wrong that may not happen again: the next tick tries once more."""
    ours = Repair.objects.select_for_update().filter(pk=repair.pk, claim=repair.claim).first()
    if ours is not None:
        ours.status, ours.claim, ours.leased_until = Repair.Status.QUEUED, None, None
        versions.save(ours, "status", "claim", "leased_until")


@durable
def _propose(*, repair: Repair, changes: list[RepairChange], answer: Answer | None, now: datetime) -> None:
    """Write the proposal, unless it was discarded or another worker took over meanwhile."""
    ours = Repair.objects.select_for_update().filter(pk=repair.pk, claim=repair.claim).first()
    if ours is None:
        return
    RepairChange.objects.bulk_create(changes)
    ours.status, ours.claim, ours.leased_until = Repair.Status.PROPOSED, None, None
    ours.proposed_at, ours.optimal = now, answer is None or answer.optimal
    ours.unplaced = sum(change.to_start_at is None for change in changes)
    fields = ["patients_moved", "confirmed_moved", "to_another_day", "minutes_shifted", "resources_changed"]
    for field in fields:
        setattr(ours, field, getattr(answer.disruption, field) if answer else 0)
    versions.save(ours, "status", "claim", "leased_until", "proposed_at", "optimal", "unplaced", *fields)
    log.info("repair_proposed", repair=ours.pk, changes=len(changes), optimal=ours.optimal)


def _changes(repair: Repair, found: Snapshot | None, answer: Answer | None) -> list[RepairChange]:
    """Every hit visit, and those around them that change resources; in the order of carrying them out."""
    if found is None or answer is None:
        return []
    visits = {**found.hit, **found.around}
    groups = in_order(found.problem, answer.places)
    moving = {one for group in groups for one in group}
    rest = [[each.id] for each in found.problem.visits if each.hit and each.id not in moving]
    changes = []
    for together, group in enumerate([*groups, *rest]):
        changes += [_change(repair, visits[one], found, answer.places[one], together) for one in group]
    for together, visit in enumerate(found.under_way, start=len(changes)):
        changes.append(_change(repair, visit, found, None, together))
    for sequence, change in enumerate(changes):
        change.sequence = sequence
    return changes


def _change(
    repair: Repair, visit: Appointment, found: Snapshot, place: Place | None, together: int
) -> RepairChange:
    held: dict[Kind, int] = dict(found.held.get(visit.pk, {}))
    return RepairChange(
        repair=repair,
        appointment=visit,
        appointment_version=visit.version,
        together=together,
        from_start_at=visit.start_at,
        from_resources=sorted(held.values()),
        to_start_at=found.problem.axis.instant(place.start) if place else None,
        to_resources=sorted(place.resources.values()) if place else [],
        reason="" if place else _why_none(visit),
    )


def _why_none(visit: Appointment) -> str:
    """Why a visit gets no place, as a code that the API puts into words."""
    return {
        Appointment.Status.IN_PROGRESS.value: "under_way",
        Appointment.Status.ARRIVED.value: "patient_is_here",
    }.get(visit.status, "no_place")
