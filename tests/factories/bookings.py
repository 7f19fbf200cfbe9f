"""Booked visits written straight into the tables, for tests that are not about booking."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from clinic.access.models import Site
from patients.models import Patient
from scheduling.models import Allocation, Appointment, Resource
from tests.factories import CREATED, PatientFactory, visit_type


def booked(
    site: Site,
    start: datetime,
    *,
    on: Mapping[Resource, int],
    minutes: int = 60,
    patient: Patient | None = None,
    **fields: Any,
) -> Appointment:
    """A visit holding these lanes (0: exclusive use) of these resources from start to end."""
    end = start + timedelta(minutes=minutes)
    appointment = Appointment.objects.create(
        site=site,
        patient=patient or PatientFactory.create(site=site),
        visit_type=visit_type(),
        start_at=start,
        end_at=end,
        created_at=CREATED,
        **{"scheduled_at": CREATED, **fields},
    )
    for resource, lane in on.items():
        Allocation.objects.create(
            appointment=appointment,
            resource=resource,
            use="shared" if lane else "exclusive",
            lane=lane,
            start_at=start,
            end_at=end,
        )
    return appointment
