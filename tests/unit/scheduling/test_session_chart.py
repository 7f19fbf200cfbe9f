"""The chart of vital signs: everything lies in its box, and names do not lie on each other."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from scheduling.admin.session_chart import Chart, charts
from scheduling.selectors.vitals import Point, Series

START = datetime(2027, 1, 11, 16, tzinfo=UTC)


def series(measure: str, *values: tuple[int, float]) -> Series:
    points = [Point(START + timedelta(minutes=at), at, value, "") for at, value in values]
    limits = [("review", 160.0), ("urgent", 180.0)] if measure == "systolic" else []
    return Series(measure, measure, "mmHg", points, limits)


def drawn(*found: Series, minutes: int | None = 40) -> list[Chart]:
    ended = None if minutes is None else START + timedelta(minutes=minutes)
    return charts(found, started_at=START, ended_at=ended)


def test_one_reading_is_no_line() -> None:
    assert drawn(series("systolic", (0, 120))) == []
    assert drawn() == []


def test_what_is_drawn() -> None:
    pressure, oxygen = drawn(
        series("systolic", (-5, 124), (30, 172)),
        series("diastolic", (-5, 78), (30, 104)),
        series("spo2", (0, 98), (10, 97)),
    )
    assert [line.name for line in pressure.lines] == ["Systolic 172", "Diastolic 104"]
    assert {line.shape for line in pressure.lines} == {"circle", "diamond"}
    assert [mark.text for mark in pressure.moments] == ["start", "end"]
    assert [mark.text for mark in pressure.limits] == ["160 review", "180 urgent"]
    assert [mark.text for mark in pressure.across] == ["0", "+10", "+20", "+30", "+40"]
    assert "Systolic: 2 readings, 124 to 172 mmHg, the last 172" in pressure.described
    assert oxygen.title == "Oxygen saturation (%)"


VALUES = st.lists(st.tuples(st.integers(-60, 600), st.integers(30, 300)), min_size=2, max_size=40)


@given(VALUES, VALUES, st.none() | st.integers(1, 600))
def test_it_stays_in_its_box(
    systolic: list[tuple[int, int]], pulse: list[tuple[int, int]], minutes: int | None
) -> None:
    (chart,) = drawn(series("systolic", *systolic), series("heart_rate", *pulse), minutes=minutes)
    for line in chart.lines:
        for point in line.points:
            assert chart.left <= point.x <= chart.right
            assert chart.top <= point.y <= chart.bottom
    assert all(chart.left <= mark.at <= chart.right for mark in [*chart.across, *chart.moments])
    assert all(chart.top <= mark.at <= chart.bottom for mark in [*chart.up, *chart.limits])
    assert 1 <= len(chart.across) <= 10
    first, second = sorted(line.label_y for line in chart.lines)
    assert second - first > 16.9
