"""GET /day-board/: a whole board in one reply, by role, and 304 while nothing on it changes."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from scheduling.domain.transitions import Verb
from scheduling.services import visit_steps
from tests.conftest import codes
from tests.factories import SiteFactory
from tests.factories.full_days import full_day

NOON = datetime(2027, 1, 4, 19, 30, tzinfo=UTC)
URL = "/api/v1/day-board/"


@pytest.fixture(autouse=True)
def _noon(clock: Callable[[datetime], None]) -> None:
    clock(NOON)


def test_the_whole_board_in_one_reply(site: Site, client_as: Callable[..., APIClient]) -> None:
    _done, recovering, waiting, _confirmed, _booked = full_day(site, chairs=1)
    reply = client_as("nurse", site).get(URL, {"site": str(site.pk), "date": "2027-01-04"})
    assert reply.status_code == 200
    board = reply.json()
    assert (board["date"], board["start"], board["end"], board["as_of"]) == (
        "2027-01-04",
        "2027-01-04T08:00:00-07:00",
        "2027-01-04T18:00:00-07:00",
        "2027-01-04T12:30:00-07:00",
    )
    assert [(each["name"], each["open_minutes"], each["booked_minutes"]) for each in board["columns"]] == [
        ("Chair 1", 600, 600)
    ]
    visits = {each["appointment"]: each for each in board["visits"]}
    assert visits[recovering] | {"blockers": ...} == {
        "appointment": recovering,
        "version": 1,
        "session_version": 1,
        "patient": visits[recovering]["patient"],
        "patient_name": "Maximiliana Rodriguez-Okonkwo 1",
        "visit_type": "Ketamine infusion, mood",
        "start": "2027-01-04T10:00:00-07:00",
        "end": "2027-01-04T12:00:00-07:00",
        "expected_end": "2027-01-04T12:30:00-07:00",
        "runs_into_next_minutes": 30,
        "resource": board["columns"][0]["resource"],
        "staff": ["Nurse 1"],
        "status": "in_progress",
        "stage": "recovery",
        "since": "2027-01-04T10:55:00-07:00",
        "minutes_in_status": 95,
        "unconfirmed": False,
        "steps": ["discharge"],
        "next_step": "discharge",
        "can_undo": False,
        "blockers": ...,
        "safety_hold": False,
        "vitals_due": "2027-01-04T11:10:00-07:00",
        "vitals_overdue": True,
        "unanswered_reading": "",
    }
    assert "Weight taken today" in visits[waiting]["blockers"]
    assert board["nurses"] == [{"name": "Nurse 1", "watching": 1, "capacity": 3}]


CLINICAL = {"safety_hold", "vitals_due", "vitals_overdue", "unanswered_reading"}


@pytest.mark.parametrize(
    ("role", "left_out"),
    [("front_desk", CLINICAL), ("manager", CLINICAL | {"blockers"}), ("prescriber", set())],
)
def test_a_role_gets_only_its_fields(
    role: str, left_out: set[str], site: Site, client_as: Callable[..., APIClient]
) -> None:
    full_day(site, chairs=1)
    visits = client_as(role, site).get(URL, {"site": site.pk}).json()["visits"]
    every = CLINICAL | {"blockers"}
    assert all(every - set(visit) == left_out for visit in visits)
    if role == "front_desk":
        assert {"Clinical check"} == set(visits[1]["blockers"])


def test_304_until_something_changes(site: Site, client_as: Callable[..., APIClient]) -> None:
    *_others, confirmed, _booked = full_day(site, chairs=1)
    client = client_as("nurse", site)
    tag = client.get(URL, {"site": site.pk})["ETag"]
    with CaptureQueriesContext(connection) as asked:
        again = client.get(URL, {"site": site.pk}, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    assert len([each for each in asked if "scheduling_" in each["sql"]]) == 1
    visit_steps.step(actor=SYSTEM, now=NOON, appointment_id=confirmed, verb=Verb.CHECK_IN)
    changed = client.get(URL, {"site": site.pk}, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    # One who may see less is never told that nothing changed by another's tag.
    desk = client_as("front_desk", site).get(
        URL, {"site": site.pk}, headers={"If-None-Match": changed["ETag"]}
    )
    assert desk.status_code == 200


def test_another_site_is_not_there_and_other_roles_are_refused(
    site: Site, client_as: Callable[..., APIClient]
) -> None:
    other = SiteFactory.create()
    full_day(other, chairs=1)
    refused = client_as("nurse", site).get(URL, {"site": other.pk})
    assert (refused.status_code, codes(refused)) == (400, {("/site", "does_not_exist")})
    assert client_as("auditor", site).get(URL, {"site": site.pk}).status_code == 403


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({}, "/site"),
        ({"site": "x"}, "/site"),
        ({"site": "own", "date": "2027-02-30"}, "/date"),
        ({"day": "1"}, "/day"),
    ],
)
def test_what_cannot_be_read_is_named(
    asked: dict[str, str], pointer: str, site: Site, client_as: Callable[..., APIClient]
) -> None:
    own = {"site": str(site.pk)} if asked.get("site") == "own" else {}
    refused = client_as("nurse", site).get(URL, asked | own)
    assert refused.status_code == 400
    assert {where for where, _code in codes(refused)} == {pointer}
