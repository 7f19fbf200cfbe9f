"""/treatment-plans/: any mix of treatments with dates, goals and follow-ups, for clinical roles."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Patient
from tests.conftest import codes
from tests.factories import PatientFactory, SiteFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

PLANS = "/api/v1/treatment-plans/"
ITEMS = "/api/v1/treatment-plan-items/"
KINDS = ("antidepressant", "infusion-course", "fitness-plan", "dietary-guidelines", "therapy")
Clients = Callable[..., APIClient]


@pytest.fixture
def patient(site: Site) -> Patient:
    return PatientFactory.create(site=site)


def plan(patient: Patient, **more: Any) -> dict[str, Any]:
    items = [{"kind": kind, "starts_on": "2027-01-05", "goal": f"of {kind}"} for kind in KINDS]
    return {
        "patient": patient.pk,
        "title": "Walk again",
        "goal": "Two miles",
        "starts_on": "2027-01-04",
        "items": items,
        **more,
    }


def prescription(client: APIClient, patient: Patient) -> int:
    body = {
        "patient": patient.pk,
        "medication": "Sertraline",
        "drug_class": "ssri",
        "dose_mg": 50,
        "first_dose_on": "2027-01-05",
    }
    made: int = client.post("/api/v1/prescriptions/", body).json()["id"]
    return made


def test_a_plan_holds_any_mix(prescriber: APIClient, patient: Patient) -> None:
    made = prescriber.post(PLANS, plan(patient))
    assert made.status_code == 201, made.json()
    body = made.json()
    assert [(item["kind"], item["status"], item["goal"]) for item in body["items"]] == [
        (kind, "active", f"of {kind}") for kind in KINDS
    ]
    assert prescriber.get(f"{PLANS}{body['id']}/").json() == body
    assert prescriber.get(f"{PLANS}?patient={patient.pk}&status=active").json()["results"] == [body]


def test_an_item_points_at_the_patients_prescription(prescriber: APIClient, patient: Patient) -> None:
    medicine = prescription(prescriber, patient)
    made = prescriber.post(PLANS, plan(patient)).json()
    item = {"kind": "antidepressant", "starts_on": "2027-01-05", "prescription": medicine}
    added = prescriber.post(f"{PLANS}{made['id']}/items/", item, headers={"If-Match": '"1"'})
    assert (added.status_code, added.json()["prescription"]) == (201, medicine)
    assert prescriber.get(f"{PLANS}{made['id']}/").json()["version"] == 2
    misfit = prescriber.post(f"{PLANS}{made['id']}/items/", {**item, "kind": "therapy"})
    assert (misfit.status_code, codes(misfit)) == (422, {("/prescription", "link_does_not_fit")})
    other = prescription(prescriber, PatientFactory.create(site=patient.site))
    foreign = prescriber.post(f"{PLANS}{made['id']}/items/", {**item, "prescription": other})
    assert (foreign.status_code, codes(foreign)) == (422, {("/prescription", "other_patients_link")})


def test_a_goal_is_followed_up_changed_and_achieved(prescriber: APIClient, patient: Patient) -> None:
    item = prescriber.post(PLANS, plan(patient)).json()["items"][2]
    address = f"{ITEMS}{item['id']}/"
    owed = prescriber.post(f"{address}follow-ups/", {"kind": "call", "due_on": "2027-01-20"})
    assert (owed.status_code, owed.json()["origin"]) == (201, f"plan_item:{item['id']}")
    changed = prescriber.patch(address, {"goal": "Three miles"}, headers={"If-Match": '"1"'})
    assert (changed.json()["goal"], changed.json()["version"]) == ("Three miles", 2)
    over = prescriber.post(f"{address}finish/", {"outcome": "achieved", "note": "Did it"})
    assert over.json()["status"] == "achieved"
    assert prescriber.get(f"/api/v1/follow-ups/{owed.json()['id']}/").json()["status"] == "cancelled"
    again = prescriber.post(f"{address}finish/", {"outcome": "stopped"})
    assert (again.status_code, again.json()["code"]) == (409, "plan_over")
    events = prescriber.get(f"{PLANS}{item['plan']}/").json()["events"]
    assert [(event["verb"], event["note"]) for event in events[-2:]] == [
        ("changed", ""),
        ("achieved", "Did it"),
    ]


def test_a_plan_ends_with_all_that_is_open_in_it(prescriber: APIClient, patient: Patient) -> None:
    made = prescriber.post(PLANS, plan(patient)).json()
    over = prescriber.post(f"{PLANS}{made['id']}/finish/", {"outcome": "stopped"}).json()
    assert {item["status"] for item in over["items"]} == {"stopped"} == {over["status"]}
    refused = prescriber.patch(f"{PLANS}{made['id']}/", {"title": "x"}, headers={"If-Match": "*"})
    assert (refused.status_code, refused.json()["code"]) == (409, "plan_over")


def test_title_and_dates_change_with_the_version(prescriber: APIClient, patient: Patient) -> None:
    made = prescriber.post(PLANS, plan(patient)).json()
    address = f"{PLANS}{made['id']}/"
    assert prescriber.patch(address, {"title": "x"}).status_code == 428
    assert prescriber.patch(address, {"title": "x"}, headers={"If-Match": '"9"'}).status_code == 412
    changed = prescriber.patch(address, {"ends_on": "2027-06-30"}, headers={"If-Match": '"1"'}).json()
    assert (changed["ends_on"], changed["version"]) == ("2027-06-30", 2)


@pytest.mark.parametrize(
    ("change", "status", "fault"),
    [
        ({"title": ""}, 400, ("/title", "blank")),
        ({"ends_on": "2027-01-03"}, 422, ("/ends_on", "ends_before_it_begins")),
        ({"items": [{"kind": "magic", "starts_on": "2027-01-05"}]}, 400, ("/items/0/kind", "invalid_choice")),
        ({"items": [{"kind": "therapy", "starts_on": "2027-01-03"}]}, 422, ("/starts_on", "before_plan")),
    ],
)
def test_what_is_no_plan_is_named(
    prescriber: APIClient, patient: Patient, change: dict[str, Any], status: int, fault: tuple[str, str]
) -> None:
    refused = prescriber.post(PLANS, plan(patient, **change))
    assert (refused.status_code, codes(refused)) == (status, {fault})
    assert prescriber.get(PLANS).json()["results"] == []


def test_follow_ups_lie_ahead(prescriber: APIClient, patient: Patient) -> None:
    item = prescriber.post(PLANS, plan(patient)).json()["items"][2]
    refused = prescriber.post(f"{ITEMS}{item['id']}/follow-ups/", {"kind": "call", "due_on": "2027-01-03"})
    assert (refused.status_code, codes(refused)) == (422, {("/due_on", "due_in_the_past")})


def test_nobody_plans_for_an_inactive_patient(prescriber: APIClient, site: Site) -> None:
    refused = prescriber.post(PLANS, plan(PatientFactory.create(site=site, status="inactive")))
    assert (refused.status_code, refused.json()["code"]) == (422, "patient_inactive")


@pytest.mark.parametrize("role", ["front_desk", "manager", "auditor"])
def test_plans_are_for_clinical_roles(
    client_as: Clients, site: Site, patient: Patient, prescriber: APIClient, role: str
) -> None:
    made = prescriber.post(PLANS, plan(patient)).json()
    client = client_as(role, site)
    for address in (PLANS, f"{PLANS}{made['id']}/", f"{ITEMS}{made['items'][0]['id']}/"):
        assert client.get(address).status_code == 403
    assert client.post(PLANS, plan(patient)).status_code == 403


def test_other_sites_plans_do_not_exist(client_as: Clients, patient: Patient, prescriber: APIClient) -> None:
    made = prescriber.post(PLANS, plan(patient)).json()
    stranger = client_as("prescriber", SiteFactory.create())
    assert stranger.get(PLANS).json()["results"] == []
    for address in (f"{PLANS}{made['id']}/", f"{ITEMS}{made['items'][0]['id']}/"):
        assert stranger.get(address).status_code == 404
    assert codes(stranger.post(PLANS, plan(patient))) == {("/patient", "does_not_exist")}


def test_the_number_of_queries_does_not_grow(prescriber: APIClient, patient: Patient) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert prescriber.get(PLANS).status_code == 200
        return len(queries)

    prescriber.post(PLANS, plan(patient))
    one = cost()
    for _ in range(3):
        prescriber.post(PLANS, plan(patient))
    assert cost() == one
