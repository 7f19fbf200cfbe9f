"""kill -9 in the worst moments: nothing is lost, and nothing doubles beyond what the ledger says."""

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.stack import Stack, until

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack-1")]

FINAL = {"sent", "delivered", "uncertain"}


@pytest.fixture(autouse=True, scope="module")
def _in_the_morning(stack: Stack) -> None:
    """Outside quiet hours, whenever the tests run."""
    stack.make("clock", "TO=2027-01-05T10:00-07:00")


def book(stack: Stack, hour: int, patient: int, day: str = "2027-01-20") -> dict[str, Any]:
    """Book a seeded patient."""
    desk = stack.client("front_desk")
    site = desk.get("sites/").json()["results"][0]["id"]
    answer = desk.post(
        "appointments/",
        json={
            "patient": patient,
            "visit_type": "ketamine-mood",
            "site": site,
            "start": f"{day}T{hour:02}:00:00-07:00",
        },
    )
    assert answer.status_code == 201, answer.text
    visit: dict[str, Any] = answer.json()
    return visit


def ledger(client: httpx.Client, visit: int) -> list[dict[str, Any]]:
    """The confirmations of a visit."""
    rows = client.get("messages/", params={"limit": 200, "kind": "confirmation"}).json()["results"]
    return [row for row in rows if row["subject"] == {"kind": "appointment", "id": visit}]


def deliveries(stack: Stack, patient: int) -> Counter[tuple[str, str]]:
    """How often each message reached a patient."""
    return Counter(
        (delivery["channel"], delivery["body"])
        for delivery in stack.mailbox()
        if delivery["patient"] == patient
    )


def worker_processes(stack: Stack) -> list[int]:
    """The Celery worker and its pool children."""
    parent = stack.pid("worker")
    children = [
        int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat") if _parent_of(path) == parent
    ]
    return [parent, *children]


def _parent_of(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return -1


def is_sending(client: httpx.Client) -> bool:
    """Whether a worker holds a message just now."""
    return bool(client.get("messages/", params={"status": "sending"}).json()["results"])


def test_a_worker_killed_in_mid_send_loses_nothing_and_doubles_nothing(stack: Stack) -> None:
    desk = stack.client("front_desk")
    patients = [row["id"] for row in desk.get("patients/").json()["results"]][:3]
    sinks = stack.pid("sinks")
    os.kill(sinks, signal.SIGSTOP)  # the gateway no longer answers: whoever sends is stuck in the middle
    try:
        visits = [book(stack, 9 + 2 * n, patient) for n, patient in enumerate(patients)]
        until(lambda: is_sending(desk), what="a worker is sending")
        for pid in worker_processes(stack):
            os.kill(pid, signal.SIGKILL)
    finally:
        os.kill(sinks, signal.SIGCONT)
    for patient, visit in zip(patients, visits, strict=True):
        settled = until(
            lambda visit=visit: all(row["status"] in FINAL for row in ledger(desk, visit["id"])),  # type: ignore[misc]
            seconds=150,
            what="every message is settled",
        )
        assert settled
        rows = ledger(desk, visit["id"])
        assert len(rows) == 2
        received = deliveries(stack, patient)
        assert max(received.values(), default=0) <= 1, "nothing twice"
        by_channel = Counter(channel for channel, _body in received)
        for row in rows:
            if row["status"] != "uncertain":
                assert by_channel[row["channel"]] == 1, "nothing lost"
    uncertain = [row for visit in visits for row in ledger(desk, visit["id"]) if row["status"] == "uncertain"]
    assert len(uncertain) <= 2, "at most what each of the two pool processes held"
    items = desk.get("work-items/", params={"status": "open"}).json()["results"]
    assert len([item for item in items if "uncertain" in item["kind"]]) == len(uncertain)


def test_redis_killed_between_commit_and_wake_up_delays_and_loses_nothing(stack: Stack) -> None:
    desk = stack.client("front_desk")
    patient = [row["id"] for row in desk.get("patients/").json()["results"]][4]
    redis = until(lambda: stack.pid("redis"), what="Redis runs")
    os.kill(redis, signal.SIGKILL)
    visit = book(stack, 9, patient, day="2027-01-21")  # commits though nobody can be woken
    until(lambda: stack.pid("redis") not in {0, redis}, what="Redis is started again")
    until(
        lambda: {row["status"] for row in ledger(desk, visit["id"])} <= {"sent", "delivered"},
        seconds=60,
        what="the confirmation went out by a later tick",
    )
    assert Counter(channel for channel, _body in deliveries(stack, patient)) == {"email": 1, "sms": 1}


@pytest.mark.parametrize("part", ["web", "beat", "postgres"])
def test_any_part_killed_comes_back(stack: Stack, part: str) -> None:
    before = until(lambda: stack.pid(part), what=f"{part} runs")
    os.kill(before, signal.SIGKILL)
    until(lambda: stack.pid(part) not in {0, before}, what=f"{part} is started again")

    def well() -> bool:
        try:
            return httpx.get(f"{stack.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    until(well, seconds=60, what="the clinic is ready again")
