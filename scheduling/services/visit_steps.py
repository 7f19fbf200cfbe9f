"""The steps of a visit's life after it is booked: confirm, check in, start, complete, cancel, no-show, undo.

Each is one durable transaction in which status, resources, history and outbox change together.
"""

from datetime import datetime

from django.db import IntegrityError

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import Conflict, Invalid
from clinic.common.transactions import durable
from patients.selectors.assessments import hold_on_treatment
from scheduling.domain import refusals, transitions
from scheduling.domain.transitions import Status, Verb
from scheduling.models import Appointment, VisitType
from scheduling.services import (
    allocations,
    course_gaps,
    follow_ups_done,
    follow_ups_made,
    history,
    reminders,
)

_CLINICAL = frozenset({Verb.START, Verb.COMPLETE})
_HELD = frozenset({VisitType.Kind.INFUSION, VisitType.Kind.ESKETAMINE})


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
    (``too_early``: a no-show before the visit begins), Conflict (``safety_hold``: an infusion of a patient
    with a safety alarm that is not signed off), StaleVersion, NotFound, Forbidden.
    """
    appointment, resources = allocations.lock_appointment(
        appointment_id, expected_version=expected_version, actor=actor
    )
    actor.require("infusion_day.write" if verb in _CLINICAL else "appointments.write", appointment.site_id)
    before = Status(appointment.status)
    after = transitions.next_status(before, verb)
    if verb == Verb.START:
        _require_no_safety_hold(appointment)
    if verb == Verb.NO_SHOW and now < appointment.start_at:
        raise Invalid("The visit has not begun, so nobody missed it. Cancel it instead.", code="too_early")
    appointment.status = after.value
    versions.save(appointment, "status")
    if after in transitions.FREES_RESOURCES and resources:
        allocations.release(appointment, now=now)
    if after == Status.COMPLETED:
        follow_ups_done.by_visit(appointment=appointment, actor=actor, now=now)
        follow_ups_made.after_visit(appointment=appointment, now=now)
    history.record(appointment, actor=actor, verb=verb, before=before, now=now, reason=reason, note=note)
    reminders.refresh(appointment=appointment, patient=appointment.patient, now=now, reason=after.value)
    if after in transitions.FREES_RESOURCES:
        course_gaps.after_change(appointment, now=now)
    return appointment


def _require_no_safety_hold(appointment: Appointment) -> None:
    """DOMAIN section 4: the next infusion is held until a clinician signs off. Other visits go on."""
    if appointment.visit_type.kind not in _HELD:
        return
    held_by = hold_on_treatment(appointment.patient_id)
    if held_by:
        raise Conflict(
            "A safety alarm of this patient is not signed off. A prescriber clears it for treatment first.",
            code="safety_hold",
            alarms=[alarm.pk for alarm in held_by],
        )


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
    """Take the latest step back, within 15 minutes of it.

    Raises Conflict (``invalid_transition``; ``slot_taken`` or ``patient_busy`` when what a cancelled
    visit had freed is taken by now), StaleVersion, NotFound, Forbidden.
    """
    appointment, resources = allocations.lock_appointment(
        appointment_id, expected_version=expected_version, actor=actor
    )
    actor.require("appointments.write", appointment.site_id)
    before = Status(appointment.status)
    latest = history.latest_step(appointment)
    after = transitions.undo(
        status=before,
        previous=Status(latest.from_status) if latest else None,
        stepped_at=latest.at if latest else now,
        now=now,
    )
    appointment.status = after.value
    try:
        versions.save(appointment, "status")
        if before in transitions.FREES_RESOURCES:
            allocations.retake(appointment, resources, now=now)
    except IntegrityError as error:
        raise allocations.overlap(error) from error
    except allocations.LostRace:
        raise refusals.slot_taken() from None
    if before == Status.COMPLETED:
        follow_ups_made.withdraw_after_visit(appointment=appointment, now=now)
        follow_ups_done.not_by_visit(appointment=appointment)
    history.record(appointment, actor=actor, verb="undo", before=before, now=now, reason=reason, note=note)
    reminders.refresh(appointment=appointment, patient=appointment.patient, now=now, reason="undone")
    if before in transitions.FREES_RESOURCES:
        course_gaps.after_change(appointment, now=now)
    return appointment
