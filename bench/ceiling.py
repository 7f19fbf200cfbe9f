"""A booking against PostgreSQL's own ceiling: the statements it sends, recorded from the code and sent again
by bare psycopg.

The two take turns in one run, with the same number of processes, one connection each, on the same durable
server: every booking a transaction that is on disk when it returns. psycopg binds parameters on the client,
as Django has it do. Replays find ids to replace beforehand, so that sending is all that is measured.
"""

import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from statistics import median
from typing import Any

import psycopg
from django.db import connection, connections

from bench import data
from bench.report import percentile, table
from clinic.access.policy import SYSTEM
from clinic.common.intervals import Interval
from scheduling.models import Appointment
from scheduling.selectors.availability import Question, search
from scheduling.services import appointments

FAR_IDS = 1_000_000_000
"""Ids of recorded inserts start here, so that no other parameter can be mistaken for one."""
CEILING_SHARE = 0.5
ROUNDS, EACH = 7, 25
PROCESSES = 4

Statement = tuple[str, list[Any] | dict[str, Any]]
Booking = tuple[int, datetime]
"""A patient and a start."""


class Recorder:
    """Keeps every statement but savepoints, which a booking without Idempotency-Key does not make."""

    def __init__(self, into: list[Statement]) -> None:
        self._into = into

    def __call__(self, execute: Callable[..., Any], *call: Any) -> Any:
        sql, params, _many, _context = call
        if not sql.startswith(("SAVEPOINT", "RELEASE")):
            self._into.append((sql, dict(params) if isinstance(params, dict) else list(params or [])))
        return execute(*call)


@dataclass(frozen=True)
class Replay:
    """One recorded booking, and where in its parameters the id stands that its own insert will return."""

    statements: list[Statement]
    places: list[tuple[Any, Any]]

    @classmethod
    def of(cls, statements: list[Statement]) -> "Replay":
        """Look for the recorded id once, before the clock runs."""
        return cls(statements, [place for _sql, params in statements for place in _places(params)])

    def send(self, link: "psycopg.Connection[Any]") -> None:
        """One transaction."""
        with link.cursor() as cursor:
            for sql, params in self.statements:
                cursor.execute(sql, params)
                if sql.startswith('INSERT INTO "scheduling_appointment" '):
                    row = cursor.fetchone()
                    assert row
                    for holder, key in self.places:
                        holder[key] = row[0]
                elif cursor.description:
                    cursor.fetchall()
        link.commit()


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Where recorded ids are; some statements pass arrays."""
    for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
        if isinstance(value, list):
            yield from _places(value)
        elif isinstance(value, int) and value > FAR_IDS:
            yield holder, key


def far_ids() -> None:
    """From now on appointments get ids that :class:`Replay` recognises."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('scheduling_appointment', 'id'),"
            " greatest(%s, (SELECT max(id) FROM scheduling_appointment)))",
            [FAR_IDS],
        )


def connect() -> "psycopg.Connection[Any]":
    """A bare connection that binds as Django's does."""
    return psycopg.connect(os.environ["DATABASE_URL"], cursor_factory=psycopg.ClientCursor)


@dataclass(frozen=True)
class _Turn:
    """What one side did in one round: seconds of each booking, and of all of them together."""

    seconds: list[float]
    elapsed: float

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.elapsed


def booking_against_psycopg(where: data.Clinic) -> list[str]:
    """One process against one, then four against four; the service includes waking a worker through Redis."""
    far_ids()
    rows, missed = [], []
    need = 2 * ROUNDS * EACH * (1 + PROCESSES) + 1
    todo = iter(_bookings(where, count=need))
    _book(where, next(todo))
    for processes in (1, PROCESSES):
        ours: list[_Turn] = []
        ceiling: list[_Turn] = []
        statements = 0
        for _round in range(ROUNDS):
            mine, others = (
                [[next(todo) for _ in range(EACH)] for _ in range(processes)] for _side in range(2)
            )
            recorded = [[_recorded(where, each) for each in part] for part in others]
            _forget(after=FAR_IDS, patients=[patient for part in others for patient, _start in part])
            statements = len(recorded[0][0].statements)
            ceiling.append(_turn([_sending(part) for part in recorded]))
            ours.append(_turn([_booking(where, part) for part in mine]))
        shares = [us.per_second / them.per_second for us, them in zip(ours, ceiling, strict=True)]
        against = f"{processes} process{'es' if processes > 1 else ''}"
        rows += [
            _row(f"{against}: bare psycopg, the same {statements} statements", ceiling, "1"),
            _row(
                f"{against}: appointments.book()",
                ours,
                f"{median(shares):.2f} ({min(shares):.2f}-{max(shares):.2f})",
            ),
        ]
        if median(shares) < CEILING_SHARE:
            missed.append(f"booking, {against}: {median(shares):.2f} of the ceiling, wanted {CEILING_SHARE}")
    header = ["", "bookings/s", "p50 ms", "p95 ms", "share of ceiling, median (range)"]
    print(table(f"Booking transactions, {ROUNDS} rounds in turns of {EACH} a process", header, rows))
    return missed


def _row(name: str, turns: Sequence[_Turn], share: str) -> list[str]:
    seconds = list(chain.from_iterable(turn.seconds for turn in turns))
    return [
        name,
        f"{median(turn.per_second for turn in turns):.0f}",
        f"{percentile(seconds, 0.5):.1f}",
        f"{percentile(seconds, 0.95):.1f}",
        share,
    ]


Work = Callable[[], Iterator[Callable[[], object]]]
"""Gets ready, then gives what is timed, one by one."""


def _booking(where: data.Clinic, part: Sequence[Booking]) -> Work:
    def work() -> Iterator[Callable[[], object]]:
        connection.ensure_connection()
        for each in part:
            yield lambda each=each: _book(where, each)  # type: ignore[misc]

    return work


def _sending(part: Sequence[Replay]) -> Work:
    def work() -> Iterator[Callable[[], object]]:
        with connect() as link:
            for each in part:
                yield lambda each=each: each.send(link)  # type: ignore[misc]

    return work


def _turn(works: Sequence[Work]) -> _Turn:
    """All at once, each in a process of its own, so that no interpreter lock is shared."""
    connections.close_all()
    fork = multiprocessing.get_context("fork")
    gate = fork.Barrier(len(works))
    found: Any = fork.SimpleQueue()
    workers = [fork.Process(target=_work, args=(work, gate, found)) for work in works]
    for worker in workers:
        worker.start()
    parts: list[tuple[float, float, list[float]]] = [found.get() for _worker in workers]
    for worker in workers:
        worker.join()
    elapsed = max(end for _start, end, _seconds in parts) - min(start for start, _end, _seconds in parts)
    return _Turn([each for _start, _end, seconds in parts for each in seconds], elapsed)


def _work(work: Work, gate: Any, found: Any) -> None:
    seconds: list[float] = []
    steps = work()
    first = next(steps)
    gate.wait(60)
    began = time.monotonic()
    for step in chain([first], steps):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    found.put((began, time.monotonic(), seconds))


def _book(where: data.Clinic, booking: Booking) -> None:
    patient, start = booking
    appointments.book(
        actor=SYSTEM,
        now=where.now,
        patient_id=patient,
        visit_type=where.visit_type,
        site=where.site,
        start=start,
    )


def _recorded(where: data.Clinic, booking: Booking) -> Replay:
    statements: list[Statement] = []
    with connection.execute_wrapper(Recorder(statements)):
        _book(where, booking)
    return Replay.of(statements)


def _bookings(where: data.Clinic, *, count: int) -> list[Booking]:
    """New patients, and free starts over all the months ahead, at most one of an hour, in no order."""
    starts = spread(where, count=count)
    random.Random(3).shuffle(starts)
    return list(zip(data.patients(where.site, count=count, now=where.now), starts, strict=True))


def spread(where: data.Clinic, *, count: int) -> list[datetime]:
    """Free starts spread over the months ahead, an hour or more apart, so that none takes another's chair."""
    start = where.midnight + timedelta(days=1)
    window = Interval(start, start + timedelta(days=data.DAYS_AHEAD - 2))
    question = Question(visit_type=where.visit_type, site=where.site, window=window, now=where.now)
    apart: list[datetime] = []
    for at in search(question).starts():
        if not apart or at - apart[-1] >= timedelta(hours=1):
            apart.append(at)
    return apart[:: max(1, len(apart) // count)][:count]


def _forget(*, after: int, patients: Sequence[int]) -> None:
    """Undo recorded bookings, so that sending them again meets what they met."""
    Appointment.objects.filter(pk__gt=after, patient__in=patients).delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM patients_message WHERE patient_id = ANY (%s)", [list(patients)])
