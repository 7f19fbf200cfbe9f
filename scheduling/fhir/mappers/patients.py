"""Patient: who the person is and how to reach them."""

from typing import Any

from patients.models import Patient
from scheduling.fhir.mappers import elements
from scheduling.fhir.mappers.elements import filled

GENDERS = {
    Patient.Sex.FEMALE: "female",
    Patient.Sex.MALE: "male",
    Patient.Sex.OTHER: "other",
    Patient.Sex.UNKNOWN: "unknown",
}
"""Our word -> http://hl7.org/fhir/ValueSet/administrative-gender."""
_RECORD_NUMBER = elements.coding(
    "http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "Medical record number"
)


def patient(row: Patient, *, home: str) -> dict[str, Any]:
    """One patient. ``deceasedBoolean`` only when it is known; a closed record is not active."""
    mrn = {
        "use": "usual",
        "type": elements.concept(_RECORD_NUMBER),
        **elements.identifier(home, "mrn", row.mrn),
    }
    return filled(
        {
            "resourceType": "Patient",
            "id": str(row.pk),
            "meta": elements.meta(version=row.version),
            "identifier": [mrn],
            "active": row.status == Patient.Status.ACTIVE,
            "name": _names(row),
            "telecom": _telecom(row),
            "gender": GENDERS[Patient.Sex(row.sex)],
            "birthDate": row.date_of_birth.isoformat(),
            "deceasedBoolean": True if row.status == Patient.Status.DECEASED else None,
            "communication": [
                {
                    "language": elements.concept(elements.coding("urn:ietf:bcp:47", row.language)),
                    "preferred": True,
                }
            ],
            "managingOrganization": elements.logical("Organization", home, "site", row.site_id),
        }
    )


def _names(row: Patient) -> list[dict[str, Any]]:
    official = {"use": "official", "family": row.last_name, "given": [row.first_name]}
    usual = {"use": "usual", "family": row.last_name, "given": [row.preferred_name]}
    return [official, usual] if row.preferred_name else [official]


def _telecom(row: Patient) -> list[dict[str, Any]]:
    ways = (("phone", row.phone), ("email", row.email))
    return [{"system": system, "value": value} for system, value in ways if value]
