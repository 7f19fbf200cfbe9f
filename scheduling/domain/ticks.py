"""Time as five-minute ticks in Python integers: bit i is the i-th tick, and a whole month is one AND.

Ticks count elapsed time from a local midnight, so a day has 288 of them, 276 or 300 when the clocks
change by an hour, and a visit across midnight is simply further along the same row of bits.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from clinic.common.intervals import Interval
from scheduling.domain.calendars import DateOutOfRange, day_start
from scheduling.domain.phases import Use

TICK_MINUTES = 5
TICK_SECONDS = TICK_MINUTES * 60
TICKS_IN_A_DAY = 24 * 60 // TICK_MINUTES
MAX_DAYS = 400
"""The longest axis: a bound on the work one search can cause."""

Span = tuple[int, int]
"""Ticks from the first up to, not including, the second."""

Taken = tuple[str, datetime, datetime]
"""One allocation: its use, start and end (UTC). A plain tuple, because a month of them is read at once."""

_BYTES_IN_A_DAY = TICKS_IN_A_DAY // 8


@dataclass(frozen=True, slots=True)
class Axis:
    """The ticks of some successive local dates, and how they map to instants.

    ``cuts[n]`` is the tick at which ``days[n]`` begins, the last cut where the last day ends; ``length``
    goes further by what a visit starting on the last day may still need.
    """

    zone: ZoneInfo
    days: tuple[date, ...]
    anchor: datetime
    cuts: tuple[int, ...]
    length: int

    @classmethod
    def over(cls, *, first: date, days: int, zone: ZoneInfo, visit_minutes: int) -> "Axis":
        """The axis of ``days`` dates from ``first``, extended by one visit.

        Raises ValueError unless days is 1 to 400, DateOutOfRange at the ends of the calendar.
        """
        if not 1 <= days <= MAX_DAYS:
            raise ValueError(f"an axis has 1 to {MAX_DAYS} days")
        try:
            dates = [first + timedelta(days=n) for n in range(days + 1)]
        except OverflowError:
            raise DateOutOfRange("This date is outside the calendar; choose one nearer to today.") from None
        starts = [day_start(day, zone) for day in dates]
        cuts = tuple((start - starts[0]) // timedelta(seconds=TICK_SECONDS) for start in starts)
        return cls(zone, tuple(dates[:-1]), starts[0], cuts, cuts[-1] + ticks_to_hold(visit_minutes))

    @property
    def span(self) -> Interval:
        """The time whose working hours and allocations a search on this axis must be given."""
        return Interval(self.anchor, self.instant(self.length))

    def instant(self, tick: int) -> datetime:
        """When the tick begins, in UTC."""
        return self.anchor + timedelta(seconds=tick * TICK_SECONDS)

    def floor(self, instant: datetime) -> int:
        """The tick the instant is in; may lie off the axis."""
        since = instant - self.anchor
        return since.days * TICKS_IN_A_DAY + since.seconds // TICK_SECONDS

    def ceil(self, instant: datetime) -> int:
        """The first tick that begins at the instant or later; may lie off the axis."""
        until = self.anchor - instant
        return -(until.days * TICKS_IN_A_DAY + until.seconds // TICK_SECONDS)

    def day_of(self, tick: int) -> int:
        """Index of the local date the tick is in."""
        return min(bisect_right(self.cuts, tick), len(self.days)) - 1

    def day_bits(self, index: int) -> int:
        """All ticks of one local date."""
        return ones(self.cuts[index], self.cuts[index + 1])

    def since(self, instant: datetime) -> int:
        """The ticks that begin at ``instant`` or later."""
        return ones(self._clip(self.ceil(instant)), self.length)

    def until(self, instant: datetime) -> int:
        """The ticks that begin at ``instant`` at the latest."""
        return ones(0, self._clip(self.floor(instant) + 1))

    def within(self, interval: Interval) -> int:
        """The ticks that begin inside the interval."""
        return ones(self._clip(self.ceil(interval.start)), self._clip(self.ceil(interval.end)))

    def covered(self, intervals: Iterable[Interval]) -> int:
        """The ticks that lie wholly inside one of the intervals: how open hours are rounded."""
        spans = ((self.ceil(each.start), self.floor(each.end)) for each in intervals)
        return stack(spans, capacity=1, length=self.length)[0]

    def touched(self, intervals: Iterable[Interval]) -> int:
        """The ticks of which any part lies inside one of the intervals: how busy time is rounded."""
        spans = ((self.floor(each.start), self.ceil(each.end)) for each in intervals)
        return stack(spans, capacity=1, length=self.length)[0]

    def touched_by_use(self, taken: Iterable[Taken]) -> tuple[list[Span], list[Span]]:
        """The ticks each allocation touches, exclusive ones and shared ones, rounded as ``touched``."""
        exclusive: list[Span] = []
        shared: list[Span] = []
        anchor, ticks_in_a_day, tick_seconds = self.anchor, TICKS_IN_A_DAY, TICK_SECONDS
        hands_on = Use.EXCLUSIVE.value
        # floor() and ceil() written out: this loop is most of a search over a month of bookings.
        for use, start, end in taken:
            since, until = start - anchor, anchor - end
            span = (
                since.days * ticks_in_a_day + since.seconds // tick_seconds,
                -(until.days * ticks_in_a_day + until.seconds // tick_seconds),
            )
            (exclusive if use == hands_on else shared).append(span)
        return exclusive, shared

    def grid(self, minutes: int) -> int:
        """The ticks at which the clock on the wall shows a multiple of ``minutes`` since midnight.

        A grid that divides the hour so begins with each local hour, whatever the clocks do that day.
        Raises ValueError unless minutes is a multiple of 5 up to a day.
        """
        check_grid(minutes)
        bits = 0
        for first, end in pairwise(self.cuts):
            if end - first == TICKS_IN_A_DAY:  # the clocks do not change, so the pattern is known
                bits |= _plain_day_grid(minutes) << first
            else:
                for tick in range(first, end):
                    if on_grid(self.instant(tick), zone=self.zone, minutes=minutes):
                        bits |= 1 << tick
        return bits

    def _clip(self, tick: int) -> int:
        return min(max(tick, 0), self.length)


def check_grid(minutes: int) -> None:
    """Raises ValueError unless a start grid of so many minutes can be kept."""
    if not 1 <= minutes <= 24 * 60 or minutes % TICK_MINUTES:
        raise ValueError(f"a start grid is a multiple of {TICK_MINUTES} minutes, one day at most")


def on_grid(instant: datetime, *, zone: ZoneInfo, minutes: int) -> bool:
    """Whether a visit may start at ``instant``: see Axis.grid."""
    wall = instant.astimezone(zone)
    return not (wall.second or wall.microsecond or (wall.hour * 60 + wall.minute) % minutes)


def ticks_to_hold(minutes: int) -> int:
    """The least number of ticks that hold so many minutes."""
    return -(-minutes // TICK_MINUTES)


def ones(first: int, end: int) -> int:
    """The bits ``first`` up to, not including, ``end``."""
    return ((1 << (end - first)) - 1) << first if end > first else 0


def each_bit(bits: int) -> Iterator[int]:
    """The positions of the bits that are set, ascending."""
    text = f"{bits:b}"[::-1]
    at = text.find("1")
    while at >= 0:
        yield at
        at = text.find("1", at + 1)


def runs_of(bits: int, length: int) -> int:
    """The positions from which ``length`` successive bits are set, by O(log length) shift-ANDs."""
    have = 1
    while have < length:
        step = min(have, length - have)
        bits &= bits >> step
        have += step
    return bits


def stack(spans: Iterable[Span], *, capacity: int, length: int) -> list[int]:
    """Carry planes of the spans [first, end): bit i of plane k is set where more than k of them lie.

    Plane 0 is their union and the last plane is where ``capacity`` is used up. Spans are clipped to
    ``length`` ticks and handled a day at a time, because short integers are what makes this fast.
    """
    chunks = -(-length // TICKS_IN_A_DAY)
    planes = [[0] * chunks for _ in range(capacity)]
    levels = range(capacity - 1, 0, -1)
    lowest, stride = planes[0], TICKS_IN_A_DAY
    for start, end in spans:
        first = start if start > 0 else 0  # noqa: FURB136 (calling max would be a fifth of this loop)
        last = end if end < length else length  # noqa: FURB136
        while first < last:
            chunk = first // stride
            stop = min(last, (chunk + 1) * stride)
            mask = ((1 << (stop - first)) - 1) << (first - chunk * stride)
            for level in levels:
                planes[level][chunk] |= planes[level - 1][chunk] & mask
            lowest[chunk] |= mask
            first = stop
    return [_joined(plane) for plane in planes]


def _joined(chunks: Iterable[int]) -> int:
    return int.from_bytes(b"".join(chunk.to_bytes(_BYTES_IN_A_DAY, "little") for chunk in chunks), "little")


@lru_cache(maxsize=64)
def _plain_day_grid(minutes: int) -> int:
    return sum(1 << tick for tick in range(TICKS_IN_A_DAY) if tick * TICK_MINUTES % minutes == 0)
