"""What a text from a patient does to visits. patients reaches it by settings.VISIT_REPLIES and calls it
inside the transaction in which the text is taken in.

One idea: a text answers one plan of a visit. Whoever says yes to a time that has moved since has not said
yes to the new one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from clinic.access.policy import PATIENT_BY_REPLY, Role
from clinic.common.errors import Busy, Conflict, StaleVersion
from patients.domain.replies import Ask, AskedVisit, Standing
from patients.models import WorkItem
from patients.services.work_items import open_item
from scheduling.domain.reminders import AWAITED
from scheduling.domain.transitions import Status, Verb
from scheduling.models import Appointment
from scheduling.services import visit_steps
from scheduling.services.displaced import SOON

_ANSWER_URGENT = timedelta(hours=1)
_ANSWER_ROUTINE = timedelta(hours=4)
_TRIES = 3


class VisitReplies:
    """patients.domain.replies.Visits over appointments."""

    def asked(self, asks: Sequence[Ask], *, now: datetime) -> list[AskedVisit]:
        """Where the visits are that were asked about, in the same order; those that no longer exist are left
        out."""
        rows = Appointment.objects.select_related("site").in_bulk([ask.visit_id for ask in asks])
        return [
            AskedVisit(ask=ask, standing=_standing(row, ask, now), context=_context(row))
            for ask in asks
            if (row := rows.get(ask.visit_id)) is not None and row.patient_id == ask.patient_id
        ]

    def confirm(self, ask: Ask, *, now: datetime) -> Standing:
        """Confirm the visit, if it is still ahead at the time that was asked about; where it is afterwards.

        Confirming again is harmless. Raises Busy when the visit keeps changing under our hands.
        """
        for _try in range(_TRIES):
            appointment = Appointment.objects.get(pk=ask.visit_id)
            standing = _standing(appointment, ask, now)
            if standing != Standing.OPEN:
                return standing
            try:
                visit_steps.step(
                    actor=PATIENT_BY_REPLY,
                    now=now,
                    appointment_id=appointment.pk,
                    verb=Verb.CONFIRM,
                    expected_version=appointment.version,
                )
            except (StaleVersion, Conflict):  # somebody changed it since it was read: look again
                continue
            return Standing.CONFIRMED
        raise Busy("The appointment is being changed. Try again in a moment.", code="contention")

    def ask_to_move(self, ask: Ask, *, now: datetime) -> None:
        """Ask the front desk to find another time; one item per plan of the visit, however often asked."""
        appointment = Appointment.objects.select_related("patient").get(pk=ask.visit_id)
        soon = appointment.start_at < now + SOON
        open_item(
            kind="asks_to_move",
            key=f"asks_to_move:{appointment.pk}:{appointment.plan_version}",
            severity=WorkItem.Severity.URGENT if soon else WorkItem.Severity.ROUTINE,
            site_id=appointment.site_id,
            patient=appointment.patient,
            summary=f"The patient asks by text to move appointment {appointment.pk}. Agree on another time.",
            owner_role=Role.FRONT_DESK,
            due_at=now + (_ANSWER_URGENT if soon else _ANSWER_ROUTINE),
            now=now,
        )


def _standing(appointment: Appointment, ask: Ask, now: datetime) -> Standing:
    status = Status(appointment.status)
    if status not in AWAITED or appointment.start_at <= now:
        return Standing.OVER
    if appointment.plan_version != ask.plan_version:
        return Standing.MOVED
    return Standing.CONFIRMED if status == Status.CONFIRMED else Standing.OPEN


def _context(appointment: Appointment) -> dict[str, str]:
    site = appointment.site
    return {
        "start_at": appointment.start_at.isoformat(),
        "end_at": appointment.end_at.isoformat(),
        "timezone": site.timezone,
        "site": site.discreet_name,
        "phone": site.phone,
    }
