"""A clinic with one chair on Monday 2027-02-08, and people who wait for it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Patient
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, Hold, WaitlistEntry, WaitlistPolicy
from scheduling.services import appointments, holds, offers, visit_steps
from tests.factories import CREATED, PatientFactory, SiteFactory, open_clinic, visit_type

START = datetime(2027, 2, 8, 16, 0, tzinfo=UTC)
"""09:00 in Denver."""
DAY_BEFORE = START - timedelta(hours=20)
Wait = Callable[..., WaitlistEntry]


@pytest.fixture
def clinic(db: None) -> Site:
    site = SiteFactory.create()
    open_clinic(site, chairs=1)
    return site


@pytest.fixture
def ben(clinic: Site) -> Appointment:
    """The visit that will be lost: 09:00, the pain protocol, until 14:45."""
    return book(clinic, now=datetime(2027, 2, 1, 16, 0, tzinfo=UTC), code="ketamine-pain")


@pytest.fixture
def wait(clinic: Site) -> Wait:
    """``wait(patient, notice_minutes=120)``: an entry for a mood infusion in February."""

    def make(patient: Patient | None = None, **fields: Any) -> WaitlistEntry:
        return WaitlistEntry.objects.create(
            **{
                "patient": patient or PatientFactory.create(site=clinic),
                "site": clinic,
                "visit_type": visit_type(),
                "earliest_at": START - timedelta(days=7),
                "latest_at": START + timedelta(days=14),
                "created_at": CREATED,
                **fields,
            }
        )

    return make


@pytest.fixture
def one_by_one(clinic: Site) -> None:
    WaitlistPolicy.objects.create(
        site=clinic,
        mode="order",
        answer_minutes=30,
        notice_minutes=120,
        fasting_minutes=480,
        fasting_floor_minutes=120,
        source="this clinic",
        mark="D",
    )


def book(site: Site, *, now: datetime, start: datetime = START, code: str = "ketamine-mood") -> Appointment:
    """Staff book a new patient."""
    return appointments.book(
        actor=SYSTEM,
        now=now,
        patient_id=PatientFactory.create(site=site).pk,
        visit_type=visit_type(code),
        site=site,
        start=start,
    )


def hold(site: Site, patient: Patient | None = None, *, code: str = "ketamine-mood") -> Hold:
    """Staff keep a time the day before."""
    return holds.hold(
        actor=SYSTEM,
        now=DAY_BEFORE,
        patient_id=(patient or PatientFactory.create(site=site)).pk,
        visit_type=visit_type(code),
        site=site,
        start=START,
    )


def use(held: Hold, *, now: datetime) -> Appointment:
    """Turn a hold into the visit it is for."""
    return holds.book(
        actor=SYSTEM,
        now=now,
        hold_id=held.pk,
        patient_id=held.patient_id,
        visit_type=held.visit_type,
        site=held.site,
        start=held.start_at,
    )


def cancel(visit: Appointment, *, now: datetime = DAY_BEFORE) -> None:
    visit_steps.step(actor=SYSTEM, now=now, appointment_id=visit.pk, verb=Verb.CANCEL)


def tick(now: datetime) -> None:
    """What the task does, until nothing is due."""
    for _round in range(10):
        if not offers.offer_freed_slots(now=now, limit=50):
            return
    pytest.fail("the tick never comes to rest")
