"""How counted rows add up, against an obvious slow way; and how the end of a course is found."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.domain.measures import (
    CATALOGUE,
    Assessed,
    Code,
    Group,
    Period,
    Sitting,
    Tally,
    Unit,
    along,
    change,
    is_better,
    outcome,
    series_over,
    steps,
    total,
)

FIRST = date(2027, 1, 4)
DAY = timedelta(days=1)
starts = st.dates(date(2026, 1, 1), date(2028, 12, 31))
lengths = st.integers(1, 500)
tallies = st.builds(Tally, st.integers(0, 10**9), st.integers(0, 10**9))


@st.composite
def periods(draw: st.DrawFn) -> Period:
    start = draw(starts)
    return Period(start, start + timedelta(days=draw(lengths)))


def name_of(day: date, group: Group) -> object:
    """The slow way to say which step a day belongs to."""
    names: Mapping[Group, object] = {
        Group.DAY: day,
        Group.WEEK: day.isocalendar()[:2],
        Group.MONTH: (day.year, day.month),
    }
    return names[group]


@given(periods(), st.sampled_from(Group))
def test_steps_are_the_days_that_share_a_name(whole: Period, group: Group) -> None:
    found = steps(whole, group)
    assert [found[0].start, found[-1].end] == [whole.start, whole.end]
    assert [one.end for one in found[:-1]] == [one.start for one in found[1:]]
    names = [{name_of(step.start + DAY * n, group) for n in range(step.days)} for step in found]
    assert all(len(each) == 1 for each in names)
    assert len({each.pop() for each in names}) == len(found)


@given(periods(), st.sampled_from(Group), st.lists(st.tuples(starts, tallies), max_size=40))
def test_sums_along_a_series_are_those_of_one_row_after_the_other(
    whole: Period, group: Group, rows: list[tuple[date, Tally]]
) -> None:
    series = steps(whole, group)
    slow = [
        Tally(
            sum(tally.numerator for day, tally in rows if step.start <= day < step.end),
            sum(tally.denominator for day, tally in rows if step.start <= day < step.end),
        )
        for step in series
    ]
    assert along(series, rows) == slow
    assert total(slow) == along([whole], rows)[0]


@given(st.lists(tallies), st.sampled_from(Unit))
def test_a_value_is_made_of_the_sums(rows: list[Tally], unit: Unit) -> None:
    counted, of_all = sum(row.numerator for row in rows), sum(row.denominator for row in rows)
    value = total(rows).value(unit)
    if of_all == 0:
        assert value is None
    else:
        seconds = {Unit.PERCENT: Fraction(1, 100), Unit.MINUTES: Fraction(60), Unit.DAYS: Fraction(86_400)}
        assert value is not None
        assert abs(Fraction(value) - Fraction(counted, of_all) / seconds[unit]) <= Fraction(1, 20)


def test_a_month_is_not_the_average_of_its_days() -> None:
    busy, quiet = Tally(1, 99), Tally(1, 1)
    assert total([busy, quiet]).value(Unit.PERCENT) == Decimal("2.0")


def test_nothing_to_count_is_no_data_and_not_none_of_them() -> None:
    assert Tally(0, 0).value(Unit.PERCENT) is None
    assert Tally(0, 3).value(Unit.PERCENT) == Decimal("0.0")
    assert change(None, Decimal(3)) is None
    assert change(Decimal(3), None) is None


@pytest.mark.parametrize(
    ("code", "by", "good"),
    [
        (Code.NO_SHOW, "-1.0", True),
        (Code.NO_SHOW, "0.1", False),
        (Code.RESPONSE, "2.0", True),
        (Code.RESPONSE, "-2.0", False),
        (Code.RESPONSE, "0.0", None),
    ],
)
def test_each_measure_knows_its_good_way(code: Code, by: str, good: bool | None) -> None:
    assert is_better(CATALOGUE[code], Decimal(by)) is good


def test_the_period_before_is_as_long_and_just_before() -> None:
    period = Period(date(2027, 3, 1), date(2027, 3, 31))
    assert period.before == Period(date(2027, 1, 30), date(2027, 3, 1))
    assert period.before.days == period.days == 30


def test_the_catalogue_is_whole() -> None:
    assert list(CATALOGUE) == list(Code)
    for measure in CATALOGUE.values():
        assert measure.name
        assert measure.definition.endswith(".")
        assert measure.day.startswith("the ")


def sat(*held: bool) -> list[Sitting]:
    return [Sitting(FIRST + 2 * number * DAY, each) for number, each in enumerate(held)]


@pytest.mark.parametrize(
    ("held", "series", "last"),
    [
        ([True] * 6, 6, 5),
        ([True] * 5 + [False], 6, None),  # the sixth is still to come
        ([True] * 6 + [False], 6, 5),  # maintenance goes on, the series is over
        ([True] * 4, 6, 3),  # stopped early: nothing is to come
        ([False] * 6, 6, None),
        ([], 6, None),
        ([True, True, False], None, None),
        ([True, True], None, 1),
    ],
)
def test_when_a_series_is_over(held: list[bool], series: int | None, last: int | None) -> None:
    found = series_over(sat(*held), series=series)
    assert found == (None if last is None else (FIRST, FIRST + 2 * last * DAY))


def assessed(days: int, *meets: str, rule: str = "before_treatment", baseline: int = -1) -> Assessed:
    on = FIRST + days * DAY
    at = datetime(on.year, on.month, on.day, 15, tzinfo=UTC)
    return Assessed(at, on, frozenset(meets), rule, FIRST + baseline * DAY)


def test_the_latest_assessment_after_the_end_speaks_for_the_course() -> None:
    rows = [assessed(10), assessed(11, "response"), assessed(38, "remission"), assessed(39)]
    found = outcome(rows, first_on=FIRST, last_on=FIRST + 10 * DAY, within_days=28)
    assert found == rows[2]


@pytest.mark.parametrize(
    "row",
    [
        assessed(9),
        assessed(39),
        assessed(11, rule="first"),
        assessed(11, rule=""),
        assessed(11, baseline=1),  # of another treatment that began meanwhile
    ],
)
def test_what_says_nothing_of_how_the_course_ended(row: Assessed) -> None:
    assert outcome([row], first_on=FIRST, last_on=FIRST + 10 * DAY, within_days=28) is None
