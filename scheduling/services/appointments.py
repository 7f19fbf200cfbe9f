"""Choosing a time: book a visit, and move it.

A booking proposes without locks, then locks, looks again and writes everything in one durable
transaction. Losing a race means searching again; the database constraints have the last word.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from django.db import IntegrityError

from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common import rows as stored
from clinic.common import versions
from clinic.common.errors import Conflict, DomainError, Invalid, NotFound
from clinic.common.intervals import Interval
from clinic.common.transactions import durable
from patients.models import Patient
from scheduling.domain import refusals, transitions
from scheduling.domain.calendars import refuse_skipped
from scheduling.domain.phases import Kind
from scheduling.domain.ticks import on_grid
from scheduling.domain.transitions import Status
from scheduling.models import Appointment, Course, Hold, Resource, VisitType
from scheduling.selectors.availability import Question, nearest
from scheduling.selectors.dosing import changed_minutes
from scheduling.services import allocations, course_gaps, freed, history, reminders
from scheduling.services.allocations import LostRace

T = TypeVar("T")
RACES = 5
"""How often a booking looks again after losing a race before it says that the slot is taken."""


def book(
    *,
    actor: Actor,
    now: datetime,
    patient_id: int,
    visit_type: VisitType,
    site: Site,
    start: datetime,
    resource_ids: frozenset[int] = frozenset(),
    reason: str = "",
) -> Appointment:
    """Book one visit on the best free resources, or on those named.

    ``start`` keeps the offset it was asked with, so that a local time which the clocks skip can be
    refused. Raises Invalid (``off_grid``, ``too_soon``, ``too_far``, ``outside_hours``,
    ``no_resource``, ``wrong_resource``, ``nonexistent_time``), Conflict (``slot_taken`` with
    ``alternatives``, ``patient_busy``), NotFound, Forbidden.
    """
    actor.require("appointments.write", site.pk)
    at = checked_start(start, visit_type=visit_type, site=site, now=now)
    question = Question(
        visit_type=visit_type,
        site=site,
        window=Interval(at, at + timedelta(minutes=1)),
        now=now,
        patient_id=patient_id,
        resource_ids=resource_ids,
    )
    check_named(question)
    work = partial(_book, actor=actor, question=question, patient_id=patient_id, start=at, reason=reason)
    return race(work, question, at)


@durable
def _book(*, actor: Actor, question: Question, patient_id: int, start: datetime, reason: str) -> Appointment:
    chosen = allocations.propose(question, start)
    resources = allocations.lock_for_visit(chosen.values(), site_id=question.site.pk)
    patient = allocations.lock_patient(patient_id)
    check_patient(patient, actor)
    return write(
        actor=actor,
        question=question,
        patient=patient,
        start=start,
        chosen=chosen,
        resources=resources,
        reason=reason,
    )


def write(
    *,
    actor: Actor,
    question: Question,
    patient: Patient,
    start: datetime,
    chosen: Mapping[Kind, int],
    resources: list[Resource],
    reason: str,
    hold: Hold | None = None,
    course: Course | None = None,
) -> Appointment:
    """The booking itself, with resources and patient (and the hold it uses) locked by the caller.

    Raises LostRace, Conflict, IntegrityError for :func:`race` to make sense of.
    """
    verify(question, start, resources)
    appointment = Appointment(
        patient=patient,
        visit_type=question.visit_type,
        site=question.site,
        start_at=start,
        end_at=hold.end_at if hold else start + allocations.length_of(question.visit_type),
        reason=reason,
        created_at=question.now,
        scheduled_at=question.now,
        course=course,
        # Only until the caller has the course number its sessions by date.
        session_number=course.sessions_planned if course else None,
    )
    stored.insert([appointment])
    if hold is None:
        allocations.take(appointment, chosen, resources, now=question.now)
        freed.taken([appointment], now=question.now)
    else:
        allocations.hand_over(hold, appointment)
    history.record(appointment, actor=actor, verb="book", before="", now=question.now, reason=reason)
    reminders.begin(appointments=[appointment], patient=patient, now=question.now)
    return appointment


def reschedule(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    start: datetime,
    resource_ids: frozenset[int] = frozenset(),
    expected_version: int | None = None,
    reason: str = "",
    note: str = "",
    recheck: Callable[[Appointment], None] | None = None,
) -> Appointment:
    """Move a visit: same id, everything checked again, unsent messages replaced by those of the new start.

    A confirmation was for the old time, so the visit is ``booked`` again. ``recheck`` refuses, under the
    locks and before anything is written, what the caller allows less than staff. Raises as :func:`book`,
    and Invalid ``same_start``.
    """
    known = _visible(appointment_id, actor)
    actor.require("appointments.write", known.site_id)
    _require_movable(known)
    at = checked_start(start, visit_type=known.visit_type, site=known.site, now=now)
    question = Question(
        visit_type=known.visit_type,
        site=known.site,
        window=Interval(at, at + timedelta(minutes=1)),
        now=now,
        patient_id=known.patient_id,
        resource_ids=resource_ids,
        moving_ids=frozenset({known.pk}),
        infusion_minutes=changed_minutes([known.pk]).get(known.pk),
    )
    check_named(question)
    move = partial(
        _reschedule,
        actor=actor,
        question=question,
        appointment_id=known.pk,
        start=at,
        expected_version=expected_version,
        reason=reason,
        note=note,
        recheck=recheck,
    )
    return race(move, question, at)


@durable
def _reschedule(
    *,
    actor: Actor,
    question: Question,
    appointment_id: int,
    start: datetime,
    expected_version: int | None,
    reason: str,
    note: str,
    recheck: Callable[[Appointment], None] | None,
) -> Appointment:
    chosen = allocations.propose(question, start)
    resources = [
        resource
        for resource in allocations.lock_for_visit(
            {*chosen.values(), *allocations.resources_of(appointment_id)}, site_id=question.site.pk
        )
        if resource.pk in chosen.values()
    ]
    appointment, _held = allocations.lock_appointment(appointment_id, expected_version=expected_version)
    before = _require_movable(appointment)
    if appointment.start_at == start and not question.resource_ids:
        raise Invalid("The appointment is already at this time.", code="same_start")
    if recheck is not None:
        recheck(appointment)
    verify(question, start, resources)
    moved_from = appointment.start_at
    allocations.leave(appointment, now=question.now)
    appointment.start_at = start
    appointment.end_at = start + timedelta(minutes=question.visit.minutes)
    appointment.scheduled_at = question.now
    appointment.status = Status.BOOKED.value
    appointment.plan_version += 1
    versions.save(appointment, "start_at", "end_at", "scheduled_at", "status", "plan_version")
    allocations.take(
        appointment, chosen, resources, now=question.now, infusion_minutes=question.infusion_minutes
    )
    freed.taken([appointment], now=question.now)
    history.record(
        appointment,
        actor=actor,
        verb="reschedule",
        before=before,
        now=question.now,
        reason=reason,
        note=note,
        moved_from=moved_from,
    )
    reminders.refresh(
        appointment=appointment, patient=appointment.patient, now=question.now, reason="rescheduled"
    )
    course_gaps.after_change(appointment, now=question.now)
    return appointment


def verify(question: Question, start: datetime, resources: list[Resource]) -> None:
    """Under the locks: the place is still open and staffed. Raises LostRace."""
    allocations.verify(
        site_id=question.site.pk,
        start=start,
        visit_type=question.visit_type,
        resources=resources,
        infusion_minutes=question.infusion_minutes,
    )


def race(work: Callable[[], T], question: Question, start: datetime) -> T:
    """Run a booking until it wins, or until there is nothing left to win; then name the nearest others."""
    refused: DomainError = refusals.slot_taken()
    for _attempt in range(RACES):
        try:
            return work()
        except LostRace:
            continue
        except IntegrityError as error:
            refused = allocations.overlap(error)
            break
        except Conflict as conflict:
            if conflict.code not in {"slot_taken", "patient_busy"}:
                raise
            refused = conflict
            break
    found = nearest(question, start=start)
    zone = question.site.zone
    refused.data["alternatives"] = [
        {
            "start": at.astimezone(zone).isoformat(),
            "end": (at + timedelta(minutes=question.visit.minutes)).astimezone(zone).isoformat(),
            "site": question.site.pk,
        }
        for at in found
    ]
    raise refused


def checked_start(start: datetime, *, visit_type: VisitType, site: Site, now: datetime) -> datetime:
    """The start in UTC, when the rules that need no search allow it."""
    at = refuse_skipped(start, site.zone)
    if not visit_type.active:
        raise Invalid("This visit type is no longer offered. Choose another one.", code="inactive")
    if not site.active:
        raise Invalid("This site takes no more allocations. Choose another one.", code="inactive")
    if not on_grid(at, zone=site.zone, minutes=visit_type.start_grid_minutes):
        raise Invalid(
            f"Visits of this type start every {visit_type.start_grid_minutes} minutes, from the full hour.",
            code="off_grid",
        )
    if at < now + timedelta(minutes=visit_type.min_notice_minutes):
        raise Invalid(
            f"This visit is booked at least {visit_type.min_notice_minutes} minutes ahead.", code="too_soon"
        )
    if at > now + timedelta(days=visit_type.horizon_days):
        raise Invalid(f"This visit is booked at most {visit_type.horizon_days} days ahead.", code="too_far")
    return at


def check_named(question: Question) -> None:
    """Resources asked for by name are at the site, in service, of a needed kind, one of each."""
    if not question.resource_ids:
        return
    needed = {requirement.kind for requirement in question.visit.requirements}
    kinds = list(
        Resource.objects.filter(
            pk__in=question.resource_ids, site=question.site, active=True, kind__in=needed
        ).values_list("kind", flat=True)
    )
    if len(kinds) != len(question.resource_ids) or len(kinds) != len(set(kinds)):
        raise Invalid(
            "Name at most one resource of each kind this visit needs, in service at this site.",
            code="wrong_resource",
        )


def check_patient(patient: Patient, actor: Actor) -> None:
    """The locked patient is the actor's to book for, and active. Raises NotFound, Invalid."""
    if not actor.may("patients.read", patient.site_id):
        raise NotFound("This patient does not exist.")
    if patient.status != Patient.Status.ACTIVE:
        raise Invalid(
            "This patient is not active. Make the record active before booking.", code="patient_inactive"
        )


def _require_movable(appointment: Appointment) -> Status:
    status = Status(appointment.status)
    if status not in {Status.BOOKED, Status.CONFIRMED}:
        raise transitions.InvalidTransition(
            status=status, detail="Only a visit that is booked or confirmed can be moved."
        )
    return status


def _visible(appointment_id: int, actor: Actor) -> Appointment:
    found = (
        Appointment.objects.visible_to(actor)
        .select_related("visit_type", "site")
        .filter(pk=appointment_id)
        .first()
    )
    if found is None:
        raise NotFound("This appointment does not exist.")
    return found
