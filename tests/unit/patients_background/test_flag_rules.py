"""Which entries raise which flags: every row of DOMAIN section 2, and what state a flag is in."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from patients.domain.flags import Background, Entry, FlagRule, FlagState, raised, state
from patients.domain.medicines import Medicine

TODAY = date(2027, 3, 1)
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)
ROWS = json.loads((Path(__file__).resolve().parents[3] / "patients/catalogue/flag_kinds.json").read_text())
RULES = [
    FlagRule(
        code=row["code"],
        severity=row["severity"],
        source=row["source"],
        medicine_classes=frozenset(row.get("medicine_classes", ())),
        medicine_words=tuple(row.get("medicine_words", ())),
        concerns=frozenset(row.get("concerns", ())),
        allergy_words=tuple(row.get("allergy_words", ())),
        pregnancy_states=frozenset(row.get("pregnancy_states", ())),
    )
    for row in ROWS
]


def medicine(group: str, name: str = "x", stopped_on: date | None = None) -> Background:
    return Background(medicines=[Medicine("medicine:1", name, group, None, stopped_on)])


def concern(code: str, until_on: date | None = None) -> Background:
    return Background(concerns=[Entry(1, code, code, until_on)])


def codes(background: Background) -> set[tuple[str, str]]:
    found = raised(rules=RULES, background=background, clashes=(), today=TODAY)
    return {(flag.kind, flag.severity) for flag in found}


@pytest.mark.parametrize(
    ("background", "expected"),
    [
        (concern("ketamine-hypersensitivity"), ("ketamine-hypersensitivity", "absolute")),
        (concern("aneurysmal-vascular-disease"), ("aneurysmal-vascular-disease", "absolute")),
        (concern("arteriovenous-malformation"), ("arteriovenous-malformation", "absolute")),
        (concern("intracerebral-haemorrhage"), ("intracerebral-haemorrhage", "absolute")),
        (concern("blood-pressure-hazard"), ("blood-pressure-hazard", "absolute")),
        (concern("uncontrolled-cardiovascular"), ("uncontrolled-cardiovascular", "relative")),
        (concern("active-psychosis"), ("active-psychosis", "relative")),
        (concern("severe-liver-disease"), ("severe-liver-disease", "relative")),
        (concern("raised-intracranial-pressure"), ("raised-intracranial-pressure", "relative")),
        (concern("raised-intraocular-pressure"), ("raised-intraocular-pressure", "relative")),
        (concern("substance-misuse"), ("substance-misuse", "relative")),
        (medicine("benzodiazepine"), ("benzodiazepine", "caution")),
        (medicine("lamotrigine"), ("lamotrigine", "caution")),
        (medicine("maoi"), ("maoi", "caution")),
        (medicine("opioid"), ("opioid", "caution")),
        (medicine("stimulant"), ("stimulant", "caution")),
        (medicine("theophylline"), ("theophylline", "caution")),
        (medicine("glp-1"), ("glp-1", "caution")),
        (medicine("snri", "Venlafaxine XR"), ("venlafaxine-blood-pressure", "caution")),
        (Background(allergies=[Entry(1, "Ketamine", "x")]), ("ketamine-hypersensitivity", "absolute")),
        (Background(pregnancy=Entry(1, "pregnant", "x")), ("pregnancy", "relative")),
        (Background(pregnancy=Entry(1, "possible", "x")), ("pregnancy", "relative")),
    ],
)
def test_every_row_of_the_list(background: Background, expected: tuple[str, str]) -> None:
    assert codes(background) == {expected}


@pytest.mark.parametrize(
    "background",
    [
        Background(),
        concern("mental-illness"),
        concern("active-psychosis", until_on=YESTERDAY),
        medicine("ssri", "sertraline"),
        medicine("opioid", stopped_on=TODAY),
        Background(allergies=[Entry(1, "penicillin", "x")]),
        Background(pregnancy=Entry(1, "not_pregnant", "x")),
        Background(pregnancy=Entry(1, "pregnant", "x", YESTERDAY)),
    ],
)
def test_what_raises_none(background: Background) -> None:
    assert codes(background) == set()


def test_a_medicine_that_ends_takes_its_flag_along() -> None:
    (flag,) = raised(rules=RULES, background=medicine("opioid", stopped_on=TOMORROW), clashes=(), today=TODAY)
    assert flag.expires_on == TODAY


def test_the_key_names_the_cause_and_outlives_corrections() -> None:
    first, later = (
        raised(rules=RULES, background=concern("active-psychosis", until), clashes=(), today=TODAY)
        for until in (None, TOMORROW)
    )
    assert first[0].key == later[0].key == "active-psychosis:concern:1"


@pytest.mark.parametrize(
    ("status", "expires_on", "until", "expected"),
    [
        ("open", None, None, FlagState.OPEN),
        ("open", TODAY, None, FlagState.OPEN),
        ("open", YESTERDAY, None, FlagState.EXPIRED),
        ("acknowledged", None, None, FlagState.ACKNOWLEDGED),
        ("acknowledged", None, TODAY, FlagState.ACKNOWLEDGED),
        ("acknowledged", None, YESTERDAY, FlagState.OPEN),
        ("acknowledged", YESTERDAY, None, FlagState.EXPIRED),
        ("withdrawn", YESTERDAY, None, FlagState.WITHDRAWN),
    ],
)
def test_what_a_flag_asks_for_on_a_day(
    status: str, expires_on: date | None, until: date | None, expected: FlagState
) -> None:
    assert state(status=status, expires_on=expires_on, acknowledged_until=until, today=TODAY) == expected


def test_every_shipped_row_says_where_it_comes_from() -> None:
    catalogue = Path(__file__).resolve().parents[3] / "patients/catalogue"
    for name in ("symptoms", "body_sites", "pain_origins", "factors", "treatment_kinds", "medicine_classes",
                 "concerns", "pain_tests", "flag_kinds", "washouts"):  # fmt: skip
        rows = json.loads((catalogue / f"{name}.json").read_text())
        assert {row["mark"] for row in rows} <= {"S", "K", "D"}, name
        assert all(row["source"] for row in rows), name
    assert len(json.loads((catalogue / "symptoms.json").read_text())) == 12
