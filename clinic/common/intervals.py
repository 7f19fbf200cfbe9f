"""Half-open stretches of time, and the set arithmetic everything that is scheduled rests on.

An interval is [start, end) between two instants, kept in UTC: end to start is adjacent, never a clash.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime


class InvalidInterval(ValueError):
    """An interval without an offset, empty, or ending before it starts."""


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """The instants from ``start`` up to, not including, ``end``; both aware, stored in UTC.

    Raises InvalidInterval when either end has no offset, ``end`` is not after ``start``, or UTC cannot
    express them.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.utcoffset() is None or self.end.utcoffset() is None:
            raise InvalidInterval("an interval needs an offset from UTC at both ends")
        # Two datetimes of one zone compare by the clock on the wall, so convert before comparing.
        for field in ("start", "end"):
            value: datetime = getattr(self, field)
            if value.tzinfo is not UTC:
                try:
                    object.__setattr__(self, field, value.astimezone(UTC))
                except OverflowError:
                    raise InvalidInterval("an interval must lie within the years 1 to 9999") from None
        if self.end <= self.start:
            raise InvalidInterval("an interval must end after it starts")

    @property
    def minutes(self) -> float:
        """Elapsed minutes, whatever the clocks on the wall did meanwhile."""
        return (self.end - self.start).total_seconds() / 60

    def overlaps(self, other: "Interval") -> bool:
        """Whether the two share at least one instant; touching ends do not."""
        return self.start < other.end and other.start < self.end

    def contains(self, what: "Interval | datetime") -> bool:
        """Whether the whole of ``what``, an interval or one instant, lies inside."""
        if isinstance(what, Interval):
            return self.start <= what.start and what.end <= self.end
        return self.start <= what < self.end

    def intersect(self, other: "Interval") -> "Interval | None":
        """The stretch common to both, or None."""
        if not self.overlaps(other):
            return None
        return Interval(max(self.start, other.start), min(self.end, other.end))


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same instants as sorted, disjoint intervals; those that touch are joined."""
    merged: list[Interval] = []
    for interval in sorted(intervals):
        if merged and interval.start <= merged[-1].end:
            if interval.end > merged[-1].end:
                merged[-1] = Interval(merged[-1].start, interval.end)
        else:
            merged.append(interval)
    return merged


def intersection(first: Iterable[Interval], second: Iterable[Interval]) -> list[Interval]:
    """The instants in both, sorted and disjoint."""
    left, right = union(first), union(second)
    shared: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        common = left[i].intersect(right[j])
        if common is not None:
            shared.append(common)
        if left[i].end <= right[j].end:
            i += 1
        else:
            j += 1
    return shared


def subtract(intervals: Iterable[Interval], removed: Iterable[Interval]) -> list[Interval]:
    """The instants of ``intervals`` that are in none of ``removed``, sorted and disjoint."""
    holes = union(removed)
    remaining: list[Interval] = []
    first = 0
    for interval in union(intervals):
        start = interval.start
        while first < len(holes) and holes[first].end <= start:
            first += 1
        for hole in holes[first:]:
            if hole.start >= interval.end:
                break
            if hole.start > start:
                remaining.append(Interval(start, hole.start))
            start = max(start, hole.end)
        if start < interval.end:
            remaining.append(Interval(start, interval.end))
    return remaining
