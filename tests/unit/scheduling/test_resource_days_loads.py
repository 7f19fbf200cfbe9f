"""Loads joined from stored days are what counting the allocations tick by tick gives."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.domain.loads import PLANE_BYTES, Load, StoredDays, loads, stored_days
from scheduling.domain.ticks import TICKS_IN_A_DAY, Axis, Taken

ZONES = ["America/Denver", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Kiritimati", "UTC"]
MIDNIGHT = datetime(2027, 3, 13, tzinfo=UTC)
"""Of the days around which allocations are; clocks change in Denver on the 14th."""

allocations = st.lists(
    st.tuples(st.sampled_from(["exclusive", "shared"]), st.integers(-600, 4000), st.integers(1, 700)).map(
        lambda drawn: (
            drawn[0],
            MIDNIGHT + timedelta(minutes=drawn[1]),
            MIDNIGHT + timedelta(minutes=drawn[1] + drawn[2]),
        )
    ),
    max_size=8,
)


def touched(taken: list[Taken], use: str, axis: Axis) -> Counter[int]:
    """How many of the allocations touch each tick of the axis."""
    return Counter(
        tick
        for tick in range(axis.length)
        for each, start, end in taken
        if each == use and start < axis.instant(tick + 1) and end > axis.instant(tick)
    )


def as_stored(taken: list[Taken], axis: Axis) -> StoredDays:
    """The days of the axis as the database would keep them for these allocations."""
    first, last = stored_days(axis)
    days = StoredDays.empty((last - first).days + 1)
    for index in range(len(days.exclusive)):
        midnight = datetime.combine(last - timedelta(days=index), time(0), UTC)
        day = Axis(ZoneInfo("UTC"), (midnight.date(),), midnight, (0, TICKS_IN_A_DAY), TICKS_IN_A_DAY)
        for use, into in (("exclusive", days.exclusive), ("shared", days.shared)):
            load = touched(taken, use, day)
            depth = max(load.values(), default=0)
            into[index] = b"".join(
                sum(1 << tick for tick, count in load.items() if count >= level).to_bytes(PLANE_BYTES, "big")
                for level in range(1, depth + 1)
            )
    return days


def levels(load: Load, axis: Axis, capacity: int) -> list[int]:
    return [sum(load.at_least(k) >> tick & 1 for k in range(1, capacity + 1)) for tick in range(axis.length)]


@given(allocations, allocations, st.data(), st.sampled_from(ZONES), st.integers(1, 3), st.integers(1, 4))
def test_days_and_rows_add_up(
    kept: list[Taken], held: list[Taken], data: st.DataObject, zone: str, days: int, capacity: int
) -> None:
    axis = Axis.over(first=date(2027, 3, 13), days=days, zone=ZoneInfo(zone), visit_minutes=120)
    freed = data.draw(st.lists(st.sampled_from(kept), max_size=3, unique=True)) if kept else []
    remaining = list((Counter(kept) - Counter(freed)).elements())
    exclusive, shared = loads(axis, as_stored(kept, axis), capacity=capacity, taken=held, freed=freed)
    for use, load, most in (("exclusive", exclusive, 1), ("shared", shared, capacity)):
        counts = touched([*remaining, *held], use, axis)
        assert levels(load, axis, most) == [min(counts[tick], most) for tick in range(axis.length)]
        assert all(load.at_least(level) >> axis.length == 0 for level in range(1, most + 1))


def test_nothing_booked_is_nothing() -> None:
    axis = Axis.over(first=date(2027, 3, 13), days=2, zone=ZoneInfo("America/Denver"), visit_minutes=60)
    exclusive, shared = loads(axis, StoredDays.empty(3), capacity=3)
    assert (exclusive.at_least(1), shared.at_least(1), shared.at_least(3)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("zone", "visit_minutes", "expected"),
    [
        ("UTC", 5, (date(2027, 3, 13), date(2027, 3, 14))),
        ("America/Denver", 5, (date(2027, 3, 13), date(2027, 3, 14))),
        ("Pacific/Kiritimati", 5, (date(2027, 3, 12), date(2027, 3, 13))),
        ("America/Denver", 20 * 60, (date(2027, 3, 13), date(2027, 3, 15))),
    ],
)
def test_the_utc_days_of_a_local_day(zone: str, visit_minutes: int, expected: tuple[date, date]) -> None:
    axis = Axis.over(first=date(2027, 3, 13), days=1, zone=ZoneInfo(zone), visit_minutes=visit_minutes)
    assert stored_days(axis) == expected
