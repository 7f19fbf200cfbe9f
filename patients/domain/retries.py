"""When a message that was not accepted is tried again: soon at first, then ever less often, with a
spread so that an outage's backlog does not come back all at once."""

from datetime import datetime, timedelta

FIRST = timedelta(minutes=1)
LONGEST = timedelta(minutes=30)
LAST_TRY_BEFORE_CUT_OFF = timedelta(seconds=30)
LOST_WORKERS_ALLOWED = 3
"""A message in whose hands workers died this often is not tried again: it may be the cause."""


def backoff(tries: int, *, spread: float) -> timedelta:
    """1, 2, 4 … minutes after the first, second, third try, at most 30; ``spread`` in [0, 1) takes off up
    to a quarter."""
    if tries < 1:
        raise ValueError("a retry follows at least one try")
    whole = min(FIRST * (1 << min(tries - 1, 10)), LONGEST)
    return whole * (1 - spread / 4)


def next_try(*, now: datetime, tries: int, not_after: datetime, spread: float) -> datetime | None:
    """When to try again, or None when the cut-off leaves no time. The last try is shortly before it."""
    moment = min(now + backoff(tries, spread=spread), not_after - LAST_TRY_BEFORE_CUT_OFF)
    return moment if moment > now else None
