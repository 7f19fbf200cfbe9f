"""How strictly answers to gates are read: what is missing, malformed or in the future names its field."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic.common.errors import Invalid
from scheduling.domain.gate_answers import BEFORE_ARRIVAL, QUESTIONS, read
from scheduling.domain.gate_checks import CHECKS
from scheduling.domain.gate_facts import Facts
from scheduling.domain.gates import LIMITS

NOW = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)
ALDRETE = dict.fromkeys(("activity", "respiration", "circulation", "consciousness", "oxygen_saturation"), 2)
GOOD: dict[str, dict[str, Any]] = {
    "consent": {"signed_on": "2027-01-11"},
    "identity": {"checked": True},
    "escort": {"name": "Rosa Reyes"},
    "driving": {"acknowledged": False},
    "fasting": {
        "clear_fluids_at": "2027-01-11T06:30:00-07:00",
        "light_meal_at": None,
        "fatty_meal_at": None,
    },
    "rescreen": {"pregnancy": "not_applicable", "new_medicines": "no", "substances": "yes"},
    "aldrete": ALDRETE,
    "oriented": {"oriented": True},
    "gait": {"steady": True},
    "escort_present": {"present": True},
    "driving_advice": {"told": True},
}


def faults(gate: str, given: object) -> set[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        read(gate, given, now=NOW, today=date(2027, 1, 11))
    assert refused.value.code == "invalid_answers"
    return {(error.pointer, error.code) for error in refused.value.errors}


def test_the_questions_are_of_gates_there_are() -> None:
    assert set(GOOD) == set(QUESTIONS) < set(LIMITS)
    assert set(QUESTIONS) > BEFORE_ARRIVAL


@pytest.mark.parametrize("gate", GOOD)
def test_good_answers_are_kept_and_can_be_judged(gate: str) -> None:
    kept = read(gate, GOOD[gate], now=NOW, today=date(2027, 1, 11))
    assert set(kept) == set(GOOD[gate])
    CHECKS[gate](kept, Facts(at=NOW, zone=UTC), LIMITS[gate])


@pytest.mark.parametrize("gate", GOOD)
def test_every_answer_is_required_by_name(gate: str) -> None:
    assert faults(gate, {}) == {(f"/answers/{gate}/{name}", "required") for name in GOOD[gate]}
    assert faults(gate, {**GOOD[gate], "more": 1}) == {(f"/answers/{gate}", "unknown_field")}
    nothing: object
    for nothing in (None, [], "yes", 3):
        assert faults(gate, nothing) == {(f"/answers/{gate}", "invalid")}


@pytest.mark.parametrize(
    ("gate", "name", "value", "code"),
    [
        ("consent", "signed_on", "2027-01-12", "in_the_future"),
        ("consent", "signed_on", "2027-02-29", "invalid"),
        ("consent", "signed_on", "20270101", "invalid"),
        ("consent", "signed_on", "1899-12-31", "invalid"),
        ("identity", "checked", 1, "invalid"),
        ("identity", "checked", None, "invalid"),
        ("escort", "name", "   ", "invalid"),
        ("escort", "name", None, "invalid"),
        ("escort", "name", "x" * 121, "invalid"),
        ("escort", "name", "Ro\x00sa", "invalid"),
        ("escort", "name", "\ud800", "invalid"),
        ("escort", "phone", "1" * 33, "invalid"),
        ("escort", "phone", None, "invalid"),
        ("fasting", "light_meal_at", "2027-01-11T16:00:01Z", "in_the_future"),
        ("fasting", "light_meal_at", "2027-01-11T06:00:00", "offset_required"),
        ("fasting", "light_meal_at", "this morning", "invalid"),
        ("fasting", "light_meal_at", "0001-01-01T00:00:00+14:00", "invalid"),
        ("fasting", "light_meal_at", "9999-12-31T23:59:59-14:00", "in_the_future"),
        ("rescreen", "pregnancy", "maybe", "unknown_choice"),
        ("rescreen", "new_medicines", "not_applicable", "unknown_choice"),
        ("rescreen", "substances", [], "unknown_choice"),
        ("aldrete", "activity", 3, "invalid"),
        ("aldrete", "activity", -1, "invalid"),
        ("aldrete", "activity", True, "invalid"),
        ("aldrete", "activity", 1.0, "invalid"),
        ("aldrete", "activity", "2", "invalid"),
    ],
)
def test_what_cannot_be_used_names_its_field(gate: str, name: str, value: object, code: str) -> None:
    assert faults(gate, {**GOOD[gate], name: value}) == {(f"/answers/{gate}/{name}", code)}


def test_instants_are_kept_in_utc_and_names_tidy() -> None:
    fasting = read("fasting", GOOD["fasting"], now=NOW, today=date(2027, 1, 11))
    assert fasting["clear_fluids_at"] == "2027-01-11T13:30:00+00:00"
    escort = read("escort", {"name": " Rosa \u00a0 Reyes ", "phone": ""}, now=NOW, today=date(2027, 1, 11))
    assert escort == {"name": "Rosa Reyes", "phone": ""}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_whatever_comes_is_kept_or_refused_by_name(gate: str, data: st.DataObject) -> None:
    given = {name: data.draw(st.just(value) | _JSON) for name, value in GOOD[gate].items()}
    try:
        kept = read(gate, given, now=NOW, today=date(2027, 1, 11))
    except Invalid as refused:
        elsewhere = [each for each in refused.errors if not each.pointer.startswith(f"/answers/{gate}")]
        if elsewhere or not refused.errors:
            raise
        return
    CHECKS[gate](kept, Facts(at=NOW, zone=UTC), LIMITS[gate])
