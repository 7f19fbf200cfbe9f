"""Tells a worker to look now. Only a courtesy: the row is the work and a beat tick finds it anyway, so a
broker that is away costs one short wait, then nothing until it had time to come back."""

import threading
import time

import structlog
from django.db import connection, transaction
from kombu import pools
from kombu.exceptions import KombuError

from clinic.celery import app

DISPATCH = "patients.tasks.dispatch_messages"
_EXPIRES_SECONDS = 60
_REST_SECONDS = 15.0
_ONE_TRY = {
    "max_retries": 0,
    "socket_connect_timeout": 0.2,
    "socket_timeout": 0.2,
    "connect_retries_timeout": 0.2,
}
"""Celery's own connections wait for the broker for seconds; a booking must not."""

log = structlog.get_logger(__name__)


class _Breaker:
    """Open after a failure: nobody in this process tries again before the broker had a rest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0

    @property
    def open(self) -> bool:
        with self._lock:
            return time.monotonic() < self._until

    def trip(self) -> None:
        with self._lock:
            self._until = time.monotonic() + _REST_SECONDS

    def reset(self) -> None:
        with self._lock:
            self._until = 0.0


breaker = _Breaker()


def wake(task: str = DISPATCH) -> None:
    """Once this transaction is committed, ask a worker to run ``task``. Never raises, never waits long."""
    look_now = _LookNow(task)
    if look_now not in [entry[1] for entry in connection.run_on_commit]:
        transaction.on_commit(look_now, robust=True)


def publish(task: str) -> bool:
    """Send the task now; False when the broker is away, or was a moment ago. Never raises."""
    if breaker.open:
        return False
    try:
        broker = app.connection_for_write(transport_options={**app.conf.broker_transport_options, **_ONE_TRY})
        with pools.producers[broker].acquire(block=True, timeout=1) as producer:
            app.send_task(task, expires=_EXPIRES_SECONDS, retry=False, producer=producer)
    except (KombuError, OSError) as error:
        breaker.trip()
        log.warning("broker_unreachable", task=task, error=type(error).__name__)
        return False
    return True


class _LookNow:
    """The callback; equal for the same task, so that one transaction asks once."""

    def __init__(self, task: str) -> None:
        self.task = task

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _LookNow) and other.task == self.task

    def __hash__(self) -> int:
        return hash(self.task)

    def __call__(self) -> None:
        publish(self.task)
