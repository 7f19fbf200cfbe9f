"""The mail server dies in mid-batch and is started again: nothing is lost, and nothing doubles in silence."""

import os
import signal
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.faults.stack import Stack, until

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack-2")]

_SETTLED = {"sent", "delivered", "uncertain"}


def confirmations(desk: httpx.Client, visits: set[int]) -> list[dict[str, Any]]:
    """The ledger's rows that confirm these visits."""
    rows = desk.get("messages/", params={"limit": 200, "kind": "confirmation"}).json()["results"]
    return [row for row in rows if row["subject"]["kind"] == "appointment" and row["subject"]["id"] in visits]


def test_killed_in_mid_batch_and_started_again(stack: Stack) -> None:
    stack.make("clock", "TO=2027-01-05T10:00-07:00")
    desk = stack.client("front_desk")
    site = desk.get("sites/").json()["results"][0]["id"]
    patients = [row["id"] for row in desk.get("patients/").json()["results"]][:6]
    sinks = until(lambda: stack.pid("sinks"), what="the sinks run")
    os.kill(sinks, signal.SIGSTOP)  # nobody answers: whoever sends is stuck in the middle
    visits = set()
    try:
        for number, patient in enumerate(patients):
            booked = desk.post(
                "appointments/",
                json={
                    "patient": patient,
                    "visit_type": "ketamine-mood",
                    "site": site,
                    "start": f"2027-01-{20 + number // 3:02}T{9 + 2 * (number % 3):02}:00:00-07:00",
                },
            )
            assert booked.status_code == 201, booked.text
            visits.add(booked.json()["id"])
        until(lambda: any(row["status"] == "sending" for row in confirmations(desk, visits)), what="sending")
    finally:
        os.kill(sinks, signal.SIGKILL)
    until(lambda: stack.pid("sinks") not in {0, sinks}, what="the sinks are started again")
    until(
        lambda: {row["status"] for row in confirmations(desk, visits)} <= _SETTLED,
        seconds=180,
        what="everything is settled after the retries",
    )
    rows = confirmations(desk, visits)
    assert len(rows) == 12
    came = Counter(
        (each["patient"], each["channel"])
        for each in stack.mailbox()
        if each["patient"] in patients and "2027-01-05" in each["received_at"]
    )
    by_row = {(row["patient"], row["channel"]): row for row in rows}
    for place, row in by_row.items():
        assert came[place] == 1 or (row["status"] == "uncertain" and came[place] == 0), (place, row["status"])
    doubtful = [row["id"] for row in rows if row["status"] == "uncertain"]
    assert len(doubtful) <= 2, "at most what each of the two pool processes held"
    items = desk.get("work-items/", params={"status": "open", "kind": "uncertain_message"}).json()["results"]
    assert len(items) == len(doubtful)
