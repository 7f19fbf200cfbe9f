"""Washouts: every row of DOMAIN section 3, and the rule against days counted one by one."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.domain.medicines import Medicine, named
from patients.domain.washout import WashoutRule, clashes, rule_for

SHIPPED = [
    WashoutRule(
        code=row["code"],
        days=row["days"],
        to_classes=frozenset(row["to_classes"]),
        from_classes=frozenset(row["from_classes"]),
        from_words=tuple(row["from_words"]),
        source=row["source"],
    )
    for row in json.loads(
        (Path(__file__).resolve().parents[3] / "patients/catalogue/washouts.json").read_text()
    )
]
TODAY = date(2027, 3, 1)
CLASSES = ("ssri", "snri", "tca", "maoi", "other-antidepressant", "opioid")


def took(name: str, group: str, begun: int | None, stopped: int | None) -> Medicine:
    """Days count from TODAY."""
    return Medicine(
        key=name,
        name=name,
        medicine_class=group,
        from_on=None if begun is None else TODAY + timedelta(days=begun),
        stopped_on=None if stopped is None else TODAY + timedelta(days=stopped),
    )


@pytest.mark.parametrize(
    ("first", "first_class", "second_class", "days"),
    [
        ("phenelzine", "maoi", "ssri", 14),
        ("phenelzine", "maoi", "snri", 14),
        ("phenelzine", "maoi", "tca", 14),
        ("phenelzine", "maoi", "maoi", 14),
        ("phenelzine", "maoi", "other-antidepressant", 14),
        ("Venlafaxine XR", "snri", "maoi", 7),
        ("Effexor", "snri", "maoi", 7),
        ("duloxetine", "snri", "maoi", 5),
        ("fluoxetine", "ssri", "maoi", 35),
        ("sertraline", "ssri", "maoi", 14),
        ("amitriptyline", "tca", "maoi", 14),
        ("vortioxetine", "other-antidepressant", "maoi", 21),
        ("bupropion", "other-antidepressant", "maoi", 14),
    ],
)
def test_every_row_of_the_table(first: str, first_class: str, second_class: str, days: int) -> None:
    old = took(first, first_class, -90, 0)
    for gap in (0, days - 1):
        (clash,) = clashes(medicines=[old, took("new", second_class, gap, None)], rules=SHIPPED, today=TODAY)
        assert (clash.rule.days, clash.clear_on) == (days, TODAY + timedelta(days=days))
    late_enough = [old, took("new", second_class, days, None)]
    assert clashes(medicines=late_enough, rules=SHIPPED, today=TODAY) == []


@pytest.mark.parametrize(
    ("first", "first_class", "second_class"),
    [("sertraline", "ssri", "snri"), ("venlafaxine", "snri", "ssri"), ("tramadol", "opioid", "maoi")],
)
def test_pairs_without_a_rule_do_not_clash(first: str, first_class: str, second_class: str) -> None:
    pair = [took(first, first_class, -9, None), took("new", second_class, 0, None)]
    assert clashes(medicines=pair, rules=SHIPPED, today=TODAY) == []


def test_a_medicine_that_goes_on_clashes_without_an_end() -> None:
    pair = [took("sertraline", "ssri", -90, None), took("phenelzine", "maoi", 3, None)]
    (clash,) = clashes(medicines=pair, rules=SHIPPED, today=TODAY)
    assert (clash.from_on, clash.clear_on) == (TODAY + timedelta(days=3), None)
    assert "still being taken" in clash.sentence


def test_what_was_near_long_ago_is_left_out() -> None:
    pair = [took("sertraline", "ssri", -90, -60), took("phenelzine", "maoi", -55, -50)]
    assert clashes(medicines=pair, rules=SHIPPED, today=TODAY) == []


def test_a_name_beats_a_class() -> None:
    maoi = took("new", "maoi", 0, None)
    found = [rule_for(took(name, "ssri", None, 0), maoi, SHIPPED) for name in ("fluoxetine", "citalopram")]
    assert [rule.days for rule in found if rule] == [35, 14]


@pytest.mark.parametrize(
    ("text", "found"),
    [("Venlafaxine XR 75", True), ("desvenlafaxine", False), ("VENLAFAXINE", True), ("", False)],
)
def test_names_are_found_as_words(text: str, found: bool) -> None:
    assert named(text, ["venlafaxine"]) is found


DAYS = st.integers(-60, 60)
TAKEN = st.tuples(
    st.sampled_from(["sertraline", "fluoxetine", "venlafaxine", "phenelzine", "selegiline"]),
    st.sampled_from(CLASSES),
    DAYS,
    st.none() | st.integers(1, 60),
)


@given(st.lists(TAKEN, min_size=2, max_size=4, unique_by=lambda each: each[0]))
def test_as_many_days_at_risk_as_days_counted_one_by_one(
    given_: list[tuple[str, str, int, int | None]],
) -> None:
    """The oracle asks of every day: is the second taken, and was the first within ``days`` before?"""
    medicines = [
        took(name, group, begun, None if length is None else begun + length)
        for name, group, begun, length in given_
    ]
    found = {
        frozenset((clash.first.key, clash.second.key)): clash
        for clash in clashes(medicines=medicines, rules=SHIPPED, today=TODAY)
    }
    for one in medicines:
        for other in medicines:
            if one.key >= other.key:
                continue
            at_risk = days_at_risk(one, other) | days_at_risk(other, one)
            clash = found.get(frozenset((one.key, other.key)))
            assert (clash is not None) == any(day >= TODAY for day in at_risk)
            if clash is not None and clash.clear_on is not None:
                assert max(at_risk) == clash.clear_on - timedelta(days=1)


HORIZON = [TODAY + timedelta(days=number) for number in range(-200, 250)]


def days_at_risk(first: Medicine, second: Medicine) -> set[date]:
    rule = rule_for(first, second, SHIPPED)
    if rule is None:
        return set()

    def taken(medicine: Medicine, day: date) -> bool:
        return medicine.begins_on <= day < medicine.ends_on

    last = [day for day in HORIZON if taken(first, day)]
    return {
        day
        for day in HORIZON
        if taken(second, day) and any(0 <= (day - each).days <= rule.days for each in last)
    }
