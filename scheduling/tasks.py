"""Looks at what came due in scheduling. The rows are the work; losing a task loses nothing."""

import time

from celery import shared_task

from clinic.common import clock
from scheduling.services import (
    check_ins,
    follow_ups_overdue,
    freed,
    holds,
    measures,
    offers,
    repair_runs,
    unconfirmed,
)

BATCH = 200
ROUNDS = 25
"""At most this many batches a run; what is left is found by the next tick."""
REPAIR_SECONDS = 90.0
"""After so long no other repair is begun in one task: with one more it stays below the soft time limit."""
COUNTING_SECONDS = 20.0
"""So long one task counts measures; a long history is counted by many, and messages go out between them."""


@shared_task(name="scheduling.tasks.advance_check_ins")
def advance_check_ins() -> None:
    """Ask, remind and mark as missed whatever the present time calls for."""
    now = clock.now()
    for _round in range(ROUNDS):
        if not check_ins.advance(now=now, limit=BATCH):
            return


@shared_task(name="scheduling.tasks.run_repairs")
def run_repairs() -> None:
    """Compute the repairs that wait, one after the other."""
    started = time.monotonic()
    while time.monotonic() - started < REPAIR_SECONDS:
        if not repair_runs.run_next(now=clock.now()):
            return


@shared_task(name=freed.TASK)
def offer_freed_slots() -> None:
    """Offer what was freed (also by a hold that expired) to those who wait; expire what nobody answered."""
    now = clock.now()
    for _round in range(ROUNDS):
        if not holds.notice_expired(now=now, limit=BATCH):
            break
    for _round in range(ROUNDS):
        if not offers.offer_freed_slots(now=now, limit=BATCH):
            return


@shared_task(name="scheduling.tasks.ask_unconfirmed")
def ask_unconfirmed() -> None:
    """Ask somebody to call about visits that begin soon and that nobody confirmed."""
    now = clock.now()
    for _round in range(ROUNDS):
        if not unconfirmed.ask(now=now, limit=BATCH):
            return


@shared_task(name=follow_ups_overdue.TASK)
def surface_follow_ups() -> None:
    """Tell somebody of the follow-ups that became overdue."""
    now = clock.now()
    for _round in range(ROUNDS):
        if not follow_ups_overdue.surface(now=now, limit=BATCH):
            return


@shared_task(name=measures.TASK)
def count_measures() -> None:
    """Count what managers read, where it is due."""
    started, now = time.monotonic(), clock.now()
    while time.monotonic() - started < COUNTING_SECONDS:
        if not measures.count_next(now=now):
            return
