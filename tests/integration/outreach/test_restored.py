"""After a restore to an earlier moment nothing that may have been sent since is sent again."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from patients.models import Attempt, Message, WorkItem
from patients.services import claims, dispatch, restored

pytestmark = pytest.mark.django_db
Queued = Callable[..., Message]


def test_what_was_due_is_held_for_a_person(queued: Queued, now: datetime) -> None:
    message = queued(due_at=now - timedelta(minutes=5))
    assert restored.hold_messages(now=now) == 1
    message.refresh_from_db()
    assert (message.status, message.reason, message.finished_at) == ("uncertain", "restored", now)
    [item] = WorkItem.objects.all()
    assert (item.kind, item.key, item.patient_id) == (
        "uncertain_message",
        f"uncertain:{message.pk}",
        message.patient_id,
    )
    assert dispatch.dispatch(now=now + timedelta(minutes=1)) is not None
    message.refresh_from_db()
    assert message.status == "uncertain"


def test_what_nobody_can_have_sent_stays_queued(queued: Queued, now: datetime) -> None:
    message = queued(due_at=now + timedelta(seconds=1))
    assert restored.hold_messages(now=now) == 0
    message.refresh_from_db()
    assert message.status == "queued"
    assert not WorkItem.objects.exists()


def test_one_in_a_workers_hands_is_held_too(queued: Queued, now: datetime) -> None:
    """Its attempt had not been handed over at that moment; afterwards it may have been."""
    message = queued()
    [claimed] = claims.claim_due(now=now, limit=1)
    assert restored.hold_messages(now=now) == 1
    message.refresh_from_db()
    assert (message.status, message.claim, message.leased_until) == ("uncertain", None, None)
    attempt = message.attempts.get(number=claimed.number)
    assert (attempt.outcome, attempt.error, attempt.ended_at) == (Attempt.Outcome.UNKNOWN, "restored", now)


def test_what_is_over_stays_as_it_is_and_repeating_changes_nothing(queued: Queued, now: datetime) -> None:
    sent = queued(status="sent", finished_at=now)
    queued(subject_id=8)
    assert restored.hold_messages(now=now) == 1
    assert restored.hold_messages(now=now + timedelta(minutes=1)) == 0
    sent.refresh_from_db()
    assert (sent.status, sent.reason) == ("sent", "")
    assert WorkItem.objects.count() == 1
