"""What becomes of messages whose worker died. The lease is over by PostgreSQL's clock; whether the gateway
may have got the message is told by the attempt: handed over or not."""

import random
from datetime import datetime

from django.db.models.functions import Now

from clinic.common.transactions import durable
from patients.domain.retries import LOST_WORKERS_ALLOWED, backoff
from patients.models import Attempt, Message, Patient
from patients.services.handover import Held, Objection, taken_back
from patients.services.outcomes import doubt, keep, requeue

WORKER_LOST = "worker_lost"


def sweep(*, now: datetime, limit: int) -> int:
    """Settle up to ``limit`` messages with expired leases; how many there were."""
    expired = Message.objects.filter(status=Message.Status.SENDING, leased_until__lt=Now()).order_by(
        "leased_until"
    )
    found = list(expired.values_list("pk", "patient_id")[:limit])
    return sum(_settle(message_id, patient_id, now=now) for message_id, patient_id in found)


@durable
def _settle(message_id: int, patient_id: int, *, now: datetime) -> bool:
    """Whether it was still there to be settled."""
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient_id)
    message = (
        Message.objects.select_for_update()
        .filter(pk=message_id, status=Message.Status.SENDING, leased_until__lt=Now())
        .first()
    )
    if message is None:
        return False
    attempt = message.attempts.get(number=message.attempts_made)
    reached = attempt.handed_over_at is not None
    attempt.outcome = Attempt.Outcome.UNKNOWN if reached else Attempt.Outcome.NOT_SENT
    attempt.error, attempt.ended_at = WORKER_LOST, now
    attempt.save(update_fields=["outcome", "error", "ended_at"])
    if reached:
        doubt(message, patient, reason=WORKER_LOST, now=now)
    elif message.reason:
        keep(message, patient, taken_back(message.reason), now=now)
    else:
        _try_again(message, patient, now=now)
    return True


def _try_again(message: Message, patient: Patient, *, now: datetime) -> None:
    """At once after the first loss; then later and apart from its neighbours; then not any more."""
    losses = message.attempts.filter(error=WORKER_LOST).count()
    if losses >= LOST_WORKERS_ALLOWED:
        keep(message, patient, Held(objection=Objection.POISON, reason=WORKER_LOST), now=now)
    elif losses == 1:
        requeue(message, message.due_at)
    else:
        spread = random.random()  # noqa: S311 - jitter, not a secret
        requeue(message, now + backoff(losses, spread=spread))
