"""The steps of a visit's life after it is booked: confirm, check in, start, complete, cancel, no-show, undo.

Each is one durable transaction in which status, resources, history and outbox change together. What the
steps mean for an infusion (its gates, its moments) is in session_steps.
"""

from datetime import datetime

from django.db import IntegrityError

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import Invalid
from clinic.common.transactions import durable
from scheduling.domain import refusals, transitions
from scheduling.domain.session_stages import SessionVerb
from scheduling.domain.transitions import Status, Verb
from scheduling.models import Appointment
from scheduling.services import (
    allocations,
    course_gaps,
    follow_ups_done,
    follow_ups_made,
    history,
    infusion_sessions,
    reminders,
    session_steps,
)

_CLINICAL: frozenset[str] = frozenset({Verb.START, Verb.COMPLETE, *SessionVerb})


@durable
def step(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    verb: Verb,
    expected_version: int | None = None,
    reason: str = "",
    note: str = "",
) -> Appointment:
    """Take one step of the transition table. Cancel and no-show free the resources at once.

    Raises Conflict (``invalid_transition``, naming the state and what is possible), Invalid
    (``too_early``: a no-show before the visit begins), of an infusion Conflict (``safety_hold``: a safety
    alarm that is not signed off; ``gates_open``; ``not_discharged``), StaleVersion, NotFound, Forbidden.
    """
    appointment, resources = allocations.lock_appointment(
        appointment_id, expected_version=expected_version, actor=actor
    )
    actor.require("infusion_day.write" if verb in _CLINICAL else "appointments.write", appointment.site_id)
    before = Status(appointment.status)
    after = transitions.next_status(before, verb)
    session = infusion_sessions.ensure(appointment) if verb in session_steps.CONCERNED else None
    if session is not None:
        session_steps.with_visit(session, verb, now=now)
    if verb == Verb.NO_SHOW and now < appointment.start_at:
        raise Invalid("The visit has not begun, so nobody missed it. Cancel it instead.", code="too_early")
    appointment.status = after.value
    versions.save(appointment, "status")
    if after in transitions.FREES_RESOURCES:
        if resources:
            allocations.release(appointment, now=now)
        session_steps.settle_called_off(appointment, now=now)
    if after == Status.COMPLETED:
        session_steps.settle(session, now=now)
        follow_ups_done.by_visit(appointment=appointment, actor=actor, now=now)
        follow_ups_made.after_visit(appointment=appointment, now=now)
    history.record(appointment, actor=actor, verb=verb, before=before, now=now, reason=reason, note=note)
    reminders.refresh(appointment=appointment, patient=appointment.patient, now=now, reason=after.value)
    if after in transitions.FREES_RESOURCES:
        course_gaps.after_change(appointment, now=now)
    return appointment


@durable
def undo(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    expected_version: int | None = None,
    reason: str = "",
    note: str = "",
) -> Appointment:
    """Take the latest step back, within 15 minutes of it; of an infusion also its end and the discharge.

    What was answered, measured or logged stays. Raises Conflict (``invalid_transition``; ``slot_taken`` or
    ``patient_busy`` when what a cancelled visit had freed is taken by now), StaleVersion, NotFound,
    Forbidden.
    """
    appointment, resources = allocations.lock_appointment(
        appointment_id, expected_version=expected_version, actor=actor
    )
    actor.require("appointments.write", appointment.site_id)
    before = Status(appointment.status)
    latest = history.latest_step(appointment)
    if latest is not None and latest.verb in _CLINICAL:
        actor.require("infusion_day.write", appointment.site_id)
    if latest is not None and latest.verb in list(SessionVerb):
        transitions.require_in_time(status=before, stepped_at=latest.at, now=now)
        session = infusion_sessions.ensure(appointment)
        session_steps.take_back(session, latest.verb)
        session_steps.settle(session, now=now)
        versions.save(appointment)
        history.record(
            appointment, actor=actor, verb="undo", before=before, now=now, reason=reason, note=note
        )
        return appointment
    after = transitions.undo(
        status=before,
        previous=Status(latest.from_status) if latest else None,
        stepped_at=latest.at if latest else now,
        now=now,
    )
    session = None
    if latest is not None and latest.verb in session_steps.CONCERNED:
        session = infusion_sessions.ensure(appointment)
        session_steps.take_back(session, latest.verb)
    appointment.status = after.value
    try:
        versions.save(appointment, "status")
        if before in transitions.FREES_RESOURCES:
            allocations.retake(appointment, resources, now=now)
    except IntegrityError as error:
        raise allocations.overlap(error) from error
    except allocations.LostRace:
        raise refusals.slot_taken() from None
    if before in transitions.FREES_RESOURCES:
        session_steps.settle_called_off(appointment, now=now)
    if before == Status.COMPLETED:
        session_steps.settle(session, now=now)
        follow_ups_made.withdraw_after_visit(appointment=appointment, now=now)
        follow_ups_done.not_by_visit(appointment=appointment)
    history.record(appointment, actor=actor, verb="undo", before=before, now=now, reason=reason, note=note)
    reminders.refresh(appointment=appointment, patient=appointment.patient, now=now, reason="undone")
    if before in transitions.FREES_RESOURCES:
        course_gaps.after_change(appointment, now=now)
    return appointment
