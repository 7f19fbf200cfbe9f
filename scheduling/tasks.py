"""Looks at what came due in scheduling. The rows are the work; losing a task loses nothing."""

from celery import shared_task

from clinic.common import clock
from scheduling.services import check_ins

BATCH = 200
ROUNDS = 25
"""At most this many batches a run; what is left is found by the next tick."""


@shared_task(name="scheduling.tasks.advance_check_ins")
def advance_check_ins() -> None:
    """Ask, remind and mark as missed whatever the present time calls for."""
    now = clock.now()
    for _round in range(ROUNDS):
        if not check_ins.advance(now=now, limit=BATCH):
            return
