"""How time on resources is taken and given back. Everything here runs inside a caller's transaction.

The order of locks is fixed: resources by id (the site, for a visit that needs none), then the patient,
then the appointment. What a search
found before the locks is only a proposal; under the locks the same search decides.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.db import IntegrityError
from django.db.models import Q

from clinic.access.policy import SYSTEM, Actor
from clinic.access.services import lock_site
from clinic.common import versions
from clinic.common.errors import Conflict, DomainError, NotFound
from clinic.common.intervals import Interval
from clinic.common.transactions import violated
from patients.models import Patient
from scheduling.domain import lanes, refusals
from scheduling.domain.phases import Kind
from scheduling.models import Allocation, Appointment, Closure, Resource, VisitType
from scheduling.selectors.availability import Question, Visit, search

_NEIGHBOURS = timedelta(hours=48)
"""How far around a visit its lane neighbours are fetched. No visit is longer than 24 hours."""


class LostRace(Exception):
    """Between the search and the locks somebody took what was proposed. Search again."""


def lock_resources(ids: Collection[int]) -> list[Resource]:
    """Lock resource rows in id order: whoever changes what is booked on them does this first."""
    return list(Resource.objects.select_for_update().filter(pk__in=set(ids)).order_by("pk"))


def lock_for_visit(ids: Collection[int], *, site_id: int) -> list[Resource]:
    """Lock what a visit holds. One that needs no resource locks its site instead, so that a closure
    cannot pass it unseen."""
    if not ids:
        lock_site(site_id=site_id)
        return []
    return lock_resources(ids)


def lock_patient(patient_id: int) -> Patient:
    """Lock a patient row, after any resources."""
    patient = Patient.objects.select_for_update().filter(pk=patient_id).first()
    if patient is None:
        raise NotFound("This patient does not exist.")
    return patient


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


def verify(*, site_id: int, start: datetime, length: timedelta, resources: Collection[Resource]) -> None:
    """Under the locks: no closure came and nobody went out of service since the proposal.

    Whether the time itself is still free, :func:`take` finds out. Raises LostRace.
    """
    closed = Closure.objects.filter(
        Q(site=site_id) | Q(resource__in=[resource.pk for resource in resources]),
        start_at__lt=start + length,
        end_at__gt=start,
    )
    if closed.exists() or not all(resource.active for resource in resources):
        raise LostRace


def take(appointment: Appointment, chosen: Mapping[Kind, int], resources: Collection[Resource]) -> None:
    """Write the allocations of a visit, re-packing the lanes of its neighbours where they fragment.

    Raises LostRace when the exact minutes do not fit (the search works in five-minute ticks).
    """
    wanted: dict[int, list[tuple[lanes.Wanted, Interval]]] = defaultdict(list)
    for requirement in Visit.of(appointment.visit_type).requirements:
        start = appointment.start_at + timedelta(minutes=requirement.offset_minutes)
        during = Interval(start, start + timedelta(minutes=requirement.minutes))
        wanted[chosen[requirement.kind]].append((lanes.Wanted(requirement.use, during), during))
    neighbours = _neighbours(wanted, appointment)
    moved: list[Allocation] = []
    new: list[Allocation] = []
    for resource in resources:
        rows = neighbours[resource.pk]
        placed = lanes.place_all(
            new=[want for want, _during in wanted[resource.pk]],
            existing=[
                lanes.Occupied(row.pk, row.lane, Interval(row.start_at, row.end_at)) for row in rows.values()
            ],
            capacity=resource.capacity,
            kind=resource.kind,
        )
        if placed is None:
            raise LostRace
        for key, lane in placed.moves.items():
            rows[key].lane = lane
            moved.append(rows[key])
        new += [
            Allocation(
                appointment=appointment,
                resource=resource,
                use=want.use,
                lane=lane,
                start_at=during.start,
                end_at=during.end,
            )
            for (want, during), lane in zip(wanted[resource.pk], placed.lanes, strict=True)
        ]
    if moved:
        # One statement: the exclusion constraint looks when it ends, so lanes may swap.
        Allocation.objects.bulk_update(moved, ["lane"])
    Allocation.objects.bulk_create(new)


def _neighbours(wanted: Collection[int], appointment: Appointment) -> defaultdict[int, dict[int, Allocation]]:
    found: defaultdict[int, dict[int, Allocation]] = defaultdict(dict)
    for row in (
        Allocation.objects.filter(
            resource__in=list(wanted),
            released_at__isnull=True,
            start_at__lt=appointment.end_at + _NEIGHBOURS,
            end_at__gt=appointment.start_at - _NEIGHBOURS,
        )
        .order_by()
        .only("pk", "resource_id", "lane", "start_at", "end_at")
    ):
        found[row.resource_id][row.pk] = row
    return found


def length_of(visit_type: VisitType) -> timedelta:
    """How long the visit holds its resources, turnover included."""
    return timedelta(minutes=Visit.of(visit_type).minutes)


def drop(appointment: Appointment) -> None:
    """Forget what a visit held, because it is about to take something else; its history says from where."""
    appointment.allocations.all().delete()


def release(appointment: Appointment, *, now: datetime) -> None:
    """Give back the time of a visit that will not happen; the rows stay as its history."""
    appointment.allocations.filter(released_at__isnull=True).update(released_at=now)


def retake(appointment: Appointment, resources: Collection[Resource]) -> None:
    """Take again what :func:`release` gave back, on the same resources. Raises LostRace if it is gone."""
    verify(
        site_id=appointment.site_id,
        start=appointment.start_at,
        length=appointment.end_at - appointment.start_at,
        resources=resources,
    )
    chosen = {Kind(resource.kind): resource.pk for resource in resources}
    drop(appointment)
    take(appointment, chosen, resources)


def overlap(error: IntegrityError) -> DomainError:
    """The database's last word, as a sentence. Anything but an overlap is our own fault: re-raised."""
    name = violated(error)
    if name == "appointment_patient_free":
        return Conflict("The patient has another appointment. Choose another time.", code="patient_busy")
    if name in {"allocation_lane_free", "allocation_within_capacity"}:
        return refusals.slot_taken()
    raise error
