"""The tick alone keeps waiting list and unconfirmed visits going: beat, a worker and rows, no wake-up.

An entry of beat had been lost once while every other test passed, because services wake the worker too.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.faults.stack import Stack, until

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack-2")]

FREED_WITHOUT_A_WAKE_UP = """
from clinic.access.policy import SYSTEM
from clinic.common import clock
from patients.services import wakeup
from scheduling.domain.transitions import Verb
from scheduling.services import visit_steps
wakeup.breaker.trip()
visit_steps.step(actor=SYSTEM, now=clock.now(), appointment_id={visit}, verb=Verb.CANCEL)
print("freed")
"""


def one(client: Any, path: str, **query: Any) -> dict[str, Any]:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["results"][0]
    return found


def add(client: Any, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def patient(client: Any, site: int, name: str) -> int:
    made: int = add(
        client,
        "patients/",
        first_name=name,
        last_name="Tick",
        date_of_birth="1980-05-17",
        site=site,
        email=f"{name.lower()}@example.org",
    )["id"]
    return made


def test_beat_finds_what_was_freed_and_what_nobody_confirmed(stack: Stack) -> None:
    stack.make("clock", "TO=2027-01-04T10:00-07:00")
    desk = stack.client("front_desk")
    site = one(desk, "sites/")["id"]
    visit_type = "ketamine-mood"
    slots = desk.get(
        "availability/",
        params={"visit_type": visit_type, "site": site, "start": "2027-01-11T09:00:00-07:00", "limit": 1},
    ).json()["slots"]
    visit = add(
        desk,
        "appointments/",
        patient=patient(desk, site, "Gives"),
        visit_type=visit_type,
        site=site,
        start=slots[0]["start"],
    )
    waiting = patient(desk, site, "Waits")
    add(
        desk,
        "waitlist/",
        patient=waiting,
        visit_type=visit_type,
        site=site,
        earliest="2027-01-11",
        latest="2027-01-12",
    )
    freed = stack.manage("shell", "-c", FREED_WITHOUT_A_WAKE_UP.format(visit=visit["id"]))
    assert "freed" in freed.stdout, freed.stdout + freed.stderr

    def offered() -> list[dict[str, Any]]:
        return [
            offer
            for offer in desk.get("offers/", params={"limit": 200}).json()["results"]
            if offer["patient"] == waiting
        ]

    (offer,) = until(offered, seconds=60, what="the tick offers the freed time")
    accepted = desk.post(f"offers/{offer['id']}/accept/")
    assert accepted.status_code == 200, accepted.text

    # The visit that came of it: nobody confirms, and a day before somebody is asked to call.
    booked = accepted.json()["appointment"]

    def calls() -> list[dict[str, Any]]:
        rows = desk.get("work-items/", params={"kind": "unconfirmed", "patient": waiting}).json()["results"]
        return [row for row in rows if row["status"] == "open"]

    asked_at = datetime.fromisoformat(offer["start"]) - timedelta(days=1)
    stack.make("clock", f"TO={(asked_at - timedelta(seconds=20)).isoformat()}")
    assert not calls(), "turning the clock also runs what is due; this is for beat"

    (item,) = until(calls, seconds=90, what="somebody is asked to call")
    assert str(booked) in item["summary"]
