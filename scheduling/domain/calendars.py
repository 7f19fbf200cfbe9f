"""Weekly working hours and closures, turned into the stretches of UTC in which something is open.

Hours are what the clock on the wall says, so 09:00 stays 09:00 across a change of the clocks; once they
are instants, all arithmetic is elapsed time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from clinic.common.errors import Invalid
from clinic.common.intervals import Interval, InvalidInterval, subtract, union

ONE_DAY = timedelta(days=1)


class NonexistentLocalTime(Invalid, ValueError):
    """The clocks of the place skip this time on that day."""

    code = "nonexistent_local_time"


class AmbiguousLocalTime(Invalid, ValueError):
    """The clocks of the place show this time twice on that day: the offset must say which is meant."""

    code = "ambiguous_local_time"


class WrongOffset(Invalid, ValueError):
    """The offset given is not the one in force at the place at that time."""

    code = "wrong_offset"


class DateOutOfRange(Invalid, ValueError):
    """A date so near the year 1 or 9999 that it cannot be expressed in UTC."""

    code = "date_out_of_range"


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Open every week on ``weekday`` (0 = Monday) from ``start`` to ``end`` by the clock on the wall.

    ``end`` at or before ``start`` is on the following day, so 00:00 to 00:00 is 24 hours. A shift belongs
    to the day it starts on: its weekday, and ``valid_from`` to ``valid_until``, both dates included.

    When the clocks change, opening is the first instant at which the clock has reached ``start``, closing
    the last until which it has not reached ``end``: in a doubled hour it opens early and closes late.
    """

    weekday: int
    start: time
    end: time
    valid_from: date | None = None
    valid_until: date | None = None

    def applies_on(self, day: date) -> bool:
        """Whether a shift of these hours starts on ``day``."""
        return (
            day.weekday() == self.weekday
            and (self.valid_from is None or self.valid_from <= day)
            and (self.valid_until is None or day <= self.valid_until)
        )

    def on(self, day: date, zone: ZoneInfo) -> Interval | None:
        """The shift starting on ``day`` as an interval; None when the clocks skip all of it."""
        return _shift(self.start, self.end, day, zone)


def open_intervals(
    *,
    hours: Iterable[WeeklyHours],
    closures: Iterable[Interval] = (),
    first: date,
    last: date,
    zone: ZoneInfo,
) -> list[Interval]:
    """When it is open on the local dates ``first`` to ``last`` (both included), sorted and disjoint.

    The part of a night shift that runs into ``first`` from the day before is there, and the part beyond
    ``last`` is not. Raises DateOutOfRange.
    """
    if last < first:
        return []
    rules = list(hours)
    try:
        bounds = Interval(day_start(first, zone), day_start(last + ONE_DAY, zone))
        # Two days back: where the clocks skip a whole date, a night shift can reach across it.
        days = [first + ONE_DAY * n for n in range(-2, (last - first).days + 1)]
        shifts = [rule.on(day, zone) for day in days for rule in rules if rule.applies_on(day)]
    except OverflowError:
        raise DateOutOfRange("This date is outside the calendar; choose one nearer to today.") from None
    except InvalidInterval:  # the only date asked for is one that the place skipped
        return []
    within = [part for shift in shifts if shift is not None and (part := shift.intersect(bounds)) is not None]
    return subtract(union(within), closures)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local date, in UTC; not always 00:00 by the clock. Raises DateOutOfRange."""
    return wall_to_instant(datetime.combine(day, time.min), zone, later=False)


def wall_to_instant(naive: datetime, zone: ZoneInfo, *, later: bool) -> datetime:
    """The instant at which the clocks of ``zone`` reach ``naive``, in UTC, for boundaries of hours.

    A time the clocks skip becomes the first instant after the gap; of a time shown twice, ``later`` picks
    the second. Raises DateOutOfRange.
    """
    try:
        instant = naive.replace(tzinfo=zone, fold=int(later)).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == naive:
            return instant
        # In a gap: read with the offset before it the time falls after the change, and the other way round.
        before = naive.replace(tzinfo=zone, fold=1).astimezone(UTC)
        after = naive.replace(tzinfo=zone, fold=0).astimezone(UTC)
        return _first_after_change(before, after, zone)
    except OverflowError:
        raise DateOutOfRange("This date is outside the calendar; choose one nearer to today.") from None


def resolve_local(naive: datetime, zone: ZoneInfo, *, offset: timedelta | None = None) -> datetime:
    """The instant a person means by a time on the clocks of ``zone``, in UTC; never shifted.

    Raises NonexistentLocalTime in a gap, AmbiguousLocalTime in a doubled hour unless ``offset`` (from UTC)
    is one of the two, WrongOffset when ``offset`` is not in force there then, DateOutOfRange.
    """
    try:
        readings = [naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
        instants = {
            reading.utcoffset(): reading.astimezone(UTC)
            for reading in readings
            if reading.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == naive
        }
    except OverflowError:
        raise DateOutOfRange("This date is outside the calendar; choose one nearer to today.") from None
    if not instants:
        raise NonexistentLocalTime(
            f"{naive:%H:%M} does not exist on {naive:%Y-%m-%d} in {zone.key}: the clocks skip it. "
            "Choose another time."
        )
    if offset is not None:
        if offset not in instants:
            raise WrongOffset(f"{zone.key} has another offset from UTC at {naive:%Y-%m-%d %H:%M}.")
        return instants[offset]
    if len(instants) > 1:
        raise AmbiguousLocalTime(
            f"{naive:%H:%M} comes twice on {naive:%Y-%m-%d} in {zone.key}: give its offset from UTC."
        )
    return next(iter(instants.values()))


def refuse_skipped(value: datetime, zone: ZoneInfo) -> datetime:
    """An aware time from a request as an instant in UTC, unless it names a time ``zone`` skips.

    02:30-07:00 on the day Denver's clocks jump from 02:00 to 03:00 is an instant all the same, 03:30-06:00,
    but nobody who wrote it meant that. Times written with any offset not in use at the place around then,
    and times in UTC, are taken as they are. Raises NonexistentLocalTime, DateOutOfRange.
    """
    naive, offset = value.replace(tzinfo=None), value.utcoffset()
    if offset is None:
        raise ValueError("a time from a request needs an offset")
    around = {naive.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)}
    if offset and offset in around:
        return resolve_local(naive, zone, offset=offset)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise DateOutOfRange("This date is outside the calendar; choose one nearer to today.") from None


@lru_cache(maxsize=32_768)
def _shift(start: time, end: time, day: date, zone: ZoneInfo) -> Interval | None:
    """Remembered, because a clinic's resources mostly keep the same hours."""
    closing_day = day if end > start else day + ONE_DAY
    opens = wall_to_instant(datetime.combine(day, start), zone, later=False)
    closes = _closing(datetime.combine(closing_day, end), zone)
    return Interval(opens, closes) if opens < closes else None


def _closing(naive: datetime, zone: ZoneInfo) -> datetime:
    """The later of two readings, but the first where the doubled hour only begins: open until then."""
    first, second = (wall_to_instant(naive, zone, later=later) for later in (False, True))
    if first == second:
        return first
    moment = timedelta.resolution
    began_before = wall_to_instant(naive - moment, zone, later=True) + moment == second
    return second if began_before else first


def _first_after_change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first second in (before, after] at which the offset of ``zone`` is that of ``after``."""
    target = after.astimezone(zone).utcoffset()
    low, high = 0, round((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == target:
            high = middle
        else:
            low = middle
    return before + timedelta(seconds=high)
