"""Looks at what is due when the beat or a wake-up says so. The row is the work: running this twice, or at
the same time in several workers, is harmless."""

import time

import structlog
from celery import shared_task

from clinic.common import clock
from patients.services import alarms, wakeup
from patients.services.dispatch import BATCH, dispatch

log = structlog.get_logger(__name__)

ROUND_SECONDS = 120.0
"""Below the task's soft time limit: a long backlog is handed on to a fresh task."""


@shared_task(name=wakeup.DISPATCH)
def dispatch_messages() -> None:
    """Send until nothing is due."""
    started = time.monotonic()
    while time.monotonic() - started < ROUND_SECONDS:
        report = dispatch(now=clock.now(), limit=BATCH)
        if report.idle:
            return
        log.info(
            "messages_dispatched",
            claimed=report.claimed,
            sent=report.sent,
            retried=report.retried,
            failed=report.failed,
            held=report.held,
            released=report.released,
            swept=report.swept,
        )
    wakeup.publish(wakeup.DISPATCH)


ALARM_BATCH = 200
ALARM_ROUNDS = 25
"""At most this many batches a run; what is left is found by the next tick."""


@shared_task(name=alarms.TASK)
def escalate_alarms() -> None:
    """Hand on the safety alarms that nobody acknowledged in time."""
    now = clock.now()
    for _round in range(ALARM_ROUNDS):
        if not alarms.escalate_due(now=now, limit=ALARM_BATCH):
            return
