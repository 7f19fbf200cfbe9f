"""The same visit at the same time on other resources: another nurse, another chair.

The idea to know: for the patient nothing changes, so status and messages stay as they are. Several visits
may trade places in one transaction; then either all do or none does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import Invalid, NotFound
from clinic.common.transactions import durable
from scheduling.domain import refusals, transitions
from scheduling.domain.phases import Kind
from scheduling.domain.transitions import Status
from scheduling.models import Allocation, Appointment, Closure, Resource
from scheduling.selectors.availability import Visit
from scheduling.selectors.dosing import changed_minutes
from scheduling.services import allocations, freed, history
from scheduling.services.allocations import LostRace

_REASSIGNABLE = frozenset({Status.BOOKED, Status.CONFIRMED, Status.ARRIVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """One visit and the resources that shall serve it: one of each kind that it needs."""

    appointment_id: int
    resource_ids: frozenset[int]
    expected_version: int | None = None


def reassign(*, actor: Actor, now: datetime, swaps: Sequence[Swap], reason: str = "") -> list[Appointment]:
    """Give visits other resources at their own time, all of them or none.

    Status and messages stay; history gets an event ``reassign`` that names who left and who came. Raises
    Invalid (``wrong_resource``), Conflict (``slot_taken``; ``invalid_transition`` once a visit has begun),
    StaleVersion, NotFound, Forbidden.
    """
    try:
        return _reassign(actor=actor, now=now, swaps=swaps, reason=reason)
    except LostRace:
        raise refusals.slot_taken() from None
    except IntegrityError as error:
        raise allocations.overlap(error) from error


@durable
def _reassign(*, actor: Actor, now: datetime, swaps: Sequence[Swap], reason: str) -> list[Appointment]:
    named = {one for swap in swaps for one in swap.resource_ids}
    held = {one for swap in swaps for one in allocations.resources_of(swap.appointment_id)}
    resources = {row.pk: row for row in allocations.lock_resources(named | held)}
    _lock_patients(swaps)
    visits: list[tuple[Appointment, dict[Kind, int], str]] = []
    for swap in sorted(swaps, key=lambda each: each.appointment_id):
        visit, _held = allocations.lock_appointment(
            swap.appointment_id, expected_version=swap.expected_version, actor=actor
        )
        actor.require("appointments.write", visit.site_id)
        _require_reassignable(visit)
        chosen = _chosen(visit, [resources[one] for one in swap.resource_ids if one in resources], swap)
        before = _names(visit)
        allocations.drop(visit)
        visits.append((visit, chosen, before))
    changed_length = changed_minutes([visit.pk for visit, _chosen, _before in visits])
    for visit, chosen, before in visits:
        minutes = changed_length.get(visit.pk)
        serving = [resources[one] for one in sorted(chosen.values())]
        if not all(resource.active for resource in serving):
            raise LostRace
        visit.end_at = visit.start_at + allocations.length_of(visit.visit_type, infusion_minutes=minutes)
        versions.save(visit, "end_at")
        allocations.take(visit, chosen, serving, now=now, infusion_minutes=minutes)
        _refuse_closed(visit)
        note = f"{before} -> {_names(visit)}"[:500]
        history.record(
            visit, actor=actor, verb="reassign", before=visit.status, now=now, reason=reason, note=note
        )
    changed = [visit for visit, _chosen, _before in visits]
    freed.taken(changed, now=now)
    return changed


def _lock_patients(swaps: Sequence[Swap]) -> None:
    """All patients before any appointment, in id order."""
    ids = Appointment.objects.filter(pk__in=[swap.appointment_id for swap in swaps])
    for patient_id in sorted(set(ids.values_list("patient_id", flat=True))):
        allocations.lock_patient(patient_id)


def _require_reassignable(visit: Appointment) -> None:
    status = Status(visit.status)
    if status not in _REASSIGNABLE:
        raise transitions.InvalidTransition(
            status=status, detail="Only a visit that has not begun can get another chair or nurse."
        )


def _chosen(visit: Appointment, named: Sequence[Resource], swap: Swap) -> dict[Kind, int]:
    """The resource of each kind. Raises NotFound, Invalid unless each needed kind is named once."""
    if len(named) != len(swap.resource_ids) or any(row.site_id != visit.site_id for row in named):
        raise NotFound("One of these resources does not exist at the site of the visit.")
    chosen = {Kind(row.kind): row.pk for row in named}
    needed = {need.kind for need in Visit.of(visit.visit_type).requirements}
    if not needed or len(chosen) != len(named) or set(chosen) != needed:
        raise Invalid("Name one resource of each kind that this visit needs.", code="wrong_resource")
    return chosen


def _refuse_closed(visit: Appointment) -> None:
    """What it holds now is open then. Raises LostRace."""
    of_site = Closure.objects.filter(site=visit.site_id, start_at__lt=visit.end_at, end_at__gt=visit.start_at)
    held = list(visit.allocations.filter(released_at__isnull=True))
    closures = Closure.objects.filter(
        resource__in={row.resource_id for row in held},
        start_at__lt=visit.end_at,
        end_at__gt=visit.start_at,
    )
    if of_site.exists() or any(_hits(closure, row) for closure in closures for row in held):
        raise LostRace


def _hits(closure: Closure, row: Allocation) -> bool:
    return (
        closure.resource_id == row.resource_id
        and closure.start_at < row.end_at
        and closure.end_at > row.start_at
    )


def _names(visit: Appointment) -> str:
    held = Resource.objects.filter(
        allocations__appointment=visit, allocations__released_at__isnull=True
    ).distinct()
    return ", ".join(row.name for row in held.order_by("kind", "name"))
