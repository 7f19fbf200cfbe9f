"""A site with one of everything that FHIR shows, and callers of each role."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Assessment, Patient
from patients.services import assessments
from patients.services.assessments import Submission
from scheduling.models import Appointment, InfusionSession, Prescription, Resource, VitalReading
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, open_clinic
from tests.factories.bookings import booked
from tests.factories.prescriptions import prescribed
from tests.fakes.fhir_validator import refuse_invalid

BASE = "/fhir/r4"


@dataclass(frozen=True)
class Records:
    """One of each, all of one patient."""

    site: Site
    chair: Resource
    patient: Patient
    visit: Appointment
    prescription: Prescription
    assessment: Assessment
    session: InfusionSession
    reading: VitalReading

    def ids(self) -> dict[str, str]:
        """Type -> the id of the one there is."""
        return {
            "Patient": str(self.patient.pk),
            "Location": str(self.site.pk),
            "Schedule": str(self.chair.pk),
            "Appointment": str(self.visit.pk),
            "MedicationRequest": str(self.prescription.pk),
            "QuestionnaireResponse": str(self.assessment.pk),
            "Observation": f"bp-{self.reading.pk}",
        }


def reading_of(session: InfusionSession, **fields: Any) -> VitalReading:
    """A whole set of signs."""
    plain: dict[str, Any] = {
        "measured_at": NOW,
        "recorded_at": NOW,
        "systolic": 138,
        "diastolic": 86,
        "heart_rate": 72,
        "spo2": 97,
        "respiratory_rate": 14,
        "temperature_c": "36.6",
    }
    return VitalReading.objects.create(session=session, **(plain | fields))


def answered(patient: Patient, at: datetime = NOW, **answers: int) -> Assessment:
    """A whole PHQ-9."""
    given = dict.fromkeys(map(str, range(1, 10)), 1) | answers
    submission = Submission(instrument="PHQ-9", answers=given, answered_at=at, source="in_clinic")
    assessments.record(actor=SYSTEM, now=NOW, patient_id=patient.pk, submission=submission)
    return Assessment.objects.get(patient=patient, answered_at=at)


def furnish(site: Site, *, start: datetime = NOW) -> Records:
    """One of everything."""
    chair, *_others = open_clinic(site, chairs=1)
    patient = PatientFactory.create(site=site, preferred_name="Anita", sex="female")
    visit = booked(site, start, on={chair: 0}, minutes=120, patient=patient)
    session = InfusionSession.objects.create(appointment=visit, weight_kg="70.5", weighed_at=start)
    return Records(
        site, chair, patient, visit, prescribed(patient), answered(patient), session, reading_of(session)
    )


@pytest.fixture
def records(site: Site, clock: Callable[[datetime], None]) -> Records:
    """At the caller's site."""
    return furnish(site)


@pytest.fixture
def elsewhere(db: None) -> Records:
    """The same at a site that is not the caller's, on the next day."""
    return furnish(SiteFactory.create(), start=NOW + timedelta(days=1))


@pytest.fixture
def nurse(records: Records, client_as: Callable[..., APIClient]) -> APIClient:
    """Who reads everything at the site."""
    return client_as("nurse", records.site)


def bundle(client: APIClient, query: str, **form: str) -> dict[str, Any]:
    """The valid Bundle that a search answers with; by POST when there is a form."""
    answer = posted(client, query, form) if form else client.get(f"{BASE}/{query}")
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "application/fhir+json"
    found: dict[str, Any] = answer.json()
    refuse_invalid(found)
    assert (found["resourceType"], found["type"]) == ("Bundle", "searchset")
    return found


def posted(client: APIClient, kind: str, form: Mapping[str, str]) -> Any:
    """The answer to a search by POST."""
    return client.post(
        f"{BASE}/{kind}/_search", urlencode(form), content_type="application/x-www-form-urlencoded"
    )


def matches(found: dict[str, Any]) -> list[str]:
    """The ids of what a Bundle holds."""
    return [entry["resource"]["id"] for entry in found.get("entry", ()) if entry["search"]["mode"] == "match"]


def refusal(answer: Any, status: int) -> str:
    """The code of a valid OperationOutcome."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/fhir+json"
    refuse_invalid(answer.json())
    return str(answer.json()["issue"][0]["details"]["coding"][0]["code"])
