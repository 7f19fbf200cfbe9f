"""Work that waits for a moment: every kind says when it is next due and which task looks at it.

``settings.DUE_WORK`` lists the kinds by dotted name. Beat ticks, readiness, and ``make clock``
all read this one list, so a kind that is added is at once ticked, watched and replayed.
"""

from datetime import datetime, timedelta
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string


class DueWork(Protocol):
    """One kind of waiting work."""

    name: str
    task: str
    """The Celery task that does what is due."""
    stale_after_seconds: int
    """How long something may stay due before readiness reports it."""

    def next_due_at(self) -> datetime | None:
        """The earliest moment at which something waits to be done (or is being done), if any."""


def kinds() -> list[DueWork]:
    """Every kind of due work, in the order in which it should run."""
    return [import_string(dotted)() for dotted in settings.DUE_WORK]


def stalled(*, now: datetime) -> dict[str, datetime | None]:
    """Every kind by name, and since when its oldest work is due if nobody looks at it, None while it is
    well."""
    found = {}
    for work in kinds():
        oldest = work.next_due_at()
        late = oldest is not None and now - oldest > timedelta(seconds=work.stale_after_seconds)
        found[work.name] = oldest if late else None
    return found
