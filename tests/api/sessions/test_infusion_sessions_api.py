"""A treatment over HTTP: the whole of it in constant queries, by role, and each step with its refusals."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Patient
from scheduling.models import Appointment, GateCheck, InfusionSession
from tests.conftest import NOW, codes
from tests.factories import SiteFactory, open_clinic, visit_type
from tests.factories.bookings import booked
from tests.factories.sessions import BEFORE_LEAVING, BEFORE_START, measured, pass_start_gates

pytestmark = pytest.mark.django_db

Clients = Callable[..., APIClient]
ENDED = NOW + timedelta(minutes=40)
DESK_ANSWERS = {code: BEFORE_START[code] for code in ("consent", "identity", "escort", "driving")}


@pytest.fixture
def visit(site: Site, clock: object) -> Appointment:
    open_clinic(site)
    return booked(site, NOW, on={})


@pytest.fixture
def nurse(site: Site, client_as: Clients) -> APIClient:
    return client_as("nurse", site)


def url(visit: Appointment, part: str = "") -> str:
    return f"/api/v1/infusion-sessions/{visit.pk}/{part}"


def act(client: APIClient, visit: Appointment, verb: str) -> Any:
    return client.post(f"/api/v1/appointments/{visit.pk}/{verb}/", {})


def gate(body: dict[str, Any], code: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in body["gates"] if each["gate"] == code)
    return found


def in_recovery(client: APIClient, visit: Appointment, clock: Callable[[datetime], None]) -> None:
    assert act(client, visit, "check-in").status_code == 200
    pass_start_gates(visit, now=NOW)
    assert act(client, visit, "start").status_code == 200
    clock(ENDED)
    assert client.post(url(visit, "end/"), {"reason": "done"}).status_code == 200


def test_before_arrival_it_is_there_and_reading_writes_nothing(nurse: APIClient, visit: Appointment) -> None:
    answer = nurse.get(url(visit))
    body = answer.json()
    assert (body["stage"], body["version"], answer["ETag"]) == ("expected", 1, '"1"')
    assert (body["weight_kg"], body["dose"], body["readings"], body["started_at"]) == (None, None, 0, None)
    assert {each["state"] for each in body["gates"]} == {"open", "pass"}
    assert not InfusionSession.objects.exists()
    named = nurse.post(
        url(visit, "gates/"), {"answers": {"escort": {"name": "Rosa"}}}, headers={"If-Match": '"1"'}
    )
    assert (named.status_code, named["ETag"]) == (200, '"2"')


def test_the_whole_day_over_http(nurse: APIClient, visit: Appointment) -> None:
    assert act(nurse, visit, "check-in").status_code == 200
    waits = act(nurse, visit, "start")
    assert (waits.status_code, waits.json()["code"]) == (409, "gates_open")
    assert {"gate", "name", "state", "detail", "advice", "overridable_by"} == set(waits.json()["open"][0])
    answered = nurse.post(url(visit, "gates/"), {"answers": BEFORE_START})
    assert answered.status_code == 200, answered.json()
    assert gate(answered.json(), "escort")["answers"] == BEFORE_START["escort"]
    pass_start_gates(visit, now=NOW)
    assert act(nurse, visit, "start").status_code == 200
    body = nurse.get(url(visit)).json()
    assert (body["stage"], body["started_at"], body["weight_kg"]) == (
        "infusing",
        "2027-01-04T15:00:00Z",
        "70.0",
    )
    assert body["dose"]["mg"] == "35.00"
    assert body["readings"] == 1
    ended = nurse.post(url(visit, "end/"), {})
    assert (ended.status_code, ended.json()["stage"]) == (200, "recovery")
    assert (act(nurse, visit, "complete").status_code, act(nurse, visit, "complete").json()["code"]) == (
        409,
        "gates_open",
    )
    measured(visit.pk, now=NOW)
    home = nurse.post(url(visit, "discharge/"), {"answers": BEFORE_LEAVING, "note": "Feels well."})
    assert (home.status_code, home.json()["stage"]) == (200, "discharged")
    assert act(nurse, visit, "undo").status_code == 200
    assert nurse.get(url(visit)).json()["stage"] == "recovery"
    assert nurse.post(url(visit, "discharge/"), {}).json()["stage"] == "discharged"
    assert act(nurse, visit, "complete").json()["status"] == "completed"
    told = nurse.get(f"/api/v1/appointments/{visit.pk}/history/").json()["results"]
    assert [(row["verb"], row["note"]) for row in told if row["verb"] == "discharge"] == [
        ("discharge", "Feels well."),
        ("discharge", ""),
    ]


@pytest.mark.parametrize("key", [None, "one-discharge"])
def test_what_was_typed_is_kept_when_somebody_may_not_go_home_yet(
    nurse: APIClient, visit: Appointment, clock: Callable[[datetime], None], key: str | None
) -> None:
    """With an Idempotency-Key as well, where the request is one transaction with its reply."""
    in_recovery(nurse, visit, clock)
    headers = {"Idempotency-Key": key} if key else {}
    refused = nurse.post(url(visit, "discharge/"), {"answers": BEFORE_LEAVING}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "gates_open")
    assert refused["Content-Type"].startswith("application/problem+json")
    assert [each["gate"] for each in refused.json()["open"]] == ["blood_pressure"]
    assert GateCheck.objects.filter(stage="discharge").count() == len(BEFORE_LEAVING)
    if key:
        again = nurse.post(url(visit, "discharge/"), {"answers": BEFORE_LEAVING}, headers=headers)
        assert (again.status_code, again["Idempotency-Replayed"]) == (409, "true")
        assert GateCheck.objects.filter(stage="discharge").count() == len(BEFORE_LEAVING)
    measured(visit.pk, now=ENDED)
    assert nurse.post(url(visit, "discharge/"), {}).json()["stage"] == "discharged"


def test_the_front_desk_gets_no_clinical_answer(
    nurse: APIClient, visit: Appointment, site: Site, client_as: Clients
) -> None:
    desk = client_as("front_desk", site)
    act(nurse, visit, "check-in")
    pass_start_gates(visit, now=NOW)
    body = desk.get(url(visit)).json()
    assert set(body) == {
        "appointment", "patient", "site", "visit_type", "status", "stage", "started_at", "infusion_ended_at",
        "discharged_at", "gates", "version",
    }  # fmt: skip
    assert [each["gate"] for each in body["gates"] if not each["clinical"]] == list(DESK_ANSWERS)
    hidden = [each for each in body["gates"] if each["clinical"]]
    assert {tuple(sorted(each)) for each in hidden} == {("clinical", "gate", "name", "stage", "state")}
    assert {(each["gate"], each["name"]) for each in hidden} == {
        ("start", "Clinical check"),
        ("discharge", "Clinical check"),
    }
    for reply in (desk.get(url(visit)), desk.get(url(visit, "gates/"))):
        for word in ("weigh", "dose", "reading", "PHQ", "asting", "regnan", "creening"):
            assert word not in reply.content.decode()
    answered = desk.post(url(visit, "gates/"), {"answers": DESK_ANSWERS})
    assert answered.status_code == 200
    assert "PHQ" not in answered.content.decode()
    refused = desk.post(url(visit, "gates/"), {"answers": {"fasting": BEFORE_START["fasting"]}})
    assert refused.status_code == 403
    for part in ("end/", "discharge/"):
        assert desk.post(url(visit, part), {}).status_code == 403


@pytest.mark.parametrize("role", ["manager", "auditor"])
def test_other_roles_have_no_part_in_the_day(
    visit: Appointment, site: Site, client_as: Clients, role: str
) -> None:
    client = client_as(role, site)
    assert client.get(url(visit)).status_code == 403
    assert client.post(url(visit, "gates/"), {"answers": DESK_ANSWERS}).status_code == 403


def test_a_nurse_of_another_site_does_not_see_it(visit: Appointment, client_as: Clients) -> None:
    stranger = client_as("nurse", SiteFactory.create())
    assert stranger.get(url(visit)).status_code == 404
    for part in ("gates/", "gates/override/", "end/", "discharge/"):
        body = {"answers": DESK_ANSWERS, "gate": "weight", "reason": "Broken."}
        assert stranger.post(url(visit, part), body).status_code == 404


def test_a_consultation_has_no_session(nurse: APIClient, visit: Appointment) -> None:
    Appointment.objects.update(visit_type=visit_type("consultation"))
    assert nurse.get(url(visit)).status_code == 404
    ends = nurse.post(url(visit, "end/"), {})
    assert (ends.status_code, ends.json()["code"]) == (422, "not_an_infusion")


def test_an_override_names_who_and_why(
    visit: Appointment, site: Site, nurse: APIClient, client_as: Clients
) -> None:
    prescriber = client_as("prescriber", site)
    act(nurse, visit, "check-in")
    about = gate(nurse.get(url(visit)).json(), "weight")["about"]
    body = {"gate": "weight", "reason": "Scale broken.", "about": about}
    assert nurse.post(url(visit, "gates/override/"), body).status_code == 403
    done = prescriber.post(url(visit, "gates/override/"), body)
    found = gate(done.json(), "weight")
    assert (found["state"], found["reason"], found["by"], found["at"]) == (
        "overridden",
        "Scale broken.",
        prescriber.user.pk,  # type: ignore[attr-defined]
        "2027-01-04T15:00:00Z",
    )
    again = prescriber.post(url(visit, "gates/override/"), body)
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_override")
    changed = prescriber.post(url(visit, "gates/override/"), {**body, "gate": "vitals"})
    assert (changed.status_code, changed.json()["code"]) == (409, "facts_changed")
    nobody = prescriber.post(url(visit, "gates/override/"), {"gate": "identity", "reason": "Known."})
    assert (nobody.status_code, nobody.json()["code"]) == (403, "not_overridable")
    assert prescriber.post(url(visit, "gates/override/"), {"gate": "weight"}).status_code == 400


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({}, 400, {("/answers", "required")}),
        ({"answers": {}}, 400, {("/answers", "empty")}),
        ({"answers": []}, 400, {("/answers", "not_a_dict")}),
        ({"answers": {"identity": {}}}, 422, {("/answers/identity/checked", "required")}),
        ({"answers": {"weight": {}}}, 422, {("/answers/weight", "not_answered")}),
        ({"answers": {"a~/b": {}}}, 422, {("/answers", "unknown_gate")}),
    ],
)
def test_what_cannot_be_used_names_its_field(
    nurse: APIClient, visit: Appointment, body: dict[str, Any], status: int, expected: set[tuple[str, str]]
) -> None:
    act(nurse, visit, "check-in")
    refused = nurse.post(url(visit, "gates/"), body)
    assert (refused.status_code, codes(refused)) == (status, expected)


def test_if_match_is_the_sessions(nurse: APIClient, visit: Appointment) -> None:
    act(nurse, visit, "check-in")
    pass_start_gates(visit, now=NOW)
    act(nurse, visit, "start")
    seen = nurse.get(url(visit))["ETag"]
    measured(visit.pk, now=NOW)
    stale = nurse.post(url(visit, "end/"), {}, headers={"If-Match": seen})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    fresh = nurse.get(url(visit, "gates/"))["ETag"]
    assert nurse.post(url(visit, "end/"), {}, headers={"If-Match": fresh}).status_code == 200


def test_a_long_day_costs_no_more_queries_than_an_empty_one(
    nurse: APIClient, visit: Appointment, site: Site, client_as: Clients
) -> None:
    def cost(client: APIClient) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url(visit)).status_code == 200
        return len(queries)

    act(nurse, visit, "check-in")
    for client in (nurse, client_as("front_desk", site)):
        cost(client)  # roles are read once per user
    empty = cost(nurse)
    for minute in range(6):
        pass_start_gates(visit, now=NOW)
        measured(visit.pk, now=NOW - timedelta(minutes=minute))
    assert cost(nurse) <= empty + 1, "the dose that counts, with its protocol"
    assert empty <= 14


def test_the_patient_is_an_id_only(nurse: APIClient, visit: Appointment) -> None:
    patient: Patient = visit.patient
    body = nurse.get(url(visit)).content.decode()
    assert patient.last_name not in body
