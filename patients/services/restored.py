"""After a restore to an earlier moment: what happened since then happened to patients all the same. Whatever
the lost time may have sent is never sent again by itself; a person finds out."""

from datetime import datetime

from clinic.common.transactions import durable
from patients.models import Attempt, Message, Patient
from patients.services.outcomes import doubt

RESTORED = "restored"


def hold_messages(*, now: datetime) -> int:
    """Make every unfinished message that was due by ``now`` uncertain, with a work item; how many.

    Later ones stay queued: nobody can have sent them. Safe to repeat.
    """
    found = list(Message.objects.unfinished().filter(due_at__lte=now).values_list("pk", "patient_id"))
    return sum(_hold(message_id, patient_id, now=now) for message_id, patient_id in found)


@durable
def _hold(message_id: int, patient_id: int, *, now: datetime) -> bool:
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient_id)
    message = Message.objects.unfinished().select_for_update().filter(pk=message_id, due_at__lte=now).first()
    if message is None:
        return False
    message.attempts.filter(outcome=Attempt.Outcome.STARTED).update(
        outcome=Attempt.Outcome.UNKNOWN, error=RESTORED, ended_at=now
    )
    doubt(message, patient, reason=RESTORED, now=now)
    return True
