"""Prescriptions made by the service, so that their check-ins and the messages about them are there."""

from decimal import Decimal
from typing import Any

from clinic.access.policy import SYSTEM
from patients.models import Patient
from scheduling.models import Prescription
from scheduling.services import prescriptions
from tests.conftest import NOW


def prescribed(patient: Patient, **order: Any) -> Prescription:
    """Sertraline for depression, 50 mg, ordered at NOW and taken from that day on, unless told otherwise."""
    plain: dict[str, Any] = {
        "actor": SYSTEM,
        "now": NOW,
        "medication": "sertraline",
        "drug_class": "ssri",
        "dose_mg": Decimal(50),
        "first_dose_on": NOW.date(),
        "indication": "depression",
    }
    return prescriptions.prescribe(patient_id=patient.pk, **(plain | order))
