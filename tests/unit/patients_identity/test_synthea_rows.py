"""Synthea's rows become ours."""

from datetime import date

import pytest

from clinic.common import catalogue
from clinic.common.errors import Invalid
from patients.domain import synthea
from patients.domain.csv_rows import CsvRow
from patients.domain.import_rows import ConditionRow, distinct

TODAY = date(2027, 1, 4)
FREEMAN = {
    "Id": "b63edfda-d82b-5fc1-4738-10b77b73b271",
    "FIRST": "Freeman822",
    "LAST": "O'Kon634",
    "BIRTHDATE": "1968-07-31",
    "DEATHDATE": "",
    "GENDER": "M",
}


def patient_row(**changes: str) -> CsvRow:
    return CsvRow("patients.csv", 2, FREEMAN | changes)


def condition_row(description: str, start: str = "2014-01-31", stop: str = "") -> CsvRow:
    return CsvRow(
        "conditions.csv", 2, {"START": start, "STOP": stop, "PATIENT": "x", "DESCRIPTION": description}
    )


@pytest.fixture(scope="module")
def index() -> dict[str, str]:
    rows = catalogue.rows("patients", "conditions")
    return synthea.description_index((row["code"], row["name"], row["synonyms"]) for row in rows)


def test_a_patient_keeps_an_mrn_of_the_synthetic_id_and_loses_the_digits() -> None:
    given = synthea.patient(patient_row(), ()).given
    assert given == {
        "mrn": "SYN-B63EDFDA-D82B",
        "first_name": "Freeman",
        "last_name": "O'Kon",
        "date_of_birth": "1968-07-31",
        "sex": "male",
        "status": "active",
    }


@pytest.mark.parametrize(("gender", "sex"), [("F", "female"), ("m", "male"), ("", "unknown"), ("Q", "Q")])
def test_gender_is_mapped_and_what_is_unknown_is_left_to_be_refused(gender: str, sex: str) -> None:
    assert synthea.patient(patient_row(GENDER=gender), ()).given["sex"] == sex


def test_the_dead_come_as_deceased() -> None:
    assert synthea.patient(patient_row(DEATHDATE="2001-02-03"), ()).given["status"] == "deceased"


def test_faults_are_told_by_syntheas_own_columns() -> None:
    assert synthea.patient(patient_row(), ()).column("date_of_birth") == "BIRTHDATE"
    with pytest.raises(Invalid) as refused:
        synthea.patient(patient_row(Id=""), ())
    assert refused.value.errors[0].pointer == "/Id"


@pytest.mark.parametrize(
    ("description", "code"),
    [
        ("Chronic low back pain (finding)", "low-back-pain"),
        ("FIBROMYALGIA (disorder)", "fibromyalgia"),
        ("Neuropathy due to type 2 diabetes mellitus (disorder)", "diabetic-neuropathy"),
        ("Localized  primary osteoarthritis of the hand", "arthritis"),
        ("Severe anxiety (panic) (finding)", "anxiety"),
        ("Posttraumatic stress disorder", "ptsd"),
        ("Major depression  single episode", "depression"),
        ("Stroke", "stroke"),
    ],
)
def test_descriptions_become_conditions(description: str, code: str, index: dict[str, str]) -> None:
    assert synthea.condition(condition_row(description), index, today=TODAY) == ConditionRow(
        code, date(2014, 1, 31), None
    )


def test_other_descriptions_are_not_ours(index: dict[str, str]) -> None:
    for description in ("Viral sinusitis (disorder)", "", "Chronic pain", "Stroke risk"):
        assert synthea.condition(condition_row(description), index, today=TODAY) is None


@pytest.mark.parametrize(
    ("start", "stop", "column", "code"),
    [
        ("31/01/2014", "", "START", "not_an_iso_date"),
        ("2014-01-31", "soon", "STOP", "not_an_iso_date"),
        ("2014-01-31", "2013-01-31", "STOP", "ends_before_it_begins"),
        ("2027-01-05", "", "START", "in_the_future"),
    ],
)
def test_dates_that_cannot_be_are_refused(
    start: str, stop: str, column: str, code: str, index: dict[str, str]
) -> None:
    with pytest.raises(Invalid) as refused:
        synthea.condition(condition_row("Stroke", start, stop), index, today=TODAY)
    assert [(error.pointer, error.code) for error in refused.value.errors] == [(f"/{column}", code)]


def test_no_description_stands_for_two_conditions() -> None:
    claimed: dict[str, str] = {}
    for row in catalogue.rows("patients", "conditions"):
        for description in (row["name"], *row["synonyms"]):
            plain = synthea.plain_description(description)
            assert claimed.setdefault(plain, row["code"]) == row["code"]


def test_one_onset_is_one_row_and_stays_open_if_any_says_so() -> None:
    onset = date(2014, 1, 31)
    ended = ConditionRow("arthritis", onset, date(2015, 1, 1))
    open_still = ConditionRow("arthritis", onset, None)
    other = ConditionRow("arthritis", None, None)
    assert distinct([ended, open_still, ended, other]) == (open_still, other)
