"""Which blood pressures the REMS form has, what it cannot be sent without, and the page it is drawn on."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.domain import rems_pdf
from scheduling.domain.rems import ANSWERS, PRESSURES, Pressure, missing, observed_minutes, pressures

DOSED = datetime(2027, 1, 4, 16, 0, tzinfo=UTC)
LEFT = DOSED + timedelta(minutes=125)


def at(minutes: float) -> Pressure:
    return Pressure(DOSED + timedelta(minutes=minutes), 120, 80)


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ((-30, -5, 40, 121), (-5, 40, 121)),
        ((0, 36, 41, 44, 60, 120), (0, 41, 120)),  # the nearest to 40 minutes; the last before leaving
        ((-5, 34, 55, 70, 120), (-5, 55, 120)),  # none near: the first after it
        ((-5, 34), (-5, None, None)),
        ((-5, 40), (-5, 40, None)),  # one reading does not serve twice
        ((-5, 40, 130), (-5, 40, None)),  # measured after the patient had left
        ((40, 120), (None, 40, 120)),
        ((), (None, None, None)),
    ],
)
def test_the_three_that_count(taken: tuple[float, ...], expected: tuple[float | None, ...]) -> None:
    readings = [at(minutes) for minutes in reversed(taken)]
    found = pressures(readings, dosed_at=DOSED, left_at=LEFT)
    assert tuple(found) == tuple(PRESSURES)
    assert [each and (each.at - DOSED) / timedelta(minutes=1) for each in found.values()] == list(expected)


def test_before_the_dose_the_latest_so_far() -> None:
    found = pressures([at(-9), at(-30)], dosed_at=None, left_at=None)
    assert found == {"before": at(-9), "at_40_minutes": None, "before_leaving": None}


@given(st.lists(st.integers(-60, 180), unique=True, max_size=10))
def test_they_are_in_order_and_none_serves_twice(taken: list[int]) -> None:
    found = pressures([at(minutes) for minutes in taken], dosed_at=DOSED, left_at=LEFT)
    used = [each.at for each in found.values() if each]
    assert used == sorted(set(used))
    near = [minutes for minutes in taken if 35 <= minutes <= 45]
    second = found["at_40_minutes"]
    if near:
        assert second is not None
        assert abs((second.at - DOSED) / timedelta(minutes=1) - 40) == min(abs(each - 40) for each in near)


def test_observed() -> None:
    assert observed_minutes(DOSED, LEFT) == 125
    assert observed_minutes(None, LEFT) is None
    assert observed_minutes(DOSED, None) is None


def test_what_is_missing_is_named_one_by_one() -> None:
    complete = dict.fromkeys(ANSWERS, "x")
    measured = pressures([at(-5), at(40), at(120)], dosed_at=DOSED, left_at=LEFT)
    assert missing(complete, measured) == []
    assert missing({**complete, "opioid": False, "maoi": False}, measured) == [], "no is an answer"
    faults = missing({**complete, "lot": "", "opioid": None}, {**measured, "at_40_minutes": None})
    assert [(each.pointer, each.code) for each in faults] == [
        ("/lot", "required"),
        ("/opioid", "required"),
        ("/blood_pressure/at_40_minutes", "required"),
    ]


def test_the_page_holds_any_text_as_text() -> None:
    lines = [("Patient", "Ana <b>Ñandú</b> & Søn 李"), ("Event", "word " * 200)]
    page, again = (rems_pdf.draw(title="Form", under="Due", sections=[("One", lines)]) for _ in range(2))
    assert page.startswith(b"%PDF-")
    assert page == again, "nothing depends on when it is drawn"
