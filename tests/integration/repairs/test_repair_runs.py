"""Workers and repairs: leases, kills at every point, two workers at once, two people accepting at once."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common.errors import DomainError
from scheduling import due, tasks
from scheduling.domain import repair_solver
from scheduling.models import Allocation, Appointment, Repair, Resource
from scheduling.services import appointments, reassignments, repair_runs, repairs
from scheduling.services.reassignments import Swap, reassign
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type
from tests.factories.racing import at_once
from tests.faults.stack import until

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

ROOT = Path(__file__).parents[3]
NINE = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)
WORKER = """
import django; django.setup()
from datetime import datetime
from scheduling.services import repair_runs
def stand_still(*args, **named):
    print("computing", flush=True)
    input()
repair_runs.repair_solver.repair = stand_still
repair_runs.run_next(now=datetime.fromisoformat("{now}"))
"""


@pytest.fixture
def clinic() -> Site:
    site = SiteFactory.create()
    open_clinic(site, chairs=2, nurses=2)
    return site


def named(site: Site, name: str) -> int:
    return Resource.objects.get(site=site, name=name).pk


def booked(site: Site, start: datetime, *on: str) -> Appointment:
    return appointments.book(
        actor=SYSTEM,
        now=NOW,
        patient_id=PatientFactory.create(site=site).pk,
        visit_type=visit_type(),
        site=site,
        start=start,
        resource_ids=frozenset(named(site, name) for name in on),
    )


def asked(site: Site) -> Repair:
    return repairs.request(
        actor=SYSTEM,
        now=NOW,
        site_id=site.pk,
        resource_id=named(site, "Nurse 1"),
        start=NINE - timedelta(hours=1),
        end=NINE + timedelta(hours=8),
        time_limit_seconds=5,
    )


def status(repair: Repair) -> str:
    repair.refresh_from_db()
    return repair.status


def test_a_worker_killed_while_computing_is_followed_by_another(clinic: Site, tmp_path: Path) -> None:
    visit = booked(clinic, NINE, "Chair 1", "Nurse 1")
    repair = asked(clinic)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "clinic.settings.test",
        "DATABASE_URL": f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{connection.settings_dict['NAME']}",
        "ONSET_DATA": str(tmp_path),
    }
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER.format(now=NOW.isoformat())],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert worker.stdout is not None
        assert until(worker.stdout.readline, what="the worker computes") == b"computing\n"
        assert (status(repair), repair.attempts) == ("running", 1)
        assert not repair_runs.run_next(now=NOW), "a lease protects while it lasts"
        assert due.Repairs().next_due_at() is not None
    finally:
        worker.kill()
        assert worker.wait(30) == -signal.SIGKILL
        worker.communicate()
    assert status(repair) == "running"
    Repair.objects.update(leased_until=Now() - timedelta(seconds=1))
    assert repair_runs.run_next(now=NOW)
    assert (status(repair), repair.attempts, repair.changes.get().appointment) == ("proposed", 2, visit)
    assert due.Repairs().next_due_at() is None


def test_a_worker_that_lost_its_lease_writes_nothing(clinic: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    booked(clinic, NINE, "Chair 1", "Nurse 1")
    repair = asked(clinic)
    real = repair_solver.repair

    def slowly(*args: object, **options: object) -> object:
        with monkeypatch.context() as patched:
            patched.setattr(repair_solver, "repair", real)
            Repair.objects.update(leased_until=Now() - timedelta(seconds=1))
            assert repair_runs.run_next(now=NOW)
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(repair_solver, "repair", slowly)
    assert repair_runs.run_next(now=NOW)
    assert (status(repair), repair.changes.count()) == ("proposed", 1)


def test_a_repair_discarded_while_it_is_computed_stays_discarded(
    clinic: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    booked(clinic, NINE, "Chair 1", "Nurse 1")
    repair = asked(clinic)
    real = repair_solver.repair

    def meanwhile(*args: object, **options: object) -> object:
        repairs.discard(actor=SYSTEM, now=NOW, repair_id=repair.pk)
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(repair_solver, "repair", meanwhile)
    assert repair_runs.run_next(now=NOW)
    assert (status(repair), repair.changes.count()) == ("discarded", 0)


def test_what_goes_wrong_is_tried_again_and_given_up_in_the_end(
    clinic: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    booked(clinic, NINE, "Chair 1", "Nurse 1")
    repair = asked(clinic)

    def fails(*_args: object, **_options: object) -> object:
        raise MemoryError

    monkeypatch.setattr(repair_solver, "repair", fails)
    for _ in range(3):
        with pytest.raises(MemoryError):
            repair_runs.run_next(now=NOW)
        assert status(repair) == "queued"
    assert not repair_runs.run_next(now=NOW)
    assert (status(repair), repair.failure) == ("failed", "gave_up")
    assert due.Repairs().next_due_at() is None


def test_of_many_workers_one_computes(clinic: Site) -> None:
    booked(clinic, NINE, "Chair 1", "Nurse 1")
    waiting = [asked(clinic) for _ in range(3)]
    ran = at_once([lambda: repair_runs.run_next(now=NOW)] * 4)
    assert 1 <= ran.count(True) <= 3
    for _ in range(3 - ran.count(True)):
        assert repair_runs.run_next(now=NOW)
    assert [(status(each), each.attempts) for each in waiting] == [("proposed", 1)] * 3


def test_the_task_computes_all_that_waits(clinic: Site, clock: Callable[[datetime], None]) -> None:
    waiting = [asked(clinic) for _ in range(2)]
    assert due.Repairs().next_due_at() == NOW
    tasks.run_repairs()
    assert [status(each) for each in waiting] == ["proposed"] * 2


def test_two_people_accepting_at_once_move_each_visit_once(clinic: Site) -> None:
    visits = [booked(clinic, NINE + timedelta(hours=2 * n), "Chair 1", "Nurse 1") for n in range(3)]
    repair = asked(clinic)
    assert repair_runs.run_next(now=NOW)
    at_once([lambda: repairs.accept(actor=SYSTEM, now=NOW, repair_id=repair.pk)] * 3)
    assert status(repair) == "accepted"
    assert set(repair.changes.values_list("outcome", flat=True)) == {"reassigned"}
    for visit in visits:
        assert visit.events.filter(verb="reassign").count() == 1


def test_accepting_goes_on_where_a_crash_stopped_it(clinic: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    visits = [booked(clinic, NINE + timedelta(hours=2 * n), "Chair 1", "Nurse 1") for n in range(3)]
    repair = asked(clinic)
    assert repair_runs.run_next(now=NOW)
    calls = []

    class Killed(BaseException):
        """The process ends here."""

    def dies(*args: Any, **options: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Killed
        real(*args, **options)

    real = repairs._remember
    with monkeypatch.context() as patched:
        patched.setattr(repairs, "_remember", dies)
        with pytest.raises(Killed):  # the second visit is moved, and nobody wrote that down
            repairs.accept(actor=SYSTEM, now=NOW, repair_id=repair.pk)
    assert Counter(repair.changes.values_list("outcome", flat=True)) == {"": 2, "reassigned": 1}
    assert Appointment.objects.filter(version=2).count() == 2
    repairs.accept(actor=SYSTEM, now=NOW, repair_id=repair.pk)
    assert status(repair) == "accepted"
    assert set(repair.changes.values_list("outcome", flat=True)) == {"reassigned"}
    assert [each.events.filter(verb="reassign").count() for each in visits] == [1, 1, 1]


def test_two_visits_trade_chairs_or_neither_does(clinic: Site) -> None:
    one = booked(clinic, NINE, "Chair 1", "Nurse 1")
    two = booked(clinic, NINE, "Chair 2", "Nurse 2")
    first, second = named(clinic, "Chair 1"), named(clinic, "Chair 2")
    nurses = [named(clinic, f"Nurse {n}") for n in (1, 2)]
    alone = [Swap(appointment_id=one.pk, resource_ids=frozenset({second, nurses[0]}))]
    with pytest.raises(DomainError) as refused:
        reassign(actor=SYSTEM, now=NOW, swaps=alone)
    assert refused.value.code == "slot_taken"
    together = [
        *alone,
        Swap(appointment_id=two.pk, resource_ids=frozenset({first, nurses[1]}), expected_version=9),
    ]
    with pytest.raises(DomainError) as refused:
        reassign(actor=SYSTEM, now=NOW, swaps=together)
    assert refused.value.code == "stale_version"
    assert Allocation.objects.filter(appointment=one, resource=first).exists()
    together[1] = Swap(appointment_id=two.pk, resource_ids=frozenset({first, nurses[1]}), expected_version=1)
    reassign(actor=SYSTEM, now=NOW, swaps=together)
    assert Allocation.objects.filter(appointment=one, resource=second).exists()
    assert Allocation.objects.filter(appointment=two, resource=first).exists()


def test_what_reassigning_refuses(clinic: Site) -> None:
    visit = booked(clinic, NINE, "Chair 1", "Nurse 1")
    elsewhere = SiteFactory.create()
    open_clinic(elsewhere)
    chair, nurse, other = (named(clinic, name) for name in ("Chair 1", "Nurse 1", "Chair 2"))

    def refusal(*ids: int) -> str:
        swap = Swap(appointment_id=visit.pk, resource_ids=frozenset(ids))
        with pytest.raises(DomainError) as refused:
            reassignments.reassign(actor=SYSTEM, now=NOW, swaps=[swap])
        return refused.value.code

    assert refusal(chair) == "wrong_resource"
    assert refusal(chair, other, nurse) == "wrong_resource"
    assert refusal(chair, nurse, named(clinic, "Prescriber 1")) == "wrong_resource"
    assert refusal(chair, named(elsewhere, "Nurse 1")) == "not_found"
    assert refusal(chair, 10**12) == "not_found"
    Resource.objects.filter(pk=other).update(active=False)
    assert refusal(other, nurse) == "slot_taken"
    Appointment.objects.filter(pk=visit.pk).update(status="in_progress")
    assert refusal(chair, named(clinic, "Nurse 2")) == "invalid_transition"
    assert visit.events.count() == 1
