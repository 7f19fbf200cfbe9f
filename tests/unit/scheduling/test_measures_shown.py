"""Measures in words and bars: what a manager reads beside the picture, and what the picture is drawn from."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.admin.measures_shown import HEIGHT, Card, age, amount, card
from scheduling.domain.measures import CATALOGUE, Code, Group, Period, Tally, Unit, along, steps
from scheduling.selectors.measures import Shown
from tests.conftest import NOW

WEEK = Period(date(2027, 1, 4), date(2027, 1, 11))


def drawn(
    rows: list[tuple[date, Tally]],
    *,
    code: Code = Code.NO_SHOW,
    before: Tally | None = None,
    period: Period = WEEK,
    group: Group = Group.DAY,
) -> Card:
    series = steps(period, group)
    counted = along(series, rows)
    shown = Shown(
        measure=CATALOGUE[code],
        total=sum(counted, Tally()),
        before=before or Tally(),
        series=list(zip(series, counted, strict=True)),
        by_visit_type=[("ketamine-mood", Tally(1, 2))],
    )
    return card(shown, period, group, {"ketamine-mood": "Ketamine infusion, mood"})


MONDAY, TUESDAY = WEEK.start, WEEK.start + timedelta(days=1)


@pytest.mark.parametrize(
    ("code", "now", "before", "words", "good"),
    [
        (
            Code.NO_SHOW,
            Tally(1, 10),
            Tally(2, 10),
            "10.0 points lower than in the 7 days before (20.0 %)",
            True,
        ),
        (
            Code.RESPONSE,
            Tally(1, 10),
            Tally(2, 10),
            "10.0 points lower than in the 7 days before (20.0 %)",
            False,
        ),
        (
            Code.WAITING_ROOM,
            Tally(900, 1),
            Tally(600, 1),
            "5.0 minutes longer than in the 7 days before (10.0 minutes)",
            False,
        ),
        (Code.NO_SHOW, Tally(1, 10), Tally(1, 10), "The same as in the 7 days before", None),
        (Code.NO_SHOW, Tally(1, 10), Tally(), "Nothing to compare with in the 7 days before", None),
        (Code.NO_SHOW, Tally(), Tally(1, 10), "It was 10.0 % in the 7 days before", None),
    ],
)
def test_the_change_in_words(code: Code, now: Tally, before: Tally, words: str, good: bool | None) -> None:
    found = drawn([(MONDAY, now)], code=code, before=before)
    assert (found.change, found.good) == (words, good)


def test_no_data_has_no_bar_and_none_of_them_a_thin_one() -> None:
    found = drawn([(MONDAY, Tally(0, 4)), (TUESDAY, Tally(1, 2))])
    assert [int(bar.x) for bar in found.bars] == [0, 1]
    assert 0 < found.bars[0].height < 2
    assert found.bars[1].height == HEIGHT
    assert [value for _name, value, _counted, _whole in found.rows] == ["0.0 %", "50.0 %"] + 5 * ["No data"]
    assert found.picture == ("No-shows, bar chart: lowest 0.0 % (Jan 4, 2027), highest 50.0 % (Jan 5, 2027).")
    assert found.bars[1].words == "Jan 5, 2027: 50.0 %, 1 of 2"
    empty = drawn([])
    assert (empty.value, empty.bars, empty.picture) == ("No data", [], "No-shows: no data in this period.")


def test_names_of_days_weeks_and_months() -> None:
    period = Period(date(2026, 12, 30), date(2027, 2, 3))
    days = drawn([], period=Period(MONDAY, TUESDAY))
    assert [row[0] for row in days.rows] == ["Jan 4, 2027"]
    weeks = drawn([], period=period, group=Group.WEEK)
    assert [row[0] for row in weeks.rows][:2] == ["Dec 30, 2026 to Jan 3, 2027", "Jan 4 to Jan 10, 2027"]
    months = drawn([], period=period, group=Group.MONTH)
    assert [row[0] for row in months.rows] == ["Dec 30 to Dec 31, 2026", "Jan 2027", "Feb 2027"]


def test_visit_types_by_their_names() -> None:
    assert drawn([]).by_visit_type == [("Ketamine infusion, mood", "50.0 %", "1", "2")]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**4)), min_size=1, max_size=7))
def test_every_bar_is_within_the_picture(counts: list[tuple[int, int]]) -> None:
    rows = [(MONDAY + timedelta(days=n), Tally(*count)) for n, count in enumerate(counts)]
    for bar in drawn(rows, code=Code.WAITING_ROOM).bars:
        assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT + 1e-6
        assert int(bar.x) < bar.x < bar.x + bar.width < int(bar.x) + 1


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=30), "Computed just now"),
        (timedelta(minutes=1), "Computed 1 minute ago"),
        (timedelta(minutes=12), "Computed 12 minutes ago"),
        (timedelta(hours=5, minutes=50), "Computed 5 hours ago"),
        (timedelta(days=6, hours=3), "Computed 6 days ago"),
        (-timedelta(hours=1), "Computed just now"),
    ],
)
def test_how_old_it_is(ago: timedelta, words: str) -> None:
    at: datetime = NOW - ago
    assert age(at, NOW) == words


def test_amounts() -> None:
    assert amount(Decimal("12.0"), Unit.PERCENT) == "12.0 %"
    assert amount(Decimal("12.0"), Unit.DAYS, short=True) == "12 days"
    assert amount(None, Unit.MINUTES) == "No data"
    assert age(None, NOW) == "Not computed yet: this happens within the hour"
