"""What a booking costs beside its own statements, and what is left of a slot when many want it."""

import os
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg
from django.db import connection, connections

from bench import data
from bench.book import FAR_IDS, Recorder, Statement, replay_one, together
from bench.report import percentile, table
from clinic.access.policy import SYSTEM
from clinic.common.errors import DomainError
from clinic.common.intervals import Interval
from scheduling.models import Allocation, Appointment, Resource, VisitType
from scheduling.selectors.availability import Question, search
from scheduling.services import appointments

BOOKINGS = 120
CEILING_SHARE = 0.5
RACERS, ROUNDS = 64, 3
WATCHED, STARTS, CAPACITY = 48, 4, 3


def booking_against_psycopg(where: data.Clinic) -> list[str]:
    """One client: the service as it is, and the statements it sends, sent again by bare psycopg.

    The service includes what follows the commit: waking a worker through Redis.
    """
    people = iter(data.patients(where.site, count=2 * BOOKINGS + 1, now=where.now))
    starts = iter(_spread(where, count=2 * BOOKINGS + 1))

    def book() -> None:
        appointments.book(
            actor=SYSTEM,
            now=where.now,
            patient_id=next(people),
            visit_type=where.visit_type,
            site=where.site,
            start=next(starts),
        )

    book()
    seconds = _timed(book, times=BOOKINGS)
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence('scheduling_appointment', 'id'), %s)", [FAR_IDS])
    recorded: list[list[Statement]] = []
    for _ in range(BOOKINGS):
        statements: list[Statement] = []
        with connection.execute_wrapper(Recorder(statements)):
            book()
        recorded.append(statements)
    _forget(after=FAR_IDS)
    replayed = iter(recorded)
    with psycopg.connect(os.environ["DATABASE_URL"], cursor_factory=psycopg.ClientCursor) as link:

        def send() -> None:
            replay_one(link, next(replayed))
            link.commit()

        ceiling = _timed(send, times=BOOKINGS)
    share = percentile(ceiling, 0.5) / percentile(seconds, 0.5)
    rows = [
        [name, *(f"{percentile(taken, at):.1f}" for at in (0, 0.5, 0.95)), f"{of_ceiling:.2f}"]
        for name, taken, of_ceiling in (
            (f"bare psycopg: the same {len(recorded[0])} statements", ceiling, 1.0),
            ("appointments.book()", seconds, share),
        )
    ]
    print(
        table(
            "One booking, inside the process", ["", "least ms", "p50 ms", "p95 ms", "share of ceiling"], rows
        )
    )
    return [] if share >= CEILING_SHARE else [f"booking: {share:.2f} of the ceiling, wanted {CEILING_SHARE}"]


def one_slot(where: data.Clinic) -> list[str]:
    """64 at once for the only chair and nurse of a moment."""
    visit_type = VisitType.objects.get(code="ketamine-mood")
    rows, missed = [], []
    for number in range(ROUNDS):
        small = _small_clinic(where, chairs=1)
        start = small.midnight + timedelta(days=2 + number, hours=17)
        outcomes, took = _race(small, visit_type, [start] * RACERS)
        rows.append([number + 1, outcomes["ok"], outcomes["slot_taken"], _others(outcomes), f"{took:.2f}"])
        if outcomes != Counter({"ok": 1, "slot_taken": RACERS - 1}):
            missed.append(f"{RACERS} on one slot: {dict(outcomes)}")
    print(table(f"{RACERS} clients on one slot", ["round", "booked", "slot_taken", "other", "seconds"], rows))
    return missed


def one_nurse_of_three(where: data.Clinic) -> list[str]:
    """48 at once on 4 staggered starts, chairs for all, one nurse who may watch 3."""
    visit_type = VisitType.objects.get(code="ketamine-mood")
    rows, missed = [], []
    for number in range(ROUNDS):
        small = _small_clinic(where, chairs=WATCHED)
        first = small.midnight + timedelta(days=2 + number, hours=17)
        starts = [first + timedelta(minutes=15 * (n % STARTS)) for n in range(WATCHED)]
        outcomes, took = _race(small, visit_type, starts)
        watched = list(
            Allocation.objects.filter(resource__in=small.nurses, use="shared", released_at=None).values_list(
                "start_at", "end_at"
            )
        )
        most = max(sum(start <= at < end for start, end in watched) for at, _end in watched)
        rows.append([number + 1, outcomes["ok"], most, _others(outcomes), f"{took:.2f}"])
        if most > CAPACITY or outcomes["ok"] != CAPACITY or _others(outcomes):
            missed.append(f"{WATCHED} on {STARTS} starts: {dict(outcomes)}, {most} watched at once")
    title = f"{WATCHED} clients on {STARTS} staggered starts, one nurse who may watch {CAPACITY}"
    print(table(title, ["round", "booked", "at once", "other", "seconds"], rows))
    return missed


def _spread(where: data.Clinic, *, count: int) -> list[datetime]:
    """Free starts, at most one of an hour, spread over the months ahead."""
    start = where.midnight + timedelta(days=1)
    window = Interval(start, start + timedelta(days=data.DAYS_AHEAD - 2))
    question = Question(visit_type=where.visit_type, site=where.site, window=window, now=where.now)
    hours = {at.replace(minute=0): at for at in search(question).starts()}
    return list(hours.values())[:: max(1, len(hours) // count)][:count]


def _small_clinic(where: data.Clinic, *, chairs: int) -> data.Clinic:
    small = data.clinic(now=where.now, chairs=chairs, nurses=1, people=max(RACERS, WATCHED))
    Resource.objects.filter(pk__in=small.nurses).update(capacity=CAPACITY)
    return small


def _race(where: data.Clinic, visit_type: VisitType, starts: list[datetime]) -> tuple[Counter[str], float]:
    """Everybody books at once, each on a connection of their own."""
    outcomes: Counter[str] = Counter()

    def run(number: int) -> None:
        try:
            appointments.book(
                actor=SYSTEM,
                now=where.now,
                patient_id=where.patients[number],
                visit_type=visit_type,
                site=where.site,
                start=starts[number],
            )
        except DomainError as error:
            outcomes[error.code] += 1
        else:
            outcomes["ok"] += 1
        finally:
            connections.close_all()

    took = together(len(starts), run)
    return outcomes, took


def _others(outcomes: Counter[str]) -> int:
    return sum(outcomes.values()) - outcomes["ok"] - outcomes["slot_taken"]


def _forget(*, after: int) -> None:
    """Undo the recorded bookings, so that sending them again meets what they met."""
    Appointment.objects.filter(pk__gt=after).delete()


def _timed(work: Callable[[], object], *, times: int) -> list[float]:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds
