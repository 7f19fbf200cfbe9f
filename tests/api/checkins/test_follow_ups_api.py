"""Follow-ups over HTTP: the call after an infusion, what staff add, and each step."""

from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Patient
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, Closure, FollowUp, WorkingHours
from scheduling.services import visit_steps
from tests.api.checkins.conftest import denver, on
from tests.conftest import codes
from tests.factories import PatientFactory, SiteFactory, visit_type
from tests.factories.sessions import pass_discharge, pass_start_gates

pytestmark = pytest.mark.django_db

URL = "/api/v1/follow-ups/"


@pytest.fixture
def desk(site: Site, client_as: Callable[..., APIClient], clock: object) -> APIClient:
    return client_as("front_desk", site)


@pytest.fixture
def owed(desk: APIClient, ana: Patient) -> dict[str, Any]:
    response = desk.post(
        URL, {"patient": ana.pk, "kind": "call", "due_on": on(1, 6), "note": "Ask about sleep."}
    )
    assert response.status_code == 201, response.json()
    body: dict[str, Any] = response.json()
    return body


def arrived(site: Site, patient: Patient, start: datetime, code: str = "ketamine-mood") -> Appointment:
    """A visit under way, without the resources that this test does not look at."""
    visit = Appointment.objects.create(
        patient=patient,
        visit_type=visit_type(code),
        site=site,
        start_at=start,
        end_at=start.replace(hour=start.hour + 2),
        status="arrived",
        created_at=start,
        scheduled_at=start,
    )
    pass_start_gates(visit, now=start)
    return visit_steps.step(actor=SYSTEM, now=start, appointment_id=visit.pk, verb=Verb.START)


def test_staff_owe_a_call(owed: dict[str, Any], ana: Patient) -> None:
    assert owed == {
        "id": owed["id"],
        "patient": ana.pk,
        "kind": "call",
        "due_on": "2027-01-06",
        "due_time": None,
        "due_at": "2027-01-07T00:00:00-07:00",
        "status": "due",
        "origin": "staff",
        "appointment": None,
        "check_in": None,
        "note": "Ask about sleep.",
        "fulfilled_by": "",
        "closed_at": None,
        "version": 1,
    }


@pytest.mark.parametrize(
    ("visit_on", "code", "called_on"),
    [
        ((1, 11), "ketamine-mood", on(1, 12)),
        ((1, 15), "ketamine-mood", on(1, 19)),  # Friday; Monday the 18th is closed (journey A)
        ((1, 11), "esketamine", on(1, 12)),
    ],
)
@pytest.mark.usefixtures("open_on_weekdays")
def test_an_infusion_brings_a_call_on_the_next_open_day(
    nurse: APIClient,
    site: Site,
    ana: Patient,
    clock: Callable[[datetime], None],
    visit_on: tuple[int, int],
    code: str,
    called_on: str,
) -> None:
    Closure.objects.create(
        site=site, start_at=denver(1, 18, 0), end_at=denver(1, 19, 0), reason="Martin Luther King Jr. Day"
    )
    visit = arrived(site, ana, denver(*visit_on), code)
    clock(denver(*visit_on, 12))
    pass_discharge(visit, now=denver(*visit_on, 12))
    assert nurse.post(f"/api/v1/appointments/{visit.pk}/complete/", {}).status_code == 200
    [call] = nurse.get(f"{URL}?patient={ana.pk}").json()["results"]
    assert (call["kind"], call["origin"], call["due_on"], call["appointment"]) == (
        "call",
        "after_visit",
        called_on,
        visit.pk,
    )

    assert nurse.post(f"/api/v1/appointments/{visit.pk}/undo/", {}).status_code == 200
    assert nurse.get(f"{URL}{call['id']}/").json()["status"] == "cancelled"
    assert nurse.post(f"/api/v1/appointments/{visit.pk}/complete/", {}).status_code == 200
    assert FollowUp.objects.filter(appointment=visit, status="due").count() == 1


def test_a_consultation_brings_no_call(
    nurse: APIClient, site: Site, ana: Patient, clock: Callable[[datetime], None]
) -> None:
    kinds = {kind.kind: kind.code for kind in type(visit_type()).objects.all()}
    visit = arrived(site, ana, denver(1, 11), kinds["consultation"])
    clock(denver(1, 11, 12))
    assert nurse.post(f"/api/v1/appointments/{visit.pk}/complete/", {}).status_code == 200
    assert not FollowUp.objects.exists()


def test_weekdays_count_as_open_where_no_hours_are_set(
    nurse: APIClient, site: Site, ana: Patient, clock: Callable[[datetime], None]
) -> None:
    assert not WorkingHours.objects.filter(site=site).exists()
    visit = arrived(site, ana, denver(1, 15))
    clock(denver(1, 15, 12))
    pass_discharge(visit, now=denver(1, 15, 12))
    nurse.post(f"/api/v1/appointments/{visit.pk}/complete/", {})
    assert FollowUp.objects.get(appointment=visit).due_on == date(2027, 1, 18)


def test_a_day_closed_for_an_hour_is_open(
    nurse: APIClient, site: Site, ana: Patient, clock: Callable[[datetime], None]
) -> None:
    WorkingHours.objects.create(site=site, weekday=1, start=time(8), end=time(12))
    Closure.objects.create(
        site=site, start_at=denver(1, 12, 8), end_at=denver(1, 12, 9), reason="staff meeting"
    )
    Closure.objects.create(site=site, start_at=denver(1, 19, 8), end_at=denver(1, 19, 12), reason="holiday")
    for day, called_on in ((11, date(2027, 1, 12)), (18, date(2027, 1, 26))):
        visit = arrived(site, ana, denver(1, day))
        clock(denver(1, day, 12))
        pass_discharge(visit, now=denver(1, day, 12))
        nurse.post(f"/api/v1/appointments/{visit.pk}/complete/", {})
        assert FollowUp.objects.get(appointment=visit).due_on == called_on


def test_completing_keeps_the_note(desk: APIClient, owed: dict[str, Any]) -> None:
    response = desk.post(f"{URL}{owed['id']}/complete/", {"note": "Reached, slept well."})
    assert response.status_code == 200
    assert (response.json()["status"], response.json()["note"]) == ("done", "Reached, slept well.")
    assert response.headers["ETag"] == '"2"'


@pytest.mark.parametrize("first", ["complete", "cancel"])
@pytest.mark.parametrize("second", ["complete", "cancel"])
def test_what_is_over_stays_over(desk: APIClient, owed: dict[str, Any], first: str, second: str) -> None:
    assert desk.post(f"{URL}{owed['id']}/{first}/", {}).status_code == 200
    refused = desk.post(f"{URL}{owed['id']}/{second}/", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition")
    assert refused.json()["possible"] == []


def test_moving_needs_the_present_version(desk: APIClient, owed: dict[str, Any]) -> None:
    path, body = f"{URL}{owed['id']}/", {"due_on": on(1, 8)}
    assert desk.patch(path, body).status_code == 428
    moved = desk.patch(path, body, headers={"If-Match": '"1"'})
    assert (moved.status_code, moved.json()["due_on"], moved.json()["version"]) == (200, "2027-01-08", 2)
    assert desk.patch(path, body, headers={"If-Match": '"1"'}).status_code == 412
    desk.post(f"{path}cancel/", {})
    assert desk.patch(path, body, headers={"If-Match": "*"}).status_code == 409


@pytest.mark.parametrize(
    ("due_on", "code"), [(on(1, 3), "due_in_the_past"), ("2029-01-04", "due_too_far_ahead")]
)
def test_a_day_nobody_can_keep_is_refused(
    desk: APIClient, ana: Patient, owed: dict[str, Any], due_on: str, code: str
) -> None:
    created = desk.post(URL, {"patient": ana.pk, "kind": "visit", "due_on": due_on})
    assert (created.status_code, codes(created)) == (422, {("/due_on", code)})
    moved = desk.patch(f"{URL}{owed['id']}/", {"due_on": due_on}, headers={"If-Match": "*"})
    assert (moved.status_code, codes(moved)) == (422, {("/due_on", code)})


def test_a_visit_of_somebody_else_is_refused(desk: APIClient, site: Site, ana: Patient) -> None:
    other = arrived(site, PatientFactory.create(site=site), denver(1, 11))
    body = {"patient": ana.pk, "kind": "call", "due_on": on(1, 12), "appointment": other.pk}
    assert codes(desk.post(URL, body)) == {("/appointment", "other_patients_visit")}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"kind": "letter"}, "/kind"), ({"due_on": "tomorrow"}, "/due_on"), ({"patient": 0}, "/patient")],
)
def test_a_malformed_body_names_the_field(
    desk: APIClient, ana: Patient, change: dict[str, Any], pointer: str
) -> None:
    response = desk.post(URL, {"patient": ana.pk, "kind": "call", "due_on": on(1, 6), **change})
    assert response.status_code == 400
    assert {found for found, _code in codes(response)} == {pointer}


def test_overdue_ones_surface_by_the_site_s_day(
    desk: APIClient, owed: dict[str, Any], clock: Callable[[datetime], None]
) -> None:
    clock(denver(1, 6, 23, 59))
    assert desk.get(f"{URL}?overdue=true").json()["results"] == []
    clock(denver(1, 7, 0, 0))
    assert [row["id"] for row in desk.get(f"{URL}?overdue=true").json()["results"]] == [owed["id"]]
    assert desk.get(f"{URL}?overdue=false").json()["results"] == []
    desk.post(f"{URL}{owed['id']}/complete/", {})
    assert desk.get(f"{URL}?overdue=true").json()["results"] == []


def test_the_list_is_narrowed(desk: APIClient, owed: dict[str, Any], ana: Patient) -> None:
    def found(query: str) -> int:
        return len(desk.get(f"{URL}?{query}").json()["results"])

    assert found(f"patient={ana.pk}&site={ana.site_id}&status=due&kind=call") == 1
    assert found(f"due_after={on(1, 6)}&due_before={on(1, 7)}") == 1
    assert found(f"due_before={on(1, 6)}") == found("kind=visit") == found("status=done") == 0
    assert desk.get(f"{URL}?origin=staff").status_code == 400


def test_other_sites_and_roles(
    client_as: Callable[..., APIClient], site: Site, owed: dict[str, Any], ana: Patient
) -> None:
    elsewhere = client_as("nurse", SiteFactory.create())
    assert elsewhere.get(URL).json()["results"] == []
    assert elsewhere.get(f"{URL}{owed['id']}/").status_code == 404
    assert elsewhere.post(f"{URL}{owed['id']}/complete/", {}).status_code == 404
    manager = client_as("manager", site)
    assert manager.get(URL).status_code == 200
    assert manager.post(f"{URL}{owed['id']}/complete/", {}).status_code == 403
    assert client_as("auditor", site).get(URL).status_code == 403


def test_the_list_takes_the_same_queries_however_long(
    desk: APIClient, ana: Patient, owed: dict[str, Any]
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert desk.get(f"{URL}?overdue=false").status_code == 200
        return len(captured)

    few = queries()
    for day in range(7, 20):
        desk.post(URL, {"patient": ana.pk, "kind": "call", "due_on": on(1, day)})
    assert queries() == few
