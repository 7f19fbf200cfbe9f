"""Many at once on real PostgreSQL, each with a connection of its own."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import F

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Message
from scheduling.domain.transitions import Verb
from scheduling.models import Allocation, Appointment, Resource
from scheduling.services import appointments, visit_steps
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type
from tests.factories.racing import race

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

START = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)


def booking(site: Site, start: datetime, patient_id: int | None = None) -> Callable[[], Appointment]:
    patient_id = patient_id or PatientFactory.create(site=site).pk
    return lambda: appointments.book(
        actor=SYSTEM, now=NOW, patient_id=patient_id, visit_type=visit_type(), site=site, start=start
    )


def most_outcomes(rows: list[tuple[datetime, datetime]]) -> int:
    """The slow, obvious way: at each start, how many are under way."""
    return max(sum(start <= moment < end for start, end in rows) for moment, _end in rows)


@pytest.fixture
def clinic() -> Site:
    site = SiteFactory.create()
    open_clinic(site, chairs=1, nurses=1)
    return site


def test_one_of_many_gets_the_only_slot(clinic: Site) -> None:
    outcomes = Counter(race([booking(clinic, START) for _ in range(24)]))
    assert outcomes == {"ok": 1, "slot_taken": 23}
    visit = Appointment.objects.get()
    assert Message.objects.exclude(subject_id=visit.pk).count() == 0


def test_staggered_starts_never_exceed_what_a_nurse_may_watch(clinic: Site) -> None:
    for n in range(8):
        Resource.objects.create(site=clinic, kind="chair", name=f"More {n}", capacity=1)
    starts = [START + timedelta(minutes=15 * (n % 4)) for n in range(24)]
    outcomes = Counter(race([booking(clinic, start) for start in starts]))
    assert set(outcomes) == {"ok", "slot_taken"}
    nurse = Resource.objects.get(site=clinic, kind="nurse")
    watched = Allocation.objects.filter(resource=nurse, use="shared")
    assert most_outcomes(list(watched.values_list("start_at", "end_at"))) == 3
    assert outcomes["ok"] == watched.count() == 3


def test_one_patient_asked_for_twice_at_once_gets_one_visit(clinic: Site) -> None:
    Resource.objects.create(site=clinic, kind="chair", name="Second", capacity=1)
    Resource.objects.create(site=clinic, kind="nurse", name="Second", capacity=3)
    patient = PatientFactory.create(site=clinic)
    starts = [START, START + timedelta(minutes=30)] * 4
    outcomes = Counter(race([booking(clinic, start, patient.pk) for start in starts]))
    assert outcomes["ok"] == 1
    assert set(outcomes) <= {"ok", "patient_busy", "slot_taken"}


def test_cancelling_moving_and_booking_together_leave_a_consistent_clinic(clinic: Site) -> None:
    visits = [booking(clinic, START + timedelta(hours=2 * n))() for n in range(4)]
    jobs: list[Callable[[], object]] = []
    for visit in visits:
        jobs += [
            lambda visit=visit: visit_steps.step(  # type: ignore[misc]
                actor=SYSTEM, now=NOW, appointment_id=visit.pk, verb=Verb.CANCEL
            ),
            lambda visit=visit: appointments.reschedule(  # type: ignore[misc]
                actor=SYSTEM, now=NOW, appointment_id=visit.pk, start=START + timedelta(days=1)
            ),
            booking(clinic, visit.start_at),
        ]
    outcomes = Counter(race(jobs))
    assert set(outcomes) <= {"ok", "slot_taken", "invalid_transition", "moved_meanwhile"}
    for visit in Appointment.objects.all():
        held = visit.allocations.filter(released_at=None)
        freed = visit.status in Appointment.FREES_RESOURCES
        assert held.exists() is not freed
        assert not held.exclude(start_at__gte=visit.start_at, end_at__lte=visit.end_at).exists()
        waiting = Message.objects.filter(subject_id=visit.pk, status="queued")
        assert waiting.exists() is not freed
        assert not waiting.exclude(plan_version=visit.plan_version).exists()


def test_cancelling_twice_at_once_happens_once(clinic: Site) -> None:
    visit = booking(clinic, START)()
    cancel = lambda: visit_steps.step(actor=SYSTEM, now=NOW, appointment_id=visit.pk, verb=Verb.CANCEL)  # noqa: E731
    assert sorted(race([cancel] * 6)) == ["invalid_transition"] * 5 + ["ok"]
    assert visit.events.filter(verb="cancel").count() == 1


def test_overlaps_are_impossible_even_in_the_rows(clinic: Site) -> None:
    for n in range(3):
        Resource.objects.create(site=clinic, kind="chair", name=f"More {n}", capacity=1)
    starts = [START + timedelta(minutes=15 * n) for n in range(12)] * 2
    race([booking(clinic, start) for start in starts])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM scheduling_allocation a JOIN scheduling_allocation b"
            " ON a.resource_id = b.resource_id AND a.lane = b.lane AND a.id < b.id"
            " AND a.start_at < b.end_at AND b.start_at < a.end_at"
        )
        assert cursor.fetchone() == (0,)
    assert Allocation.objects.filter(end_at__lte=F("start_at")).count() == 0
