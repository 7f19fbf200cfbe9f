"""Where everything stands on the board of one day: rows of five minutes, places beside each other, free gaps.

The idea to know: the board counts elapsed ticks from its first row, never the clock on the wall, so that a
day of 23 or 25 hours and a visit across midnight need no case of their own.
"""

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from clinic.common.intervals import Interval, subtract
from scheduling.domain.calendars import ONE_DAY, day_start, wall_to_instant
from scheduling.domain.session_stages import Stage
from scheduling.domain.ticks import TICK_MINUTES, Span

Key = TypeVar("Key", bound=Hashable)

STEP_TICKS = 3
"""Free time is offered from quarter hours on, in pieces of at least a quarter hour."""
_TICK = timedelta(minutes=TICK_MINUTES)
_USUAL = (time(8), time(17))
"""What an empty board of a closed day shows."""
_NOT_BEGUN = frozenset({Stage.EXPECTED, Stage.WAITING})
_IN_CHAIR = frozenset({Stage.INFUSING, Stage.RECOVERY, Stage.DISCHARGED})


@dataclass(frozen=True, slots=True)
class Frame:
    """The rows of a board: so many ticks from ``start`` (UTC)."""

    start: datetime
    ticks: int

    def instant(self, tick: int) -> datetime:
        """When the row begins."""
        return self.start + tick * _TICK

    def span(self, during: Interval) -> Span | None:
        """The rows that any part of the interval touches; None when it is on none of them."""
        first, end = (during.start - self.start) // _TICK, -((self.start - during.end) // _TICK)
        first, end = max(first, 0), min(end, self.ticks)
        return (first, end) if first < end else None

    def at(self, instant: datetime) -> float | None:
        """How many rows down the instant is; None when the board does not show it."""
        rows = (instant - self.start) / _TICK
        return rows if 0 <= rows <= self.ticks else None

    def hours(self, zone: ZoneInfo) -> list[tuple[int, datetime]]:
        """The rows at which the clock of the place shows a full hour; a doubled hour is there twice."""
        local = ((tick, self.instant(tick).astimezone(zone)) for tick in range(self.ticks))
        return [(tick, at) for tick, at in local if at.minute == 0]


def bounds(day: date, zone: ZoneInfo) -> Interval | None:
    """The local date as an interval; None for one that the place skipped. Raises DateOutOfRange."""
    start, end = day_start(day, zone), day_start(day + ONE_DAY, zone)
    return Interval(start, end) if start < end else None


def frame(*, day: date, zone: ZoneInfo, hours: Iterable[Interval], visits: Iterable[Interval]) -> Frame:
    """From the first opening to the last closing of the day, further where a visit reaches, in full hours.

    Without either it is a usual day's hours. Raises DateOutOfRange.
    """
    whole = bounds(day, zone)
    if whole is None:
        return Frame(day_start(day, zone), 0)
    shown = [part for each in (*hours, *visits) if (part := each.intersect(whole))]
    if not shown:
        usual = (wall_to_instant(datetime.combine(day, at), zone, later=False) for at in _USUAL)
        shown = [Interval(*usual)]
    first = _hour_before(min(each.start for each in shown), zone)
    last = _hour_after(max(each.end for each in shown), zone)
    start = max(first, whole.start)
    return Frame(start, -((start - min(last, whole.end)) // _TICK))


def _hour_before(instant: datetime, zone: ZoneInfo) -> datetime:
    local = instant.astimezone(zone)
    return instant - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _hour_after(instant: datetime, zone: ZoneInfo) -> datetime:
    before = _hour_before(instant, zone)
    return instant if before == instant else before + timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Place:
    """Rows ``first`` up to, not including, ``end``, in one of ``lanes`` equal parts of its column."""

    first: int
    end: int
    lane: int = 0
    lanes: int = 1


def stack(spans: Mapping[Key, Span]) -> dict[Key, Place]:
    """Put the spans of one column beside each other where they overlap, as few side by side as possible.

    Those that overlap, directly or through others, share the width in equal parts.
    """
    placed: dict[Key, Place] = {}
    cluster: list[tuple[Key, Span, int]] = []
    ends: list[int] = []

    def close() -> None:
        for key, (first, end), lane in cluster:
            placed[key] = Place(first, end, lane, len(ends))
        cluster.clear()
        ends.clear()

    for key, span in sorted(spans.items(), key=lambda item: item[1]):
        if ends and span[0] >= max(ends):
            close()
        lane = next((n for n, end in enumerate(ends) if end <= span[0]), len(ends))
        if lane == len(ends):
            ends.append(span[1])
        else:
            ends[lane] = span[1]
        cluster.append((key, span, lane))
    close()
    return placed


def gaps(shown: Frame, *, hours: Iterable[Interval], busy: Iterable[Interval], now: datetime) -> list[Span]:
    """Where a column is open and free from now on: the rows between quarter hours, sorted and disjoint."""
    found = []
    for free in subtract(hours, busy):
        start = max(free.start, now, shown.start)
        first = -((shown.start - start) // (STEP_TICKS * _TICK)) * STEP_TICKS
        end = min((free.end - shown.start) // _TICK, shown.ticks) // STEP_TICKS * STEP_TICKS
        if first < end:
            found.append((first, end))
    return found


def projected_end(
    planned: Interval, *, stage: Stage, set_up: timedelta, started_at: datetime | None, now: datetime
) -> datetime:
    """When the visit will leave its chair if nothing more is lost; never before its planned end.

    A treatment is as late as it began after its set-up, one that has not begun as late as it could begin now:
    who is not here yet still needs the set-up. Past its end, a visit that is still going on ends now at the
    earliest.
    """
    if stage in _NOT_BEGUN:
        due = planned.start if stage == Stage.EXPECTED else planned.start + set_up
        return planned.end + max(now - due, timedelta())
    if stage in _IN_CHAIR:
        late = (started_at or planned.start) - planned.start - set_up
        return max(planned.end + max(late, timedelta()), now)
    return planned.end


def minutes_into(end: datetime, following: Iterable[datetime]) -> int:
    """By how many minutes an end runs into the next of the following starts; 0 when it does not."""
    into = min(following, default=None)
    return 0 if into is None else max(0, -((into - end) // timedelta(minutes=1)))


def by_number(name: str) -> list[tuple[int, str]]:
    """Sorts Chair 2 before Chair 10."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
