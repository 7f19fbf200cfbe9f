"""How time on resources is taken and given back. Everything here runs inside a caller's transaction.

The order of locks is fixed: resources by id (the site, for a visit that needs none), then the patient,
then the appointment. What a search
found before the locks is only a proposal; under the locks the same search decides.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError

from clinic.access.policy import SYSTEM, Actor
from clinic.access.services import lock_site
from clinic.common import rows as stored
from clinic.common import versions
from clinic.common.errors import Conflict, DomainError, NotFound
from clinic.common.intervals import Interval
from clinic.common.transactions import violated
from patients.models import Patient
from scheduling.domain import lanes, refusals
from scheduling.domain.phases import Kind
from scheduling.models import Allocation, Appointment, Hold, Resource, VisitType
from scheduling.selectors import under_locks
from scheduling.selectors.availability import Question, Visit, search
from scheduling.selectors.dosing import changed_minutes
from scheduling.services import freed

_REACH = timedelta(hours=48)
"""How far around a visit lanes are dealt out anew where they are fragmented."""


class LostRace(Exception):
    """Between the search and the locks somebody took what was proposed. Search again."""


def lock_resources(ids: Collection[int]) -> list[Resource]:
    """Lock resource rows in id order: whoever changes what is booked on them does this first."""
    return stored.lock(Resource, ids)


def lock_for_visit(ids: Collection[int], *, site_id: int) -> list[Resource]:
    """Lock what a visit holds. One that needs no resource locks its site instead, so that a closure
    cannot pass it unseen."""
    if not ids:
        lock_site(site_id=site_id)
        return []
    return lock_resources(ids)


def lock_patient(patient_id: int) -> Patient:
    """Lock a patient row, after any resources."""
    for patient in stored.lock(Patient, [patient_id]):
        return patient
    raise NotFound("This patient does not exist.")


def lock_appointment(
    appointment_id: int, *, expected_version: int | None, actor: Actor = SYSTEM
) -> tuple[Appointment, list[Resource]]:
    """Lock an appointment after the resources it has (or had) and its patient, and return the first two.

    Raises NotFound, StaleVersion, and Conflict (``moved_meanwhile``) when it changed resources on the way.
    """
    held = resources_of(appointment_id)
    visible = Appointment.objects.visible_to(actor).filter(pk=appointment_id)
    found = visible.values_list("patient_id", "site_id").first()
    if found is None:
        raise NotFound("This appointment does not exist.")
    patient_id, site_id = found
    resources = lock_for_visit(held, site_id=site_id)
    patient = lock_patient(patient_id)
    appointment = (
        Appointment.objects.select_for_update(of=("self",))
        .select_related("visit_type", "site")
        .get(pk=appointment_id)
    )
    if resources_of(appointment_id) != held:
        raise Conflict("The appointment was moved just now. Read it again.", code="moved_meanwhile")
    versions.require_version(appointment, expected_version)
    appointment.patient = patient
    return appointment, resources


def resources_of(appointment_id: int) -> frozenset[int]:
    """The resources of an appointment, released or not."""
    rows = Resource.objects.filter(allocations__appointment_id=appointment_id)
    return frozenset(rows.order_by().values_list("pk", flat=True))


def propose(question: Question, start: datetime) -> dict[Kind, int]:
    """The best free resource of each kind. Raises Invalid or Conflict saying why there is none."""
    found = search(question)
    best = {kind: ids[0] for kind, ids in found.candidates(start).items()}
    if not found.allows(start):
        reasons = found.reasons()
        raise refusals.refusal(reasons[0]) if reasons else refusals.slot_taken()
    return best


def verify(
    *,
    site_id: int,
    start: datetime,
    visit_type: VisitType,
    resources: Collection[Resource],
    infusion_minutes: int | None = None,
) -> None:
    """Under the locks: no closure came and nobody went out of service since the proposal.

    A resource may be closed while the visit no longer needs it, as the search has it. Whether the time itself
    is still free, :func:`take` finds out. Raises LostRace.
    """
    closed = under_locks.closures(
        site_id=site_id,
        resource_ids=[resource.pk for resource in resources],
        during=Interval(start, start + length_of(visit_type, infusion_minutes=infusion_minutes)),
    )
    refuse_closed(
        closed,
        start=start,
        visit_type=visit_type,
        resources=resources,
        infusion_minutes=infusion_minutes,
    )


def refuse_closed(
    closed: Iterable[under_locks.Closed],
    *,
    start: datetime,
    visit_type: VisitType,
    resources: Collection[Resource],
    infusion_minutes: int | None = None,
) -> None:
    """As :func:`verify`, given the closures around the visit."""
    visit = Visit.of(visit_type, infusion_minutes=infusion_minutes)
    used: dict[int | None, list[Interval]] = {
        resource.pk: [want.during for kind, want in uses(visit, start) if kind == resource.kind]
        for resource in resources
    }
    used[None] = [Interval(start, start + timedelta(minutes=visit.minutes))]
    hit = any(
        use.overlaps(Interval(begins, ends)) for owner, begins, ends in closed for use in used.get(owner, ())
    )
    if hit or not all(resource.active for resource in resources):
        raise LostRace


def uses(visit: Visit, start: datetime) -> list[tuple[Kind, lanes.Wanted]]:
    """All that a visit which starts then uses, by the kind of resource."""
    return [
        (need.kind, lanes.Wanted(need.use, Interval(start + need.offset, start + need.until)))
        for need in visit.requirements
    ]


def take(
    visit: Appointment | Hold,
    chosen: Mapping[Kind, int],
    resources: Collection[Resource],
    *,
    now: datetime,
    infusion_minutes: int | None = None,
) -> None:
    """Write the allocations of a visit or a hold, re-packing the lanes of its neighbours where they fragment.

    ``infusion_minutes`` when its infusion is longer or shorter than its type's. Expired holds give way
    first. Raises LostRace when the exact minutes do not fit (the search works in five-minute ticks),
    Conflict (``patient_busy``) when a hold keeps the patient's time.
    """
    refuse_held_patient(visit, now=now)
    hold, appointment = (visit, None) if isinstance(visit, Hold) else (None, visit)
    wanted: dict[int, list[lanes.Wanted]] = defaultdict(list)
    for kind, want in uses(Visit.of(visit.visit_type, infusion_minutes=infusion_minutes), visit.start_at):
        wanted[chosen[kind]].append(want)
    neighbours = _neighbours(wanted, visit, now)
    placements = [_placed(wanted[each.pk], neighbours[each.pk], each) for each in resources]
    if any(placed.moves for placed in placements):
        neighbours = _neighbours(wanted, visit, now, reach=_REACH)
        placements = [_placed(wanted[each.pk], neighbours[each.pk], each) for each in resources]
    moved: list[Allocation] = []
    new: list[Allocation] = []
    for resource, placed in zip(resources, placements, strict=True):
        moved += [Allocation(pk=key, lane=lane) for key, lane in placed.moves.items()]
        new += [
            Allocation(
                appointment=appointment,
                hold=hold,
                expires_at=hold.expires_at if hold else None,
                resource=resource,
                use=want.use,
                lane=lane,
                start_at=want.during.start,
                end_at=want.during.end,
            )
            for want, lane in zip(wanted[resource.pk], placed.lanes, strict=True)
        ]
    if moved:
        # One statement: the exclusion constraint looks when it ends, so lanes may swap.
        Allocation.objects.bulk_update(moved, ["lane"])
    stored.insert(new)


def _placed(
    wanted: Sequence[lanes.Wanted],
    existing: Sequence[lanes.Occupied[int]],
    resource: Resource,
) -> lanes.Placements[int]:
    """Lanes for what is wanted of one resource among the rows it has. Raises LostRace."""
    placed = lanes.place_all(
        new=wanted,
        existing=existing,
        capacity=resource.capacity,
        kind=resource.kind,
    )
    if placed is None:
        raise LostRace
    return placed


def _neighbours(
    wanted: Collection[int], visit: Appointment | Hold, now: datetime, *, reach: timedelta = timedelta(0)
) -> dict[int, list[lanes.Occupied[int]]]:
    """What stands in the visit's time, or so far around it, on the locked resources.

    That decides whether the visit fits, and into which lanes if nothing need move; which rows to move
    depends on those around them too. Removes the expired holds among it.
    """
    during = Interval(visit.start_at - reach, visit.end_at + reach)
    found, over = under_locks.occupied(resource_ids=wanted, during=during, now=now)
    if over:
        Allocation.objects.filter(pk__in=over).delete()
    return found


def hand_over(hold: Hold, appointment: Appointment) -> None:
    """What the hold has becomes the visit's, as it is. The hold is locked by the caller.

    Raises Conflict (``hold_expired``) when somebody, by a clock a moment ahead of the caller's, has taken
    some of it already.
    """
    handed = hold.allocations.update(appointment=appointment, hold=None, expires_at=None)
    if handed != len(Visit.of(hold.visit_type).requirements):
        raise hold_expired()


def hold_expired() -> Conflict:
    """409: its minutes are over, and its time may be somebody else's."""
    return Conflict("This hold has expired. Search for a time again.", code="hold_expired")


def let_go(hold: Hold) -> None:
    """Give back what a hold has."""
    hold.allocations.all().delete()


def forget_expired(resource_id: int, *, now: datetime) -> None:
    """Remove what expired holds left on a locked resource."""
    Allocation.objects.filter(resource=resource_id, hold__isnull=False, expires_at__lte=now).delete()


def refuse_held_patient(visit: Appointment | Hold, *, now: datetime) -> None:
    """Another hold of this patient keeps some of this time. The patient is locked by the caller.

    Two visits exclude each other in the database; holds end by the clock, which no constraint can read.
    """
    hold_id = None
    if isinstance(visit, Hold):
        hold_id = visit.pk
        visits = Appointment.objects.filter(
            patient=visit.patient_id, start_at__lt=visit.end_at, end_at__gt=visit.start_at
        ).exclude(status__in=Appointment.FREES_RESOURCES)
        if visits.exists():
            raise patient_busy()
    during = Interval(visit.start_at, visit.end_at)
    if under_locks.patient_is_held(visit.patient_id, during=during, now=now, except_id=hold_id):
        raise Conflict(
            "A time is being held for this patient then. Use that hold, release it, or choose another time.",
            code="patient_busy",
        )


def length_of(visit_type: VisitType, *, infusion_minutes: int | None = None) -> timedelta:
    """How long the visit holds its resources, turnover included."""
    return timedelta(minutes=Visit.of(visit_type, infusion_minutes=infusion_minutes).minutes)


def drop(appointment: Appointment) -> None:
    """Forget what a visit held, because it is about to take something else; its history says from where."""
    appointment.allocations.all().delete()


def leave(appointment: Appointment, *, now: datetime) -> None:
    """As :func:`drop`, for a visit that moves to another time: those who wait are offered the old one."""
    _note_freed(appointment, cause="rescheduled", now=now)
    drop(appointment)


def release(appointment: Appointment, *, now: datetime) -> None:
    """Give back the time of a visit that will not happen; the rows stay as its history. Whoever waits for
    such a time is offered it."""
    _note_freed(appointment, cause=appointment.status, now=now)
    appointment.allocations.filter(released_at__isnull=True).update(released_at=now)


def _note_freed(appointment: Appointment, *, cause: str, now: datetime) -> None:
    held = appointment.allocations.filter(released_at__isnull=True)
    freed.note(
        appointment,
        set(held.order_by().values_list("resource_id", flat=True)),
        during=Interval(appointment.start_at, appointment.end_at),
        cause=cause,
        now=now,
    )


def retake(appointment: Appointment, resources: Collection[Resource], *, now: datetime) -> None:
    """Take again what :func:`release` gave back, on the same resources. Raises LostRace if it is gone."""
    minutes = changed_minutes([appointment.pk]).get(appointment.pk)
    verify(
        site_id=appointment.site_id,
        start=appointment.start_at,
        visit_type=appointment.visit_type,
        resources=resources,
        infusion_minutes=minutes,
    )
    chosen = {Kind(resource.kind): resource.pk for resource in resources}
    drop(appointment)
    take(appointment, chosen, resources, now=now, infusion_minutes=minutes)
    freed.taken_back(appointment, now=now)


def patient_busy() -> Conflict:
    """409: the patient is elsewhere."""
    return Conflict("The patient has another appointment. Choose another time.", code="patient_busy")


def overlap(error: IntegrityError) -> DomainError:
    """The database's last word, as a sentence. Anything but an overlap is our own fault: re-raised."""
    name = violated(error)
    if name == "appointment_patient_free":
        return patient_busy()
    if name in {"allocation_lane_free", "allocation_within_capacity"}:
        return refusals.slot_taken()
    raise error
