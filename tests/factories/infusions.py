"""Infusion visits whose patient is here, made through the services."""

from datetime import UTC, datetime, timedelta

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Patient
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment
from scheduling.services import appointments, visit_steps
from tests.conftest import NOW
from tests.factories import PatientFactory, visit_type

NINE = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)
"""Monday 09:00 in Denver, a week after NOW."""


def booked_infusion(
    site: Site, code: str = "ketamine-mood", *, start: datetime = NINE, patient: Patient | None = None
) -> Appointment:
    """Booked on the best free resources."""
    return appointments.book(
        actor=SYSTEM,
        now=NOW,
        patient_id=(patient or PatientFactory.create(site=site)).pk,
        visit_type=visit_type(code),
        site=site,
        start=start,
    )


def arrived_infusion(
    site: Site, code: str = "ketamine-mood", *, start: datetime = NINE, patient: Patient | None = None
) -> Appointment:
    """The same; the patient came ten minutes early."""
    visit = booked_infusion(site, code, start=start, patient=patient)
    return visit_steps.step(
        actor=SYSTEM, now=start - timedelta(minutes=10), appointment_id=visit.pk, verb=Verb.CHECK_IN
    )
