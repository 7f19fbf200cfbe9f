"""Vital signs over REST: codes and units, what is due, who answers, who sees nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import WorkItem
from scheduling.models import InfusionSession
from tests.conftest import NOW, codes
from tests.factories import SiteFactory
from tests.factories.bookings import booked
from tests.factories.treated import session_at

AT_30 = NOW + timedelta(minutes=45)
HIGH = {"systolic": 172, "diastolic": 104, "heart_rate": 88, "spo2": 97, "temperature_c": "36.6"}


@pytest.fixture(autouse=True)
def _half_an_hour_in(clock: Callable[..., None]) -> None:
    clock(AT_30)


@pytest.fixture
def session(site: Site) -> InfusionSession:
    return session_at(site)


def below(session: InfusionSession, rest: str = "") -> str:
    return f"/api/v1/infusion-sessions/{session.pk}/vitals/{rest}"


def take(client: APIClient, session: InfusionSession, **body: Any) -> Any:
    return client.post(below(session), body, format="json")


def test_a_reading_with_codes_units_and_what_it_reached(
    site: Site, session: InfusionSession, client_as: Callable[..., APIClient]
) -> None:
    answer = take(client_as("nurse", site), session, **HIGH)
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert answer["ETag"] == f'"{shown["version"]}"'
    assert (shown["level"], shown["systolic"], shown["temperature_c"]) == ("review", 172, "36.6")
    assert [(each["measure"], each["loinc"], each["unit"]) for each in shown["components"]] == [
        ("systolic", "8480-6", "mm[Hg]"),
        ("diastolic", "8462-4", "mm[Hg]"),
        ("heart_rate", "8867-4", "/min"),
        ("spo2", "59408-5", "%"),
        ("temperature_c", "8310-5", "Cel"),
    ]
    assert [each["panel"] for each in shown["components"]][:3] == ["85354-9", "85354-9", None]
    assert shown["findings"][1] == {
        "measure": "systolic",
        "level": "review",
        "when": "any",
        "at_least": "160",
        "value": "172",
    }
    assert WorkItem.objects.get().kind == "vital_review"


def test_the_list_has_struck_ones_and_what_is_due(
    site: Site, session: InfusionSession, client_as: Callable[..., APIClient], django_assert_num_queries: Any
) -> None:
    nurse = client_as("nurse", site)
    first = take(nurse, session, spo2=40).json()
    struck = nurse.post(below(session, f"{first['id']}/strike/"), {"reason": "Probe"}, format="json").json()
    assert struck["struck_reason"] == "Probe"
    empty = {"when": "during", "due_at": "2027-01-04T15:25:00Z", "overdue_at": "2027-01-04T15:27:00Z"}
    assert nurse.get(below(session)).json()["due"] == empty
    take(nurse, session, systolic=120, diastolic=80)
    with django_assert_num_queries(7):
        answer = nurse.get(below(session))
    shown = answer.json()
    assert [bool(each["struck_at"]) for each in shown["results"]] == [True, False]
    assert shown["due"]["due_at"] == "2027-01-04T15:55:00Z"
    assert answer["ETag"] == f'"{shown["version"]}"'


def test_a_visit_that_has_no_session_yet(site: Site, client_as: Callable[..., APIClient]) -> None:
    visit = booked(site, NOW + timedelta(days=1), on={})
    answer = client_as("nurse", site).get(f"/api/v1/infusion-sessions/{visit.pk}/vitals/")
    assert (answer.status_code, answer.json()) == (200, {"results": [], "due": None, "version": 1})


def test_acknowledging(site: Site, session: InfusionSession, client_as: Callable[..., APIClient]) -> None:
    nurse, prescriber = client_as("nurse", site), client_as("prescriber", site)
    reading = take(nurse, session, **HIGH).json()
    path = below(session, f"{reading['id']}/acknowledge/")
    assert nurse.post(path, {}, format="json").status_code == 403
    stale = prescriber.post(path, {}, format="json", headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    done = prescriber.post(path, {"note": "Calm, repeat in 10"}, format="json")
    assert (done.status_code, done.json()["acknowledged_note"]) == (200, "Calm, repeat in 10")
    again = prescriber.post(path, {}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "already_acknowledged")


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({}, 422, {("/systolic", "required")}),
        ({"systolic": 1200, "diastolic": 80}, 400, {("/systolic", "max_value")}),
        ({"systolic": 310, "diastolic": 80}, 422, {("/systolic", "out_of_range")}),
        ({"systolic": "high"}, 400, {("/systolic", "invalid")}),
        ({"spo2": 97, "measured_at": "2027-01-04T09:00:00"}, 400, {("/measured_at", "offset_required")}),
        ({"spo2": 97, "measured_at": "2027-01-04T15:45:01Z"}, 422, {("/measured_at", "in_the_future")}),
    ],
)
def test_refusals_name_the_field(
    site: Site,
    session: InfusionSession,
    client_as: Callable[..., APIClient],
    body: dict[str, Any],
    status: int,
    expected: set[tuple[str, str]],
) -> None:
    answer = take(client_as("nurse", site), session, **body)
    assert (answer.status_code, codes(answer)) == (status, expected)


def test_the_same_key_records_once(
    site: Site, session: InfusionSession, client_as: Callable[..., APIClient]
) -> None:
    nurse = client_as("nurse", site)
    answers = [
        nurse.post(below(session), HIGH, format="json", headers={"Idempotency-Key": "r1"}) for _ in range(2)
    ]
    assert answers[0].json()["id"] == answers[1].json()["id"]


@pytest.mark.parametrize("role", ["front_desk", "manager", "auditor"])
def test_other_roles_see_nothing(
    site: Site, session: InfusionSession, client_as: Callable[..., APIClient], role: str
) -> None:
    client = client_as(role, site)
    assert client.get(below(session)).status_code == 403
    assert take(client, session, **HIGH).status_code == 403
    for step in ("acknowledge", "strike"):
        assert client.post(below(session, f"1/{step}/"), {"reason": "x"}, format="json").status_code == 403


def test_another_site_is_not_there(session: InfusionSession, client_as: Callable[..., APIClient]) -> None:
    nurse = client_as("nurse", SiteFactory.create())
    assert nurse.get(below(session)).status_code == 404
    assert take(nurse, session, **HIGH).status_code == 404


def test_clinical_at_one_site_and_front_desk_at_another(
    site: Site, session: InfusionSession, client_as: Callable[..., APIClient]
) -> None:
    client = client_as("nurse", SiteFactory.create())
    client.user.memberships.create(site=site, role="front_desk")  # type: ignore[attr-defined]
    assert client.get(below(session)).status_code == 403
