"""No double booking is a database fact: these tests write rows directly, past every service."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from clinic.access.models import Site
from scheduling.models import Allocation, Appointment, Resource
from tests.factories import PatientFactory, ResourceFactory, visit_type

pytestmark = pytest.mark.django_db

NINE = datetime(2027, 1, 4, 16, 0, tzinfo=UTC)


def at(hour: float) -> datetime:
    return NINE + timedelta(hours=hour - 9)


def appointment(site: Site, *, start: float = 9, end: float = 11, **extra: Any) -> Appointment:
    return Appointment.objects.create(
        patient=extra.pop("patient", None) or PatientFactory.create(site=site),
        visit_type=visit_type(),
        site=site,
        start_at=at(start),
        end_at=at(end),
        created_at=NINE,
        scheduled_at=NINE,
        **extra,
    )


def allocate(resource: Resource, start: float, end: float, lane: int, **extra: Any) -> Allocation:
    return Allocation.objects.create(
        appointment=appointment(resource.site, start=start, end=end),
        resource=resource,
        use="exclusive" if lane == 0 else "shared",
        lane=lane,
        start_at=at(start),
        end_at=at(end),
        **extra,
    )


def refused(name: str) -> Any:
    return pytest.raises(IntegrityError, match=name)


def test_a_lane_holds_one_allocation_at_a_time(site: Site) -> None:
    nurse = ResourceFactory.create(site=site, kind="nurse")
    allocate(nurse, 9, 10, lane=1)
    allocate(nurse, 10, 11, lane=1)
    allocate(nurse, 9, 11, lane=2)
    with refused("allocation_lane_free"), transaction.atomic():
        allocate(nurse, 9.5, 10.5, lane=1)


def test_lanes_end_at_the_capacity_whoever_writes(site: Site) -> None:
    nurse = ResourceFactory.create(site=site, kind="nurse", capacity=3)
    allocate(nurse, 9, 10, lane=3)
    with refused("lane 4 is beyond the capacity"), transaction.atomic():
        allocate(nurse, 9, 10, lane=4)
    with refused("booked beyond capacity 2"), transaction.atomic():
        Resource.objects.filter(pk=nurse.pk).update(capacity=2)


def test_hands_on_runs_beside_watching_for_a_nurse_but_a_chair_is_alone(site: Site) -> None:
    nurse = ResourceFactory.create(site=site, kind="nurse")
    allocate(nurse, 9, 10, lane=0)
    allocate(nurse, 9, 10, lane=1)
    pump = ResourceFactory.create(site=site, kind="pump", capacity=2)
    allocate(pump, 9, 10, lane=0)
    with refused("allocation_lane_free"), transaction.atomic():
        allocate(pump, 9, 10, lane=2)
    allocate(pump, 10, 11, lane=1)
    allocate(pump, 10, 11, lane=2)
    with refused("allocation_lane_free"), transaction.atomic():
        allocate(pump, 10, 11, lane=0, alone=False)


def test_a_released_allocation_is_out_of_the_way(site: Site) -> None:
    chair = ResourceFactory.create(site=site)
    allocate(chair, 9, 11, lane=0, released_at=NINE)
    allocate(chair, 9, 11, lane=0)
    with refused("allocation_lane_free"), transaction.atomic():
        Allocation.objects.filter(resource=chair).update(released_at=None)


def test_a_patient_is_in_one_visit_at_a_time_at_every_site(site: Site) -> None:
    patient = PatientFactory.create(site=site)
    appointment(site, patient=patient, start=9, end=11)
    appointment(site, patient=patient, start=11, end=12)
    appointment(site, patient=patient, start=9, end=11, status="cancelled")
    with refused("appointment_patient_free"), transaction.atomic():
        appointment(site, patient=patient, start=10, end=10.5)


@pytest.mark.parametrize("lanes", list(permutations([1, 2, 3])))
def test_one_statement_may_swap_lanes(site: Site, lanes: tuple[int, ...]) -> None:
    nurse = ResourceFactory.create(site=site, kind="nurse")
    rows = [allocate(nurse, 9, 11, lane=lane) for lane in (1, 2, 3)]
    for row, lane in zip(rows, lanes, strict=True):
        row.lane = lane
    Allocation.objects.bulk_update(rows, ["lane"])
    assert [Allocation.objects.get(pk=row.pk).lane for row in rows] == list(lanes)


@pytest.mark.parametrize("table", ["scheduling_appointmentevent", "patients_consent", "scheduling_doseevent"])
def test_history_is_append_only(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
            " WHERE tgrelid = %s::regclass AND proname = 'onset_append_only'",
            [table],
        )
        assert cursor.fetchone() == (1,)


def test_an_event_cannot_be_rewritten(site: Site) -> None:
    visit = appointment(site)
    event = visit.events.create(verb="book", to_status="booked", at=NINE)
    event.reason = "rewritten"
    with refused("never changed"), transaction.atomic():
        event.save()


def test_a_resource_that_was_booked_keeps_its_kind(site: Site) -> None:
    chair = ResourceFactory.create(site=site)
    Resource.objects.filter(pk=chair.pk).update(kind="room")
    allocate(ResourceFactory.create(site=site), 9, 10, lane=0)
    booked = Allocation.objects.get().resource
    with refused("its kind stays"), transaction.atomic():
        Resource.objects.filter(pk=booked.pk).update(kind="room")
