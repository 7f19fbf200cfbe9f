"""Courses: what planning costs above its search, and whole courses booked per second by several clients.

A site of its own with 50 chairs and 30 nurses, made busy by courses that are really booked; ``run`` is called
by bench/schedule.py and can be run alone: ``python -m bench.schedule_courses``.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from datetime import time as wall
from threading import Barrier
from unittest import mock

from django.core.management import call_command
from django.db import connection, connections

from bench import data
from bench.report import percentile, table
from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common import clock
from clinic.common.errors import DomainError
from scheduling.domain import courses as domain
from scheduling.models import CourseTemplate, Resource, WorkingHours
from scheduling.selectors import course_plans
from scheduling.selectors.availability import search
from scheduling.selectors.course_plans import PlanQuestion, Preferences
from scheduling.services import courses

CLIENTS = 16
EACH = 8
RACERS = 300
RACING_CLIENTS = 32
ROUNDS = 40


def run() -> str:
    """Measure and return the tables."""
    call_command("migrate", verbosity=0)
    site = _site()
    template = CourseTemplate.objects.select_related("visit_type").get(code="ketamine-mood-3-per-week")
    patients = iter(data.patients(site, count=CLIENTS * EACH + RACERS + 1, now=clock.now()))
    booked, elapsed, seconds, queries = _book(site, template, patients)
    planning = _plan(site, template, next(patients))
    raced, race_seconds = _race(site, template, patients)
    rows = [
        ["plan 6 sessions in 30 days, the planner alone", *planning["planner"]],
        ["the same with the same nurse, three plans", *planning["planner, nurse, 3 plans"]],
        ["the same as the API has it: search, planner, all", *planning["whole"]],
        ["book 6 sessions, one client's wait", *_percentiles(seconds)],
    ]
    lines = [
        table("Courses", ["what", "p50 ms", "p95 ms"], rows),
        (
            f"course bookings/s with {CLIENTS} clients in one process: {booked / elapsed:.1f}"
            f" ({booked * 6 / elapsed:.0f} sessions/s, {queries} statements a course)"
        ),
        (
            f"{RACERS} contended courses, {RACING_CLIENTS} at once: {dict(raced)} in {race_seconds:.1f} s;"
            f" partial courses: {_partial(site)}"
        ),
    ]
    return "\n".join(lines) + "\n"


def _site() -> Site:
    site = Site.objects.create(
        name=f"Courses {time.time_ns()}",
        discreet_name="Bench",
        timezone="America/Denver",
        phone="+13035550100",
    )
    WorkingHours.objects.bulk_create(
        WorkingHours(site=site, weekday=day, start=wall(8), end=wall(18)) for day in range(7)
    )
    Resource.objects.bulk_create(
        [Resource(site=site, kind="chair", name=f"Chair {n}", capacity=1) for n in range(data.CHAIRS)]
        + [Resource(site=site, kind="nurse", name=f"Nurse {n}", capacity=3) for n in range(data.NURSES)]
    )
    return site


def _starts(site: Site, *, after_days: int, minutes: int) -> list[datetime]:
    """Six sessions two and three days apart, at one time of day."""
    first = clock.now().astimezone(site.zone).date() + timedelta(days=after_days)
    return [
        datetime.combine(first + timedelta(days=day), wall(8), site.zone) + timedelta(minutes=minutes)
        for day in (0, 2, 4, 7, 9, 11)
    ]


def _booking(site: Site, template: CourseTemplate, patient: int, starts: list[datetime]) -> str:
    try:
        courses.book(
            actor=SYSTEM, now=clock.now(), patient_id=patient, template=template, site=site, starts=starts
        )
    except DomainError as error:
        return error.code
    return "ok"


def _book(
    site: Site, template: CourseTemplate, patients: Iterator[int]
) -> tuple[int, float, list[float], int]:
    """Every client books course after course, at a time of day of its own."""
    waiting = [[next(patients) for _ in range(EACH)] for _ in range(CLIENTS)]
    seconds: list[float] = []
    outcomes: Counter[str] = Counter()

    def client(number: int) -> None:
        for turn, patient in enumerate(waiting[number]):
            starts = _starts(site, after_days=3 + 2 * (turn % 2), minutes=15 * (2 * number % 31))
            started = time.perf_counter()
            outcomes[_booking(site, template, patient, starts)] += 1
            seconds.append(time.perf_counter() - started)

    first = waiting[0].pop()
    statements = 0

    def counting(execute: Callable[..., object], *call: object) -> object:
        nonlocal statements
        statements += 1
        return execute(*call)

    with connection.execute_wrapper(counting):
        _booking(site, template, first, _starts(site, after_days=30, minutes=0))
    elapsed = _together(CLIENTS, client)
    assert set(outcomes) == {"ok"}, outcomes
    return outcomes["ok"], elapsed, seconds, statements


def _plan(site: Site, template: CourseTemplate, patient: int) -> dict[str, list[str]]:
    now = clock.now()
    start_on = now.astimezone(site.zone).date() + timedelta(days=1)
    stages = domain.parse(template.stages)

    def question(*, same_nurse: bool) -> PlanQuestion:
        return PlanQuestion(
            visit_type=template.visit_type,
            site=site,
            patient_id=patient,
            now=now,
            stages=stages,
            count=6,
            start_on=start_on,
            allowed_weekdays=None,
            preferences=Preferences(preferred=wall(9), same_nurse=same_nurse),
        )

    def timed(*, same_nurse: bool, limit: int) -> tuple[list[float], list[float]]:
        """Seconds of the whole, and of what is above the search."""
        whole, above = [], []
        searched: list[float] = []

        def measured(*args: object) -> object:
            started = time.perf_counter()
            found = search(*args)  # type: ignore[arg-type]
            found.bits  # noqa: B018 - the search ends with the bits
            searched.append(time.perf_counter() - started)
            return found

        with mock.patch("scheduling.selectors.course_plans.search", measured):
            for _round in range(ROUNDS):
                started = time.perf_counter()
                assert course_plans.plan(question(same_nurse=same_nurse), limit=limit).plans
                whole.append(time.perf_counter() - started)
                above.append(whole[-1] - searched[-1])
        return whole, above

    whole, above = timed(same_nurse=False, limit=1)
    _whole, with_nurse = timed(same_nurse=True, limit=3)
    return {
        "planner": _percentiles(above),
        "planner, nurse, 3 plans": _percentiles(with_nurse),
        "whole": _percentiles(whole),
    }


def _race(site: Site, template: CourseTemplate, patients: Iterator[int]) -> tuple[Counter[str], float]:
    """More courses than there are chairs, all wanting the same mornings."""
    waiting = [next(patients) for _ in range(RACERS)]
    outcomes: Counter[str] = Counter()

    def client(number: int) -> None:
        for n in range(number, RACERS, RACING_CLIENTS):
            starts = _starts(site, after_days=60 + n % 2, minutes=15 * (n % 3))
            outcomes[_booking(site, template, waiting[n], starts)] += 1

    elapsed = _together(RACING_CLIENTS, client)
    assert set(outcomes) <= {"ok", "slot_taken"}, outcomes
    return outcomes, elapsed


def _partial(site: Site) -> int:
    return sum(course.sessions.count() != course.sessions_planned for course in site.courses.all())


def _percentiles(seconds: list[float]) -> list[str]:
    return [f"{percentile(seconds, share):.1f}" for share in (0.5, 0.95)]


def _together(count: int, work: Callable[[int], None]) -> float:
    """Run on so many threads at once; seconds from the common start to the last end."""
    gate = Barrier(count + 1)

    def gated(number: int) -> None:
        gate.wait(60)
        try:
            work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        jobs = [pool.submit(gated, number) for number in range(count)]
        gate.wait(60)
        started = time.perf_counter()
        for job in jobs:
            job.result()
    return time.perf_counter() - started


if __name__ == "__main__":
    print(run())
