"""When wrong dates of birth lock a page, against the plainest reading of the rule; and typed dates."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from patients.domain.identity import Limit, date_from, locked_until

LIMIT = Limit(tries=3, window=timedelta(minutes=60), lock=timedelta(minutes=60))
T0 = datetime(2027, 1, 4, 15, tzinfo=UTC)


@given(st.lists(st.integers(0, 400), max_size=40))
def test_never_more_than_the_limit_is_looked_at_within_a_window(minutes: list[int]) -> None:
    looked_at: list[datetime] = []
    for minute in sorted(minutes):
        at = T0 + timedelta(minutes=minute)
        remembered = [each for each in looked_at if each > at - LIMIT.memory]
        until = locked_until(remembered, LIMIT)
        assert until == locked_until(looked_at, LIMIT) or (until is None and len(remembered) < len(looked_at))
        if until is None or at >= until:
            looked_at.append(at)
    for first in looked_at:
        assert sum(first <= each < first + LIMIT.window for each in looked_at) <= LIMIT.tries


@given(st.lists(st.integers(0, 59), min_size=3, max_size=3))
def test_the_third_within_the_window_locks_from_then(minutes: list[int]) -> None:
    tries = [T0 + timedelta(minutes=minute) for minute in minutes]
    assert locked_until(tries, LIMIT) == max(tries) + LIMIT.lock


@given(st.dates(date(1000, 1, 1), date(2999, 12, 31)))
def test_every_date_can_be_typed(day: date) -> None:
    assert date_from(year=str(day.year), month=f" {day.month:02d}", day=str(day.day)) == day


def test_what_means_no_date() -> None:
    for year, month, day in (("", "5", "17"), ("1980", "13", "1"), ("1981", "2", "29"), ("1980", "5", "-1")):
        assert date_from(year=year, month=month, day=day) is None
    assert date_from(year="١٩٨٠", month="5", day="17") is None
