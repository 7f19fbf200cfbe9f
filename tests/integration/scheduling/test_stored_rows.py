"""The short way to rows does what Django's own does: same values, same locks, same refusals."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common import rows
from patients.models import Message, Patient
from scheduling.domain.transitions import Status
from scheduling.models import Appointment, Resource
from scheduling.services import appointments
from tests.conftest import NOW
from tests.factories import PatientFactory, open_clinic, visit_type
from tests.factories.racing import race

pytestmark = pytest.mark.django_db

START = NOW + timedelta(days=7, hours=1)


def unsaved(patient: Patient, *, channel: str = "sms", subject_id: int = 7) -> Message:
    return Message(
        patient=patient,
        subject_kind="appointment",
        subject_id=subject_id,
        plan_version=2,
        kind="confirmation",
        channel=channel,
        status=Message.Status.QUEUED,
        created_at=NOW,
        planned_at=NOW,
        due_at=NOW,
        not_after=NOW + timedelta(hours=1),
        context={"site": "Ünder 'quotes' %s", "nested": [1, None, {"a": True}]},
    )


def test_inserted_rows_are_those_that_django_would_have_written(site: Site) -> None:
    patient = PatientFactory.create(site=site)
    made = [unsaved(patient), unsaved(patient, channel="email")]
    rows.insert(made)
    like = unsaved(patient, subject_id=8)
    like.save()
    read = list(Message.objects.filter(pk__in=[each.pk for each in made]).order_by("pk"))
    assert [each.channel for each in read] == ["sms", "email"]
    differ = {"id", "subject_id"}
    fields = [field.attname for field in Message._meta.concrete_fields if field.attname not in differ]
    again = Message.objects.get(pk=like.pk)
    assert [getattr(read[0], name) for name in fields] == [getattr(again, name) for name in fields]
    made[0].reason = "changed"
    made[0].save(update_fields=["reason"])  # it knows that it is stored
    assert Message.objects.get(pk=made[0].pk).reason == "changed"


def test_a_broken_constraint_is_an_integrity_error(site: Site) -> None:
    patient = PatientFactory.create(site=site)
    ends_first = Appointment(
        patient=patient,
        visit_type=visit_type("ketamine-mood"),
        site=site,
        start_at=START,
        end_at=START,
        status=Status.BOOKED,
        created_at=NOW,
        scheduled_at=NOW,
    )
    with pytest.raises(IntegrityError, match="appointment_order"), transaction.atomic():
        rows.insert([ends_first])
    assert not Appointment.objects.exists()


def test_nothing_to_insert_is_no_statement() -> None:
    with CaptureQueriesContext(connection) as statements:
        rows.insert([])
    assert not statements.captured_queries


def test_locked_rows_come_in_the_order_of_their_ids_without_those_that_are_gone(site: Site) -> None:
    open_clinic(site, chairs=3, nurses=1)
    ids = list(Resource.objects.filter(site=site).order_by("-pk").values_list("pk", flat=True))
    locked = rows.lock(Resource, [*ids, max(ids) + 1000])
    assert [each.pk for each in locked] == sorted(ids)
    by_django = {each.pk: each for each in Resource.objects.filter(site=site)}
    names = [field.attname for field in Resource._meta.concrete_fields]
    for each in locked:
        assert [getattr(each, name) for name in names] == [
            getattr(by_django[each.pk], name) for name in names
        ]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_who_lock_the_same_row_do_not_lose_each_others_change(site: Site) -> None:
    open_clinic(site, chairs=1, nurses=0)
    chair = Resource.objects.get(site=site, kind="chair")

    def one_more() -> None:
        with transaction.atomic():
            (locked,) = rows.lock(Resource, [chair.pk])
            locked.capacity += 1
            locked.save(update_fields=["capacity"])

    race([one_more] * 12)
    chair.refresh_from_db()
    assert chair.capacity == 13


def statements_of_a_booking(site: Site, patient: Patient, *, days: int) -> int:
    with CaptureQueriesContext(connection) as statements:
        appointments.book(
            actor=SYSTEM,
            now=NOW,
            patient_id=patient.pk,
            visit_type=visit_type("ketamine-mood"),
            site=site,
            start=START + timedelta(days=days),
        )
    return sum("SAVEPOINT" not in each["sql"] for each in statements.captured_queries)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_booking_takes_as_many_statements_in_a_large_clinic_for_an_old_patient(site: Site) -> None:
    open_clinic(site, chairs=1, nurses=1)
    patient = PatientFactory.create(site=site, accepts_sms=True, accepts_email=True)
    first = statements_of_a_booking(site, patient, days=0)
    for n in range(20):
        Resource.objects.create(site=site, kind="chair", name=f"More {n}", capacity=1)
    counts = {statements_of_a_booking(site, patient, days=7 * n) for n in range(1, 4)}
    assert counts == {first}
    assert first <= 19
