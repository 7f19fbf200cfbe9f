"""How much of a resource is in use, tick by tick: read from stored UTC days, corrected by single rows.

Stored are carry planes, each one number per day (models/resource_days.py); a month of them is joined by
concatenating bytes, which is why a search costs what fetching them costs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from scheduling.domain.ticks import TICK_SECONDS, TICKS_IN_A_DAY, Axis, Span, Taken, ones, stack

PLANE_BYTES = TICKS_IN_A_DAY // 8
_EMPTY = bytes(PLANE_BYTES)


@dataclass(frozen=True, slots=True)
class StoredDays:
    """What is stored of one resource over an axis: a value for each of its UTC days, the LAST day first.

    Planes are big-endian numbers, so this is the order in which they join into one. Days nothing is booked
    on are empty.
    """

    exclusive: list[bytes] = field(default_factory=list)
    shared: list[bytes] = field(default_factory=list)

    @classmethod
    def empty(cls, days: int) -> "StoredDays":
        """So many days with nothing booked, to be filled in."""
        return cls([b""] * days, [b""] * days)


def stored_days(axis: Axis) -> tuple[date, date]:
    """The first and the last UTC date that the axis has ticks of."""
    span = axis.span
    return span.start.date(), (span.end - timedelta(microseconds=1)).date()


class Load:
    """One sort of use of one resource on an axis: its carry planes, joined when first asked for."""

    def __init__(
        self,
        axis: Axis,
        days: Sequence[bytes],
        *,
        capacity: int,
        added: Sequence[Span] = (),
        removed: Sequence[Span] = (),
    ) -> None:
        """``days`` as StoredDays has them; ``added`` are allocations they do not hold, ``removed`` ones
        they do that shall not count. Nobody asks for more than ``capacity`` planes.
        """
        self._axis = axis
        self._planes: dict[int, int] = {}
        self._days: Sequence[bytes] = days if any(days) else ()
        if removed or (added and self._days):
            self._planes = dict(enumerate(self._corrected(added, removed), start=1))
            self._days = ()
        elif added:
            self._planes = dict(enumerate(stack(added, capacity=capacity, length=axis.length), start=1))

    def at_least(self, level: int) -> int:
        """The ticks touched by ``level`` allocations or more."""
        plane = self._planes.get(level)
        if plane is None:
            plane = self._planes[level] = self._joined(level) if self._days else 0
        return plane

    def _joined(self, level: int) -> int:
        low, high = PLANE_BYTES * (level - 1), PLANE_BYTES * level
        number = int.from_bytes(b"".join([day[low:high] or _EMPTY for day in self._days]), "big")
        return (number >> _first_tick(self._axis.anchor)) & ones(0, self._axis.length)

    def _corrected(self, added: Iterable[Span], removed: Iterable[Span]) -> list[int]:
        depth = max((len(day) for day in self._days), default=0) // PLANE_BYTES
        planes = [self._joined(level) for level in range(1, depth + 1)]
        for span in removed:
            due = self._mask(span)
            for level in reversed(range(len(planes))):
                planes[level], due = planes[level] & ~due, due & ~planes[level]
        for span in added:
            carry = self._mask(span)
            for level, plane in enumerate(planes):
                planes[level], carry = plane | carry, plane & carry
            planes.append(carry)
        return planes

    def _mask(self, span: Span) -> int:
        return ones(max(span[0], 0), min(span[1], self._axis.length))


_NOTHING: tuple[tuple[Span, ...], tuple[Span, ...]] = ((), ())


def loads(
    axis: Axis, days: StoredDays, *, capacity: int, taken: Iterable[Taken] = (), freed: Iterable[Taken] = ()
) -> tuple[Load, Load]:
    """A resource's exclusive and shared use: the stored days and ``taken``, without ``freed``."""
    added = axis.touched_by_use(taken) if taken else _NOTHING
    removed = axis.touched_by_use(freed) if freed else _NOTHING
    return (
        Load(axis, days.exclusive, capacity=1, added=added[0], removed=removed[0]),
        Load(axis, days.shared, capacity=capacity, added=added[1], removed=removed[1]),
    )


@lru_cache(maxsize=64)
def _first_tick(anchor: datetime) -> int:
    """How many ticks into its first UTC day an axis begins.

    Every zone has been whole quarters of an hour from UTC since 1972, so its ticks are UTC's ticks. On
    dates before that the quotient is rounded down; nothing is booked there.
    """
    midnight = datetime.combine(anchor.date(), time.min, UTC)
    return (anchor - midnight) // timedelta(seconds=TICK_SECONDS)
