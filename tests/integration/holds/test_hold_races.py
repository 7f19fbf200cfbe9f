"""Holds on real PostgreSQL with many at once: one gets a slot, and a hold comes to exactly one end."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import IntegrityError, transaction

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common.errors import Conflict
from patients.models import Patient
from scheduling.domain.phases import Kind
from scheduling.models import Allocation, Appointment, Hold, Resource
from scheduling.selectors.availability import Question
from scheduling.services import allocations, appointments, holds
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type
from tests.factories.racing import race

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

START = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)
EXPIRY = NOW + timedelta(minutes=10)
ROUNDS = 6


@pytest.fixture
def clinic() -> Site:
    site = SiteFactory.create()
    open_clinic(site, chairs=1)
    return site


def hold(site: Site, patient: Patient, *, now: datetime = NOW, start: datetime = START) -> Hold:
    return holds.hold(
        actor=SYSTEM, now=now, patient_id=patient.pk, visit_type=visit_type(), site=site, start=start
    )


def use(kept: Hold, *, now: datetime) -> Appointment:
    return holds.book(
        actor=SYSTEM,
        now=now,
        hold_id=kept.pk,
        patient_id=kept.patient_id,
        visit_type=visit_type(),
        site=kept.site,
        start=kept.start_at,
    )


def book(site: Site, patient: Patient, *, now: datetime) -> Appointment:
    return appointments.book(
        actor=SYSTEM, now=now, patient_id=patient.pk, visit_type=visit_type(), site=site, start=START
    )


def test_one_of_many_holds_the_only_slot(clinic: Site) -> None:
    patients = [PatientFactory.create(site=clinic) for _ in range(12)]
    jobs: list[Callable[[], object]] = [partial(hold, clinic, each) for each in patients[:6]]
    jobs += [partial(book, clinic, each, now=NOW) for each in patients[6:]]
    outcomes = Counter(race(jobs))
    assert outcomes == {"ok": 1, "slot_taken": 11}
    assert Hold.objects.count() + Appointment.objects.count() == 1


def test_a_hold_used_by_many_at_once_becomes_one_visit(clinic: Site) -> None:
    kept = hold(clinic, PatientFactory.create(site=clinic))
    outcomes = Counter(race([partial(use, kept, now=NOW) for _ in range(8)]))
    assert outcomes == {"ok": 1, "hold_used": 7}
    assert Appointment.objects.count() == 1


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_a_hold_expiring_while_it_is_used_comes_to_one_end(clinic: Site, _round: int) -> None:
    """Clocks of two processes differ: for one the hold still stands, for the other it is over."""
    kept = hold(clinic, PatientFactory.create(site=clinic))
    other = PatientFactory.create(site=clinic)
    just_before = EXPIRY - timedelta(milliseconds=1)
    used, booked = race([partial(use, kept, now=just_before), partial(book, clinic, other, now=EXPIRY)])
    assert (used, booked) in {("ok", "slot_taken"), ("hold_expired", "ok")}
    visit = Appointment.objects.get()
    assert visit.patient_id == (kept.patient_id if used == "ok" else other.pk)
    assert set(Allocation.objects.values_list("appointment_id", flat=True)) == {visit.pk}


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_released_or_used_but_not_both(clinic: Site, _round: int) -> None:
    kept = hold(clinic, PatientFactory.create(site=clinic))
    release = partial(holds.release, actor=SYSTEM, now=NOW, hold_id=kept.pk)
    outcomes = race([partial(use, kept, now=NOW), release])
    assert outcomes in (["ok", "hold_used"], ["hold_released", "ok"])
    assert Appointment.objects.exists() is (outcomes[0] == "ok")
    assert Allocation.objects.exists() is (outcomes[0] == "ok")


def test_one_patient_holds_one_time_at_a_time(clinic: Site) -> None:
    Resource.objects.create(site=clinic, kind="chair", name="Second", capacity=1)
    Resource.objects.create(site=clinic, kind="nurse", name="Second", capacity=3)
    patient = PatientFactory.create(site=clinic)
    starts = [START, START + timedelta(minutes=30)] * 3
    jobs: list[Callable[[], object]] = [partial(hold, clinic, patient, start=start) for start in starts]
    jobs += [partial(book, clinic, patient, now=NOW)]
    outcomes = Counter(race(jobs))
    assert outcomes["ok"] == 1
    assert set(outcomes) <= {"ok", "patient_busy", "slot_taken"}


def test_a_hold_made_after_the_search_still_keeps_the_patients_time(
    clinic: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The booking looked, another desk held a time on another chair, and only then the booking locks."""
    patient = PatientFactory.create(site=clinic)
    others = frozenset(
        Resource.objects.create(site=clinic, kind=kind, name="Second", capacity=capacity).pk
        for kind, capacity in (("chair", 1), ("nurse", 3))
    )
    search = allocations.propose
    outcomes: list[str] = []

    def overtaken(question: Question, start: datetime) -> dict[Kind, int]:
        chosen = search(question, start)
        if not outcomes:
            assert not others & set(chosen.values())
            outcomes.append("")
            outcomes[:] = race(
                [
                    partial(
                        holds.hold,
                        actor=SYSTEM,
                        now=NOW,
                        patient_id=patient.pk,
                        visit_type=visit_type(),
                        site=clinic,
                        start=START,
                        resource_ids=others,
                    )
                ]
            )
        return chosen

    monkeypatch.setattr(allocations, "propose", overtaken)
    with pytest.raises(Conflict) as refused:
        book(clinic, patient, now=NOW)
    assert (refused.value.code, outcomes) == ("patient_busy", ["ok"])
    assert not Appointment.objects.exists()


def test_many_expired_holds_are_cleared_by_many_bookings_without_a_deadlock(clinic: Site) -> None:
    for n in range(3):
        Resource.objects.create(site=clinic, kind="chair", name=f"More {n}", capacity=1)
        Resource.objects.create(site=clinic, kind="nurse", name=f"More {n}", capacity=3)
    for _ in range(4):
        hold(clinic, PatientFactory.create(site=clinic))
    patients = [PatientFactory.create(site=clinic) for _ in range(12)]
    outcomes = Counter(race([partial(book, clinic, each, now=EXPIRY) for each in patients]))
    assert outcomes == {"ok": 4, "slot_taken": 8}
    assert not Allocation.objects.filter(hold__isnull=False).exists()


def test_an_allocation_belongs_to_a_visit_or_a_hold(clinic: Site) -> None:
    kept = hold(clinic, PatientFactory.create(site=clinic))
    row = kept.allocations.all()[0]
    visit = book(clinic, PatientFactory.create(site=clinic), now=EXPIRY)
    for owner in ({"appointment": visit, "hold": kept}, {"appointment": None, "hold": None}):
        with pytest.raises(IntegrityError, match="allocation_one_owner"), transaction.atomic():
            Allocation.objects.create(
                **owner,
                expires_at=kept.expires_at,
                resource=row.resource,
                use="exclusive",
                lane=0,
                start_at=START + timedelta(days=1),
                end_at=START + timedelta(days=1, hours=1),
            )
