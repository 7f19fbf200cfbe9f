"""How a service writes: one durable transaction, retried when the database asks for it.

``durable`` is the only door. It refuses to run inside an unrelated transaction, so that "it
returned" means "it is committed". The one exception is :func:`request_unit`, which the API opens
for a request with an Idempotency-Key: there the effect and its stored reply commit together.
"""

import functools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

import psycopg.errors
from django.db import DatabaseError, transaction

from clinic.common.errors import Busy

P = ParamSpec("P")
R = TypeVar("R")

ATTEMPTS = 6
_in_request_unit: ContextVar[bool] = ContextVar("in_request_unit", default=False)
_CONTENTION = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.SerializationFailure,
)


def durable(service: Callable[P, R]) -> Callable[P, R]:
    """Run a service in its own committed transaction; retry deadlocks and lock timeouts.

    Raises :class:`Busy` when contention lasts through every attempt. The service must have no
    effect outside the database except through ``transaction.on_commit``.
    """

    @functools.wraps(service)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with transaction.atomic(durable=not _in_request_unit.get()):
                    return service(*args, **kwargs)
            except DatabaseError as error:
                if not is_contention(error):
                    raise
                if attempt == ATTEMPTS:
                    break
                time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, not a secret
        raise Busy("Too many changes at once to the same records. Try again in a moment.", code="contention")

    return run


@contextmanager
def request_unit() -> Iterator[None]:
    """One transaction around a whole request, in which services become savepoints."""
    with transaction.atomic(durable=True):
        token = _in_request_unit.set(True)
        try:
            yield
        finally:
            _in_request_unit.reset(token)


def is_contention(error: DatabaseError) -> bool:
    """Whether the database gave up on this transaction in favour of another one."""
    return isinstance(error.__cause__, _CONTENTION)


def violated(error: DatabaseError) -> str | None:
    """The name of the constraint that a write broke, if it broke one."""
    cause = error.__cause__
    return cause.diag.constraint_name if isinstance(cause, psycopg.Error) else None
