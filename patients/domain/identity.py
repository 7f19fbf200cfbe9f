"""Telling whether it is the patient who opened a link: a date of birth in three parts, and when too many
wrong ones lock the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So many wrong dates within ``window`` lock for ``lock``, counted from the last of them."""

    tries: int
    window: timedelta
    lock: timedelta

    @property
    def memory(self) -> timedelta:
        """How far back a wrong date can still matter."""
        return self.window + self.lock


def locked_until(wrong: Sequence[datetime], limit: Limit) -> datetime | None:
    """Until when the latest wrong dates lock, or None. The end may have passed already.

    Nothing is recorded while it is locked, so the latest ``tries`` decide alone.
    """
    latest = sorted(wrong)[-limit.tries :]
    if len(latest) < limit.tries or latest[-1] - latest[0] >= limit.window:
        return None
    return latest[-1] + limit.lock


def date_from(*, year: str, month: str, day: str) -> date | None:
    """The calendar date that three typed parts mean, or None when they mean none."""
    parts = [part.strip() for part in (year, month, day)]
    if not all(
        part.isascii() and part.isdigit() and len(part) <= size
        for part, size in zip(parts, (4, 2, 2), strict=True)
    ):
        return None
    try:
        return date(*(int(part) for part in parts))
    except ValueError:
        return None
