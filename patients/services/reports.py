"""What providers report of messages they had accepted. Every report is kept; what they add up to is applied
to the ledger row, whose lock orders reports and the worker that is still sending it."""

from datetime import datetime

from clinic.common.transactions import durable
from patients.models import Attempt, DeliveryReport, Message, Patient
from patients.services import outcomes


@durable
def receive(
    *,
    provider_id: str,
    status: str,
    code: int,
    sent_to: str,
    reference: tuple[int, int] | None,
    now: datetime,
) -> None:
    """Keep a report, and let the ledger follow it. Safe to repeat, in any order.

    ``reference`` is what we had told the provider: the ledger row and its try. It finds also a message
    whose id the worker did not live to write down. ``sent_to`` is the address that was used.
    """
    DeliveryReport.objects.bulk_create(
        [
            DeliveryReport(
                provider_id=provider_id, status=status, error=str(code) if code else "", reported_at=now
            )
        ],
        ignore_conflicts=True,
    )
    attempt = _attempt(provider_id, reference)
    if attempt is None:
        return
    patient = Patient.objects.select_for_update(no_key=True).get(pk=attempt.message.patient_id)
    message = Message.objects.select_for_update().get(pk=attempt.message_id)
    if message.status == Message.Status.SENDING:
        return  # the worker that has it asks for reports when it writes down the provider's id
    outcomes.reported(message, patient, attempt=attempt, provider_id=provider_id, sent_to=sent_to, now=now)


def _attempt(provider_id: str, reference: tuple[int, int] | None) -> Attempt | None:
    attempts = Attempt.objects.select_related("message")
    if reference is not None:
        message_id, number = reference
        return (
            attempts.filter(message_id=message_id, number=number, message__channel=Message.Channel.SMS)
            .filter(provider_id__in=("", provider_id))
            .first()
        )
    return attempts.filter(provider_id=provider_id).first()
