"""The course planner against a slow, obvious oracle that tries everything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, product
from time import monotonic

from hypothesis import event, given, settings
from hypothesis import strategies as st

from scheduling.domain import course_plans
from scheduling.domain.course_plans import Option, Wish, plan
from scheduling.domain.courses import GapUnit, OpenDays, Stage, stage_of

MONDAY = date(2027, 1, 4)
Days = Mapping[date, Sequence[Option]]


def option(day: date, minute: int, nurses: frozenset[int] = frozenset()) -> Option:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute)
    return Option(minute, start, nurses)


def every_plan(days: Days, wish: Wish, calendar: OpenDays) -> Iterator[tuple[int, tuple[Option, ...]]]:
    """(points, options) of everything allowed, by trying every sequence of options."""
    usual = course_plans.usual_minute(days) if wish.usual_minute is None else wish.usual_minute
    everything = sorted((day, each) for day, options in days.items() for each in options)
    nurses = {nurse for _day, each in everything for nurse in each.nurses} if wish.same_nurse else set()
    for chosen in product(everything, repeat=wish.count):
        dates = [day for day, _each in chosen]
        points = _spacing(dates, wish, calendar)
        if points is None:
            continue
        options = tuple(each for _day, each in chosen)
        points += sum(abs(each.minute - usual) // 15 for each in options)
        strangers = (6 * sum(nurse not in each.nurses for each in options) for nurse in nurses)
        yield points + min(strangers, default=0), options


def _spacing(dates: list[date], wish: Wish, calendar: OpenDays) -> int | None:
    """Points of the gaps, or None where one is not allowed."""
    if not wish.since <= dates[0] <= wish.until:
        return None
    points = 0 if wish.previous else 2 * (dates[0] - wish.since).days
    numbered = list(enumerate([wish.previous, *dates], start=wish.first_number - 1))
    for (_n, before), (number, day) in pairwise(numbered):
        if before is None:
            continue
        assert day is not None
        stage = stage_of(wish.stages, number)
        gap = calendar.gap(before, day, stage.gap_unit)
        late = max(gap - stage.max_gap_days, 0)
        excused = wish.may_be_late and number == wish.first_number
        if day <= before or gap < stage.min_gap_days or (late and not excused):
            return None
        points += 4 * abs(gap - stage.ideal) + 10 * late
    return points


@st.composite
def stages(draw: st.DrawFn) -> Stage:
    low = draw(st.integers(1, 3))
    high = draw(st.integers(low, low + 5))
    return Stage(
        low,
        high,
        sessions=draw(st.integers(1, 3)),
        gap_unit=draw(st.sampled_from(GapUnit)),
        ideal_gap_days=draw(st.none() | st.integers(low, high)),
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[Days, Wish, OpenDays]:
    offsets = draw(st.lists(st.integers(0, 13), unique=True, min_size=2, max_size=10))
    days = {
        MONDAY + timedelta(days=n): [
            option(MONDAY + timedelta(days=n), minute, draw(st.frozensets(st.integers(1, 3), max_size=2)))
            for minute in draw(
                st.lists(st.sampled_from([480, 540, 615]), unique=True, min_size=1, max_size=2)
            )
        ]
        for n in offsets
    }
    calendar = OpenDays(
        MONDAY + timedelta(days=n) for n in range(-7, 14) if draw(st.booleans()) or n in offsets
    )
    wish = Wish(
        stages=draw(st.lists(stages(), min_size=1, max_size=3)),
        count=draw(st.integers(1, 4)),
        since=MONDAY + timedelta(days=draw(st.integers(0, 2))),
        until=MONDAY + timedelta(days=draw(st.integers(3, 13))),
        first_number=draw(st.integers(1, 4)),
        previous=draw(st.none() | st.just(MONDAY - timedelta(days=2))),
        may_be_late=draw(st.booleans()),
        usual_minute=draw(st.none() | st.just(540)),
        same_nurse=draw(st.booleans()),
    )
    return days, wish, calendar


@settings(max_examples=300, deadline=None)
@given(cases(), st.integers(1, 4))
def test_a_plan_is_found_exactly_when_there_is_one_and_is_the_best(
    case: tuple[Days, Wish, OpenDays], limit: int
) -> None:
    days, wish, calendar = case
    possible = {options: points for points, options in every_plan(days, wish, calendar)}
    outcome = plan(days, wish=wish, calendar=calendar, limit=limit)
    assert len(outcome.plans) == min(limit, len(possible))
    assert len({each.options for each in outcome.plans}) == len(outcome.plans)
    for each in outcome.plans:
        assert possible[each.options] == each.points
        assert min(each.cost) >= 0
        assert each.cost.gaps % 4 == each.cost.nurse % 6 == 0
        assert [o for o, d in zip(each.options, each.days, strict=True) if o not in days[d]] == []
    event("possible" if possible else "impossible")
    if possible:
        assert outcome.plans[0].points == min(possible.values())
        assert [each.points for each in outcome.plans] == sorted(each.points for each in outcome.plans)
        assert outcome.unplaced is None
    else:
        assert outcome.unplaced is not None


@settings(max_examples=200, deadline=None)
@given(cases())
def test_what_cannot_be_placed_is_the_first_session_without_room(
    case: tuple[Days, Wish, OpenDays],
) -> None:
    days, wish, calendar = case
    lost = plan(days, wish=wish, calendar=calendar).unplaced
    if lost is None:
        return
    placeable = lost.number - wish.first_number
    assert 0 <= placeable < wish.count
    if placeable:
        assert plan(days, wish=replace(wish, count=placeable), calendar=calendar).plans
    assert not plan(days, wish=replace(wish, count=placeable + 1), calendar=calendar).plans


def test_greedy_would_dead_end() -> None:
    """Monday looks best for the first session, but only Tuesday leads on."""
    days = {MONDAY + timedelta(days=n): [option(MONDAY + timedelta(days=n), 540)] for n in (0, 1, 3, 5)}
    wish = Wish(stages=[Stage(2, 2)], count=3, since=MONDAY, until=MONDAY + timedelta(days=3))
    [found] = plan(days, wish=wish).plans
    assert [day.day for day in found.days] == [5, 7, 9]


def test_ten_weekdays_skip_the_holiday_but_not_a_full_day() -> None:
    first, holiday = date(2027, 2, 1), date(2027, 2, 15)
    open_dates = [
        day for day in (first + timedelta(days=n) for n in range(30)) if day.weekday() < 5 and day != holiday
    ]
    days = {day: [option(day, 510)] for day in open_dates}
    wish = Wish(
        stages=[Stage(1, 1, sessions=11, gap_unit=GapUnit.OPEN_DAYS)], count=11, since=first, until=first
    )
    [found] = plan(days, wish=wish, calendar=OpenDays(open_dates)).plans
    assert found.days[-2:] == (date(2027, 2, 12), date(2027, 2, 16))
    full = {day: options for day, options in days.items() if day != date(2027, 2, 10)}
    lost = plan(full, wish=wish, calendar=OpenDays(open_dates)).unplaced
    assert lost is not None
    assert (lost.number, lost.first, lost.last) == (8, date(2027, 2, 10), date(2027, 2, 10))


def test_further_plans_use_other_times() -> None:
    days = {
        MONDAY + timedelta(days=n): [option(MONDAY + timedelta(days=n), hour * 60) for hour in (9, 10, 14)]
        for n in range(21)
    }
    wish = Wish(stages=[Stage(2, 3)], count=6, since=MONDAY, until=MONDAY + timedelta(days=3))
    found = plan(days, wish=wish, limit=3).plans
    starts = [{each.start for each in one.options} for one in found]
    assert not starts[0] & starts[1]
    assert not starts[0] & starts[2]
    assert found[0].score == 100
    assert found[0].score > found[1].score >= found[2].score > 0


def test_the_nurse_who_can_do_most_stays_with_the_course() -> None:
    staff = [frozenset({1, 2}), frozenset({2}), frozenset({1, 2}), frozenset({3, 2})]
    days = {MONDAY + timedelta(days=n): [option(MONDAY + timedelta(days=n), 540, staff[n])] for n in range(4)}
    wish = Wish(stages=[Stage(1, 1)], count=4, since=MONDAY, until=MONDAY, same_nurse=True)
    [found] = plan(days, wish=wish).plans
    assert (found.nurse, found.points) == (2, 0)


def test_a_large_request_is_bounded_work() -> None:
    """Sixty sessions in a year of days, every quarter of an hour, with twenty nurses to choose from."""
    nurses = frozenset(range(20))
    days = {
        day: [option(day, minute, nurses) for minute in range(480, 960, 60)]
        for day in (MONDAY + timedelta(days=n) for n in range(370))
    }
    wish = Wish(
        stages=[Stage(4, 7)], count=60, since=MONDAY, until=MONDAY + timedelta(days=14), same_nurse=True
    )
    began = monotonic()
    assert len(plan(days, wish=wish, limit=3).plans) == 3
    assert monotonic() - began < 30
