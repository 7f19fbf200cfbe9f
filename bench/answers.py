"""`make bench-answers`: a burst of PHQ-9 answers over HTTP, one in a hundred of them critical.

Every critical answer must have exactly one alarm with one urgent work item, and no other answer any. The
ceiling is the very statements of such requests, recorded from the code and replayed by bare psycopg with
one connection per client on the same durable server. BENCH_SCALE (default 1) shrinks the burst.
"""

import os
import sys
import time
from collections import Counter
from functools import reduce
from operator import or_
from typing import Any

import httpx
from django.core.management import call_command
from django.db import connection
from django.db.models import Q
from rest_framework.test import APIClient

from bench.book import CLIENTS, _clinic, _patients, together, web_server
from bench.ceiling import Recorder, Replay, Statement, connect, far_ids
from bench.report import percentile, table
from patients.models import Assessment, SafetyAlarm, SafetyAlarmEvent, WorkItem

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
ANSWERS = max(int(10_000 * SCALE), 100 * CLIENTS)
CRITICAL_EVERY = 100
RECORDED = min(ANSWERS // 4, 400)
URL = "/api/v1/assessments/"


def main() -> None:
    """Set up, measure twice, count, print."""
    call_command("migrate", verbosity=0)
    site, token = _clinic()
    patients = _patients(site, count=ANSWERS + RECORDED)
    recorded = _record(token, patients[ANSWERS:])
    _forget()
    ceiling = _replay(recorded)
    _forget()
    bodies = [_body(patient, number) for number, patient in enumerate(patients[:ANSWERS])]
    with web_server() as url:
        _send(url, token, _send_warm(patients[ANSWERS:]))
        _forget()
        http = _send(url, token, bodies)
    _print(len(recorded[0].statements), ceiling, http)
    _count(http, wanted=sum(1 for number in range(ANSWERS) if _is_critical(number)))


def _is_critical(number: int) -> bool:
    return number % CRITICAL_EVERY == 0


def _body(patient: int, number: int) -> dict[str, Any]:
    answers = {str(item): (number + item) % 4 for item in range(1, 9)}
    return {
        "patient": patient,
        "instrument": "PHQ-9",
        "answers": {**answers, "9": 1 + number % 3 if _is_critical(number) else 0},
        "answered_at": "2026-01-05T10:00:00Z",
    }


def _send_warm(patients: list[int]) -> list[dict[str, Any]]:
    """Enough to have every worker loaded; none of them critical."""
    return [_body(patient, 1) for patient in patients[: 4 * CLIENTS]]


def _record(token: str, patients: list[int]) -> list[Replay]:
    """The statements of each request, recorded while it is really made."""
    far_ids()
    client = APIClient(HTTP_AUTHORIZATION=f"Token {token}")
    recorded: list[Replay] = []
    for number, patient in enumerate(patients):
        statements: list[Statement] = []
        with connection.execute_wrapper(Recorder(statements)):
            answer = client.post(URL, _body(patient, number + 1), format="json")
        assert answer.status_code == 201, answer.content
        if not _is_critical(number + 1):
            recorded.append(Replay.of(statements))
    return recorded


def _replay(recorded: list[Replay]) -> dict[str, Any]:
    """The same statements by bare psycopg, one transaction an answer."""
    share = len(recorded) // CLIENTS
    seconds: list[float] = []

    def run(number: int) -> None:
        with connect() as link:
            for each in recorded[number * share : (number + 1) * share]:
                started = time.perf_counter()
                each.send(link)
                seconds.append(time.perf_counter() - started)

    elapsed = together(CLIENTS, run)
    return {"per_second": len(seconds) / elapsed, "seconds": seconds}


def _send(url: str, token: str, bodies: list[dict[str, Any]]) -> dict[str, Any]:
    seconds: list[float] = []
    statuses: Counter[int] = Counter()
    alerted: list[int] = []

    def run(number: int) -> None:
        with httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=60) as client:
            for body in bodies[number::CLIENTS]:
                started = time.perf_counter()
                answer = client.post(URL, json=body)
                seconds.append(time.perf_counter() - started)
                statuses[answer.status_code] += 1
                if answer.status_code == 201 and answer.json()["alerts"]:
                    alerted.append(answer.json()["id"])

    elapsed = together(CLIENTS, run)
    return {
        "per_second": len(seconds) / elapsed,
        "seconds": seconds,
        "statuses": statuses,
        "alerted": alerted,
    }


def _forget() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE patients_assessment, patients_workitem CASCADE")
        cursor.execute("VACUUM ANALYZE")


def _print(statements: int, ceiling: dict[str, Any], http: dict[str, Any]) -> None:
    rows = [
        [
            name,
            f"{found['per_second']:.0f}",
            f"{percentile(found['seconds'], 0.5):.1f}",
            f"{percentile(found['seconds'], 0.95):.1f}",
            f"{found['per_second'] / ceiling['per_second']:.2f}",
        ]
        for name, found in (
            (f"PostgreSQL alone: the same {statements} statements", ceiling),
            ("Onset over HTTP", http),
        )
    ]
    title = f"Answers to PHQ-9, {CLIENTS} clients, {ANSWERS:,} answers, 1 in {CRITICAL_EVERY} critical"
    print()
    print(table(title, ["", "answers/s", "p50 ms", "p95 ms", "share of ceiling"], rows))
    print(f"HTTP statuses: {dict(http['statuses'])}\n")


def _count(http: dict[str, Any], *, wanted: int) -> None:
    """Every alarm opened, none twice, in the database and in what the clients were told."""
    thoughts = (Q(answers__contains={"9": value}) for value in (1, 2, 3))
    critical = Assessment.objects.filter(reduce(or_, thoughts))
    found = {
        "critical answers": critical.count(),
        "alarms": SafetyAlarm.objects.count(),
        "answers with their alarm": critical.filter(alarm__isnull=False).count(),
        "urgent work items": WorkItem.objects.filter(kind="safety_alarm", severity="urgent").count(),
        "opened in the history": SafetyAlarmEvent.objects.filter(kind="opened").count(),
        "told to the client": len(set(http["alerted"])),
    }
    print(table(f"Alarms; each must be {wanted}", ["", "found"], list(found.items())))
    if set(found.values()) != {wanted} or set(http["statuses"]) != {201}:
        sys.exit("bench-answers: an alarm is missing or doubled, or a request failed; see above.")


if __name__ == "__main__":
    main()
