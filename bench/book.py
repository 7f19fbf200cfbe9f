"""`make bench-book`: bookings per second over HTTP, against PostgreSQL's own ceiling in the same run.

The ceiling is the very statements of one booking request (sign-in look-ups, search, locks, inserts,
outbox, history), recorded from the code and replayed by bare psycopg with the same number of clients
on the same durable server. The rest of the difference is Python: Django, DRF, gunicorn, and a load
generator on the same two cores.
"""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from rest_framework.test import APIClient

from bench.ceiling import Recorder, Replay, Statement, connect, far_ids
from bench.report import percentile, table
from clinic.access import tokens
from clinic.access.models import Site, User
from clinic.common import clock
from patients.models import Patient
from scheduling.models import Resource, WorkingHours
from tests.faults.stack import free_port, until

CLIENTS = 16
EACH = 30
REPLAY_PROCESSES = 4
RACERS = 64
ROUNDS = 5
CHAIRS, NURSES = 50, 30


def main() -> None:
    """Set up, measure three ways, print."""
    call_command("migrate", verbosity=0)
    site, token = _clinic()
    starts = _starts()
    patients = _patients(site, count=2 * len(starts) + RACERS * ROUNDS)
    bodies = [_body(patient, site, start) for patient, start in zip(patients, starts, strict=False)]
    recorded = _record(
        token, [_body(p, site, s) for p, s in zip(patients[len(starts) :], starts, strict=False)]
    )
    forget_bookings()
    ceiling = _replay(recorded)
    forget_bookings()
    with web_server() as url:
        http = _book_all(url, token, bodies)
        race = _race(url, token, site, patients[-RACERS * ROUNDS :])
    _print(len(recorded[0].statements), ceiling, http, race)


def _clinic() -> tuple[Site, str]:
    site = Site.objects.create(
        name=f"Bench {time.time_ns()}", discreet_name="Bench", timezone="America/Denver", phone="+13035550100"
    )
    WorkingHours.objects.bulk_create(
        WorkingHours(site=site, weekday=day, start=wall(8), end=wall(18)) for day in range(7)
    )
    Resource.objects.bulk_create(
        [Resource(site=site, kind="chair", name=f"Chair {n}", capacity=1) for n in range(CHAIRS)]
        + [Resource(site=site, kind="nurse", name=f"Nurse {n}", capacity=3) for n in range(NURSES)]
    )
    user = User.objects.create(username=f"bench{time.time_ns()}", is_superuser=True)
    secret, _token = tokens.issue(user=user, lifetime=timedelta(hours=1), wall=clock.wall())
    return site, secret


def _starts() -> list[str]:
    """Distinct slots: every client has a day of its own and goes through it."""
    first = clock.now().date() + timedelta(days=3)
    return [
        (
            datetime.combine(first + timedelta(days=client), wall(15), tzinfo=UTC) + timedelta(minutes=15 * n)
        ).isoformat()
        for client in range(CLIENTS)
        for n in range(EACH)
    ]


def _patients(site: Site, *, count: int) -> list[int]:
    made = Patient.objects.bulk_create(
        Patient(
            site=site,
            mrn=f"BENCH-{time.time_ns()}-{n}",
            first_name="Bench",
            last_name=f"Patient {n}",
            sort_name=f"patient {n} bench",
            date_of_birth=date(1980, 1, 1),
            email=f"bench{n}@example.org",
            phone=f"+1303555{n % 10000:04d}",
            accepts_email=True,
            accepts_sms=True,
            timezone="America/Denver",
            created_at=clock.now(),
        )
        for n in range(count)
    )
    return [patient.pk for patient in made]


def _body(patient: int, site: Site, start: str) -> dict[str, Any]:
    return {"patient": patient, "visit_type": "ketamine-mood", "site": site.pk, "start": start}


def _record(token: str, bodies: list[dict[str, Any]]) -> list[Replay]:
    """The statements of each booking request, recorded while it is really made."""
    far_ids()
    client = APIClient(HTTP_AUTHORIZATION=f"Token {token}")
    recorded: list[Replay] = []
    for body in bodies:
        statements: list[Statement] = []
        with connection.execute_wrapper(Recorder(statements)):
            answer = client.post("/api/v1/appointments/", body, format="json")
        assert answer.status_code == 201, answer.content
        recorded.append(Replay.of(statements))
    return recorded


def _replay(recorded: list[Replay]) -> dict[str, Any]:
    """The same statements by bare psycopg, one transaction a booking, on as many connections.

    Four processes share the connections, so that Python's interpreter lock is not what is measured.
    """
    share = len(recorded) // CLIENTS
    parts = [recorded[n * share : (n + 1) * share] for n in range(CLIENTS)]
    per_process = CLIENTS // REPLAY_PROCESSES
    fork = multiprocessing.get_context("fork")
    gate = fork.Barrier(REPLAY_PROCESSES + 1)
    found: Any = fork.SimpleQueue()
    workers = [
        fork.Process(target=_replay_parts, args=(parts[n * per_process : (n + 1) * per_process], gate, found))
        for n in range(REPLAY_PROCESSES)
    ]
    for worker in workers:
        worker.start()
    gate.wait(60)
    started = time.perf_counter()
    seconds = [took for _worker in workers for took in found.get()]
    elapsed = time.perf_counter() - started
    for worker in workers:
        worker.join()
    return {"per_second": len(seconds) / elapsed, "seconds": seconds}


def _replay_parts(parts: list[list[Replay]], gate: Any, found: Any) -> None:
    """What one process does: a thread and a connection for each part."""
    seconds: list[float] = []

    def run(number: int) -> None:
        with connect() as link:
            for each in parts[number]:
                started = time.perf_counter()
                each.send(link)
                seconds.append(time.perf_counter() - started)

    gate.wait(60)
    together(len(parts), run)
    found.put(seconds)


def forget_bookings() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE scheduling_appointment, patients_message CASCADE")
        cursor.execute("VACUUM ANALYZE")


@contextmanager
def web_server() -> Iterator[str]:
    """gunicorn as `make demo` runs it."""
    port = free_port()
    environment = {**os.environ, "DATABASE_POOL": "1", "LOG_LEVEL": "WARNING"}
    server = subprocess.Popen(
        [
            sys.executable,
            *("-m", "gunicorn", "clinic.wsgi:application", "--bind", f"127.0.0.1:{port}"),
            *("--workers", "2", "--threads", "4", "--worker-class", "gthread", "--log-level", "error"),
        ],
        env=environment,
        cwd=Path(settings.BASE_DIR),
    )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/livez").status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(answers, what="gunicorn answers")
        yield url
    finally:
        server.terminate()
        server.wait(10)


def _book_all(url: str, token: str, bodies: list[dict[str, Any]]) -> dict[str, Any]:
    share = len(bodies) // CLIENTS
    seconds: list[float] = []
    statuses: Counter[int] = Counter()

    def run(number: int) -> None:
        with httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=60) as client:
            for body in bodies[number * share : (number + 1) * share]:
                started = time.perf_counter()
                answer = client.post("/api/v1/appointments/", json=body)
                seconds.append(time.perf_counter() - started)
                statuses[answer.status_code] += 1

    elapsed = together(CLIENTS, run)
    return {"per_second": len(seconds) / elapsed, "seconds": seconds, "statuses": statuses}


def _race(url: str, token: str, site: Site, patients: list[int]) -> dict[str, Any]:
    """64 clients on the only chair and nurse of a moment, several rounds."""
    chair = Resource.objects.filter(site=site, kind="chair").order_by("id")[0]
    nurse = Resource.objects.filter(site=site, kind="nurse").order_by("id")[0]
    day = clock.now().date() + timedelta(days=60)
    rounds: list[Counter[int]] = []
    seconds: list[float] = []
    for number in range(ROUNDS):
        start = datetime.combine(day + timedelta(days=number), wall(17), tzinfo=UTC).isoformat()
        statuses: Counter[int] = Counter()

        def run(racer: int, start: str = start, number: int = number, into: Counter[int] = statuses) -> None:
            body = _body(patients[number * RACERS + racer], site, start)
            answer = httpx.post(
                f"{url}/api/v1/appointments/",
                json={**body, "resources": [chair.pk, nurse.pk]},
                headers={"Authorization": f"Token {token}"},
                timeout=120,
            )
            into[answer.status_code] += 1

        seconds.append(together(RACERS, run))
        rounds.append(statuses)
    return {"rounds": rounds, "seconds": seconds}


def together(count: int, run: Callable[[int], None]) -> float:
    """Run on so many threads at once; seconds from the common start to the last end."""
    gate = threading.Barrier(count + 1)

    def gated(number: int) -> None:
        gate.wait(60)
        run(number)

    with ThreadPoolExecutor(count) as pool:
        jobs = [pool.submit(gated, number) for number in range(count)]
        gate.wait(60)
        started = time.perf_counter()
        for job in jobs:
            job.result()
    return time.perf_counter() - started


def _print(statements: int, ceiling: dict[str, Any], http: dict[str, Any], race: dict[str, Any]) -> None:
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
    print()
    print(
        table(
            f"Bookings on distinct slots, {CLIENTS} clients, {CLIENTS * EACH} bookings",
            ["", "bookings/s", "p50 ms", "p95 ms", "share of ceiling"],
            rows,
        )
    )
    print(f"HTTP statuses: {dict(http['statuses'])}\n")
    print(
        table(
            f"{RACERS} clients on one slot, {ROUNDS} rounds",
            ["round", "201", "409", "other", "seconds"],
            [
                [n + 1, found[201], found[409], sum(found.values()) - found[201] - found[409], f"{took:.2f}"]
                for n, (found, took) in enumerate(zip(race["rounds"], race["seconds"], strict=True))
            ],
        )
    )
    wrong = [found for found in race["rounds"] if found != Counter({201: 1, 409: RACERS - 1})]
    if wrong or set(http["statuses"]) != {201}:
        sys.exit("bench-book: not every booking went as it must; see the statuses above.")


if __name__ == "__main__":
    main()
