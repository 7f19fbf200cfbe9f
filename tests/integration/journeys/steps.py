"""What staff and patients do in every journey."""

from datetime import datetime
from typing import Any

from rest_framework.test import APIClient

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common import clock
from patients.models import Consent, Patient
from patients.services import consents
from scheduling.models import WorkingHours
from scheduling.services import holidays
from tests.factories import open_clinic
from tests.factories.sessions import pass_discharge, pass_start_gates


def open_on_weekdays(site: Site, *, now: datetime) -> None:
    """Two chairs from 08:00 to 18:00, closed at weekends and on the holidays of Colorado."""
    open_clinic(site)
    WorkingHours.objects.filter(site=site, weekday__gte=5).delete()
    holidays.choose(actor=SYSTEM, now=now, site_id=site.pk, country="US", subdivision="CO")
    holidays.sync(actor=SYSTEM, now=now, site_id=site.pk, years=[2026, 2027])


def agree_to_more_texts(patient: Patient, *, now: datetime) -> None:
    """More than one a day or three a week, as staff wrote down."""
    consents.record(
        actor=SYSTEM,
        now=now,
        patient_id=patient.pk,
        channel="sms",
        purpose=Consent.Purpose.FREQUENT,
        granted=True,
        source=Consent.Source.STAFF,
    )


def post(client: APIClient, path: str, body: dict[str, Any] | None = None, *, status: int = 200) -> Any:
    """One step over HTTP that must be accepted."""
    answer = client.post(f"/api/v1/{path}", body or {})
    assert answer.status_code == status, answer.json()
    return answer.json()


def attend(nurse: APIClient, visit: int) -> None:
    """Come, be ready, be treated, be discharged and go; all at the clinic's present time."""
    post(nurse, f"appointments/{visit}/check-in/")
    pass_start_gates(visit, now=clock.now())
    post(nurse, f"appointments/{visit}/start/")
    pass_discharge(visit, now=clock.now())
    post(nurse, f"appointments/{visit}/complete/")
