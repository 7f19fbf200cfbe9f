"""Working hours against a scan of the clock on the wall, minute by minute, on both DST edges."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinic.common.errors import Invalid
from clinic.common.intervals import Interval
from scheduling.domain.calendars import (
    AmbiguousLocalTime,
    DateOutOfRange,
    NonexistentLocalTime,
    WeeklyHours,
    WrongOffset,
    day_start,
    open_intervals,
    refuse_skipped,
    resolve_local,
)

DENVER = ZoneInfo("America/Denver")
SPRING = date(2027, 3, 14)  # Denver's clocks go from 02:00 to 03:00
AUTUMN = date(2027, 11, 7)  # and from 02:00 back to 01:00
MINUTE = timedelta(minutes=1)

# Each zone with the days its clocks change in 2027; Lord Howe's by half an hour, Havana's at midnight.
CHANGES = {
    "America/Denver": [SPRING, AUTUMN],
    "Europe/Berlin": [date(2027, 3, 28), date(2027, 10, 31)],
    "Australia/Lord_Howe": [date(2027, 4, 4), date(2027, 10, 3)],
    "America/Havana": [date(2027, 3, 14), date(2027, 11, 7)],
    "Asia/Kolkata": [date(2027, 3, 14)],
}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def wall(*parts: int) -> datetime:
    """What a clock on the wall shows."""
    return utc(*parts).replace(tzinfo=None)


def opened(
    hours: WeeklyHours, first: date, last: date | None = None, zone: ZoneInfo = DENVER
) -> list[Interval]:
    return open_intervals(hours=[hours], first=first, last=last or first, zone=zone)


def every_day(start: time, end: time) -> list[WeeklyHours]:
    return [WeeklyHours(weekday, start, end) for weekday in range(7)]


class TestWeeklyHours:
    def test_nine_stays_nine_when_the_clocks_change(self) -> None:
        found = open_intervals(
            hours=every_day(time(9), time(17)), first=SPRING - timedelta(days=1), last=SPRING, zone=DENVER
        )
        assert found == [
            Interval(utc(2027, 3, 13, 16), utc(2027, 3, 14, 0)),
            Interval(utc(2027, 3, 14, 15), utc(2027, 3, 14, 23)),
        ]

    def test_a_night_shift_is_in_both_its_days_and_cut_at_midnight(self) -> None:
        monday, tuesday = date(2027, 1, 4), date(2027, 1, 5)
        night = WeeklyHours(0, time(20), time(2))
        assert opened(night, monday) == [Interval(utc(2027, 1, 5, 3), utc(2027, 1, 5, 7))]
        assert opened(night, tuesday) == [Interval(utc(2027, 1, 5, 7), utc(2027, 1, 5, 9))]
        assert opened(night, monday, tuesday) == [Interval(utc(2027, 1, 5, 3), utc(2027, 1, 5, 9))]

    @pytest.mark.parametrize(("day", "hours"), [(SPRING, 23), (AUTUMN, 25), (date(2027, 1, 3), 24)])
    def test_midnight_to_midnight_is_the_whole_day_however_long(self, day: date, hours: int) -> None:
        (found,) = opened(WeeklyHours(day.weekday(), time(0), time(0)), day)
        assert found.minutes == hours * 60

    def test_validity_counts_the_day_a_shift_starts_and_includes_both_dates(self) -> None:
        night = WeeklyHours(0, time(20), time(2), valid_from=date(2027, 1, 11), valid_until=date(2027, 1, 18))
        found = open_intervals(hours=[night], first=date(2027, 1, 1), last=date(2027, 1, 31), zone=DENVER)
        assert [each.start.astimezone(DENVER).day for each in found] == [11, 18]
        assert {each.minutes for each in found} == {360}

    def test_a_boundary_in_the_gap_moves_to_the_first_existing_instant(self) -> None:
        (late,) = opened(WeeklyHours(6, time(2, 30), time(5)), SPRING)
        (early,) = opened(WeeklyHours(6, time(0), time(2, 30)), SPRING)
        assert late.start == early.end == utc(2027, 3, 14, 9)  # 03:00-06:00
        assert opened(WeeklyHours(6, time(2, 10), time(2, 50)), SPRING) == []

    def test_in_the_doubled_hour_opening_is_the_earlier_and_closing_the_later(self) -> None:
        (found,) = opened(WeeklyHours(6, time(1, 30), time(1, 45)), AUTUMN)
        assert found == Interval(utc(2027, 11, 7, 7, 30), utc(2027, 11, 7, 8, 45))

    def test_where_the_doubled_hour_only_begins_closing_is_the_first_time_the_clock_shows_it(self) -> None:
        (found,) = opened(WeeklyHours(6, time(0), time(1)), AUTUMN)
        assert found == Interval(utc(2027, 11, 7, 6), utc(2027, 11, 7, 7))
        havana, sunday = ZoneInfo("America/Havana"), date(2027, 11, 7)  # its doubled hour is 00:00 to 01:00
        assert opened(WeeklyHours(5, time(0), time(0)), sunday, zone=havana) == []

    def test_closures_are_cut_out_and_overlapping_hours_joined(self) -> None:
        found = open_intervals(
            hours=[WeeklyHours(0, time(8), time(12)), WeeklyHours(0, time(11), time(17))],
            closures=[Interval(utc(2027, 1, 4, 19), utc(2027, 1, 4, 20))],
            first=date(2027, 1, 4),
            last=date(2027, 1, 4),
            zone=DENVER,
        )
        assert found == [
            Interval(utc(2027, 1, 4, 15), utc(2027, 1, 4, 19)),
            Interval(utc(2027, 1, 4, 20), utc(2027, 1, 5, 0)),
        ]

    def test_no_days_are_never_open(self) -> None:
        assert open_intervals(hours=every_day(time(0), time(0)), first=AUTUMN, last=SPRING, zone=DENVER) == []

    def test_a_date_the_place_skipped_is_empty(self) -> None:
        apia, skipped = ZoneInfo("Pacific/Apia"), date(2011, 12, 30)
        always = every_day(time(0), time(0))
        assert open_intervals(hours=always, first=skipped, last=skipped, zone=apia) == []
        around = open_intervals(
            hours=always, first=skipped - timedelta(days=1), last=skipped + timedelta(days=1), zone=apia
        )
        assert [each.minutes for each in around] == [2 * 24 * 60]

    @pytest.mark.parametrize("day", [date.min, date.max])
    def test_the_ends_of_the_calendar_are_refused_by_name(self, day: date) -> None:
        with pytest.raises(DateOutOfRange):
            open_intervals(hours=every_day(time(0), time(0)), first=day, last=day, zone=DENVER)


def scanned(rule: WeeklyHours, day: date, zone: ZoneInfo) -> set[datetime]:
    """The minutes of the shift starting on ``day``, found by watching the clock on the wall.

    Open from the first minute at which the clock has reached the start, until the last minute at which it
    has not yet reached the end.
    """
    start = datetime.combine(day, rule.start)
    end = datetime.combine(day if rule.end > rule.start else day + timedelta(days=1), rule.end)
    day_before = datetime.combine(day - timedelta(days=1), time(0), tzinfo=zone).astimezone(UTC)
    scan = [day_before + n * MINUTE for n in range(4 * 24 * 60)]
    walls = [minute.astimezone(zone).replace(tzinfo=None) for minute in scan]
    first = next(n for n, wall in enumerate(walls) if wall >= start)
    last = max(n for n, wall in enumerate(walls) if wall < end)
    return set(scan[first : last + 1])


@st.composite
def a_calendar(draw: st.DrawFn) -> tuple[ZoneInfo, list[WeeklyHours], list[Interval], date, date]:
    key = draw(st.sampled_from(sorted(CHANGES)))
    zone, change = ZoneInfo(key), draw(st.sampled_from(CHANGES[key]))
    first = change + timedelta(days=draw(st.integers(-1, 1)))
    last = first + timedelta(days=draw(st.integers(0, 2)))
    clock = st.integers(0, 95).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))
    small = st.integers(0, 15).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))  # near the change
    weekdays = st.sampled_from([(first + timedelta(days=n)).weekday() for n in range(-1, 2)])
    dates = st.none() | st.none() | st.integers(-2, 2).map(lambda days: change + timedelta(days=days))
    rules = st.builds(WeeklyHours, weekdays, small | clock, small | clock, dates, dates)
    near = datetime.combine(change, time(0), tzinfo=UTC)
    closures = st.builds(
        lambda at, length: Interval(near + at * MINUTE, near + (at + length) * MINUTE),
        st.integers(-1000, 2000),
        st.integers(1, 600),
    )
    return zone, draw(st.lists(rules, max_size=3)), draw(st.lists(closures, max_size=2)), first, last


@settings(max_examples=60, deadline=None)
@given(a_calendar())
def test_open_minutes_are_those_the_clock_on_the_wall_shows(
    calendar: tuple[ZoneInfo, list[WeeklyHours], list[Interval], date, date],
) -> None:
    zone, rules, closures, first, last = calendar
    expected: set[datetime] = set()
    for n in range(-2, (last - first).days + 1):
        day = first + timedelta(days=n)
        for rule in rules:
            lower, upper = rule.valid_from or date.min, rule.valid_until or date.max
            if day.weekday() == rule.weekday and lower <= day <= upper:
                expected |= scanned(rule, day, zone)
    expected = {
        minute
        for minute in expected
        if first <= minute.astimezone(zone).date() <= last
        and not any(closure.contains(minute) for closure in closures)
    }
    found = open_intervals(hours=rules, closures=closures, first=first, last=last, zone=zone)
    minutes = [each.start + n * MINUTE for each in found for n in range(int(each.minutes))]
    assert len(minutes) == len(set(minutes))
    assert set(minutes) == expected


class TestDayStart:
    def test_is_one_in_the_morning_where_midnight_is_skipped(self) -> None:
        havana = ZoneInfo("America/Havana")
        start = day_start(date(2027, 3, 14), havana)
        assert start == utc(2027, 3, 14, 5)
        assert start.astimezone(havana).hour == 1

    def test_is_the_earlier_of_two_midnights(self) -> None:
        assert day_start(date(2027, 11, 7), ZoneInfo("America/Havana")) == utc(2027, 11, 7, 4)


class TestResolveLocal:
    def test_an_ordinary_time(self) -> None:
        assert resolve_local(wall(2027, 1, 4, 9), DENVER) == utc(2027, 1, 4, 16)
        assert resolve_local(wall(2027, 1, 4, 9), DENVER, offset=-timedelta(hours=7)) == utc(2027, 1, 4, 16)

    @pytest.mark.parametrize("offset", [None, -timedelta(hours=7), -timedelta(hours=6)])
    @pytest.mark.parametrize("minute", [0, 30, 59])
    def test_refuses_a_time_the_clocks_skip_whatever_the_offset(
        self, minute: int, offset: timedelta | None
    ) -> None:
        with pytest.raises(NonexistentLocalTime, match="clocks skip it"):
            resolve_local(wall(2027, 3, 14, 2, minute), DENVER, offset=offset)

    def test_the_edges_of_the_gap_exist(self) -> None:
        assert resolve_local(wall(2027, 3, 14, 1, 59), DENVER) == utc(2027, 3, 14, 8, 59)
        assert resolve_local(wall(2027, 3, 14, 3), DENVER) == utc(2027, 3, 14, 9)

    def test_the_doubled_hour_is_addressed_by_offset(self) -> None:
        half_past_one = wall(2027, 11, 7, 1, 30)
        with pytest.raises(AmbiguousLocalTime, match="offset"):
            resolve_local(half_past_one, DENVER)
        assert resolve_local(half_past_one, DENVER, offset=-timedelta(hours=6)) == utc(2027, 11, 7, 7, 30)
        assert resolve_local(half_past_one, DENVER, offset=-timedelta(hours=7)) == utc(2027, 11, 7, 8, 30)

    @pytest.mark.parametrize("naive", [wall(2027, 1, 4, 9), wall(2027, 11, 7, 1, 30)])
    def test_refuses_another_offset(self, naive: datetime) -> None:
        with pytest.raises(WrongOffset):
            resolve_local(naive, DENVER, offset=timedelta(hours=1))

    def test_lord_howe_changes_by_half_an_hour(self) -> None:
        lord_howe = ZoneInfo("Australia/Lord_Howe")
        with pytest.raises(NonexistentLocalTime):
            resolve_local(wall(2027, 10, 3, 2, 15), lord_howe)
        assert resolve_local(wall(2027, 10, 3, 2, 30), lord_howe) == utc(2027, 10, 2, 15, 30)
        with pytest.raises(AmbiguousLocalTime):
            resolve_local(wall(2027, 4, 4, 1, 45), lord_howe)

    @pytest.mark.parametrize(
        "refusal", [NonexistentLocalTime, AmbiguousLocalTime, WrongOffset, DateOutOfRange]
    )
    def test_refusals_are_value_errors_and_have_codes(self, refusal: type[Invalid]) -> None:
        assert issubclass(refusal, ValueError)
        assert refusal("x").code not in {"invalid", "error"}

    def test_the_end_of_the_calendar(self) -> None:
        last = wall(9999, 12, 31, 23)
        with pytest.raises(DateOutOfRange):
            resolve_local(last, DENVER)
        with pytest.raises(DateOutOfRange):
            refuse_skipped(last.replace(tzinfo=timezone(-timedelta(hours=3))), DENVER)


class TestRefuseSkipped:
    @pytest.mark.parametrize("hours", [-7, -6])
    def test_a_skipped_time_with_the_places_own_offset(self, hours: int) -> None:
        with pytest.raises(NonexistentLocalTime):
            refuse_skipped(wall(2027, 3, 14, 2, 30).replace(tzinfo=timezone(timedelta(hours=hours))), DENVER)

    @pytest.mark.parametrize("hours", [-6, -7])
    def test_the_doubled_hour_with_either_offset(self, hours: int) -> None:
        found = refuse_skipped(
            wall(2027, 11, 7, 1, 30).replace(tzinfo=timezone(timedelta(hours=hours))), DENVER
        )
        assert found == utc(2027, 11, 7, 1 - hours, 30)

    def test_times_in_utc_or_of_another_place_are_instants(self) -> None:
        assert refuse_skipped(utc(2027, 3, 28, 1, 30), ZoneInfo("Europe/London")) == utc(2027, 3, 28, 1, 30)
        elsewhere = wall(2027, 3, 14, 2, 30).replace(tzinfo=timezone(timedelta(hours=5)))
        assert refuse_skipped(elsewhere, DENVER) == utc(2027, 3, 13, 21, 30)

    def test_needs_an_offset(self) -> None:
        with pytest.raises(ValueError, match="offset"):
            refuse_skipped(wall(2027, 3, 14, 2, 30), DENVER)
