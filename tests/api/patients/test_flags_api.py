"""/patients/{id}/flags/ over HTTP: raised by rules and by hand, acknowledged, never blocking."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Patient
from tests.conftest import NOW, codes
from tests.factories import PatientFactory, SiteFactory

pytestmark = [pytest.mark.django_db]

Clients = Callable[..., APIClient]
OPIOID = {"name": "Oxycodone", "medicine_class": "opioid"}
BY_HAND = {"kind": "suicide-risk", "value": "Said so on the phone"}


@pytest.fixture
def patient(site: Site) -> Patient:
    return PatientFactory.create(site=site)


@pytest.fixture
def prescriber(client_as: Clients, site: Site, clock: object) -> APIClient:
    return client_as("prescriber", site)


@pytest.fixture
def nurse(client_as: Clients, site: Site, clock: object) -> APIClient:
    return client_as("nurse", site)


def url(patient: Patient, *what: object) -> str:
    return "/".join(["/api/v1/patients", str(patient.pk), *map(str, what), ""])


def flags(client: APIClient, patient: Patient) -> list[dict[str, Any]]:
    """Those that count today, as the background shows them."""
    found: list[dict[str, Any]] = client.get(url(patient, "background")).json()["flags"]
    return found


def test_an_entry_raises_its_flag_at_once(nurse: APIClient, patient: Patient) -> None:
    nurse.post(url(patient, "background/medicines"), OPIOID)
    nurse.post(url(patient, "background/other-conditions"), {"concern": "arteriovenous-malformation"})
    found = flags(nurse, patient)
    assert [(flag["kind"], flag["severity"], flag["status"], flag["origin"]) for flag in found] == [
        ("arteriovenous-malformation", "absolute", "open", "rule"),
        ("opioid", "caution", "open", "rule"),
    ]
    assert [flag["value"] for flag in found] == ["Arteriovenous malformation", "Oxycodone"]


def test_it_goes_with_its_cause_and_its_story_stays(nurse: APIClient, patient: Patient) -> None:
    entry = nurse.post(url(patient, "background/medicines"), OPIOID).json()
    address = url(patient, "background/medicines", entry["id"])
    nurse.patch(address, {"dose": "5 mg"}, headers={"If-Match": "*"})
    (flag,) = flags(nurse, patient)
    assert flag["version"] == 1
    later = nurse.get(url(patient, "background/medicines")).json()["results"][0]
    nurse.post(url(patient, "background/medicines", later["id"], "entered-in-error"), {"reason": "a mix-up"})
    assert flags(nurse, patient) == []
    (kept,) = nurse.get(url(patient, "flags")).json()["results"]
    assert (kept["id"], kept["status"]) == (flag["id"], "withdrawn")
    assert [(event["verb"], event["by"]) for event in kept["events"]] == [
        ("raised", None),
        ("withdrawn", None),
    ]


def test_another_medicine_is_another_flag_to_acknowledge(prescriber: APIClient, patient: Patient) -> None:
    entry = prescriber.post(url(patient, "background/medicines"), OPIOID).json()
    (flag,) = flags(prescriber, patient)
    prescriber.post(url(patient, "flags", flag["id"], "acknowledge"), {"reason": "low dose"})
    address = url(patient, "background/medicines", entry["id"])
    prescriber.patch(address, {"name": "Fentanyl"}, headers={"If-Match": "*"})
    assert [(each["value"], each["status"]) for each in flags(prescriber, patient)] == [("Fentanyl", "open")]


def test_a_prescriber_acknowledges_with_a_reason(
    prescriber: APIClient, patient: Patient, clock: Callable[..., None]
) -> None:
    prescriber.post(url(patient, "background/other-conditions"), {"concern": "severe-liver-disease"})
    (flag,) = flags(prescriber, patient)
    address = url(patient, "flags", flag["id"], "acknowledge")
    assert prescriber.post(address, {}).status_code == 400
    said = prescriber.post(address, {"reason": "Half the dose", "until_on": "2027-01-05"}).json()
    assert (said["status"], said["reason"], said["acknowledged_until"], said["version"]) == (
        "acknowledged",
        "Half the dose",
        "2027-01-05",
        2,
    )
    assert said["acknowledged_by"] == prescriber.user.pk  # type: ignore[attr-defined]
    assert [event["verb"] for event in said["events"]] == ["raised", "acknowledged"]
    assert [each["status"] for each in flags(prescriber, patient)] == ["acknowledged"]
    clock(NOW + timedelta(days=2))
    assert [each["status"] for each in flags(prescriber, patient)] == ["open"]


def test_a_volatile_flag_is_acknowledged_for_today_only(
    prescriber: APIClient, patient: Patient, clock: Callable[..., None]
) -> None:
    prescriber.post(url(patient, "background/medicines"), OPIOID)
    (flag,) = flags(prescriber, patient)
    said = prescriber.post(url(patient, "flags", flag["id"], "acknowledge"), {"reason": "known"}).json()
    assert said["acknowledged_until"] == "2027-01-04"
    clock(NOW + timedelta(days=1))
    assert [each["status"] for each in flags(prescriber, patient)] == ["open"]


@pytest.mark.parametrize(
    ("body", "status", "fault"),
    [
        ({"reason": ""}, 400, ("/reason", "blank")),
        ({"reason": "x", "until_on": "2027-01-03"}, 422, ("/until_on", "already_over")),
        ({"reason": "x", "until_on": "2040-01-03"}, 422, ("/until_on", "too_far")),
    ],
)
def test_what_is_no_acknowledgement_is_named(
    prescriber: APIClient, patient: Patient, body: dict[str, Any], status: int, fault: tuple[str, str]
) -> None:
    flag = prescriber.post(url(patient, "flags"), BY_HAND).json()
    refused = prescriber.post(url(patient, "flags", flag["id"], "acknowledge"), body)
    assert (refused.status_code, codes(refused)) == (status, {fault})


def test_a_flag_by_hand_is_raised_and_withdrawn_with_a_reason(nurse: APIClient, patient: Patient) -> None:
    made = nurse.post(url(patient, "flags"), {**BY_HAND, "source": "daughter", "expires_on": "2027-02-01"})
    assert made.status_code == 201
    flag = made.json()
    assert (flag["origin"], flag["source"], flag["severity"]) == ("staff", "daughter", "caution")
    assert flag["raised_by"] == nurse.user.pk  # type: ignore[attr-defined]
    address = url(patient, "flags", flag["id"])
    assert nurse.get(address).json() == flag
    assert nurse.post(f"{address}withdraw/", {"reason": "x"}, headers={"If-Match": '"9"'}).status_code == 412
    gone = nurse.post(f"{address}withdraw/", {"reason": "was another person"}, headers={"If-Match": '"1"'})
    assert gone.json()["status"] == "withdrawn"
    again = nurse.post(f"{address}withdraw/", {"reason": "x"})
    assert (again.status_code, again.json()["code"]) == (409, "flag_over")


def test_a_rules_flag_is_not_withdrawn_by_hand(nurse: APIClient, patient: Patient) -> None:
    nurse.post(url(patient, "background/medicines"), OPIOID)
    (flag,) = flags(nurse, patient)
    refused = nurse.post(url(patient, "flags", flag["id"], "withdraw"), {"reason": "x"})
    assert (refused.status_code, refused.json()["code"]) == (409, "raised_by_rule")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"kind": "bad-luck"}, ("/kind", "unknown_flag_kind")),
        ({"expires_on": "2027-01-03"}, ("/expires_on", "already_over")),
    ],
)
def test_what_is_no_flag_is_named(
    nurse: APIClient, patient: Patient, change: dict[str, Any], fault: tuple[str, str]
) -> None:
    refused = nurse.post(url(patient, "flags"), {**BY_HAND, **change})
    assert (refused.status_code, codes(refused)) == (422, {fault})


def test_pregnancy_runs_out_with_the_answer(
    nurse: APIClient, patient: Patient, clock: Callable[..., None]
) -> None:
    nurse.post(url(patient, "background/pregnancy"), {"state": "possible", "as_of_on": "2027-01-04"})
    assert [(flag["kind"], flag["expires_on"]) for flag in flags(nurse, patient)] == [
        ("pregnancy", "2027-02-03")
    ]
    clock(NOW + timedelta(days=31))
    assert flags(nurse, patient) == []
    (kept,) = nurse.get(url(patient, "flags")).json()["results"]
    assert kept["status"] == "expired"
    nurse.post(url(patient, "background/pregnancy"), {"state": "not_pregnant", "as_of_on": "2027-02-04"})
    assert flags(nurse, patient) == []


def test_only_a_prescriber_acknowledges(nurse: APIClient, patient: Patient) -> None:
    flag = nurse.post(url(patient, "flags"), BY_HAND).json()
    said = nurse.post(url(patient, "flags", flag["id"], "acknowledge"), {"reason": "x"})
    assert said.status_code == 403


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("role", ["front_desk", "manager", "auditor"])
def test_flags_are_for_clinical_roles(
    client_as: Clients, site: Site, patient: Patient, role: str, nurse: APIClient
) -> None:
    flag = nurse.post(url(patient, "flags"), BY_HAND).json()
    client = client_as(role, site)
    assert client.get(url(patient, "flags")).status_code == 403
    assert client.get(url(patient, "flags", flag["id"])).status_code == 403
    assert client.post(url(patient, "flags"), BY_HAND).status_code == 403
    for verb in ("acknowledge", "withdraw"):
        assert client.post(url(patient, "flags", flag["id"], verb), {"reason": "x"}).status_code == 403


def test_other_sites_flags_do_not_exist(client_as: Clients, nurse: APIClient, patient: Patient) -> None:
    flag = nurse.post(url(patient, "flags"), BY_HAND).json()
    stranger = client_as("prescriber", SiteFactory.create())
    assert stranger.get(url(patient, "flags")).status_code == 404
    for verb in ("acknowledge", "withdraw"):
        assert stranger.post(url(patient, "flags", flag["id"], verb), {"reason": "x"}).status_code == 404
