"""/patients/{id}/background/ over HTTP: entries, corrections, errors, roles, and what it costs."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Allergy, Patient, Term
from tests.conftest import codes
from tests.factories import PatientFactory, SiteFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

Clients = Callable[..., APIClient]
GOOD: dict[str, dict[str, Any]] = {
    "symptoms": {
        "symptom": "sharp-burning-pain",
        "body_sites": ["feet", "toes"],
        "radiates_to": ["legs"],
        "severity": 7,
        "origin": "peripheral-nerve",
        "since_on": "2020-05-01",
    },
    "allergies": {"substance": "Penicillin", "reaction": "rash", "severity": "mild"},
    "medicines": {
        "name": "Clonazepam",
        "medicine_class": "benzodiazepine",
        "dose": "0.5 mg at night",
        "from_on": "2026-01-01",
    },
    "family-history": {
        "relation": "mother",
        "condition": "depression",
        "medicine": "sertraline",
        "response": "very_well",
    },
    "pregnancy": {"state": "not_pregnant", "as_of_on": "2027-01-04", "basis": "test"},
    "other-conditions": {"concern": "cancer", "name": "breast cancer", "since_on": "2021-01-01"},
    "pain-assessments": {
        "assessed_on": "2027-01-04",
        "results": [
            {"test": "rating-0-10", "question": "severity", "value": "7", "unit": "0-10"},
            {"test": "skin-biopsy", "question": "source", "body_sites": ["legs"], "finding": "few fibres"},
            {"test": "sensory-testing", "question": "pain", "finding": "cold detection lost"},
        ],
    },
}
GROUPS = {name: name.replace("-", "_") for name in GOOD}


@pytest.fixture
def patient(site: Site) -> Patient:
    return PatientFactory.create(site=site)


def url(patient: Patient, *what: object) -> str:
    return "/".join(["/api/v1/patients", str(patient.pk), "background", *map(str, what), ""])


@pytest.mark.parametrize("kind", GOOD)
def test_an_entry_is_recorded_listed_and_grouped(
    client_as: Clients, site: Site, patient: Patient, kind: str
) -> None:
    nurse = client_as("nurse", site)
    made = nurse.post(url(patient, kind), GOOD[kind])
    assert made.status_code == 201, made.json()
    body = made.json()
    assert (body["status"], body["recorded_by"], body["version"]) == ("current", nurse.user.pk, 1)  # type: ignore[attr-defined]
    assert made["ETag"] == '"1"'
    for name, value in GOOD[kind].items():
        if name != "results":
            assert body[name] == value, name
    assert nurse.get(url(patient, kind, body["id"])).json() == body
    assert nurse.get(url(patient, kind)).json()["results"] == [body]
    assert nurse.get(url(patient)).json()[GROUPS[kind]] == [body]


def test_a_pain_assessment_says_which_question_each_result_answers(
    client_as: Clients, site: Site, patient: Patient
) -> None:
    made = client_as("nurse", site).post(url(patient, "pain-assessments"), GOOD["pain-assessments"]).json()
    assert [(row["test"], row["question"], row["value"]) for row in made["results"]] == [
        ("rating-0-10", "severity", "7.000"),
        ("skin-biopsy", "source", None),
        ("sensory-testing", "pain", None),
    ]


def test_an_answer_about_pregnancy_runs_out(client_as: Clients, site: Site, patient: Patient) -> None:
    nurse = client_as("nurse", site)
    told = nurse.post(url(patient, "pregnancy"), GOOD["pregnancy"]).json()
    assert told["expires_on"] == "2027-02-03"
    given = {**GOOD["pregnancy"], "expires_on": "2027-01-10"}
    assert nurse.post(url(patient, "pregnancy"), given).json()["expires_on"] == "2027-01-10"
    never = {"state": "not_applicable", "as_of_on": "2027-01-04"}
    assert nurse.post(url(patient, "pregnancy"), never).json()["expires_on"] is None


def test_a_correction_supersedes_and_the_old_one_stays(
    client_as: Clients, site: Site, patient: Patient
) -> None:
    nurse = client_as("nurse", site)
    old = nurse.post(url(patient, "allergies"), GOOD["allergies"]).json()
    address = url(patient, "allergies", old["id"])
    new = nurse.patch(address, {"severity": "severe"}, headers={"If-Match": '"1"'})
    assert new.status_code == 200
    assert (new.json()["supersedes"], new.json()["severity"]) == (old["id"], "severe")
    assert (new.json()["substance"], new.json()["reaction"]) == ("Penicillin", "rash")
    kept = nurse.get(address).json()
    assert (kept["status"], kept["severity"], kept["superseded_by"]) == (
        "superseded",
        "mild",
        new.json()["id"],
    )
    again = nurse.patch(address, {"severity": "moderate"}, headers={"If-Match": "*"})
    assert (again.status_code, again.json()["code"]) == (409, "entry_closed")
    assert [row["id"] for row in nurse.get(url(patient)).json()["allergies"]] == [new.json()["id"]]
    listed = nurse.get(f"{url(patient, 'allergies')}?status=superseded").json()["results"]
    assert [row["id"] for row in listed] == [old["id"]]


def test_results_stay_when_only_the_day_is_corrected(
    client_as: Clients, site: Site, patient: Patient
) -> None:
    nurse = client_as("nurse", site)
    old = nurse.post(url(patient, "pain-assessments"), GOOD["pain-assessments"]).json()
    address = url(patient, "pain-assessments", old["id"])
    new = nurse.patch(address, {"assessed_on": "2027-01-03"}, headers={"If-Match": '"1"'}).json()
    assert (new["results"], new["assessed_on"]) == (old["results"], "2027-01-03")
    same = nurse.patch(
        url(patient, "pain-assessments", new["id"]), {"assessed_on": "2027-01-03"}, headers={"If-Match": "*"}
    )
    assert same.json()["id"] == new["id"]


def test_an_error_is_marked_and_never_deleted(client_as: Clients, site: Site, patient: Patient) -> None:
    nurse = client_as("nurse", site)
    entry = nurse.post(url(patient, "symptoms"), GOOD["symptoms"]).json()
    address = url(patient, "symptoms", entry["id"])
    assert nurse.post(f"{address}entered-in-error/", {}).status_code == 400
    blank = nurse.post(f"{address}entered-in-error/", {"reason": " "})
    assert (blank.status_code, codes(blank)) == (400, {("/reason", "blank")})
    marked = nurse.post(f"{address}entered-in-error/", {"reason": "another patient"}).json()
    assert (marked["status"], marked["closed_reason"]) == ("entered_in_error", "another patient")
    assert nurse.get(address).json() == marked
    assert nurse.get(url(patient)).json()["symptoms"] == []
    assert nurse.delete(address).status_code == 405


@pytest.mark.parametrize(
    ("kind", "change", "status", "fault"),
    [
        ("symptoms", {"symptom": "gout"}, 422, ("/symptom", "unknown_code")),
        ("symptoms", {"body_sites": ["hands", "tail"]}, 422, ("/body_sites", "unknown_code")),
        ("symptoms", {"body_sites": ["feet", "feet"]}, 422, ("/body_sites", "named_twice")),
        ("symptoms", {"origin": "liver"}, 422, ("/origin", "unknown_code")),
        ("symptoms", {"severity": 11}, 422, ("/severity", "out_of_range")),
        ("symptoms", {"severity": -1}, 400, ("/severity", "min_value")),
        ("symptoms", {"since_on": "2027-01-05"}, 422, ("/since_on", "in_the_future")),
        ("symptoms", {"since_on": "1970-01-05"}, 422, ("/since_on", "before_birth")),
        ("symptoms", {"until_on": "2020-04-30"}, 422, ("/until_on", "ends_before_it_begins")),
        ("allergies", {"substance": ""}, 400, ("/substance", "blank")),
        ("allergies", {"severity": "awful"}, 400, ("/severity", "invalid_choice")),
        ("medicines", {"medicine_class": "sweet"}, 422, ("/medicine_class", "unknown_code")),
        ("medicines", {"until_on": "2025-12-31"}, 422, ("/until_on", "ends_before_it_begins")),
        ("family-history", {"condition": "gout"}, 422, ("/condition", "unknown_code")),
        ("family-history", {"condition": "", "medicine": ""}, 422, ("/condition", "nothing_said")),
        ("pregnancy", {"as_of_on": "2027-01-05"}, 422, ("/as_of_on", "in_the_future")),
        ("other-conditions", {"concern": "other", "name": ""}, 422, ("/name", "blank")),
        ("pain-assessments", {"results": []}, 422, ("/results", "blank")),
        (
            "pain-assessments",
            {"results": [{"test": "emg", "question": "severity", "finding": "x"}]},
            422,
            ("/results/0/question", "not_answered_by_test"),
        ),
        (
            "pain-assessments",
            {"results": [{"test": "emg", "question": "source"}]},
            422,
            ("/results/0/finding", "nothing_said"),
        ),
        (
            "pain-assessments",
            {"results": [{"test": "guess", "question": "source", "finding": "x"}]},
            422,
            ("/results/0/test", "unknown_code"),
        ),
    ],
)
def test_what_cannot_be_recorded_is_named(
    client_as: Clients,
    site: Site,
    patient: Patient,
    kind: str,
    change: dict[str, Any],
    status: int,
    fault: tuple[str, str],
) -> None:
    refused = client_as("prescriber", site).post(url(patient, kind), {**GOOD[kind], **change})
    assert (refused.status_code, codes(refused)) == (status, {fault})


def test_too_many_results_are_refused(client_as: Clients, site: Site, patient: Patient) -> None:
    results = [{"test": "emg", "question": "source", "finding": "x"}] * 31
    body = {"assessed_on": "2027-01-04", "results": results}
    refused = client_as("nurse", site).post(url(patient, "pain-assessments"), body)
    assert (refused.status_code, codes(refused)) == (422, {("/results", "too_many")})


@pytest.mark.parametrize("role", ["front_desk", "manager", "auditor"])
@pytest.mark.parametrize("kind", ["", *GOOD])
def test_the_background_is_for_clinical_roles(
    client_as: Clients, site: Site, patient: Patient, role: str, kind: str
) -> None:
    client = client_as(role, site)
    address = url(patient, kind) if kind else url(patient)
    assert client.get(address).status_code == 403
    if kind:
        assert client.post(address, GOOD[kind]).status_code == 403


@pytest.mark.parametrize("kind", ["", *GOOD])
def test_other_sites_patients_do_not_exist(client_as: Clients, patient: Patient, kind: str) -> None:
    stranger = client_as("nurse", SiteFactory.create())
    address = url(patient, kind) if kind else url(patient)
    assert stranger.get(address).status_code == 404
    if kind:
        assert stranger.post(address, GOOD[kind]).status_code == 404


def test_a_nurse_elsewhere_is_front_desk_here(client_as: Clients, site: Site, patient: Patient) -> None:
    entry = client_as("nurse", site).post(url(patient, "allergies"), GOOD["allergies"]).json()
    client = client_as("nurse", SiteFactory.create())
    client.user.memberships.create(site=site, role="front_desk")  # type: ignore[attr-defined]
    assert client.get(url(patient)).status_code == 403
    assert client.get(url(patient, "allergies")).status_code == 403
    assert client.get(url(patient, "allergies", entry["id"])).status_code == 403
    assert client.post(url(patient, "allergies"), GOOD["allergies"]).status_code == 403


def test_an_entry_is_found_below_its_own_patient_only(
    client_as: Clients, site: Site, patient: Patient
) -> None:
    nurse = client_as("nurse", site)
    entry = nurse.post(url(patient, "allergies"), GOOD["allergies"]).json()
    other = PatientFactory.create(site=site)
    assert nurse.get(url(other, "allergies", entry["id"])).status_code == 404


def test_stale_changes_are_refused(client_as: Clients, site: Site, patient: Patient) -> None:
    nurse = client_as("nurse", site)
    entry = nurse.post(url(patient, "allergies"), GOOD["allergies"]).json()
    address = url(patient, "allergies", entry["id"])
    assert nurse.patch(address, {"note": "x"}).status_code == 428
    assert nurse.patch(address, {"note": "x"}, headers={"If-Match": '"9"'}).status_code == 412
    stale = nurse.post(url(patient, "allergies"), GOOD["allergies"], headers={"If-Match": '"9"'})
    assert stale.status_code == 412


def test_the_number_of_queries_does_not_grow(client_as: Clients, site: Site, patient: Patient) -> None:
    nurse = client_as("nurse", site)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert nurse.get(url(patient)).status_code == 200
            for kind in GOOD:
                assert nurse.get(url(patient, kind)).status_code == 200
        return len(queries)

    for kind, body in GOOD.items():
        nurse.post(url(patient, kind), body)
    one = cost()
    for kind, body in GOOD.items():
        for _ in range(3):
            nurse.post(url(patient, kind), body)
    assert cost() == one


def test_the_database_refuses_to_rewrite_an_entry(client_as: Clients, site: Site, patient: Patient) -> None:
    entry = client_as("nurse", site).post(url(patient, "allergies"), GOOD["allergies"]).json()
    rows = Allergy.objects.filter(pk=entry["id"])
    for break_it in (lambda: rows.update(substance="Aspirin"), rows.delete):
        with pytest.raises(Exception, match="superseded, never rewritten"), transaction.atomic():
            break_it()
    with pytest.raises(Exception, match="keep their meaning"), transaction.atomic():
        Term.objects.filter(code="cancer").update(code="tumour")


def test_lists_are_shipped_as_rows(client_as: Clients, site: Site) -> None:
    desk = client_as("front_desk", site)
    symptoms = desk.get("/api/v1/terms/?kind=symptom").json()["results"]
    assert len(symptoms) == 12
    sites = desk.get("/api/v1/terms/?kind=body_site").json()["results"]
    assert {row["code"] for row in sites} == {
        "hands", "feet", "arms", "legs", "fingers", "toes", "organs", "face", "back", "pelvis", "head"
    }  # fmt: skip
    assert {row["kind"] for row in desk.get("/api/v1/terms/?limit=200").json()["results"]} == set(
        Term.Kind.values
    )
    kinds = desk.get("/api/v1/flag-kinds/").json()["results"]
    assert {row["severity"] for row in kinds} == {"absolute", "relative", "caution"}
