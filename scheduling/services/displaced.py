"""Appointments whose place or staff is gone: nothing is cancelled, a person is asked to deal with each."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from clinic.access.policy import Role
from patients.models import WorkItem
from patients.services.work_items import NewItem, close_items, open_items
from scheduling.models import Appointment

SOON = timedelta(hours=24)
"""A visit that starts within this is urgent: the patient may already be fasting (DOMAIN section 2)."""
_ANSWER_URGENT = timedelta(hours=1)
_ANSWER_ROUTINE = timedelta(hours=24)


def ask_somebody(
    appointments: Iterable[Appointment], *, kind: str, cause: str, what: str, now: datetime
) -> None:
    """One work item per appointment, unless it has one for the same cause; inside a caller's transaction.

    ``cause`` names the record that displaced them, ``what`` says in a few words what happened, naming nobody.
    """
    items = []
    for appointment in appointments:
        urgent = appointment.start_at < now + SOON
        items.append(
            NewItem(
                kind=kind,
                key=_key(cause, appointment.pk),
                severity=WorkItem.Severity.URGENT if urgent else WorkItem.Severity.ROUTINE,
                site_id=appointment.site_id,
                patient_id=appointment.patient_id,
                summary=f"{what} during appointment {appointment.pk}. "
                "Move it, ask for a repair (replan), or agree with the patient.",
                owner_role=Role.FRONT_DESK,
                due_at=now + (_ANSWER_URGENT if urgent else _ANSWER_ROUTINE),
            )
        )
    open_items(items, now=now)


def no_longer(*, cause: str, still: Collection[int], note: str, now: datetime) -> None:
    """Resolve the items of this cause, except those of the appointments it ``still`` displaces (ids)."""
    kept = {_key(cause, appointment_id) for appointment_id in still}
    keys = WorkItem.objects.filter(key__startswith=f"{cause}:").exclude(status=WorkItem.Status.RESOLVED)
    close_items([key for key in keys.values_list("key", flat=True) if key not in kept], note=note, now=now)


def _key(cause: str, appointment_id: int) -> str:
    return f"{cause}:appointment:{appointment_id}"
