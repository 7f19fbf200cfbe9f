"""Waking a worker is a courtesy: with the broker gone it costs little once, then nothing."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from clinic.celery import app
from clinic.embedded.binaries import redis_server
from clinic.embedded.ports import free_port, listens
from patients import tasks
from patients.domain.messages import WantedMessage
from patients.due import Outreach
from patients.models import Message
from patients.services import outreach, wakeup
from tests.factories import PatientFactory
from tests.integration.outreach.servers import SmtpSink

pytestmark = pytest.mark.django_db


WITHOUT_RETRIES = 3.0
"""Seconds. Celery left to itself retries for six; this tells the two apart however busy the machine is."""


@pytest.fixture(autouse=True)
def rested() -> Iterator[None]:
    """The breaker as in a fresh process."""
    wakeup.breaker.reset()
    yield
    wakeup.breaker.reset()


@pytest.fixture
def broker_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Point Celery at another broker."""

    def point(url: str) -> None:
        monkeypatch.setitem(app.conf, "broker_url", url)
        monkeypatch.setitem(app.conf, "broker_write_url", url)

    return point


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Somebody who takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def callers(listener: socket.socket) -> int:
    """How many have connected since the last time."""
    count = 0
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count


def elapsed(task: str = "nobody.listens") -> tuple[bool, float]:
    """Whether it was published, and how long that took in seconds."""
    started = time.monotonic()
    return wakeup.publish(task), time.monotonic() - started


@pytest.mark.parametrize("broker", ["closed", "silent"])
def test_a_broker_that_is_away_is_waited_for_once(broker_at: Any, silent: socket.socket, broker: str) -> None:
    broker_at("redis://127.0.0.1:9/0")
    elapsed()  # imports what publishing needs
    wakeup.breaker.reset()
    broker_at(f"redis://127.0.0.1:{silent.getsockname()[1] if broker == 'silent' else 9}/0")
    published, seconds = elapsed()
    assert not published
    assert seconds < WITHOUT_RETRIES
    assert callers(silent) == (broker == "silent"), "one try, no more"
    assert wakeup.breaker.open
    assert not wakeup.publish("nobody.listens")
    assert callers(silent) == 0, "the next one does not even try"


def test_a_booking_commits_and_is_not_slowed(
    broker_at: Any, now: datetime, django_capture_on_commit_callbacks: Any
) -> None:
    broker_at("redis://127.0.0.1:9/0")
    started = time.monotonic()
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        wakeup.wake()
    assert time.monotonic() - started < WITHOUT_RETRIES


def test_one_transaction_asks_once(django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
        wakeup.wake()
        wakeup.wake()
        wakeup.wake("another.task")
    assert len(callbacks) == 2


def test_a_transaction_that_fails_asks_nobody(django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        with transaction.atomic():
            wakeup.wake()
            transaction.set_rollback(True)
        with transaction.atomic():
            wakeup.wake()
    assert len(callbacks) == 1


@pytest.mark.parametrize(("later", "asked"), [(timedelta(), 1), (timedelta(days=1), 0)])
def test_only_what_is_due_now_wakes_a_worker(
    now: datetime, django_capture_on_commit_callbacks: Any, later: timedelta, asked: int
) -> None:
    due_at = now + later
    with django_capture_on_commit_callbacks() as callbacks:
        outreach.reconcile(
            patient=PatientFactory.create(),
            subject_kind="appointment",
            subject_id=7,
            plan_version=1,
            wanted=[WantedMessage(kind="x", due_at=due_at, not_after=due_at + timedelta(days=1), context={})],
            now=now,
            reason="",
        )
    assert len(callbacks) == asked


class Broker:
    """A Redis of our own, to be killed and started again."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Returns when it answers."""
        arguments = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self._directory),
        ]
        self._process = subprocess.Popen([redis_server(), *arguments], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not listens(self.port):
            assert time.monotonic() < deadline, "redis-server did not start"

    def kill(self) -> None:
        """With -9; returns when it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)

    def waiting(self) -> int:
        """How many tasks wait in it."""
        with redis.Redis(port=self.port) as client:
            return int(client.llen("celery"))


def test_the_broker_is_killed_and_comes_back(broker_at: Any, tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    try:
        broker_at(broker.url)
        assert wakeup.publish("nobody.listens")
        assert broker.waiting() == 1
        broker.kill()
        published, seconds = elapsed()
        assert (published, seconds < WITHOUT_RETRIES) == (False, True)
        broker.start()
        assert not wakeup.publish("nobody.listens")  # it is given time to come back
        wakeup.breaker.reset()
        assert wakeup.publish("nobody.listens")
        assert broker.waiting() == 1
    finally:
        broker.kill()


class TestDueWork:
    """What beat, readiness and the demo's clock ask."""

    def test_nothing_waits(self, db: None) -> None:
        assert Outreach().next_due_at() is None

    def test_the_first_of_the_queue(self, queued: Callable[..., Message], now: datetime) -> None:
        queued(due_at=now + timedelta(hours=2), subject_id=1)
        queued(due_at=now + timedelta(hours=1), subject_id=2)
        queued(due_at=now - timedelta(hours=1), subject_id=3, status="sent")
        assert Outreach().next_due_at() == now + timedelta(hours=1)

    def test_a_message_being_sent_is_work_being_done(
        self, queued: Callable[..., Message], now: datetime, clock: Callable[[datetime], None]
    ) -> None:
        clock(now)
        queued(due_at=now + timedelta(hours=1))
        claim = {"claim": uuid4(), "leased_until": now}
        queued(due_at=now - timedelta(hours=9), subject_id=2, status="sending", **claim)
        assert Outreach().next_due_at() == now

    def test_it_reads_the_partial_indexes_only(self, queued: Callable[..., Message]) -> None:
        queued()
        with CaptureQueriesContext(connection) as captured, connection.cursor() as cursor:
            Outreach().next_due_at()
            cursor.execute("SET LOCAL enable_seqscan = off")
            plans = []
            for query in captured.captured_queries[:2]:
                cursor.execute("EXPLAIN " + query["sql"])
                plans.append(str(cursor.fetchall()))
        assert "Index Only Scan using message_queue" in plans[0]
        assert "message_leases" in plans[1]


def test_the_task_sends_until_nothing_is_due(
    queued: Callable[..., Message],
    smtp: SmtpSink,
    now: datetime,
    clock: Callable[[datetime], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock(now)
    monkeypatch.setattr(tasks, "BATCH", 2)
    for number in range(5):
        queued(subject_id=number)
    tasks.dispatch_messages()
    assert len(smtp.received()) == 5
    assert set(Message.objects.values_list("status", flat=True)) == {"sent"}


def test_a_long_backlog_is_handed_on_to_a_fresh_task(
    queued: Callable[..., Message], broker_at: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued()
    broker = Broker(tmp_path)
    try:
        broker_at(broker.url)
        monkeypatch.setattr(tasks, "ROUND_SECONDS", -1.0)
        tasks.dispatch_messages()
        assert broker.waiting() == 1
    finally:
        broker.kill()
