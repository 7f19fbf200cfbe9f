"""Availability against the slow and obvious: every start tried on every resource, minute by minute.

Random calendars around both DST edges of five zones; the oracle knows neither ticks nor bits.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import event, given, settings
from hypothesis import strategies as st

from clinic.common.intervals import Interval
from scheduling.domain.availability import Availability, Limits, Resource, Rule, starts_for
from scheduling.domain.calendars import WeeklyHours, day_start, open_intervals
from scheduling.domain.lanes import Wanted, place_all
from scheduling.domain.phases import (
    PEOPLE,
    Kind,
    Need,
    Phase,
    Requirement,
    Use,
    requirements,
    total_minutes,
)
from scheduling.domain.ticks import Axis, Taken

ZONES_AND_CHANGES = {
    "America/Denver": [date(2027, 3, 14), date(2027, 11, 7), date(2027, 1, 4)],
    "Europe/Berlin": [date(2027, 3, 28), date(2027, 10, 31)],
    "Australia/Lord_Howe": [date(2027, 4, 4), date(2027, 10, 3)],
    "America/Havana": [date(2027, 3, 14), date(2027, 11, 7)],
    "Asia/Kolkata": [date(2027, 3, 14)],
}


@dataclass(frozen=True)
class Case:
    zone: ZoneInfo
    first: date
    days: int
    phases: tuple[Phase, ...]
    resources: tuple[Resource, ...]
    limits: Limits
    patient_busy: tuple[Interval, ...]

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        return requirements(self.phases)

    @property
    def kinds(self) -> list[Kind]:
        return list(dict.fromkeys(each.kind for each in self.requirements))

    def of_kind(self, kind: Kind) -> list[Resource]:
        return [each for each in self.resources if each.kind == kind]

    def search(self) -> Availability:
        minutes = total_minutes(self.phases)
        axis = Axis.over(first=self.first, days=self.days, zone=self.zone, visit_minutes=minutes)
        return starts_for(
            axis=axis,
            requirements=self.requirements,
            visit_minutes=minutes,
            resources=self.resources,
            limits=self.limits,
            patient_busy=self.patient_busy,
        )


# The oracle ------------------------------------------------------------------------------------------


def minute(instant: datetime) -> int:
    return int(instant.timestamp()) // 60


def minutes(start: datetime, end: datetime) -> range:
    return range(minute(start), minute(end))


def grid_starts(case: Case) -> list[datetime]:
    """Every minute of the days asked for at which a visit may begin by the clock and the window."""
    found = []
    moment = day_start(case.first, case.zone)
    while moment < day_start(case.first + timedelta(days=case.days), case.zone):
        wall = moment.astimezone(case.zone)
        if (wall.hour * 60 + wall.minute) % case.limits.grid_minutes == 0 and case.limits.window.contains(
            moment
        ):
            found.append(moment)
        moment += timedelta(minutes=1)
    return found


class Diary:
    """One resource, minute by minute."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.open = {at for each in resource.open for at in minutes(each.start, each.end)}
        self.exclusive: set[int] = set()
        self.shared: dict[int, int] = {}
        for use, start, end in resource.taken:
            for at in minutes(start, end):
                if use == "exclusive":
                    self.exclusive.add(at)
                else:
                    self.shared[at] = self.shared.get(at, 0) + 1

    def free(self, use: Use, at: int) -> bool:
        load = self.shared.get(at, 0)
        if at not in self.open:
            return False
        if self.resource.kind in PEOPLE:
            return at not in self.exclusive if use == Use.EXCLUSIVE else load < self.resource.capacity
        if at in self.exclusive:
            return False
        return load == 0 if use == Use.EXCLUSIVE else load < self.resource.capacity

    def serves(self, needed: Iterable[Requirement], start: datetime) -> bool:
        return all(
            self.free(each.use, minute(start) + offset)
            for each in needed
            for offset in range(each.offset_minutes, each.until_minutes)
        )


def candidates(case: Case, starts: Iterable[datetime]) -> dict[datetime, dict[Kind, set[int]]]:
    """Per start and kind, who could serve, limits and patient aside."""
    diaries = [Diary(each) for each in case.resources]
    needed = {kind: [each for each in case.requirements if each.kind == kind] for kind in case.kinds}
    return {
        start: {
            kind: {
                diary.resource.id
                for diary in diaries
                if diary.resource.kind == kind and diary.serves(needed[kind], start)
            }
            for kind in case.kinds
        }
        for start in starts
    }


def patient_free(case: Case, start: datetime) -> bool:
    visit = Interval(start, start + timedelta(minutes=total_minutes(case.phases)))
    return not any(visit.overlaps(busy) for busy in case.patient_busy)


def timely(case: Case, start: datetime) -> bool:
    return case.limits.earliest <= start <= case.limits.latest


# Random calendars ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LocalDays:
    zone: ZoneInfo
    first: date
    days: int

    @property
    def midnight(self) -> datetime:
        return day_start(self.first, self.zone)

    @property
    def last(self) -> date:
        """One day more than is asked about, for visits that cross midnight."""
        return self.first + timedelta(days=self.days)


@st.composite
def cases(draw: st.DrawFn, *, step: int, crowded: bool = False) -> Case:
    """A few days at a small clinic, with all lengths and bookings on multiples of ``step`` minutes.

    A crowded clinic has shorter hours, longer bookings and busier patients, so that most days are empty.
    """
    key = draw(st.sampled_from(sorted(ZONES_AND_CHANGES)))
    zone = ZoneInfo(key)
    days = draw(st.integers(1, 2))
    first = draw(st.sampled_from(ZONES_AND_CHANGES[key])) - timedelta(days=draw(st.integers(0, 1)))
    midnight = day_start(first, zone)
    phases = draw(some_phases(step))
    kinds = {need.kind for phase in phases for need in phase.needs}
    numbers = st.sampled_from([1, 1, 1, 1, 1, 2, 2, 0] if crowded else [1, 2, 2, 3])
    present = [kind for kind in Kind if kind in kinds for _ in range(draw(numbers))]
    local_days = LocalDays(zone, first, days)
    resources = tuple(
        draw(a_resource(number, kind, local_days, step=step, crowded=crowded))
        for number, kind in enumerate(present)
    )

    def instants(low: int, high: int) -> st.SearchStrategy[datetime]:
        return st.integers(low // step, high // step).map(lambda n: midnight + timedelta(minutes=n * step))

    window = Interval(draw(instants(-600, 600)), draw(instants(700, 3600)))
    lengths = st.integers(1, (1800 if crowded else 300) // step)
    busy = [
        Interval(start, start + timedelta(minutes=length * step))
        for start, length in draw(st.lists(st.tuples(instants(-600, 3600), lengths), max_size=2))
    ]
    limits = Limits(
        window=window,
        grid_minutes=draw(st.sampled_from([5, 15, 20, 30, 60, 90])),
        earliest=draw(instants(-600, 0) if crowded and draw(st.booleans()) else instants(-600, 1500)),
        latest=draw(instants(3600, 4000) if crowded and draw(st.booleans()) else instants(600, 4000)),
    )
    return Case(zone, first, days, phases, resources, limits, tuple(busy))


@st.composite
def some_phases(draw: st.DrawFn, step: int) -> tuple[Phase, ...]:
    kinds = draw(st.lists(st.sampled_from(Kind), min_size=1, max_size=3, unique=True))
    lengths = st.integers(1, 30 // step) | st.integers(1, 120 // step)
    phases = []
    for n in range(draw(st.integers(1, 4))):
        needs = []
        for kind in kinds:
            uses = draw(st.sets(st.sampled_from(Use), max_size=2 if kind in PEOPLE else 1))
            needs += [Need(kind, use) for use in sorted(uses)]
        phases.append(Phase(f"phase {n}", draw(lengths) * step, tuple(needs)))
    return tuple(phases)


@st.composite
def a_resource(
    draw: st.DrawFn, number: int, kind: Kind, local_days: LocalDays, *, step: int, crowded: bool
) -> Resource:
    capacity = draw(st.integers(1, 4))
    clock = st.integers(0, 1439 // step).map(lambda n: time(n * step // 60, n * step % 60))
    usual = [(time(6), time(22)), (time(20), time(14)), (time(0), time(0))]
    short = [(time(6), time(8)), (time(9), time(11, 5)), (time(23), time(1))]
    any_shift = (
        st.sampled_from(short if crowded else usual) | st.sampled_from(usual) | st.tuples(clock, clock)
    )
    shifts = draw(st.lists(any_shift, min_size=0 if crowded else 1, max_size=2))
    hours = [WeeklyHours(weekday, start, end) for start, end in shifts for weekday in range(7)]

    def span(at: int, length: int) -> Interval:
        start = local_days.midnight + timedelta(minutes=at * step)
        return Interval(start, start + timedelta(minutes=length * step))

    spans = st.builds(
        span, st.integers(-300 // step, 3600 // step), st.integers(1, (900 if crowded else 240) // step)
    )
    taken: list[Taken] = []
    # Laid down through lanes, so that the diary is one the database could hold.
    for use, during in draw(
        st.lists(st.tuples(st.sampled_from(Use), spans), min_size=6 if crowded else 0, max_size=12)
    ):
        wishes = [Wanted(before, Interval(start, end)) for before, start, end in taken] + [
            Wanted(use, during)
        ]
        if place_all(new=wishes, existing=[], capacity=capacity, kind=kind) is not None:
            taken.append((use.value, during.start, during.end))
    closures = draw(st.lists(spans, max_size=1))
    opened = open_intervals(
        hours=hours, closures=closures, first=local_days.first, last=local_days.last, zone=local_days.zone
    )
    return Resource(number, kind, capacity, opened, tuple(taken))


# The properties --------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(cases(step=5))
def test_finds_exactly_the_starts_and_resources_that_work(case: Case) -> None:
    found = case.search()
    able = candidates(case, grid_starts(case))
    expected = [
        start
        for start, kinds in able.items()
        if all(kinds.values()) and patient_free(case, start) and timely(case, start)
    ]
    event("some starts" if expected else "no starts")
    assert found.starts() == expected
    for start in expected:
        offered = found.candidates(start)
        assert {kind: set(ids) for kind, ids in offered.items()} == able[start]
        assert all(len(ids) == len(set(ids)) for ids in offered.values())


@settings(max_examples=80, deadline=None)
@given(cases(step=1))
def test_never_offers_what_is_taken_when_times_are_off_the_ticks(case: Case) -> None:
    found = case.search()
    able = candidates(case, found.starts())
    for start, kinds in able.items():
        assert patient_free(case, start)
        assert timely(case, start)
        for kind, ids in found.candidates(start).items():
            assert ids
            assert set(ids) <= kinds[kind]


@dataclass(frozen=True)
class EmptyDay:
    """What the oracle knows of a day, and so whether a reason given for it is true."""

    case: Case
    asked: Interval
    able: dict[datetime, dict[Kind, set[int]]]
    able_unbooked: dict[datetime, dict[Kind, set[int]]]

    @property
    def open_for_all(self) -> list[datetime]:
        return [start for start, kinds in self.able.items() if all(kinds.values())]

    @property
    def left(self) -> list[datetime]:
        return [start for start in self.open_for_all if patient_free(self.case, start)]

    def bears_out(self, rule: Rule, kind: Kind | None) -> bool:
        return self.bears_out_of(rule, kind) if kind else self.bears_out_of_none(rule)

    def bears_out_of(self, rule: Rule, kind: Kind) -> bool:
        resources = self.case.of_kind(kind)
        alone = any(kinds[kind] for kinds in self.able.values())
        alone_unbooked = any(kinds[kind] for kinds in self.able_unbooked.values())
        works = any(self.asked.overlaps(span) for each in resources for span in each.open)
        return {
            Rule.NO_RESOURCE: not resources,
            Rule.CLOSED: bool(resources) and not works,
            Rule.VISIT_TOO_LONG: works and not alone_unbooked,
            Rule.OFF_GRID: works and not alone_unbooked,
            Rule.FULLY_BOOKED: alone_unbooked and not alone,
            Rule.NO_COMMON_TIME: alone and not self.open_for_all,
        }[rule]

    def bears_out_of_none(self, rule: Rule) -> bool:
        # Limits that leave no start time at all are the reason before any resource is looked at.
        any_timely = any(timely(self.case, start) for start in self.able)
        starts = self.left if any_timely else self.able
        return {
            Rule.OFF_GRID: not self.able,
            Rule.PATIENT_BUSY: bool(self.open_for_all) and not self.left,
            Rule.NOTICE: any(start < self.case.limits.earliest for start in starts),
            Rule.HORIZON: any(start > self.case.limits.latest for start in starts),
        }[rule]


@settings(max_examples=150, deadline=None)
@given(cases(step=5, crowded=True))
def test_the_reason_of_an_empty_day_is_true(case: Case) -> None:
    reasons = {reason.day: reason for reason in case.search().reasons()}
    starts = grid_starts(case)
    able = candidates(case, starts)
    unbooked = replace(case, resources=tuple(replace(each, taken=()) for each in case.resources))
    able_unbooked = candidates(unbooked, starts)

    for n in range(case.days):
        day = case.first + timedelta(days=n)
        whole = Interval(day_start(day, case.zone), day_start(day + timedelta(days=1), case.zone))
        asked = whole.intersect(case.limits.window)
        if asked is None:
            assert day not in reasons
            continue
        facts = EmptyDay(
            case,
            asked,
            {start: kinds for start, kinds in able.items() if whole.contains(start)},
            {start: kinds for start, kinds in able_unbooked.items() if whole.contains(start)},
        )
        if any(timely(case, start) for start in facts.left):
            assert day not in reasons
        else:
            event(reasons[day].rule.value)
            assert facts.bears_out(reasons[day].rule, reasons[day].kind)
