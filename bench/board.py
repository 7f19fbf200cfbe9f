"""`make bench-board`: the day board of 60 chairs and 300 visits, and fifty of them open at once.

Inside the process: the board's page and the answer that nothing changed, against the floor: the board's own
statements sent by bare psycopg. Over HTTP: fifty boards that ask every second as the page does, and how long
after a step it takes until all fifty show it.
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import httpx
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from bench.book import web_server
from bench.ceiling import Recorder, Replay, Statement, connect
from bench.report import percentile, table
from bench.schedule import repeat
from clinic.access.models import Site, User
from clinic.access.policy import SYSTEM
from clinic.common import clock
from scheduling.admin import day_board as view
from scheduling.domain.transitions import Verb
from scheduling.selectors.day_board import day_board
from scheduling.services import visit_steps
from tests.factories.full_days import LATE, ON_TIME, full_day

CHAIRS, BOARDS, STEPS = 60, 50, 8
PAUSE = 1.0
"""Seconds between two questions of one board, as in board.js."""
POLL = {"X-Board-Poll": "1", "X-Onset-Poll": "1"}
WITHIN_MS, WITHIN_BYTES, WITHIN_SECONDS = 80.0, 300_000, 2.0


def main() -> None:
    """Fill a day, measure inside, then over HTTP."""
    call_command("migrate", verbosity=0)
    site = Site.objects.create(
        name=f"Board {time.time_ns()}", discreet_name="Bench", timezone="UTC", phone="+13035550100"
    )
    visits = full_day(site, chairs=CHAIRS, day=clock.now().date(), chairs_are=(ON_TIME, ON_TIME, LATE))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    user = User.objects.create(username=f"board{time.time_ns()}", is_superuser=True, is_staff=True)
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    missed = [*_inside(client, site), *_over_http(client, visits[3 * CHAIRS : 3 * CHAIRS + STEPS])]
    for each in missed:
        print(f"MISSED: {each}")
    if missed:
        sys.exit(1)


def _inside(client: Client, site: Site) -> list[str]:
    url = reverse("admin:scheduling_day_board")
    statements: list[Statement] = []
    now = clock.now()

    def data() -> None:
        day_board(actor=SYSTEM, site=site, day=now.date(), now=now)

    def page() -> None:
        view.forget()
        client.get(url)

    with connection.execute_wrapper(Recorder(statements)):
        data()
    floor = Replay.of(statements)
    body = client.get(url, headers=POLL)
    tag = {"If-None-Match": body["ETag"]}
    with connect() as link:
        found = {
            "the board's statements by bare psycopg": repeat(lambda: floor.send(link), times=61),
            "the board's data": repeat(data, times=61),
            "the whole page, rendered anew": repeat(page, times=61),
            "asked, nothing changed (304)": repeat(lambda: client.get(url, headers=POLL | tag), times=201),
        }
    rows = [[name, f"{took.p50:.1f}", f"{took.p95:.1f}"] for name, took in found.items()]
    print(table(f"{CHAIRS} chairs, 300 visits, inside the process", ["", "p50 ms", "p95 ms"], rows))
    size = len(client.get(url).content)
    print(f"{len(statements)} queries for the board; HTML {size:,} bytes, its body {len(body.content):,}\n")
    missed = []
    if (p50 := found["the whole page, rendered anew"].p50) > WITHIN_MS:
        missed.append(f"the page takes {p50:.0f} ms, wanted {WITHIN_MS:.0f}")
    if size > WITHIN_BYTES:
        missed.append(f"the page has {size:,} bytes, wanted {WITHIN_BYTES:,}")
    return missed


@dataclass
class _Seen:
    """What fifty open boards noticed."""

    stop: threading.Event = field(default_factory=threading.Event)
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    shows: list[str] = field(default_factory=lambda: [""] * BOARDS)

    def all_show(self, text: str) -> bool:
        """Whether it is on every board."""
        return all(text in shown for shown in self.shows)


def _over_http(client: Client, visits: list[int]) -> list[str]:
    seen, delays = _Seen(), []
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    with web_server() as url, ThreadPoolExecutor(BOARDS) as pool:
        board = f"{url}{reverse('admin:scheduling_day_board')}"
        for number in range(BOARDS):
            pool.submit(_open_board, board, cookie, number, seen)
        try:
            _until(partial(seen.all_show, "b-grid"))
            started, asked = time.perf_counter(), len(seen.seconds)
            for visit in visits:
                visit_steps.step(actor=SYSTEM, now=clock.now(), appointment_id=visit, verb=Verb.CHECK_IN)
                stepped = time.perf_counter()
                mark = f'id="v{visit}" class="b-card b-waiting'
                _until(partial(seen.all_show, mark))
                delays.append(time.perf_counter() - stepped)
                time.sleep(PAUSE)
            per_second = (len(seen.seconds) - asked) / (time.perf_counter() - started)
        finally:
            seen.stop.set()
    took = [f"{percentile(seen.seconds, share):.1f}" for share in (0.5, 0.95)]
    late = [f"{percentile(delays, share) / 1000:.2f}" for share in (0.5, 1.0)]
    header = ["questions/s", "p50 ms", "p95 ms", "all have a step: p50 s", "worst s", "statuses"]
    row = [
        f"{per_second:.0f}",
        *took,
        *late,
        ", ".join(f"{count} x {status}" for status, count in seen.statuses.items()),
    ]
    print(table(f"{BOARDS} open boards over HTTP, each asking every second", header, [row]))
    if max(delays) > WITHIN_SECONDS:
        return [f"a step took {max(delays):.2f} s to reach every board, wanted {WITHIN_SECONDS:.0f}"]
    return []


def _open_board(url: str, cookie: str, number: int, seen: _Seen) -> None:
    tag = ""
    time.sleep(number * PAUSE / BOARDS)
    with httpx.Client(headers=POLL | {"Cookie": cookie}, timeout=30) as http:
        while not seen.stop.is_set():
            started = time.perf_counter()
            answer = http.get(url, headers={"If-None-Match": tag} if tag else {})
            seen.seconds.append(time.perf_counter() - started)
            seen.statuses[answer.status_code] += 1
            if answer.status_code == httpx.codes.OK:
                tag, seen.shows[number] = answer.headers["ETag"], answer.text
            seen.stop.wait(PAUSE)


def _until(true: Callable[[], bool], *, seconds: float = 60) -> None:
    end = time.perf_counter() + seconds
    while not true():
        if time.perf_counter() > end:
            sys.exit("bench-board: the boards did not show what they should; is the server up?")
        time.sleep(0.005)


if __name__ == "__main__":
    main()
