"""Turns the clinic's clock and runs what becomes due on the way, in order, on the real workers.

From now to the target the clock stops at every moment at which something falls due, wakes the
workers, and goes on when nothing is due any more: six weeks of reminders take a minute, and each is
sent at its own moment.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from celery import current_app
from django.conf import settings

from clinic.common import clock, due
from clinic.common.errors import Busy

WAKE_AGAIN_SECONDS = 2.0
"""A wake-up can be lost (a worker killed, Redis restarted): ask again after so long."""
PATIENCE_SECONDS = 90.0
"""How long one moment may take: longer than a lease, so that a killed worker's work is taken over."""


@dataclass(frozen=True)
class Turn:
    """What happened: where the clock stands, and at how many moments it stopped on the way."""

    now: datetime
    stops: int


def turn_to(target: datetime, *, on_stop: Callable[[datetime, Sequence[str]], None]) -> Turn:
    """Move the clock to ``target``; return when all that became due by then is done.

    Backwards simply sets it. ``on_stop`` hears each moment and which kinds of work fell due. Raises
    Busy (``not_done``) naming the work that nobody does.
    """
    path = Path(settings.ONSET_DATA) / "clock"
    stops = 0
    while (moment := _next_moment(until=target)) is not None:
        _set(path, max(moment, clock.now()))
        on_stop(clock.now(), _do_what_is_due())
        stops += 1
    _set(path, target)
    on_stop(clock.now(), _do_what_is_due())
    return Turn(now=clock.now(), stops=stops)


def reset() -> Turn:
    """The machine's own time again."""
    clock.write_offset(Path(settings.ONSET_DATA) / "clock", timedelta())
    return Turn(now=clock.now(), stops=0)


def _set(path: Path, moment: datetime) -> None:
    clock.write_offset(path, moment - clock.wall())


def _next_moment(*, until: datetime) -> datetime | None:
    moments = [moment for work in due.kinds() if (moment := work.next_due_at()) is not None]
    return min((moment for moment in moments if moment <= until), default=None)


def _do_what_is_due() -> list[str]:
    """Wake the workers until nothing is due. Returns the names of the kinds that had something to do."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    seen: set[str] = set()
    wake_at = 0.0
    while waiting := [work for work in due.kinds() if _is_due(work)]:
        seen |= {work.name for work in waiting}
        if time.monotonic() > deadline:
            names = ", ".join(work.name for work in waiting)
            raise Busy(
                f"Still due after {PATIENCE_SECONDS:.0f} s: {names}. Is the worker running?", code="not_done"
            )
        if time.monotonic() >= wake_at:
            for work in waiting:
                current_app.send_task(work.task, retry=False)
            wake_at = time.monotonic() + WAKE_AGAIN_SECONDS
        time.sleep(0.02)  # the rows themselves are the condition; this only spares the database
    return sorted(seen)


def _is_due(work: due.DueWork) -> bool:
    moment = work.next_due_at()
    return moment is not None and moment <= clock.now()
