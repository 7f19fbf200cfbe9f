"""What happened to an appointment, written beside every change of it and never changed afterwards."""

from datetime import datetime

from clinic.access.policy import Actor
from clinic.common import rows as stored
from scheduling.domain.session_stages import SessionVerb
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, AppointmentEvent

_STEPS: frozenset[str] = frozenset({*Verb, *SessionVerb})

_NO_STEPS = frozenset({"reassign", "change_duration"})
"""Other resources at the same time, or the same ones for longer: no steps of the visit."""


def record(
    appointment: Appointment,
    *,
    actor: Actor,
    verb: str,
    before: str,
    now: datetime,
    reason: str = "",
    note: str = "",
    moved_from: datetime | None = None,
) -> None:
    """Add one event; the appointment already is as the verb left it."""
    event = AppointmentEvent(
        appointment=appointment,
        verb=verb,
        from_status=before,
        to_status=appointment.status,
        at=now,
        by_id=actor.user_id,
        via=actor.via,
        reason=reason,
        note=note,
        moved_from=moved_from,
        moved_to=appointment.start_at if moved_from else None,
    )
    stored.insert([event])


def latest_step(appointment: Appointment) -> AppointmentEvent | None:
    """The step that undo would take back: each undo in the history cancels the step before it."""
    steps: list[AppointmentEvent] = []
    for event in appointment.events.order_by("id"):
        if event.verb == "undo":
            steps.pop()
        elif event.verb in {"book", "reschedule"}:
            steps.clear()
        elif event.verb not in _NO_STEPS:
            steps.append(event)
    return steps[-1] if steps else None
