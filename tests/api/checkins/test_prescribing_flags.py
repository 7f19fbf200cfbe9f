"""Prescribing raises washout and interaction flags, stores the order all the same, and flags reach SAFE7."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Patient
from tests.factories import PatientFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

SERTRALINE = {
    "medication": "Sertraline",
    "drug_class": "ssri",
    "dose_mg": 50,
    "first_dose_on": "2027-01-05",
}
PHENELZINE = {"medication": "Phenelzine", "drug_class": "maoi", "dose_mg": 15}


@pytest.fixture
def patient(site: Site) -> Patient:
    return PatientFactory.create(site=site)


def prescribe(client: APIClient, patient: Patient, **order: Any) -> Any:
    answer = client.post("/api/v1/prescriptions/", {**SERTRALINE, "patient": patient.pk, **order})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def warned(reply: Any) -> list[tuple[str, str]]:
    return [(flag["kind"], flag["value"]) for flag in reply["flags"]]


def test_nothing_to_warn_of(prescriber: APIClient, patient: Patient) -> None:
    assert prescribe(prescriber, patient)["flags"] == []


def test_a_washout_too_short_is_flagged_and_the_order_stored(prescriber: APIClient, patient: Patient) -> None:
    old = prescribe(prescriber, patient)
    new = prescriber.post(
        f"/api/v1/prescriptions/{old['id']}/switch/", {**PHENELZINE, "effective_on": "2027-01-12"}
    )
    assert new.status_code == 201
    assert new.json()["dose_events"][0]["effective_on"] == "2027-01-12"
    assert warned(new.json()) == [
        ("washout", "14 days between Sertraline and Phenelzine: not before Jan 26, 2027."),
        ("maoi", "Phenelzine"),
    ]
    flag = new.json()["flags"][0]
    assert (flag["severity"], flag["status"], flag["expires_on"]) == ("relative", "open", "2027-01-25")
    said = prescriber.post(
        f"/api/v1/patients/{patient.pk}/flags/{flag['id']}/acknowledge/", {"reason": "On the ward"}
    )
    assert said.json()["status"] == "acknowledged"
    more = prescriber.post(
        f"/api/v1/prescriptions/{new.json()['id']}/change-dose/",
        {"dose_mg": 30, "effective_on": "2027-01-20"},
    )
    assert warned(more.json()) == [("maoi", "Phenelzine")]


def test_two_at_once_are_flagged_until_one_is_stopped(prescriber: APIClient, patient: Patient) -> None:
    old = prescribe(prescriber, patient)
    new = prescribe(prescriber, patient, **PHENELZINE, first_dose_on="2027-02-01")
    assert warned(new) == [
        ("washout", "14 days between Sertraline and Phenelzine: Sertraline is still being taken."),
        ("maoi", "Phenelzine"),
    ]
    stopped = prescriber.post(f"/api/v1/prescriptions/{old['id']}/stop/", {"effective_on": "2027-01-10"})
    assert warned(stopped.json()) == [("maoi", "Phenelzine")]


def test_a_medicine_from_elsewhere_counts_as_well(
    prescriber: APIClient, nurse: APIClient, patient: Patient
) -> None:
    prescribe(prescriber, patient)
    nurse.post(
        f"/api/v1/patients/{patient.pk}/background/medicines/",
        {"name": "Moclobemide", "medicine_class": "maoi", "until_on": "2027-01-03"},
    )
    found = nurse.get(f"/api/v1/patients/{patient.pk}/background/").json()["flags"]
    assert [(flag["kind"], flag["value"]) for flag in found] == [
        ("washout", "14 days between Moclobemide and Sertraline: not before Jan 18, 2027.")
    ]


def test_venlafaxine_is_flagged_before_infusions(prescriber: APIClient, patient: Patient) -> None:
    made = prescribe(prescriber, patient, medication="Venlafaxine", drug_class="snri")
    assert warned(made) == [("venlafaxine-blood-pressure", "Venlafaxine")]
    stopped = prescriber.post(f"/api/v1/prescriptions/{made['id']}/stop/", {"effective_on": "2027-02-01"})
    assert [flag["expires_on"] for flag in stopped.json()["flags"]] == ["2027-01-31"]


def seventh_day(client: APIClient, prescription: Any) -> list[tuple[str, str]]:
    rows = client.get(f"/api/v1/prescriptions/{prescription['id']}/check-ins/").json()["results"]
    return sorted((row["code"], row["status"]) for row in rows if row["code"] in {"SAFE7", "ONSET7"})


def test_a_flag_brings_the_safety_check_in(prescriber: APIClient, patient: Patient) -> None:
    flags = f"/api/v1/patients/{patient.pk}/flags/"
    assert prescriber.post(flags, {"kind": "suicide-risk", "value": "x"}).status_code == 201
    assert seventh_day(prescriber, prescribe(prescriber, patient)) == [("SAFE7", "planned")]


def test_a_flag_raised_later_replaces_what_was_planned_and_back(
    prescriber: APIClient, patient: Patient
) -> None:
    made = prescribe(prescriber, patient)
    assert seventh_day(prescriber, made) == [("ONSET7", "planned")]
    concern = {"concern": "active-psychosis"}
    entry = prescriber.post(f"/api/v1/patients/{patient.pk}/background/other-conditions/", concern).json()
    assert seventh_day(prescriber, made) == [("ONSET7", "superseded"), ("SAFE7", "planned")]
    wrong = f"/api/v1/patients/{patient.pk}/background/other-conditions/{entry['id']}/entered-in-error/"
    prescriber.post(wrong, {"reason": "a mix-up"})
    assert seventh_day(prescriber, made) == [
        ("ONSET7", "planned"),
        ("ONSET7", "superseded"),
        ("SAFE7", "superseded"),
    ]


def test_an_acknowledged_flag_still_asks_for_the_safety_check_in(
    prescriber: APIClient, patient: Patient
) -> None:
    flags = f"/api/v1/patients/{patient.pk}/flags/"
    flag = prescriber.post(flags, {"kind": "suicide-risk", "value": "x"}).json()
    prescriber.post(f"{flags}{flag['id']}/acknowledge/", {"reason": "seen weekly"})
    assert seventh_day(prescriber, prescribe(prescriber, patient)) == [("SAFE7", "planned")]


def test_cautions_alone_do_not(prescriber: APIClient, nurse: APIClient, patient: Patient) -> None:
    nurse.post(
        f"/api/v1/patients/{patient.pk}/background/medicines/",
        {"name": "Oxycodone", "medicine_class": "opioid"},
    )
    made = prescribe(prescriber, patient)
    assert (warned(made), seventh_day(prescriber, made)) == (
        [("opioid", "Oxycodone")],
        [("ONSET7", "planned")],
    )


def test_a_nurse_reads_no_flags_from_a_refused_order(
    client_as: Callable[..., APIClient], site: Site, patient: Patient
) -> None:
    refused = client_as("nurse", site).post("/api/v1/prescriptions/", {**SERTRALINE, "patient": patient.pk})
    assert refused.status_code == 403
    assert "flags" not in refused.json()
