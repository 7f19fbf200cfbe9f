"""Intervals against sets of minutes: every operation must agree with plain set arithmetic."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic.common.intervals import Interval, InvalidInterval, intersection, subtract, union

EPOCH = datetime(2027, 1, 4, 16, tzinfo=UTC)
DENVER = ZoneInfo("America/Denver")


def span(first: int, end: int) -> Interval:
    return Interval(EPOCH + timedelta(minutes=first), EPOCH + timedelta(minutes=end))


def minutes_of(intervals: list[Interval]) -> set[int]:
    return {
        minute
        for each in intervals
        for minute in range(
            int((each.start - EPOCH).total_seconds() // 60), int((each.end - EPOCH).total_seconds() // 60)
        )
    }


def is_canonical(intervals: list[Interval]) -> bool:
    return all(one.end < after.start for one, after in pairwise(intervals))


spans = st.builds(lambda first, length: span(first, first + length), st.integers(0, 40), st.integers(1, 12))
lists = st.lists(spans, max_size=8)


class TestInterval:
    def test_is_stored_in_utc_whatever_the_offset_given(self) -> None:
        local = Interval(
            datetime(2027, 1, 4, 9, tzinfo=DENVER),
            datetime(2027, 1, 4, 11, tzinfo=timezone(-timedelta(hours=7))),
        )
        assert local == Interval(datetime(2027, 1, 4, 16, tzinfo=UTC), datetime(2027, 1, 4, 18, tzinfo=UTC))
        assert local.start.tzinfo is UTC
        assert local.end.tzinfo is UTC

    def test_both_readings_of_the_doubled_hour_can_be_its_ends(self) -> None:
        first = datetime(2027, 11, 7, 1, 45, tzinfo=DENVER)
        second = datetime(2027, 11, 7, 1, 15, fold=1, tzinfo=DENVER)
        assert Interval(first, second).minutes == 30
        with pytest.raises(InvalidInterval, match="end after"):
            Interval(second, first)

    @pytest.mark.parametrize("end", [EPOCH, EPOCH - timedelta(minutes=1)])
    def test_refuses_an_end_not_after_the_start(self, end: datetime) -> None:
        with pytest.raises(InvalidInterval, match="end after"):
            Interval(EPOCH, end)

    def test_refuses_times_without_an_offset(self) -> None:
        naive = EPOCH.replace(tzinfo=None)
        for start, end in [(naive, EPOCH), (EPOCH, naive + timedelta(hours=1)), (naive, naive)]:
            with pytest.raises(InvalidInterval, match="offset"):
                Interval(start, end)

    def test_refuses_what_utc_cannot_express(self) -> None:
        last = datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=7)))
        with pytest.raises(InvalidInterval, match="9999"):
            Interval(EPOCH, last)

    def test_touching_is_not_overlapping(self) -> None:
        assert not span(0, 10).overlaps(span(10, 20))
        assert span(0, 10).intersect(span(10, 20)) is None
        assert span(0, 11).overlaps(span(10, 20))

    def test_contains_its_start_and_not_its_end(self) -> None:
        assert span(0, 10).contains(EPOCH)
        assert not span(0, 10).contains(span(0, 10).end)

    @given(spans, spans)
    def test_pairs_agree_with_sets(self, one: Interval, other: Interval) -> None:
        first, second = minutes_of([one]), minutes_of([other])
        common = one.intersect(other)
        assert one.overlaps(other) == bool(first & second)
        assert one.contains(other) == (second <= first)
        assert minutes_of([common] if common else []) == first & second


class TestLists:
    @given(lists)
    def test_union(self, some: list[Interval]) -> None:
        assert minutes_of(union(some)) == minutes_of(some)
        assert is_canonical(union(some))

    @given(lists, lists)
    def test_intersection(self, some: list[Interval], others: list[Interval]) -> None:
        found = intersection(some, others)
        assert minutes_of(found) == minutes_of(some) & minutes_of(others)
        assert is_canonical(found)

    @given(lists, lists)
    def test_subtract(self, some: list[Interval], others: list[Interval]) -> None:
        found = subtract(some, others)
        assert minutes_of(found) == minutes_of(some) - minutes_of(others)
        assert is_canonical(found)
