"""Ticks as local ISO 8601 texts with their offset, thousands at once.

On a date without a change of clocks the offset is one and the times are always the same 1,440, so a text is
three that are known; whatever is on, or reaches into, any other date is worked out in full.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from scheduling.domain.ticks import TICK_MINUTES, TICKS_IN_A_DAY, Axis

_MINUTES_IN_A_DAY = 24 * 60
_CLOCK = tuple(f"T{minute // 60:02}:{minute % 60:02}:00" for minute in range(_MINUTES_IN_A_DAY))


def local_texts(axis: Axis, ticks: Iterable[int], *, minutes: int = 0) -> list[str]:
    """The local time so many minutes after each tick begins, as ``datetime.isoformat`` has it.

    ``ticks`` ascend and lie on the days of the axis.
    """
    texts = []
    index, first, end, day, offset = -1, 0, 0, "", ""
    for tick in ticks:
        while tick >= end:
            index += 1
            first, end = axis.cuts[index : index + 2]
            day = axis.days[index].isoformat()
            offset = _offset(axis, index)
        minute = (tick - first) * TICK_MINUTES + minutes
        if offset and minute < _MINUTES_IN_A_DAY:
            texts.append(day + _CLOCK[minute] + offset)
        else:
            instant = axis.instant(tick) + timedelta(minutes=minutes)
            texts.append(instant.astimezone(axis.zone).isoformat())
    return texts


def _offset(axis: Axis, index: int) -> str:
    """The offset all through this date, as text; empty where the clocks change."""
    first, end = axis.cuts[index : index + 2]
    if end - first != TICKS_IN_A_DAY:
        return ""
    midnight = axis.instant(first).astimezone(axis.zone)
    if midnight.hour or midnight.minute or midnight.second:  # the date does not begin at 00:00
        return ""
    naive = datetime.combine(axis.days[index], midnight.time(), UTC).isoformat().removesuffix("+00:00")
    return midnight.isoformat().removeprefix(naive)
