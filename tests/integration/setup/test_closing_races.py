"""A booking and a closure at the same moment, each on a connection of its own.

Either the booking sees the closure, or the closure lists the booking: nobody is booked into a closed
clinic without a person being asked.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections, transaction

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common.errors import DomainError
from patients.models import WorkItem
from scheduling.models import Appointment, Resource
from scheduling.selectors.closures import affected_appointments
from scheduling.services import appointments, calendars, resources
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

START = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)
PATIENCE_SECONDS = 20
Job = Callable[[], object]


@pytest.fixture
def clinic() -> Site:
    site = SiteFactory.create()
    open_clinic(site, chairs=1, nurses=1)
    return site


def booking(site: Site, start: datetime = START) -> Job:
    patient = PatientFactory.create(site=site)
    return lambda: appointments.book(
        actor=SYSTEM, now=NOW, patient_id=patient.pk, visit_type=visit_type(), site=site, start=start
    )


def chair_of(site: Site) -> Resource:
    return Resource.objects.get(site=site, kind="chair")


def closing_the_site(site: Site) -> list[int]:
    closure = calendars.add_closure(
        actor=SYSTEM, now=NOW, site_id=site.pk, start=START, end=START + timedelta(hours=9), reason="Snow"
    )
    return affected_appointments(closure)


def closing_the_chair(site: Site) -> list[int]:
    closure = calendars.add_closure(
        actor=SYSTEM,
        now=NOW,
        resource_id=chair_of(site).pk,
        start=START,
        end=START + timedelta(hours=9),
        reason="Repair",
    )
    return affected_appointments(closure)


def retiring_the_chair(site: Site) -> list[int]:
    done = resources.change_resource(
        actor=SYSTEM,
        now=NOW,
        resource_id=chair_of(site).pk,
        expected_version=None,
        changes={"active": False},
    )
    return done.affected_appointments


CLOSINGS = [closing_the_site, closing_the_chair, retiring_the_chair]


def run(job: Job) -> object:
    """What the job returns, or the code of its refusal."""
    try:
        return job()
    except DomainError as error:
        return error.code
    finally:
        connections.close_all()


def wait_for_blocked(count: int) -> None:
    """Until so many connections to this database wait for a lock."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees one state of it otherwise
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone() == (count,):
                return
        time.sleep(0.005)
    pytest.fail(f"no {count} connections waited for a lock")


def one_after_the_other(held: Resource, first: Job, second: Job) -> tuple[object, object]:
    """Let both reach the locked resource, in this order, before either may go on."""
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            Resource.objects.select_for_update().get(pk=held.pk)
            running: list[Future[object]] = []
            for number, job in enumerate((first, second), start=1):
                running.append(pool.submit(run, job))
                wait_for_blocked(number)
        return running[0].result(PATIENCE_SECONDS), running[1].result(PATIENCE_SECONDS)


@pytest.mark.parametrize("closing", CLOSINGS)
def test_a_closure_lists_the_booking_that_came_first(
    clinic: Site, closing: Callable[[Site], list[int]]
) -> None:
    visit, listed = one_after_the_other(chair_of(clinic), booking(clinic), lambda: closing(clinic))
    assert isinstance(visit, Appointment)
    assert listed == [visit.pk]
    assert WorkItem.objects.filter(key__endswith=f":appointment:{visit.pk}").count() == 1


@pytest.mark.parametrize("closing", CLOSINGS)
def test_a_booking_sees_the_closure_that_came_first(
    clinic: Site, closing: Callable[[Site], list[int]]
) -> None:
    listed, refusal = one_after_the_other(chair_of(clinic), lambda: closing(clinic), booking(clinic))
    assert listed == []
    assert isinstance(refusal, str), "booked into a closure that did not list it"
    assert not Appointment.objects.exists()


@pytest.mark.parametrize("closing", CLOSINGS)
def test_in_a_rush_nobody_is_missed(clinic: Site, closing: Callable[[Site], list[int]]) -> None:
    for number in range(3):
        Resource.objects.create(site=clinic, kind="nurse", name=f"Extra {number}", capacity=3)
    starts = [START + timedelta(hours=2 * number) for number in range(4)]
    jobs = [booking(clinic, start) for start in starts]
    jobs.insert(2, lambda: closing(clinic))
    with ThreadPoolExecutor(len(jobs)) as pool:
        outcomes = list(pool.map(run, jobs))
    listed = outcomes[2]
    assert listed == sorted(Appointment.objects.values_list("pk", flat=True))


def test_a_new_chair_waits_for_the_closure_of_its_site(clinic: Site) -> None:
    def add() -> Resource:
        return resources.add_resource(actor=SYSTEM, now=NOW, site_id=clinic.pk, kind="chair", name="New")

    closed, added = one_after_the_other(chair_of(clinic), lambda: closing_the_site(clinic), add)
    assert closed == []
    assert isinstance(added, Resource)
