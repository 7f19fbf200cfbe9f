"""Prescribers, nurses and workers at once on real PostgreSQL; and what the database itself refuses."""

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common.errors import DomainError
from patients.models import Message, Patient, WorkItem
from scheduling.domain.check_in_history import DoseKind
from scheduling.domain.check_ins import plan
from scheduling.due import CheckIns
from scheduling.models import CheckIn, DoseEvent, Prescription
from scheduling.selectors.check_ins import facts_of, rules_in_force
from scheduling.selectors.prescriptions import history
from scheduling.services import check_ins, prescriptions
from tests.conftest import NOW
from tests.factories import PatientFactory
from tests.factories.prescriptions import prescribed
from tests.factories.racing import at_once

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

LOCK_TIMEOUT_SECONDS = 3
"""What clinic.settings.base gives a statement that waits for a lock."""
YOUNG = date(2004, 1, 1)
DAY_8 = datetime(2027, 1, 13, 15, 0, tzinfo=NOW.tzinfo)


def increase(prescription: Prescription, dose: int, version: int | None = None) -> Callable[[], object]:
    return lambda: (
        prescriptions.change_dose(
            actor=SYSTEM,
            now=NOW,
            prescription_id=prescription.pk,
            dose_mg=Decimal(dose),
            effective_on=date(2027, 1, 6),
            expected_version=version,
        ).pk
    )


def test_two_orders_at_once_come_one_after_the_other(site: Site) -> None:
    prescription = prescribed(PatientFactory.create(site=site))
    assert at_once([increase(prescription, 100), increase(prescription, 150)]) == [prescription.pk] * 2
    events = history(Prescription.objects.get(pk=prescription.pk))
    assert [event.sequence for event in events] == [1, 2, 3]
    second = DoseKind.INCREASE if events[1].dose_mg < events[2].dose_mg else DoseKind.DECREASE
    assert [event.kind for event in events] == [DoseKind.START, DoseKind.INCREASE, second]
    planned = plan(
        events=events,
        rules=rules_in_force(),
        facts=facts_of(prescription.patient, indication="depression", now=NOW),
        drug_class="ssri",
    )
    active = CheckIn.objects.filter(prescription=prescription, status__in=CheckIn.OPEN)
    assert sorted(active.values_list("key", flat=True)) == sorted(row.key for row in planned)


def test_of_two_orders_for_the_same_version_one_is_refused(site: Site) -> None:
    prescription = prescribed(PatientFactory.create(site=site))
    results = at_once([increase(prescription, 100, version=1), increase(prescription, 150, version=1)])
    assert sorted(map(str, results)) == sorted([str(prescription.pk), "stale_version"])
    assert DoseEvent.objects.filter(prescription=prescription).count() == 2


def test_of_two_equal_orders_one_is_refused(site: Site) -> None:
    prescription = prescribed(PatientFactory.create(site=site))
    results = at_once([increase(prescription, 100), increase(prescription, 100)])
    assert sorted(map(str, results)) == sorted([str(prescription.pk), "same_dose"])


def test_four_workers_do_each_patient_once(site: Site) -> None:
    patients = [PatientFactory.create(site=site, date_of_birth=YOUNG) for _each in range(12)]
    for patient in patients:
        prescribed(patient)
    jobs = [lambda: check_ins.advance(now=DAY_8, limit=5) for _worker in range(4)]
    for _round in range(10):
        if not any(at_once(jobs)):
            break
    missed = CheckIn.objects.filter(status="missed")
    assert missed.count() == len(patients)
    items = WorkItem.objects.filter(kind="check_in_missed")
    assert items.count() == items.values("patient").distinct().count() == len(patients)
    due_at = CheckIns().next_due_at()
    assert due_at is not None
    assert due_at > DAY_8
    assert check_ins.advance(now=DAY_8, limit=5) == 0


def test_a_locked_patient_is_left_to_the_next_look(site: Site) -> None:
    held, free = (PatientFactory.create(site=site, date_of_birth=YOUNG) for _each in range(2))
    for patient in (held, free):
        prescribed(patient)
    with transaction.atomic():
        Patient.objects.select_for_update().get(pk=held.pk)
        began = time.monotonic()
        [done] = at_once([lambda: check_ins.advance(now=DAY_8, limit=10)])
        assert done == 1
        assert time.monotonic() - began < LOCK_TIMEOUT_SECONDS
    assert set(CheckIn.objects.filter(status="missed").values_list("patient_id", flat=True)) == {free.pk}
    assert check_ins.advance(now=DAY_8, limit=10) == 1


def test_one_broken_record_does_not_hold_up_the_others(site: Site) -> None:
    broken, sound = (PatientFactory.create(site=site, date_of_birth=YOUNG) for _each in range(2))
    for patient in (broken, sound):
        prescribed(patient)
    Patient.objects.filter(pk=broken.pk).update(timezone="Mars/Olympus")
    assert check_ins.advance(now=DAY_8, limit=10) == 1
    assert set(CheckIn.objects.filter(status="missed").values_list("patient_id", flat=True)) == {sound.pk}
    due_at = CheckIns().next_due_at()
    assert due_at is not None
    assert due_at < DAY_8 - timedelta(seconds=CheckIns.stale_after_seconds)


def test_a_stop_and_an_answer_at_once_leave_one_truth(site: Site) -> None:
    prescription = prescribed(PatientFactory.create(site=site))
    row = CheckIn.objects.get(prescription=prescription, code="ONSET7")
    now = datetime(2027, 1, 11, 17, 0, tzinfo=NOW.tzinfo)

    def stop() -> object:
        return prescriptions.stop(
            actor=SYSTEM, now=now, prescription_id=prescription.pk, effective_on=date(2027, 1, 11)
        ).pk

    def answer() -> object:
        return check_ins.record(actor=SYSTEM, now=now, check_in_id=row.pk).check_in.status

    results = at_once([stop, answer])
    row.refresh_from_db()
    assert (row.status, results[1]) in {("answered", "answered"), ("superseded", "invalid_transition")}
    assert not Message.objects.filter(subject_id=row.pk, status="queued").exists()


def test_a_refused_order_leaves_nothing_behind(site: Site) -> None:
    prescription = prescribed(PatientFactory.create(site=site))
    before = list(CheckIn.objects.order_by("pk").values())
    messages = list(Message.objects.order_by("pk").values())
    with pytest.raises(DomainError, match="dose taken until then"):
        increase(prescription, 50)()
    assert list(CheckIn.objects.order_by("pk").values()) == before
    assert list(Message.objects.order_by("pk").values()) == messages


@pytest.fixture
def answered(site: Site) -> CheckIn:
    prescription = prescribed(PatientFactory.create(site=site))
    row = CheckIn.objects.get(prescription=prescription, code="ONSET7")
    return check_ins.record(
        actor=SYSTEM, now=datetime(2027, 1, 11, 17, 0, tzinfo=NOW.tzinfo), check_in_id=row.pk
    ).check_in


def test_the_database_keeps_answers_and_rows(answered: CheckIn) -> None:
    with pytest.raises(DatabaseError, match="settled as answered"):
        CheckIn.objects.filter(pk=answered.pk).update(status="superseded", answered_on=None)
    with pytest.raises(DatabaseError, match="never deleted"):
        CheckIn.objects.filter(pk=answered.pk).delete()
    with pytest.raises(DatabaseError, match="never changed"):
        DoseEvent.objects.filter(prescription=answered.prescription_id).update(dose_mg=1)


def test_the_database_lets_no_open_row_be_forgotten(answered: CheckIn) -> None:
    waiting = CheckIn.objects.filter(prescription=answered.prescription_id, status="planned")
    with pytest.raises(DatabaseError, match="check_in_never_forgotten"):
        waiting.update(next_action_at=None)
