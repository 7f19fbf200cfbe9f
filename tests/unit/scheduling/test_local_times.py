"""Local texts of ticks are those of datetime.isoformat, in every zone and through every change of clocks."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scheduling.domain.local_times import local_texts
from scheduling.domain.ticks import Axis

ZONES = [
    "America/Denver",
    "Australia/Lord_Howe",  # changes by half an hour
    "America/Havana",  # changes at midnight
    "Asia/Kathmandu",
    "Pacific/Apia",  # skipped a whole date
    "Europe/London",
    "UTC",
]


def slowly(axis: Axis, ticks: list[int], minutes: int) -> list[str]:
    later = timedelta(minutes=minutes)
    return [(axis.instant(tick) + later).astimezone(axis.zone).isoformat() for tick in ticks]


@given(
    zone=st.sampled_from(ZONES),
    first=st.dates(date(2011, 12, 20), date(2031, 12, 31)),
    days=st.integers(1, 12),
    minutes=st.integers(0, 24 * 60),
    step=st.integers(1, 50),
)
@example(zone="America/Denver", first=date(2027, 3, 13), days=3, minutes=105, step=1)
@example(zone="America/Denver", first=date(2027, 11, 6), days=3, minutes=105, step=1)
@example(zone="America/Havana", first=date(2027, 3, 13), days=3, minutes=0, step=1)
@example(zone="Pacific/Apia", first=date(2011, 12, 28), days=5, minutes=30, step=1)
def test_equal_what_datetime_says(zone: str, first: date, days: int, minutes: int, step: int) -> None:
    axis = Axis.over(first=first, days=days, zone=ZoneInfo(zone), visit_minutes=60)
    ticks = list(range(0, axis.cuts[-1], step))
    assert local_texts(axis, ticks, minutes=minutes) == slowly(axis, ticks, minutes)


@pytest.mark.parametrize("minutes", [0, 120])
def test_a_visit_into_the_day_of_the_change_ends_by_the_clock_there(minutes: int) -> None:
    axis = Axis.over(first=date(2027, 3, 13), days=1, zone=ZoneInfo("America/Denver"), visit_minutes=300)
    (text,) = local_texts(axis, [23 * 12 + 6], minutes=minutes)
    assert text == {0: "2027-03-13T23:30:00-07:00", 120: "2027-03-14T01:30:00-07:00"}[minutes]
