"""Tells a worker to look now. Only a courtesy: the row is the work and a beat tick finds it anyway, so a
broker that is down costs one short wait, then nothing until it had time to come back."""

import threading
import time

import structlog
from django.db import connection, transaction
from kombu.exceptions import OperationalError

from clinic.celery import app

DISPATCH = "patients.tasks.dispatch_messages"
_CONNECT_SECONDS = 0.3
_REST_SECONDS = 15.0

log = structlog.get_logger(__name__)


class _Breaker:
    """Open after a failure: nobody tries again before it has rested."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0

    def closed(self) -> bool:
        with self._lock:
            return time.monotonic() >= self._until

    def trip(self) -> None:
        with self._lock:
            self._until = time.monotonic() + _REST_SECONDS

    def reset(self) -> None:
        with self._lock:
            self._until = 0.0


breaker = _Breaker()


def wake(task: str = DISPATCH) -> None:
    """Once this transaction is committed, ask a worker to run ``task``. Never raises, never waits long."""
    publish = _Publish(task)
    if publish not in [callback for _savepoints, callback, _robust in connection.run_on_commit]:
        transaction.on_commit(publish, robust=True)


class _Publish:
    """Sends the task; equal for the same task, so that one transaction asks once."""

    def __init__(self, task: str) -> None:
        self.task = task

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Publish) and other.task == self.task

    def __hash__(self) -> int:
        return hash(self.task)

    def __call__(self) -> None:
        if not breaker.closed():
            return
        try:
            publish(self.task)
        except (OperationalError, OSError) as error:
            breaker.trip()
            log.warning("broker_unreachable", task=self.task, error=type(error).__name__)


def publish(task: str) -> None:
    """Send the task now, trying once. Raises OperationalError or OSError when the broker is away."""
    app.send_task(task, expires=60, retry=False)
