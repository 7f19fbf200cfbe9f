"""`make bench-schedule`: what searching and booking cost in a full clinic, and who wins a race for a slot.

Ratios within one run: stored days against the rows and against PostgreSQL's multiranges; the same work
with a hundred times the history; a booking against its own statements sent by bare psycopg.
BENCH_SCALE (default 1) shrinks the data: 0.1 is a clinic a tenth as full, with a tenth of the history.
"""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from django.core.management import call_command

from bench import data
from bench.book import web_server
from bench.ceiling import booking_against_psycopg
from bench.report import percentile, table
from bench.schedule_booking import one_nurse_of_three, one_slot
from bench.schedule_history import flat
from clinic.access import tokens
from clinic.access.models import User
from clinic.common import clock
from clinic.common.intervals import Interval
from scheduling.selectors.availability import Question, search
from scheduling.selectors.usage import Reader, stored
from tests.integration.availability.oracles import by_multiranges, from_rows

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
QUESTIONS = {"next 10 slots": (14, 10), "30 days": (30, None), "90 days": (data.DAYS_AHEAD, None)}
"""Days searched, and how many starts are wanted."""
WITHIN = {"next 10 slots": 10.0, "30 days": 15.0}
"""Milliseconds in the process that the issue asks for; over HTTP 15 more."""
HTTP_MORE = 15.0


@dataclass(frozen=True)
class Measured:
    """Some repetitions of the same thing."""

    seconds: list[float]

    @property
    def p50(self) -> float:
        """Milliseconds."""
        return percentile(self.seconds, 0.5)

    @property
    def least(self) -> float:
        """Milliseconds: what it takes when nothing else runs."""
        return percentile(self.seconds, 0)

    @property
    def p95(self) -> float:
        """Milliseconds."""
        return percentile(self.seconds, 0.95)


def main() -> None:
    """Fill, measure, fill more, measure again; then book, race, and compare with others."""
    call_command("migrate", verbosity=0)
    now = clock.now()
    where = data.clinic(now=now)
    ahead = data.fill(where, first=0, last=data.DAYS_AHEAD - 1, a_day=round(data.A_DAY * SCALE))
    print(
        f"\nThe clinic: {data.CHAIRS} chairs, {data.NURSES} nurses, {ahead:,} sessions in the next"
        f" {data.DAYS_AHEAD} days. Load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.\n"
    )
    missed = ways(where)
    missed += flat(where, scale=SCALE)
    missed += over_http(where)
    missed += booking_against_psycopg(where)
    missed += one_slot(where)
    missed += one_nurse_of_three(where)
    if importlib.util.find_spec("bench.schedule_courses"):
        print(importlib.import_module("bench.schedule_courses").run())
    peers()
    for each in missed:
        print(f"MISSED: {each}")
    if missed:
        sys.exit(
            f"bench-schedule: {len(missed)} goals missed, at a load average of {os.getloadavg()[0]:.1f}."
        )


def ways(where: data.Clinic) -> list[str]:
    """The same questions answered from stored days, from the rows, and by multiranges."""
    rows, missed = [], []
    for name, (days, limit) in QUESTIONS.items():
        question = _question(where, days)
        fast = repeat(partial(_ask, question, limit, stored), times=31)
        slow = repeat(partial(_ask, question, limit, from_rows), times=7)
        slowest = repeat(partial(by_multiranges, question), times=5)
        if not (
            _ask(question, limit, stored)
            == _ask(question, limit, from_rows)
            == by_multiranges(question)[:limit]
        ):
            missed.append(f"{name}: the three ways disagree")
        if fast.p50 > WITHIN.get(name, fast.p50):
            missed.append(f"{name}: p50 {fast.p50:.1f} ms, wanted {WITHIN[name]:.0f}")
        rows += [
            [
                name,
                way,
                f"{found.least:.1f}",
                f"{found.p50:.1f}",
                f"{found.p95:.1f}",
                f"{found.p50 / fast.p50:.1f}",
            ]
            for way, found in (("stored days", fast), ("rows", slow), ("SQL multiranges", slowest))
        ]
    print(
        table(
            "Searching, inside the process",
            ["", "read from", "least ms", "p50 ms", "p95 ms", "p50 / stored"],
            rows,
        )
    )
    return missed


def over_http(where: data.Clinic) -> list[str]:
    """The same through gunicorn, Django and DRF."""
    user = User.objects.create(username=f"bench{time.time_ns()}", is_superuser=True)
    secret, _token = tokens.issue(user=user, lifetime=timedelta(hours=1), wall=clock.wall())
    rows, missed = [], []
    with (
        web_server() as url,
        httpx.Client(base_url=url, headers={"Authorization": f"Token {secret}"}) as client,
    ):
        for name, (days, limit) in QUESTIONS.items():
            question = _question(where, days)
            asked: dict[str, Any] = {
                "visit_type": where.visit_type.code,
                "site": where.site.pk,
                "start": question.window.start.isoformat(),
                "end": question.window.end.isoformat(),
                "limit": limit or 2000,
            }
            inside = repeat(partial(_ask, question, limit, stored), times=31)

            def get(asked: dict[str, Any] = asked) -> None:
                client.get("/api/v1/availability/", params=asked).raise_for_status()

            http = repeat(get, times=31)
            rows.append(
                [
                    name,
                    f"{http.least:.1f}",
                    f"{http.p50:.1f}",
                    f"{http.p95:.1f}",
                    f"{http.p50 - inside.p50:.1f}",
                ]
            )
            if name in WITHIN and http.p50 - inside.p50 > HTTP_MORE:
                missed.append(
                    f"{name} over HTTP: {http.p50 - inside.p50:.1f} ms more, wanted {HTTP_MORE:.0f}"
                )
    print(table("Over HTTP, one client", ["", "least ms", "p50 ms", "p95 ms", "p50 more than inside"], rows))
    return missed


def peers() -> None:
    """Another scheduler on the same PostgreSQL, if it can be installed here."""
    script = Path(__file__).parent / "peers" / "django_appointment.sh"
    subprocess.run(["/bin/sh", str(script)], check=False, timeout=900)


def repeat(work: Callable[[], object], *, times: int) -> Measured:
    """Time it, after once for nothing."""
    work()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return Measured(seconds)


def _question(where: data.Clinic, days: int) -> Question:
    start = where.midnight + timedelta(days=1)
    window = Interval(start, start + timedelta(days=min(days, data.DAYS_AHEAD - 1)))
    return Question(visit_type=where.visit_type, site=where.site, window=window, now=where.now)


def _ask(question: Question, limit: int | None, usage: Reader) -> list[object]:
    return list(search(question, usage=usage).starts(limit=limit))


if __name__ == "__main__":
    main()
