"""Safety alarms go on to the next role on time, exactly once, while workers are killed at random."""

import os
import signal
import threading
import time
from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from tests.faults.stack import Stack, until
from tests.faults.test_kills import worker_processes

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack-1")]

ALARMS = 20
KILLS = 3
TURN_OVER = "2027-01-05T10:15:00-07:00"
"""The first owner has 15 minutes from 10:00."""
CRITICAL = {**dict.fromkeys("12345678", 1), "9": 1}


def alarms_of(client: Any) -> list[dict[str, Any]]:
    """All of them, with their history."""
    rows: list[dict[str, Any]] = client.get("safety-alarms/", params={"limit": 200}).json()["results"]
    return rows


class Killer(threading.Thread):
    """Ends the worker and its pool with SIGKILL at random moments, as soon as it is there again."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.stack, self.random, self.killed = stack, Random(5), 0

    def run(self) -> None:
        """Kill it so many times."""
        last = 0
        for _time in range(KILLS):
            last = until(
                lambda last=last: (pid := self.stack.pid("worker")) not in {0, last} and pid,  # type: ignore[misc]
                seconds=60,
                what="the worker is there",
            )
            time.sleep(self.random.uniform(0, 2))  # the random moment: nothing is awaited here
            for pid in worker_processes(self.stack):
                os.kill(pid, signal.SIGKILL)
            self.killed += 1


def test_every_alarm_escalates_once_and_on_time_though_workers_are_killed(stack: Stack) -> None:
    stack.make("clock", "TO=2027-01-05T10:00-07:00")
    nurse = stack.client("nurse")
    patients = [row["id"] for row in nurse.get("patients/", params={"limit": 50}).json()["results"]]
    for number in range(ALARMS):
        answer = nurse.post(
            "assessments/",
            json={
                "patient": patients[number % len(patients)],
                "instrument": "PHQ-9",
                "answers": CRITICAL,
                "answered_at": f"2027-01-05T09:{number:02}:00-07:00",
            },
        )
        assert answer.status_code == 201, answer.text
    opened = alarms_of(nurse)
    assert Counter(row["level"] for row in opened) == {1: ALARMS}
    killer = Killer(stack)
    killer.start()
    stack.make("clock", "TO=2027-01-05T10:16-07:00")
    killer.join()
    assert killer.killed == KILLS
    until(
        lambda: all(row["level"] == 2 for row in alarms_of(nurse)),
        seconds=90,
        what="every alarm is with the next role",
    )
    for row in alarms_of(nurse):
        steps = Counter(event["kind"] for event in row["events"])
        assert steps == {"opened": 1, "escalated": 1}
        [escalated] = [event for event in row["events"] if event["kind"] == "escalated"]
        late = datetime.fromisoformat(escalated["at"]) - datetime.fromisoformat(TURN_OVER)
        assert timedelta() <= late <= timedelta(minutes=3), "on time, by the clinic's clock"
        assert (row["owner_role"], row["status"]) == (escalated["owner_role"], "open")
