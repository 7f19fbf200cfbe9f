"""A worker dies at every point between two commits. Nothing is lost, and nothing is sent twice: what may
have been delivered becomes uncertain and is a person's to settle."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db.models.functions import Now

from patients.gateways.base import Outgoing
from patients.models import Message, WorkItem
from patients.services import claims, dispatch, handover, outcomes
from patients.services.sweep import sweep

pytestmark = pytest.mark.django_db
Queued = Callable[..., Message]


class Killed(BaseException):
    """The process ends here: nothing after this line of code runs."""


class Gateway:
    """Remembers what it took; may be the place where the worker dies, before or after taking it."""

    def __init__(self, *, dies: str = "", on: int = 0) -> None:
        self.taken: list[str] = []
        self.dies = dies
        self.on = on
        self.calls = 0

    def send(self, outgoing: Outgoing) -> str:
        """Take it."""
        self.calls += 1
        mine = self.calls == self.on
        if mine and self.dies == "before":
            raise Killed
        self.taken.append(outgoing.to)
        if mine and self.dies == "after":
            raise Killed
        return f"id-{self.calls}"

    def close(self) -> None:
        """Nothing to let go of."""


def leases_end() -> None:
    """A minute passes on the database's clock."""
    Message.objects.filter(status="sending").update(leased_until=Now() - timedelta(seconds=1))


def dies_in(monkeypatch: pytest.MonkeyPatch, module: object, name: str, *, after: bool, on: int) -> None:
    """The worker dies on the ``on``-th call of a step, before it begins or after it committed."""
    real, calls = getattr(module, name), []

    def step(*arguments: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == on and not after:
            raise Killed
        result = real(*arguments, **named)
        if len(calls) == on:
            raise Killed
        return result

    monkeypatch.setattr(module, name, step)


POINTS = {
    "after the claim": (claims, "claim_due", True, 1),
    "before handing over": (dispatch, "hand_over", False, 2),
    "after handing over": (dispatch, "hand_over", True, 2),
    "before recording": (outcomes, "accepted", False, 2),
    "after recording": (outcomes, "accepted", True, 2),
}


@pytest.mark.parametrize("point", POINTS)
def test_nothing_lost_nothing_doubled(
    queued: Queued, now: datetime, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    messages = [queued(subject_id=number) for number in range(4)]
    gateway = Gateway()
    module, name, after, on = POINTS[point]
    with monkeypatch.context() as patched:
        dies_in(patched, module, name, after=after, on=on)
        with pytest.raises(Killed):
            dispatch.dispatch(now=now, gateways={"email": gateway})
    _settles(messages, gateway, now)


@pytest.mark.parametrize("dies", ["before", "after"])
def test_dying_inside_the_gateway(queued: Queued, now: datetime, dies: str) -> None:
    messages = [queued(subject_id=number) for number in range(4)]
    gateway = Gateway(dies=dies, on=2)
    with pytest.raises(Killed):
        dispatch.dispatch(now=now, gateways={"email": gateway})
    assert _settles(messages, gateway, now) == {"sent": 3, "uncertain": 1}


def _settles(messages: list[Message], gateway: Gateway, now: datetime) -> dict[str, int]:
    """After the leases ended every message is sent once, or uncertain with a person to look into it."""
    held = Message.objects.filter(status="sending").count()
    dispatch.dispatch(now=now, gateways={"email": gateway})
    assert Message.objects.filter(status="sending").count() == held  # a lease protects while it lasts
    leases_end()
    for _round in range(3):
        dispatch.dispatch(now=now, gateways={"email": gateway})
    counts: dict[str, int] = {}
    for message in messages:
        message.refresh_from_db()
        counts[message.status] = counts.get(message.status, 0) + 1
        times = gateway.taken.count(message.patient.email)
        if message.status == "sent":
            assert times == 1
        else:
            assert message.status == "uncertain"
            assert times <= 1
            assert WorkItem.objects.filter(key=f"uncertain:{message.pk}", status="open").exists()
    return counts


def test_withdrawn_while_its_worker_was_dead(queued: Queued, now: datetime) -> None:
    message = queued()
    claims.claim_due(now=now, limit=1)
    Message.objects.update(reason="cancelled")
    leases_end()
    assert sweep(now=now, limit=10) == 1
    message.refresh_from_db()
    assert (message.status, message.reason) == ("withdrawn", "cancelled")


def test_what_was_taken_back_is_not_released_into_the_queue(queued: Queued, now: datetime) -> None:
    kept, cancelled = queued(subject_id=1), queued()
    claimed = claims.claim_due(now=now, limit=2)
    Message.objects.filter(pk=cancelled.pk).update(reason="cancelled")
    claims.release(claimed, now=now)
    leases_end()
    sweep(now=now, limit=10)
    assert list(Message.objects.order_by("pk").values_list("pk", "status", "reason")) == [
        (kept.pk, "queued", ""),
        (cancelled.pk, "withdrawn", "cancelled"),
    ]


def test_a_message_that_keeps_killing_workers_is_put_aside(queued: Queued, now: datetime) -> None:
    message = queued()
    moments = []
    for _death in range(3):
        message.refresh_from_db()
        moments.append(message.due_at)
        assert len(claims.claim_due(now=message.due_at, limit=1)) == 1
        leases_end()
        sweep(now=message.due_at, limit=10)
    message.refresh_from_db()
    assert (message.status, message.reason) == ("failed", "worker_lost")
    assert moments[0] == moments[1] < moments[2]
    assert WorkItem.objects.get().kind == "undelivered_message"
    assert list(message.attempts.values_list("outcome", "error")) == [("not_sent", "worker_lost")] * 3


def test_a_worker_that_was_only_slow_still_tells_the_truth(queued: Queued, now: datetime) -> None:
    message = queued()

    class Slow(Gateway):
        def send(self, outgoing: Outgoing) -> str:
            leases_end()
            assert sweep(now=now, limit=10) == 1
            message.refresh_from_db()
            assert message.status == "uncertain"
            return super().send(outgoing)

    dispatch.dispatch(now=now, gateways={"email": Slow()})
    message.refresh_from_db()
    assert (message.status, message.reason) == ("sent", "")
    assert WorkItem.objects.get().status == "resolved"
    assert message.attempts.get().outcome == "accepted"


def test_a_slow_worker_that_lost_its_row_does_not_send(
    queued: Queued, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = queued()
    gateway, real = Gateway(), handover.hand_over

    def late(*arguments: object, **named: object) -> object:
        leases_end()
        sweep(now=now, limit=10)
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(dispatch, "hand_over", late)
    dispatch.dispatch(now=now, gateways={"email": gateway})
    message.refresh_from_db()
    assert (message.status, gateway.taken) == ("queued", [])
