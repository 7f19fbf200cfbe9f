"""Availability on the days of a real clinic: one fact per test, and every reason a day can have."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from clinic.common.intervals import Interval
from scheduling.domain.availability import Availability, Limits, Reason, Resource, Rule, starts_for
from scheduling.domain.calendars import WeeklyHours, open_intervals
from scheduling.domain.phases import Kind, Need, Phase, Use, requirements, total_minutes
from scheduling.domain.ticks import Axis, Taken

DENVER = ZoneInfo("America/Denver")
MONDAY = date(2027, 1, 4)

CHAIR = Need(Kind.CHAIR, Use.EXCLUSIVE)
HANDS_ON = Need(Kind.NURSE, Use.EXCLUSIVE)
WATCHED = Need(Kind.NURSE, Use.SHARED)
MOOD = (
    Phase("set-up", 15, (CHAIR, HANDS_ON, WATCHED)),
    Phase("infusion", 40, (CHAIR, WATCHED)),
    Phase("recovery", 35, (CHAIR, WATCHED)),
    Phase("disconnection", 15, (CHAIR, HANDS_ON, WATCHED)),
    Phase("turnover", 15, (CHAIR,)),
)
CALL = (Phase("call", 20),)


def at(text: str, day: date = MONDAY) -> datetime:
    """The instant of a time on Denver's clocks."""
    return datetime.combine(day, time.fromisoformat(text), tzinfo=DENVER).astimezone(UTC)


def on(start: str, end: str, day: date = MONDAY) -> Interval:
    return Interval(at(start, day), at(end, day))


def hours(start: str, end: str, day: date = MONDAY, days: int = 1) -> list[Interval]:
    rule = [WeeklyHours(weekday, time.fromisoformat(start), time.fromisoformat(end)) for weekday in range(7)]
    return open_intervals(hours=rule, first=day, last=day + timedelta(days=days), zone=DENVER)


def chair(number: int = 1, start: str = "08:00", end: str = "17:00", taken: Iterable[Taken] = ()) -> Resource:
    return Resource(number, Kind.CHAIR, 1, hours(start, end), tuple(taken))


def nurse(
    number: int = 11, start: str = "08:00", end: str = "17:00", taken: Iterable[Taken] = (), capacity: int = 3
) -> Resource:
    return Resource(number, Kind.NURSE, capacity, hours(start, end), tuple(taken))


def held(use: str, start: str, end: str) -> Taken:
    return (use, at(start), at(end))


def search(
    *resources: Resource,
    phases: tuple[Phase, ...] = MOOD,
    first: date = MONDAY,
    days: int = 1,
    window: Interval | None = None,
    grid: int = 15,
    earliest: datetime | None = None,
    latest: datetime | None = None,
    patient_busy: Iterable[Interval] = (),
    site_hours: list[Interval] | None = None,
) -> Availability:
    minutes = total_minutes(phases)
    axis = Axis.over(first=first, days=days, zone=DENVER, visit_minutes=minutes)
    return starts_for(
        axis=axis,
        requirements=requirements(phases),
        visit_minutes=minutes,
        resources=resources,
        limits=Limits(
            window=window or axis.span,
            grid_minutes=grid,
            earliest=earliest or axis.span.start,
            latest=latest or axis.span.end,
        ),
        patient_busy=patient_busy,
        site_hours=site_hours,
    )


def shown(found: Availability) -> list[str]:
    return [start.astimezone(DENVER).strftime("%H:%M") for start in found.starts()]


class TestStarts:
    def test_fill_the_working_day_to_the_last_visit_that_fits(self) -> None:
        found = shown(search(chair(), nurse(), grid=60))
        assert found == ["08:00", "09:00", "10:00", "11:00", "12:00", "13:00", "14:00", "15:00"]

    def test_the_nurse_may_leave_before_turnover_ends(self) -> None:
        assert shown(search(chair(end="10:00"), nurse(end="09:45"))) == ["08:00"]
        assert shown(search(chair(end="10:00"), nurse(end="09:40"))) == []

    def test_starts_on_one_nurse_are_staggered_by_hands_on_time(self) -> None:
        busy = nurse(
            taken=[
                held("exclusive", "08:00", "08:15"),
                held("shared", "08:00", "09:45"),
                held("exclusive", "09:30", "09:45"),
            ]
        )
        found = shown(search(chair(), busy, window=on("08:00", "10:00")))
        # 08:00 and 09:30 are hands-on with the other patient, and 08:00 would end with both.
        assert found == ["08:15", "08:30", "08:45", "09:00", "09:15", "09:45"]

    def test_a_nurse_watches_up_to_capacity(self) -> None:
        two = [held("shared", "08:00", "12:00")] * 2
        assert shown(search(chair(), nurse(taken=two, capacity=3), window=on("08:00", "09:00")))
        assert not shown(search(chair(), nurse(taken=two, capacity=2), window=on("08:00", "09:00")))

    def test_one_and_the_same_nurse_sees_a_visit_through(self) -> None:
        morning, later = nurse(11, "08:00", "09:00"), nurse(12, "09:00", "10:00")
        assert shown(search(chair(), morning, later)) == []

    def test_one_and_the_same_chair_too(self) -> None:
        halves = [
            chair(1, taken=[held("exclusive", "09:00", "17:00")]),
            chair(2, taken=[held("exclusive", "08:00", "09:00"), held("exclusive", "10:00", "17:00")]),
        ]
        assert shown(search(*halves, nurse())) == []

    def test_the_patient_is_in_one_place_at_a_time(self) -> None:
        found = shown(search(chair(), nurse(), grid=60, patient_busy=[on("11:00", "12:00")]))
        assert found == ["08:00", "09:00", "12:00", "13:00", "14:00", "15:00"]

    def test_the_window_is_half_open_and_notice_and_horizon_are_inclusive(self) -> None:
        resources = chair(), nurse()
        assert shown(search(*resources, window=on("09:00", "09:30"))) == ["09:00", "09:15"]
        assert shown(search(*resources, earliest=at("14:30"))) == ["14:30", "14:45", "15:00"]
        assert shown(search(*resources, latest=at("08:15"))) == ["08:00", "08:15"]
        inexact = at("14:30") + timedelta(seconds=1)
        assert shown(search(*resources, earliest=inexact)) == ["14:45", "15:00"]

    def test_a_visit_may_cross_midnight(self) -> None:
        night = chair(start="20:00", end="06:00"), nurse(start="20:00", end="06:00")
        found = search(*night, window=on("23:00", "23:59"), grid=30)
        assert shown(found) == ["23:00", "23:30"]
        late = [
            ("exclusive", at("00:30", MONDAY + timedelta(days=1)), at("02:00", MONDAY + timedelta(days=1)))
        ]
        blocked = chair(start="20:00", end="06:00", taken=late), night[1]
        assert shown(search(*blocked, window=on("22:00", "23:59"), grid=30)) == ["22:00", "22:30"]

    def test_a_thing_in_exclusive_use_is_used_by_nobody_else(self) -> None:
        group, alone = ((Phase("talk", 60, (Need(Kind.ROOM, use),)),) for use in (Use.SHARED, Use.EXCLUSIVE))

        def room(use: str) -> Resource:
            return Resource(1, Kind.ROOM, 4, hours("08:00", "10:00"), [held(use, "08:00", "09:00")])

        assert shown(search(room("shared"), phases=group, grid=60)) == ["08:00", "09:00"]
        assert shown(search(room("shared"), phases=alone, grid=60)) == ["09:00"]
        assert shown(search(room("exclusive"), phases=group, grid=60)) == ["09:00"]

    def test_a_visit_that_needs_nothing_follows_the_hours_of_the_site(self) -> None:
        found = search(phases=CALL, site_hours=[on("09:00", "09:45")])
        assert shown(found) == ["09:00", "09:15"]
        assert shown(search(phases=CALL, window=on("03:00", "03:30"))) == ["03:00", "03:15"]

    def test_limit_and_membership(self) -> None:
        found = search(chair(), nurse())
        assert found.starts(limit=2) == [at("08:00"), at("08:15")]
        assert found.starts(limit=0) == []
        assert found.allows(at("08:00"))
        assert not found.allows(at("08:05"))
        assert not found.allows(at("08:00") + timedelta(seconds=1))
        assert not found.allows(at("08:00") - timedelta(days=400))
        assert not found.allows(at("08:00") + timedelta(days=400))

    @pytest.mark.parametrize("grid", [0, -15, 7, 1445])
    def test_a_grid_off_the_ticks_is_refused(self, grid: int) -> None:
        with pytest.raises(ValueError, match="multiple of 5"):
            search(chair(), nurse(), grid=grid)


class TestGridAcrossTheClockChange:
    ALWAYS = WeeklyHours(6, time(0), time(0))

    def starts(self, day: date, grid: int, zone: ZoneInfo = DENVER) -> list[str]:
        axis = Axis.over(first=day, days=1, zone=zone, visit_minutes=20)
        found = starts_for(
            axis=axis,
            requirements=(),
            visit_minutes=20,
            resources=(),
            limits=Limits(axis.span, grid, axis.span.start, axis.span.end),
        )
        return [start.astimezone(zone).strftime("%H:%M%z") for start in found.starts()]

    def test_the_hour_skipped_is_not_offered(self) -> None:
        found = self.starts(date(2027, 3, 14), 30)
        assert found[2:6] == ["01:00-0700", "01:30-0700", "03:00-0600", "03:30-0600"]
        assert len(found) == 46

    def test_the_hour_doubled_is_offered_twice(self) -> None:
        found = self.starts(date(2027, 11, 7), 30)
        assert found[2:6] == ["01:00-0600", "01:30-0600", "01:00-0700", "01:30-0700"]
        assert len(found) == 50

    def test_half_an_hour_skipped_leaves_the_hours_where_they_are(self) -> None:
        found = self.starts(date(2027, 10, 3), 60, ZoneInfo("Australia/Lord_Howe"))
        assert found[:4] == ["00:00+1030", "01:00+1030", "03:00+1100", "04:00+1100"]

    def test_midnight_skipped(self) -> None:
        assert self.starts(date(2027, 3, 14), 60, ZoneInfo("America/Havana"))[0] == "01:00-0400"


class TestCandidates:
    def test_are_all_that_are_free(self) -> None:
        found = search(
            chair(1),
            chair(2, taken=[held("exclusive", "09:00", "10:00")]),
            nurse(11),
            nurse(12, start="10:00"),
        )
        assert found.candidates(at("08:00")) == {Kind.CHAIR: (1,), Kind.NURSE: (11,)}
        assert set(found.candidates(at("10:00"))[Kind.CHAIR]) == {1, 2}
        assert found.candidates(at("08:05")) == {}

    def test_the_nurse_with_least_to_do_that_day_comes_first(self) -> None:
        busier = nurse(11, taken=[held("shared", "13:00", "15:00")])
        busiest = nurse(12, taken=[held("shared", "13:00", "15:00"), held("shared", "13:00", "13:05")])
        found = search(chair(), busiest, nurse(14), busier, nurse(13))
        offered = found.candidates(at("08:00"))[Kind.NURSE]
        assert set(offered[:2]) == {13, 14}
        assert offered[2:] == (11, 12)

    def test_equals_take_turns_from_one_start_to_the_next_and_from_one_day_to_the_next(self) -> None:
        nurses = [Resource(n, Kind.NURSE, 3, hours("00:00", "00:00", days=4)) for n in (14, 11, 13, 12)]
        found = search(*nurses, phases=(Phase("call", 5, (WATCHED,)),), days=3, grid=5)
        first, *_others = found.candidates(at("08:00"))[Kind.NURSE]
        in_turn = [11 + (first - 11 + n) % 4 for n in range(6)]
        for n in range(3):
            assert found.candidates(at(f"08:{5 * n:02}"))[Kind.NURSE] == tuple(in_turn[n : n + 4])
            assert found.candidates(at("08:00", MONDAY + timedelta(days=n)))[Kind.NURSE] == tuple(
                in_turn[n : n + 4]
            )

    def test_whose_turn_it_is_does_not_depend_on_the_days_searched(self) -> None:
        nurses = [Resource(n, Kind.NURSE, 3, hours("08:00", "17:00", days=4)) for n in range(11, 18)]
        alone = search(*nurses, phases=(Phase("call", 5, (WATCHED,)),), first=MONDAY + timedelta(days=2))
        among = search(*nurses, phases=(Phase("call", 5, (WATCHED,)),), days=4)
        start = at("09:15", MONDAY + timedelta(days=2))
        assert alone.candidates(start) == among.candidates(start)

    def test_other_days_do_not_count_as_load(self) -> None:
        tomorrow = MONDAY + timedelta(days=1)
        overnight = nurse(11, taken=[("shared", at("08:00", tomorrow), at("16:00", tomorrow))])
        found = search(chair(), overnight, nurse(12), days=2)
        assert set(found.candidates(at("08:00"))[Kind.NURSE]) == {11, 12}
        assert found.candidates(at("14:00", tomorrow))[Kind.NURSE] == (12, 11)

    def test_the_chair_with_the_tightest_gap_comes_first(self) -> None:
        gap_of_three = chair(2, taken=[held("exclusive", "11:00", "17:00")])
        exact = chair(3, taken=[held("exclusive", "08:00", "09:00"), held("exclusive", "11:00", "12:00")])
        found = search(chair(1), gap_of_three, exact, nurse())
        assert found.candidates(at("09:00"))[Kind.CHAIR] == (3, 2, 1)


class TestReasons:
    def only(self, found: Availability) -> tuple[Kind | None, Rule]:
        (reason,) = found.reasons()
        assert reason.day == MONDAY
        assert found.starts() == []
        return reason.kind, reason.rule

    def test_there_are_none_on_a_day_with_starts(self) -> None:
        assert search(chair(), nurse()).reasons() == []

    def test_no_resource(self) -> None:
        assert self.only(search(chair())) == (Kind.NURSE, Rule.NO_RESOURCE)

    def test_closed(self) -> None:
        assert self.only(search(Resource(1, Kind.CHAIR, 1, []), nurse())) == (Kind.CHAIR, Rule.CLOSED)
        evening = search(chair(), nurse(), window=on("18:00", "20:00"))
        assert self.only(evening) == (Kind.CHAIR, Rule.CLOSED)

    def test_visit_too_long(self) -> None:
        assert self.only(search(chair(), nurse(end="09:30"))) == (Kind.NURSE, Rule.VISIT_TOO_LONG)

    def test_off_grid(self) -> None:
        assert self.only(search(chair(start="08:05", end="10:05"), nurse())) == (Kind.CHAIR, Rule.OFF_GRID)
        assert self.only(search(chair(), nurse(), window=on("08:05", "08:15"))) == (None, Rule.OFF_GRID)

    def test_fully_booked(self) -> None:
        busy = nurse(taken=[held("shared", "08:00", "17:00")] * 3)
        assert self.only(search(chair(), busy)) == (Kind.NURSE, Rule.FULLY_BOOKED)

    def test_no_common_time(self) -> None:
        found = search(chair(end="12:00"), nurse(start="12:00"))
        assert self.only(found) == (Kind.NURSE, Rule.NO_COMMON_TIME)

    def test_a_kind_with_nothing_goes_before_kinds_that_never_meet(self) -> None:
        phases = (Phase("visit", 30, (CHAIR, WATCHED, Need(Kind.PUMP, Use.EXCLUSIVE))),)
        pump = Resource(21, Kind.PUMP, 1, [])
        found = search(chair(end="12:00"), nurse(start="12:00"), pump, phases=phases)
        assert self.only(found) == (Kind.PUMP, Rule.CLOSED)

    def test_patient_busy(self) -> None:
        found = search(chair(), nurse(), patient_busy=[on("09:00", "16:00")])
        assert self.only(found) == (None, Rule.PATIENT_BUSY)

    def test_notice(self) -> None:
        assert self.only(search(chair(), nurse(), earliest=at("15:01"))) == (None, Rule.NOTICE)
        whole_day = search(Resource(1, Kind.CHAIR, 1, []), nurse(), earliest=at("00:00", date(2027, 1, 6)))
        assert self.only(whole_day) == (None, Rule.NOTICE)

    def test_horizon(self) -> None:
        assert self.only(search(chair(), nurse(), latest=at("07:59"))) == (None, Rule.HORIZON)
        assert self.only(search(chair(), nurse(), latest=at("00:00", date(2027, 1, 1)))) == (
            None,
            Rule.HORIZON,
        )

    def test_the_site_is_closed(self) -> None:
        assert self.only(search(phases=CALL, site_hours=[])) == (None, Rule.CLOSED)

    def test_each_empty_day_has_its_own(self) -> None:
        tuesday, wednesday = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)
        seat = Resource(1, Kind.CHAIR, 1, [on("08:00", "12:00"), on("08:00", "09:00", wednesday)])
        carer = Resource(
            11, Kind.NURSE, 3, [on("08:00", "12:00", day) for day in (MONDAY, tuesday, wednesday)]
        )
        found = search(seat, carer, days=3)
        assert found.reasons() == [
            Reason(tuesday, Kind.CHAIR, Rule.CLOSED),
            Reason(wednesday, Kind.CHAIR, Rule.VISIT_TOO_LONG),
        ]

    def test_days_not_asked_about_have_none(self) -> None:
        found = search(chair(), nurse(), days=3, window=on("20:00", "21:00"))
        assert [each.day for each in found.reasons()] == [MONDAY]
