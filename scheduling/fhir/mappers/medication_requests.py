"""MedicationRequest: an antidepressant prescribed, at the dose in force."""

from typing import Any

from scheduling.fhir.mappers import elements
from scheduling.fhir.mappers.elements import filled
from scheduling.models import Prescription

STATUSES = {Prescription.Status.ACTIVE: "active", Prescription.Status.STOPPED: "stopped"}
"""Our word -> http://hl7.org/fhir/ValueSet/medicationrequest-status."""


def medication_request(row: Prescription, *, home: str) -> dict[str, Any]:
    """One prescription. The medicine is given in words: no drug codes are kept."""
    return filled(
        {
            "resourceType": "MedicationRequest",
            "id": str(row.pk),
            "meta": elements.meta(version=row.version),
            "status": STATUSES[Prescription.Status(row.status)],
            "intent": "order",
            "medicationCodeableConcept": elements.concept(text=row.medication),
            "subject": elements.reference("Patient", row.patient_id),
            "authoredOn": elements.instant(row.created_at),
            "requester": elements.logical("Practitioner", home, "staff", row.prescribed_by_id)
            if row.prescribed_by_id
            else None,
            "reasonCode": [elements.concept(text=row.indication)] if row.indication else [],
            "dosageInstruction": [
                {"doseAndRate": [{"doseQuantity": elements.quantity(row.dose_mg, unit="mg", ucum="mg")}]}
            ],
            "priorPrescription": elements.reference("MedicationRequest", row.switched_from_id)
            if row.switched_from_id
            else None,
        }
    )
