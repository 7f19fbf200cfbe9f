"""Journey B of DOMAIN section 6 over REST alone: Ben's capped dose, ten weekdays, the missed visit and the
chair that two patients want. What patients are told meanwhile is in test_journey_b.py."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from clinic.access.models import Site
from tests.factories.racing import at_once
from tests.integration.journeys.rest import Clinic

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

DAYS = [f"2027-02-{day:02}T08:30" for day in (1, 2, 3, 4, 5, 8, 9, 10, 11, 12)]


@pytest.fixture
def clinic(site: Site, client_as: Callable[..., APIClient], clock: Callable[[datetime], None]) -> Clinic:
    made = Clinic(site, client_as, clock, chairs=1)
    made.turn("2027-01-20T10:00")
    closed = {"site": site.pk, "start": "2027-02-15T00:00:00-07:00", "end": "2027-02-16T00:00:00-07:00"}
    made.post("manager", "closures/", {**closed, "reason": "Presidents' Day"}, status=201)
    return made


def register(clinic: Clinic, name: str, born: str, phone: str) -> int:
    person = {
        "first_name": name,
        "last_name": "Adler",
        "date_of_birth": born,
        "site": clinic.site.pk,
        "email": f"{name.lower()}@example.org",
        "phone": phone,
    }
    return int(clinic.post("front_desk", "patients/", person, status=201)["id"])


def wait(clinic: Clinic, patient: int) -> None:
    wishes = {
        "patient": patient,
        "site": clinic.site.pk,
        "visit_type": "ketamine-mood",
        "earliest": "2027-02-08",
        "latest": "2027-02-09",
        "notice_minutes": 120,
        "has_escort": True,
    }
    clinic.post("front_desk", "waitlist/", wishes, status=201)


def treat(clinic: Clinic, visit: int, day: str) -> dict[str, Any]:
    """A session of 100 mg over four hours: 31.5 mg/h by weight, capped to 25."""
    clinic.turn(f"{day}T08:15")
    clinic.step("front_desk", visit, "check-in")
    clinic.ready(visit, weight_kg="90.0")
    clinic.turn(f"{day}T08:30")
    clinic.step("nurse", visit, "start")
    dose: dict[str, Any] = clinic.get("nurse", f"infusion-sessions/{visit}/dose/")["orders"][-1]
    clinic.turn(f"{day}T12:30")
    clinic.post("nurse", f"infusion-sessions/{visit}/end/")
    clinic.log_drug(visit, drawn="100", given="100", wasted=None)
    clinic.turn(f"{day}T13:20")
    clinic.measure(visit, "130/82")
    clinic.go_home(visit)
    return dose


def accept(client: APIClient, offer: int) -> tuple[int, str]:
    try:
        answer = client.post(f"/api/v1/offers/{offer}/accept/", {})
        return answer.status_code, answer.json().get("code", "")
    finally:
        connection.close()


def test_journey_b_over_rest(clinic: Clinic, live_until: Callable[[datetime], None]) -> None:
    ben = register(clinic, "Ben", "1969-03-02", "+13035550158")
    asked = {"patient": ben, "site": clinic.site.pk, "template": "ketamine-pain-10-weekdays"}
    wishes = {"start_on": "2027-02-01", "preferences": {"preferred_hour": "08:30"}}
    plan = clinic.post("front_desk", "courses/plan/", {**asked, **wishes})["plans"][0]["sessions"]
    starts = [{"start": each["start"]} for each in plan]
    course = clinic.post("front_desk", "courses/", {**asked, "sessions": starts}, status=201)
    assert [each["start"][:16] for each in course["sessions"]] == DAYS
    visits = [each["appointment"] for each in course["sessions"]]
    carla = register(clinic, "Carla", "1975-01-09", "+13035550159")
    dora = register(clinic, "Dora", "1982-11-30", "+13035550160")
    for patient in (carla, dora):
        wait(clinic, patient)

    for visit, day in zip(visits[:5], DAYS, strict=False):
        dose = treat(clinic, visit, day[:10])
        assert (dose["mg"], dose["mg_per_h"], dose["minutes"]) == ("100.00", "25.00", 240)
        assert (dose["calculated_mg"], dose["capped_by"]) == ("126.00", "max_mg_per_h")

    # 09:00 and nobody came.
    clinic.turn("2027-02-08T09:00")
    board = clinic.get("front_desk", f"day-board/?site={clinic.site.pk}&date=2027-02-08")
    assert [visit["status"] for visit in board["visits"]] == ["booked"]
    clinic.step("front_desk", visits[5], "no-show")
    board = clinic.get("front_desk", f"day-board/?site={clinic.site.pk}&date=2027-02-08")
    assert [visit["status"] for visit in board["off"]] == ["no_show"]

    live_until(datetime.fromisoformat("2027-02-08T09:01:00-07:00"))
    open_offers = clinic.get("front_desk", f"offers/?site={clinic.site.pk}&status=offered")["results"]
    offers = {offer["patient"]: offer["id"] for offer in open_offers}
    assert set(offers) == {carla, dora}
    desk = clinic.clients["front_desk"]
    answers = at_once([partial(accept, desk, offer) for offer in offers.values()])
    assert sorted(map(str, answers)) == ["(200, '')", "(409, 'offer_gone')"]

    # The course is planned anew: the tenth day moves past Presidents' Day to Tuesday 02-16.
    clinic.turn("2027-02-08T09:30")
    path = f"courses/{course['id']}/replan/"
    proposed = clinic.post("front_desk", path, {"limit": 1})["plans"][0]["sessions"]
    assert [each["start"][:16] for each in proposed] == [*DAYS[6:], "2027-02-16T08:30"]
    sessions = [{"start": each["start"]} for each in proposed]
    replanned = clinic.post("front_desk", path, {"sessions": sessions, "reason": "missed"})
    tenth = next(each for each in replanned["sessions"] if each["start"].startswith("2027-02-16"))
    assert tenth["number"] == 10

    # Day 6 takes place on the 9th; a prescriber goes past the cap and says why.
    sixth, more = visits[6], {"mg_per_h": "30", "reason": "Tolerated well."}
    clinic.turn("2027-02-09T08:15")
    clinic.step("front_desk", sixth, "check-in")
    clinic.ready(sixth, weight_kg="90.0")
    clinic.post("nurse", f"infusion-sessions/{sixth}/dose/", more, status=403)
    clinic.post("prescriber", f"infusion-sessions/{sixth}/dose/", {"mg_per_h": "30"}, status=422)
    ordered = clinic.post("prescriber", f"infusion-sessions/{sixth}/dose/", more)["orders"][-1]
    assert (ordered["mg"], ordered["override_reason"]) == ("120.00", "Tolerated well.")
