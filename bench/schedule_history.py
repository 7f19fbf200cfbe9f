"""Whether cost stays flat as history grows: a clinic with 10,000 and with 1,000,000 sessions behind it.

The second is a copy of the first database with more history loaded; then the two take turns, in processes of
their own, so that whatever else the machine does hits both. Patients who book have a history themselves.
``python -m bench.schedule_history`` is those processes.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import time as wall
from datetime import timedelta
from itertools import islice
from statistics import median
from typing import Any

import psycopg
from django.db import connection, connections

from bench import data
from bench.ceiling import spread
from bench.report import percentile, table
from clinic.access.policy import SYSTEM
from clinic.common.intervals import Interval
from scheduling.domain import courses as domain
from scheduling.models import CourseTemplate
from scheduling.selectors import course_plans
from scheduling.selectors.availability import Question, search
from scheduling.selectors.course_plans import PlanQuestion, Preferences
from scheduling.services import appointments

FEW, MANY = 10_000, 1_000_000
FLAT = 1.25
"""A ratio of medians up to this is flat: between two runs of the same it reaches 1.15 on a busy machine."""
ROUNDS, TIMES = 5, 15


def flat(where: data.Clinic, *, scale: float) -> list[str]:
    """Load, measure in turns, print; what grew."""
    a_day = round(data.A_DAY * scale)
    few, many = (max(1, round(count * scale) // a_day) for count in (FEW, MANY))
    began = time.perf_counter()
    data.fill(where, first=-few, last=-1, a_day=a_day)
    small = os.environ["DATABASE_URL"]
    large = _copy(small)
    try:
        _run(large, "grow", where.site.pk, -many, -few - 1, a_day)
        loaded = time.perf_counter() - began
        found: dict[str, dict[str, list[list[float]]]] = {small: {}, large: {}}
        for turn in range(ROUNDS):
            for url in (small, large):
                for name, seconds in json.loads(_run(url, "measure", where.site.pk, turn)).items():
                    found[url].setdefault(name, []).append(seconds)
    finally:
        _drop(small, large)
    rows, missed = [], []
    for name, before in found[small].items():
        p50 = [[percentile(seconds, 0.5) for seconds in turns] for turns in (before, found[large][name])]
        ratio = median(p50[1]) / median(p50[0])
        rows.append([name, *(f"{median(each):.1f}" for each in p50), f"{ratio:.2f}"])
        if ratio > FLAT:
            missed.append(f"{name}: {ratio:.2f} times as long with {many * a_day:,} sessions of history")
    title = f"As history grows ({many * a_day:,} sessions loaded in {loaded:.0f} s)"
    header = ["p50 ms, median of rounds", f"{few * a_day:,} behind", f"{many * a_day:,} behind", "ratio"]
    print(table(title, header, rows))
    return missed


def _copy(url: str) -> str:
    """A second database with everything that is in this one."""
    connections.close_all()
    with psycopg.connect(url.rpartition("/")[0] + "/postgres", autocommit=True) as link:
        link.execute(f"DROP DATABASE IF EXISTS {_name(url)}_grown")
        link.execute(f"CREATE DATABASE {_name(url)}_grown TEMPLATE {_name(url)}")
    return f"{url}_grown"


def _drop(url: str, copy: str) -> None:
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(f"DROP DATABASE IF EXISTS {_name(copy)} WITH (FORCE)")


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _run(url: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bench.schedule_history", *map(str, arguments)],
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def grow(where: data.Clinic, first: str, last: str, a_day: str) -> None:
    """In the copy: the days from ``first`` to ``last`` are history too, of visits that were only watched."""
    data.fill(where, first=int(first), last=int(last), a_day=int(a_day), hands_on=False)


def measure(where: data.Clinic, turn: str) -> None:
    """Print seconds by name, as JSON."""
    for table_name in ("scheduling_appointment", "scheduling_allocation", "scheduling_resourceday"):
        with connection.cursor() as cursor:  # what one database has in memory, the other has too
            cursor.execute(f"SELECT count(*) FROM {table_name}")
    bookings = iter(_bookings(where, turn=int(turn)))
    template = CourseTemplate.objects.get(code="ketamine-mood-3-per-week")
    works: dict[str, Callable[[], object]] = {
        "next 10 slots": lambda: search(_question(where, 14)).starts(limit=10),
        "30 days": lambda: search(_question(where, 30)).starts(),
        "book a visit": lambda: appointments.book(
            actor=SYSTEM, now=where.now, visit_type=where.visit_type, site=where.site, **next(bookings)
        ),
        "plan 6 sessions": lambda: course_plans.plan(_plan_question(where, template), limit=1),
    }
    found = {}
    for name, work in works.items():
        work()
        found[name] = [_timed(work) for _ in range(TIMES)]
    print(json.dumps(found))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _question(where: data.Clinic, days: int) -> Question:
    start = where.midnight + timedelta(days=1)
    window = Interval(start, start + timedelta(days=days))
    return Question(visit_type=where.visit_type, site=where.site, window=window, now=where.now)


def _plan_question(where: data.Clinic, template: CourseTemplate) -> PlanQuestion:
    return PlanQuestion(
        visit_type=where.visit_type,
        site=where.site,
        patient_id=where.patients[0],
        now=where.now,
        stages=domain.parse(template.stages),
        count=6,
        start_on=where.now.astimezone(where.site.zone).date() + timedelta(days=1),
        allowed_weekdays=None,
        preferences=Preferences(earliest=wall(8), latest=wall(17), preferred=wall(9)),
    )


def _bookings(where: data.Clinic, *, turn: int) -> list[dict[str, Any]]:
    """Starts that are free, each for a patient who comes at other hours of the day."""
    starts = spread(where, count=(TIMES + 1) * ROUNDS)
    mine = islice(starts, turn, None, ROUNDS)
    return [
        {"patient_id": where.patients[data.place(day=0, hour=(at.hour + 12) % 24, chair=1 + n)], "start": at}
        for n, at in enumerate(mine)
    ]


if __name__ == "__main__":
    command, site_id, *rest = sys.argv[1:]
    commands: dict[str, Callable[..., None]] = {"grow": grow, "measure": measure}
    commands[command](data.existing(int(site_id)), *rest)
