"""A visit whose infusion lasts longer or shorter than its type's: what comes after it moves, on the same
chair and with the same people, or it is said what stands in the way.

Runs inside a caller's transaction, with resources, patient, appointment and session locked in that order.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import Conflict, Invalid
from clinic.common.intervals import Interval, subtract
from scheduling.domain import lanes
from scheduling.domain.phases import Kind
from scheduling.models import Allocation, Appointment, InfusionSession, Resource
from scheduling.selectors import under_locks
from scheduling.selectors.availability import Calendar, Visit
from scheduling.services import allocations, freed, history
from scheduling.services.allocations import LostRace


def reserved(session: InfusionSession) -> int | None:
    """For how many minutes of infusion the visit holds its resources; None where no phase is one."""
    visit_type = session.appointment.visit_type
    return session.infusion_minutes or Visit.of(visit_type).infusion_minutes


def lay(
    *,
    session: InfusionSession,
    appointment: Appointment,
    resources: Sequence[Resource],
    minutes: int,
    actor: Actor,
    now: datetime,
    after_hours: bool,
) -> None:
    """Lay the visit's allocations anew around so many minutes of infusion. The caller saves the session.

    ``after_hours``: somebody who may has decided to stay beyond the opening hours. Raises Conflict
    (``duration_collides``, naming what is in the way; ``wrong_resource``; ``patient_busy`` when a time is
    held for the patient), Invalid (``outside_hours``, ``no_infusion_phase``, ``out_of_range``).
    """
    usual = Visit.of(appointment.visit_type)
    old = Visit.of(appointment.visit_type, infusion_minutes=session.infusion_minutes)
    session.infusion_minutes = None if minutes == usual.infusion_minutes else minutes
    new = Visit.of(appointment.visit_type, infusion_minutes=session.infusion_minutes)
    chosen = {Kind(resource.kind): resource.pk for resource in resources}
    if not chosen.keys() >= {need.kind for need in new.requirements}:
        raise Conflict(
            "Since this visit was booked its type asks for other resources. Give it one of each kind first.",
            code="wrong_resource",
        )
    was = appointment.end_at
    appointment.end_at = appointment.start_at + timedelta(minutes=new.minutes)
    if not after_hours:
        _refuse_closed(appointment, resources, old=old, new=new)
    allocations.drop(appointment)
    elsewhere = _patients_other_visits(appointment)
    if elsewhere or not _taken(session, appointment, chosen, resources, now=now):
        found = [*elsewhere, *_in_the_way(appointment, new, resources, now=now)]
        raise _collides(appointment, found, minutes=minutes)
    if appointment.end_at < was:
        freed.note(
            appointment,
            chosen.values(),
            during=Interval(appointment.end_at, was),
            cause="shortened",
            now=now,
        )
    freed.taken([appointment], now=now)
    zone = appointment.site.zone
    history.record(
        appointment,
        actor=actor,
        verb="change_duration",
        before=appointment.status,
        now=now,
        note=f"Ends {appointment.end_at.astimezone(zone):%H:%M} instead of {was.astimezone(zone):%H:%M}",
    )


def _taken(
    session: InfusionSession,
    appointment: Appointment,
    chosen: Mapping[Kind, int],
    resources: Collection[Resource],
    *,
    now: datetime,
) -> bool:
    """Whether the visit could take what it needs now."""
    versions.save(appointment, "end_at")
    try:
        allocations.take(appointment, chosen, resources, now=now, infusion_minutes=session.infusion_minutes)
    except LostRace:
        return False
    return True


def _refuse_closed(
    appointment: Appointment, resources: Collection[Resource], *, old: Visit, new: Visit
) -> None:
    """What the visit takes in addition is open. Raises Invalid (``outside_hours``) naming what is not."""
    start, end = appointment.start_at, appointment.end_at
    calendar = Calendar.load(
        site=appointment.site, resource_ids=[each.pk for each in resources], span=Interval(start, end)
    )
    closed = []
    for resource in resources:
        before, after = (_times(visit, start, resource.kind) for visit in (old, new))
        gaps = subtract(subtract(after, before), calendar.open_for(resource.pk))
        closed += [_row(appointment, gap, kind=resource.kind, resource=resource) for gap in gaps]
    if closed:
        raise Invalid(
            f"The visit would last until {end.astimezone(appointment.site.zone):%H:%M}, after hours for "
            f"{_listed(closed)}. Choose a shorter time, or a prescriber orders it with a reason.",
            code="outside_hours",
            closed=closed,
        )


def _times(visit: Visit, start: datetime, kind: str) -> list[Interval]:
    """When the visit uses its resource of this kind."""
    return [want.during for used, want in allocations.uses(visit, start) if used == kind]


def _patients_other_visits(appointment: Appointment) -> list[dict[str, Any]]:
    others = (
        Appointment.objects.filter(
            patient=appointment.patient_id, start_at__lt=appointment.end_at, end_at__gt=appointment.start_at
        )
        .exclude(pk=appointment.pk)
        .exclude(status__in=Appointment.FREES_RESOURCES)
    )
    return [
        _row(
            appointment,
            Interval(other.start_at, other.end_at),
            kind="patient",
            # A visit at another site may be none of the caller's business.
            appointment_id=other.pk if other.site_id == appointment.site_id else None,
        )
        for other in others.order_by("start_at", "id")
    ]


def _in_the_way(
    appointment: Appointment, visit: Visit, resources: Collection[Resource], *, now: datetime
) -> list[dict[str, Any]]:
    """What others hold of the resources in the time that the visit would need."""
    during = Interval(appointment.start_at, appointment.end_at)
    there, _over = under_locks.occupied(resource_ids=[each.pk for each in resources], during=during, now=now)
    keys: list[int] = []
    for resource in resources:
        keys += lanes.in_the_way(
            new=[want for kind, want in allocations.uses(visit, during.start) if kind == resource.kind],
            existing=there[resource.pk],
            capacity=resource.capacity,
            kind=resource.kind,
        )
    rows = Allocation.objects.filter(pk__in=keys).select_related("resource")
    return [
        _row(
            appointment,
            Interval(row.start_at, row.end_at),
            kind=row.resource.kind,
            resource=row.resource,
            appointment_id=row.appointment_id,
        )
        for row in rows.order_by("start_at", "id")
    ]


def _row(
    appointment: Appointment,
    during: Interval,
    *,
    kind: str,
    resource: Resource | None = None,
    appointment_id: int | None = None,
) -> dict[str, Any]:
    zone = appointment.site.zone
    return {
        "resource": resource.pk if resource else None,
        "kind": kind,
        "name": resource.name if resource else "Another visit of the patient",
        "start": during.start.astimezone(zone).isoformat(),
        "end": during.end.astimezone(zone).isoformat(),
        "appointment": appointment_id,
    }


def _collides(appointment: Appointment, found: Sequence[Mapping[str, Any]], *, minutes: int) -> Conflict:
    """409 naming what stands in the way: chairs and people, no patients."""
    end = appointment.end_at.astimezone(appointment.site.zone)
    return Conflict(
        f"With {minutes} minutes of infusion the visit would last until {end:%H:%M}. In the way: "
        f"{_listed(found)}. Choose a shorter time, or move what is in the way.",
        code="duration_collides",
        collisions=list(found),
    )


def _listed(rows: Collection[Mapping[str, Any]]) -> str:
    named = (f"{row['name']} {row['start'][11:16]}-{row['end'][11:16]}" for row in rows)
    return ", ".join(dict.fromkeys(named))
