"""When the next reading is due, by example and against a walk from minute to minute."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.domain.phases import parse
from scheduling.domain.vitals import Course, Due, Plan, When, around, next_due

NINE = datetime(2027, 1, 4, 16, 0, tzinfo=UTC)
BEFORE, LEAVING = Plan(When.BEFORE), Plan(When.LEAVING)
DURING = Plan(When.DURING, minutes=10)
RECOVERY = Plan(When.RECOVERY, minutes=15, least=5, most=15)
ONCE = Plan(When.ONCE, minutes=40, grace=5)


def at(minutes: float) -> datetime:
    return NINE + timedelta(minutes=minutes)


def infusing() -> Course:
    return Course(here_at=at(-15), planned_start_at=NINE, started_at=NINE)


def recovering() -> Course:
    return Course(at(-55), at(-40), at(-40), NINE, disconnect_minutes=35, leave_minutes=50)


def due(plan: Plan, course: Course, *readings: float) -> tuple[float, float] | None:
    found = next_due([plan], course=course, readings=[at(each) for each in readings])
    if found is None:
        return None
    assert found.when == plan.when
    return (found.due_at - NINE) / timedelta(minutes=1), (found.overdue_at - NINE) / timedelta(minutes=1)


def test_before_the_start_is_due_on_arrival_and_late_when_the_treatment_should_begin() -> None:
    waiting = Course(here_at=at(-15), planned_start_at=NINE)
    assert due(BEFORE, waiting) == (-15, 2)
    assert due(BEFORE, waiting, -10) is None
    assert due(BEFORE, Course(here_at=at(20), planned_start_at=NINE)) == (20, 22)
    assert due(BEFORE, infusing()) is None


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ((), 10),
        ((-5,), 10),
        ((0,), 10),
        ((3,), 10),
        ((7.9,), 10),
        ((8,), 20),
        ((10,), 20),
        ((14,), 20),
        ((17,), 20),
        ((18,), 30),
        ((10, 20, 30), 40),
        ((30, 10, 20), 40),
        ((31.5,), 40),
    ],
)
def test_during_the_infusion_the_plan_stands_whatever_was_early_or_late(
    readings: tuple[float, ...], expected: float
) -> None:
    assert due(DURING, infusing(), *readings) == (expected, expected + 2)


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ((), 15),
        ((-10,), 15),  # counted from the end of the infusion
        ((15,), 30),
        ((13,), 28),  # early for 15: the next not later than 15 minutes after it
        ((27,), 32),  # late for 15: the next not sooner than 5 minutes after it
        ((12,), 17),  # too early to be the one at 15, and that one not sooner than 5 minutes after it
    ],
)
def test_in_recovery_the_allowed_interval_holds(readings: tuple[float, ...], expected: float) -> None:
    assert due(RECOVERY, recovering(), *readings) == (expected, expected + 2)


def test_once_is_answered_from_its_grace_on_and_outlasts_the_infusion() -> None:
    assert due(ONCE, infusing()) == (40, 45)
    assert due(ONCE, infusing(), 34) == (40, 45)
    assert due(ONCE, infusing(), 35) is None
    assert due(ONCE, infusing(), 70) is None
    soon_ended = Course(at(-15), NINE, NINE, at(15), 105, 120)
    assert due(ONCE, soon_ended, 20) == (40, 45)


def test_leaving_is_measured_in_the_minutes_before_leaving() -> None:
    assert due(LEAVING, recovering()) == (35, 52)
    assert due(LEAVING, recovering(), 32) == (35, 52)
    assert due(LEAVING, recovering(), 33) is None
    assert due(LEAVING, infusing(), 10) is None


def test_the_earliest_of_all_is_next() -> None:
    plans = [BEFORE, DURING, RECOVERY, ONCE, LEAVING]
    assert next_due(plans, course=infusing(), readings=[]) == Due(When.DURING, at(10), at(12))
    assert next_due(plans, course=recovering(), readings=[at(-10), at(30)]) == Due(
        When.LEAVING, at(35), at(52)
    )
    assert next_due([], course=infusing(), readings=[]) is None
    late = next_due(plans, course=infusing(), readings=[])
    assert late is not None
    assert (late.overdue(at(11.9)), late.overdue(at(12))) == (False, True)


def test_the_parts_of_a_visit_around_its_infusion() -> None:
    rows = json.loads(Path("scheduling/catalogue/visit_types.json").read_text(encoding="utf-8"))
    found = {row["code"]: around(parse(row["phases"])) for row in rows}
    assert found["ketamine-mood"] == (15, 35, 50)
    assert found["ketamine-pain"] == (15, 45, 60)
    assert found["esketamine"] == (15, 105, 120)
    assert found["consultation"] == (0, 0, 0)
    chair = [{"kind": "chair", "use": "exclusive"}]
    alone = [{"name": each, "minutes": 20, "needs": chair} for each in ("infusion", "rest", "rest on")]
    assert around(parse(alone)) == (0, 40, 40)


# --- against a slow oracle ---------------------------------------------------------------------
intervals = st.integers(3, 60)


@st.composite
def repeated(draw: st.DrawFn) -> tuple[Plan, list[int]]:
    minutes = draw(intervals)
    grace = draw(st.integers(0, (minutes - 1) // 2))
    plan = Plan(When.DURING, minutes=minutes, grace=grace)
    return plan, draw(st.lists(st.integers(-30, 300), max_size=12))


def walked(plan: Plan, readings: list[int]) -> int:
    """Go through the planned moments one by one and cross off those that some reading answers: it came at
    most the grace before it, or after it. The first that is left is due."""
    moment = 0
    while True:
        moment += plan.minutes or 0
        if not any(reading > 0 and reading >= moment - plan.grace for reading in readings):
            return moment


@given(repeated())
def test_as_the_slow_walk_over_all_planned_moments(case: tuple[Plan, list[int]]) -> None:
    plan, readings = case
    assert due(plan, infusing(), *readings) == (walked(plan, readings), walked(plan, readings) + plan.grace)


@given(repeated(), st.data())
def test_readings_are_never_further_apart_than_the_interval_and_twice_the_grace(
    case: tuple[Plan, list[int]], data: st.DataObject
) -> None:
    plan, _ = case
    taken: list[float] = []
    for _step in range(6):
        found = due(plan, infusing(), *taken)
        assert found is not None
        due_at, overdue_at = found
        last = taken[-1] if taken else 0
        assert last < due_at
        assert overdue_at - last <= (plan.minutes or 0) + 2 * plan.grace
        assert due_at % (plan.minutes or 1) == 0, "the plan does not drift"
        early = max(due_at - plan.grace, last + 1)
        taken.append(data.draw(st.integers(int(early), int(overdue_at))))
    assert round(taken[-1] / (plan.minutes or 1)) == len(taken), "each answered its own moment"


@given(st.lists(st.integers(1, 300), max_size=12), st.integers(5, 15))
def test_allowed_interval_of_recovery_is_never_left(readings: list[int], minutes: int) -> None:
    plan = Plan(When.RECOVERY, minutes=minutes, least=5, most=15)
    found = due(plan, recovering(), *readings)
    assert found is not None
    assert 5 <= found[0] - max(readings, default=0) <= 15
