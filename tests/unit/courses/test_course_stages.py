"""Stages of a course: which one a session belongs to, gaps in days and open days, maintenance, bad input."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from clinic.common.errors import Invalid
from clinic.common.steps import InvalidTransition
from scheduling.domain import courses
from scheduling.domain.courses import GapUnit, OpenDays, Stage, stage_of

CATALOGUE = Path(__file__).parents[3] / "scheduling/catalogue/course_templates.json"
MONDAY = date(2027, 2, 1)


def shipped(code: str) -> tuple[Stage, ...]:
    rows = json.loads(CATALOGUE.read_text())
    [stages] = [row["stages"] for row in rows if row["code"] == code]
    return courses.parse(stages)


@pytest.mark.parametrize("row", json.loads(CATALOGUE.read_text()), ids=lambda row: row["code"])
def test_what_ships_is_readable_and_says_where_it_comes_from(row: dict[str, Any]) -> None:
    stages = courses.parse(row["stages"])
    assert [{**stage, "ideal_gap_days": None} for stage in courses.to_json(stages)] == [
        {**stage, "ideal_gap_days": None} for stage in row["stages"]
    ]
    assert all(stage.source and stage.mark in courses.MARKS for stage in stages)
    assert stages[-1].sessions is None, "maintenance goes on"


@pytest.mark.parametrize(
    ("code", "length", "gaps"),
    [
        ("ketamine-mood-3-per-week", 6, {2: (2, 3), 6: (2, 3)}),
        ("ketamine-mood-2-per-week", 6, {2: (3, 4), 6: (3, 4)}),
        ("ketamine-pain-10-weekdays", 10, {10: (1, 1), 11: (9, 14), 12: (2, 4), 18: (25, 35), 30: (84, 98)}),
        ("esketamine", 8, {8: (3, 4), 9: (6, 8), 12: (6, 8), 13: (6, 15), 60: (6, 15)}),
    ],
)
def test_the_courses_of_the_domain_document(code: str, length: int, gaps: dict[int, tuple[int, int]]) -> None:
    stages = shipped(code)
    assert courses.series_length(stages) == length
    for number, expected in gaps.items():
        stage = stage_of(stages, number)
        assert (stage.min_gap_days, stage.max_gap_days) == expected, number


def test_gaps_count_what_their_stage_counts() -> None:
    holiday = date(2027, 2, 15)
    weekdays = [day for day in (MONDAY + timedelta(days=n) for n in range(28)) if day.weekday() < 5]
    calendar = OpenDays(day for day in weekdays if day != holiday)
    friday, tuesday = date(2027, 2, 12), date(2027, 2, 16)
    assert calendar.gap(friday, tuesday, GapUnit.OPEN_DAYS) == 1
    assert calendar.gap(friday, tuesday, GapUnit.DAYS) == 4
    assert calendar.later(friday, 1, GapUnit.OPEN_DAYS) == tuesday
    assert calendar.later(friday, 1, GapUnit.DAYS) == date(2027, 2, 13)
    assert calendar.later(friday, 100, GapUnit.OPEN_DAYS) == date.max
    stages = [Stage(1, 1, sessions=2, gap_unit=GapUnit.OPEN_DAYS), Stage(3, 5)]
    found = courses.gaps([friday, tuesday, tuesday + timedelta(days=7)], stages=stages, calendar=calendar)
    assert [(gap.number, gap.days, gap.in_range) for gap in found] == [(2, 1, True), (3, 7, False)]
    assert found[1].sentence == "Session 3 is 7 days after the one before; 3 to 5 are meant."
    assert found[0].sentence == "Session 2 is 1 open days after the one before; 1 are meant."


def test_maintenance_replaces_what_comes_after() -> None:
    stages = courses.with_maintenance(
        shipped("ketamine-mood-3-per-week"), from_number=8, interval_days=28, tolerance_days=None
    )
    assert [stage.sessions for stage in stages] == [6, 1, None]
    last = stages[-1]
    assert (last.min_gap_days, last.ideal, last.max_gap_days) == (24, 28, 32)
    assert stage_of(stages, 7).ideal == 7
    assert stage_of(stages, 8) is last
    again = courses.with_maintenance(stages, from_number=12, interval_days=7, tolerance_days=0)
    assert [stage.sessions for stage in again] == [6, 1, 4, None]
    assert courses.to_json(courses.parse(courses.to_json(again))) == courses.to_json(again)
    with pytest.raises(Invalid, match="tolerance"):
        courses.with_maintenance(stages, from_number=8, interval_days=7, tolerance_days=7)


def stage(**changes: Any) -> dict[str, Any]:
    return {"sessions": 6, "min_gap_days": 2, "max_gap_days": 3, **changes}


@pytest.mark.parametrize(
    ("stages", "pointer", "code"),
    [
        (7, "/stages", "out_of_range"),
        ([], "/stages", "out_of_range"),
        ([stage()] * 21, "/stages", "out_of_range"),
        (["x"], "/stages/0", "unknown_field"),
        ([stage(colour="red")], "/stages/0", "unknown_field"),
        ([stage(sessions=None)], "/stages/0/sessions", "required"),
        ([stage(), stage(sessions=None), stage()], "/stages/1/sessions", "required"),
        ([stage(sessions=61)], "/stages/0/sessions", "out_of_range"),
        ([stage(sessions=True)], "/stages/0/sessions", "out_of_range"),
        ([stage(min_gap_days=0)], "/stages/0/min_gap_days", "out_of_range"),
        ([stage(max_gap_days=181)], "/stages/0/max_gap_days", "out_of_range"),
        ([stage(min_gap_days=4)], "/stages/0/max_gap_days", "gaps_contradict"),
        ([stage(ideal_gap_days=4)], "/stages/0/ideal_gap_days", "gaps_contradict"),
        ([stage(), stage(gap_unit="weeks")], "/stages/1/gap_unit", "invalid_choice"),
        ([stage(gap_unit=["days"])], "/stages/0/gap_unit", "invalid_choice"),
        ([stage(mark="X")], "/stages/0/mark", "invalid_choice"),
        ([stage(source="a\x00b")], "/stages/0/source", "invalid"),
    ],
)
def test_unusable_stages_name_the_fault(stages: object, pointer: str, code: str) -> None:
    with pytest.raises(courses.InvalidStages) as refused:
        courses.parse(stages)
    assert (pointer, code) in {(fault.pointer, fault.code) for fault in refused.value.errors}


def test_a_stopped_course_takes_no_step() -> None:
    assert courses.after(courses.Status.ACTIVE, courses.Verb.STOP) is courses.Status.STOPPED
    for verb in courses.Verb:
        with pytest.raises(InvalidTransition) as refused:
            courses.after(courses.Status.STOPPED, verb)
        assert refused.value.data == {"state": "stopped", "possible": []}
