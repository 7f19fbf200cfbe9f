"""Taking messages out of the queue and putting them back. One idea: whoever holds a row wrote a claim into
it, with a lease by PostgreSQL's own clock; every later write asks for that claim."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from clinic.common.transactions import durable
from patients.models import Attempt, Message

LEASE = timedelta(seconds=60)
"""Three times what a worker spends on a batch (dispatch.BATCH_SECONDS), so it is never renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A row that this worker holds, on its ``number``-th try."""

    message_id: int
    patient_id: int
    site_id: int
    kind: str
    channel: str
    number: int
    claim: UUID


@durable
def claim_due(*, now: datetime, limit: int) -> list[Claimed]:
    """Take up to ``limit`` due messages, oldest due first, that no other worker is taking."""
    claim = uuid4()
    due = (
        Message.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("patient")
        .filter(status=Message.Status.QUEUED, due_at__lte=now)
        .order_by("due_at", "id")
        .only("kind", "channel", "attempts_made", "patient__site_id")[:limit]
    )
    claimed = [
        Claimed(
            message_id=row.pk,
            patient_id=row.patient_id,
            site_id=row.patient.site_id,
            kind=row.kind,
            channel=row.channel,
            number=row.attempts_made + 1,
            claim=claim,
        )
        for row in due
    ]
    if claimed:
        Message.objects.filter(pk__in=[row.message_id for row in claimed]).update(
            status=Message.Status.SENDING,
            claim=claim,
            leased_until=Now() + LEASE,
            attempts_made=F("attempts_made") + 1,
        )
        Attempt.objects.bulk_create(
            Attempt(message_id=row.message_id, number=row.number, started_at=now) for row in claimed
        )
    return claimed


@durable
def release(claimed: list[Claimed], *, now: datetime) -> None:
    """Put back what this worker did not get to; others may take it at once. What was taken back meanwhile
    keeps its claim: the sweep of expired leases withdraws it."""
    rows = (
        Message.objects.select_for_update()
        .order_by("id")
        .filter(
            pk__in=[row.message_id for row in claimed], claim__in={row.claim for row in claimed}, reason=""
        )
    )
    ours = [row.pk for row in rows]
    Message.objects.filter(pk__in=ours).update(status=Message.Status.QUEUED, claim=None, leased_until=None)
    Attempt.objects.filter(message_id__in=ours, outcome=Attempt.Outcome.STARTED).update(
        outcome=Attempt.Outcome.NOT_SENT, error="released", ended_at=now
    )


def held(claimed: Claimed) -> QuerySet[Message]:
    """The row, locked, if it is still ours."""
    return Message.objects.select_for_update(of=("self",)).filter(pk=claimed.message_id, claim=claimed.claim)
