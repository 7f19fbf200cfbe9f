"""Two people at one patient, each on a connection of their own; and a connection that dies half way."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from time import monotonic

import psycopg
import pytest
from django.db import DatabaseError, connection, connections

from clinic.access.policy import SYSTEM
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, AppointmentEvent, GateCheck, InfusionSession
from scheduling.services import gates, session_steps, visit_steps
from tests.conftest import NOW
from tests.factories import SiteFactory, open_clinic
from tests.factories.bookings import booked
from tests.factories.racing import race
from tests.factories.sessions import BEFORE_LEAVING, BEFORE_START, measured, pass_start_gates

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

END, HOME = NOW + timedelta(minutes=40), NOW + timedelta(minutes=90)
ROUNDS = 5


@pytest.fixture
def visit() -> Appointment:
    """Here, and ready to start."""
    site = SiteFactory.create()
    open_clinic(site)
    made = booked(site, NOW, on={})
    visit_steps.step(actor=SYSTEM, now=NOW, appointment_id=made.pk, verb=Verb.CHECK_IN)
    pass_start_gates(made, now=NOW)
    return made


def start(visit: Appointment) -> Appointment:
    return visit_steps.step(actor=SYSTEM, now=NOW, appointment_id=visit.pk, verb=Verb.START)


def end(visit: Appointment) -> InfusionSession:
    return session_steps.end(actor=SYSTEM, now=END, appointment_id=visit.pk)


def verbs(visit: Appointment) -> list[str]:
    return list(visit.events.order_by("id").values_list("verb", flat=True))


def test_two_starts_are_one(visit: Appointment) -> None:
    outcomes = race([partial(start, visit)] * 4)
    assert sorted(outcomes) == ["invalid_transition"] * 3 + ["ok"]
    assert verbs(visit) == ["check_in", "start"]


def test_two_discharges_are_one(visit: Appointment) -> None:
    start(visit)
    end(visit)
    measured(visit.pk, now=HOME)
    go = partial(
        session_steps.discharge, actor=SYSTEM, now=HOME, appointment_id=visit.pk, given=BEFORE_LEAVING
    )
    assert sorted(race([go, go])) == ["invalid_transition", "ok"]
    assert verbs(visit).count("discharge") == 1
    assert GateCheck.objects.filter(stage="discharge").count() == len(BEFORE_LEAVING)


def test_a_start_never_passes_an_answer_that_holds_it(visit: Appointment) -> None:
    said = {"rescreen": {**BEFORE_START["rescreen"], "new_medicines": "yes"}}
    say = partial(gates.answer, actor=SYSTEM, now=NOW, appointment_id=visit.pk, given=said)
    assert tuple(race([partial(start, visit), say])) in {("ok", "wrong_stage"), ("gates_open", "ok")}


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_an_end_and_an_undo_come_one_after_the_other(visit: Appointment, _round: int) -> None:
    start(visit)
    undo = partial(visit_steps.undo, actor=SYSTEM, now=NOW, appointment_id=visit.pk)
    outcomes = tuple(race([partial(end, visit), undo]))
    session = InfusionSession.objects.get(pk=visit.pk)
    if outcomes == ("ok", "ok"):
        assert (verbs(visit)[-2:], session.started_at, session.infusion_ended_at) == (
            ["end", "undo"],
            NOW,
            None,
        )
    else:
        assert outcomes == ("invalid_transition", "ok")
        assert (verbs(visit)[-1], session.started_at) == ("undo", None)


@contextmanager
def history_blocked() -> Iterator[Callable[[], None]]:
    """Nobody writes history meanwhile; the call waits for whoever tries, and kills their connection."""
    table = AppointmentEvent._meta.db_table
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}) as other:
        other.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")

        def kill() -> None:
            deadline = monotonic() + 20
            while monotonic() < deadline:
                waiting = other.execute(
                    "SELECT pid FROM pg_locks WHERE NOT granted AND relation = %s::regclass", [table]
                ).fetchone()
                if waiting:
                    other.execute("SELECT pg_terminate_backend(%s)", waiting)
                    return
            pytest.fail("nobody came to write history")

        yield kill


def outcome(job: Callable[[], object]) -> str:
    try:
        job()
    except DatabaseError:
        return "died"
    finally:
        connections.close_all()
    return "lived"


@pytest.mark.parametrize("which", ["start", "end"])
def test_a_step_that_dies_half_way_left_nothing_and_is_repeated(visit: Appointment, which: str) -> None:
    """Status, moment and gates are written by then; only the history is missing."""
    if which == "end":
        start(visit)
    job = partial(start if which == "start" else end, visit)
    before = _rows(visit)
    with history_blocked() as kill, ThreadPoolExecutor(1) as pool:
        dying = pool.submit(outcome, job)
        kill()
        assert dying.result(20) == "died"
    assert _rows(visit) == before
    job()
    assert verbs(visit)[-1] == which


def _rows(visit: Appointment) -> tuple[object, ...]:
    session = InfusionSession.objects.filter(pk=visit.pk).values().get()
    appointment = Appointment.objects.filter(pk=visit.pk).values().get()
    return session, appointment, verbs(visit)
