"""Appointment: a visit. Slot: a time at which one can start. Nobody's name stands in either."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from scheduling.fhir.mappers import elements, places
from scheduling.fhir.mappers.elements import filled
from scheduling.models import Appointment, Resource, VisitType

_Status = Appointment.Status
STATUSES = {
    _Status.BOOKED: "booked",
    _Status.CONFIRMED: "booked",
    _Status.ARRIVED: "arrived",
    _Status.IN_PROGRESS: "checked-in",
    _Status.COMPLETED: "fulfilled",
    _Status.CANCELLED: "cancelled",
    _Status.NO_SHOW: "noshow",
}
"""Our word -> http://hl7.org/fhir/ValueSet/appointmentstatus.

``fulfilled`` would say that nothing is left to do, so treatment that runs is ``checked-in``. Whether the
patient has confirmed is the status of the patient's participation.
"""
PARTICIPATIONS = {_Status.BOOKED: "needs-action", _Status.CANCELLED: "declined"}
"""Of the patient -> http://hl7.org/fhir/ValueSet/participationstatus; otherwise ``accepted``."""
_SLOT_TIME = "%Y%m%dT%H%M%SZ"


def appointment(row: Appointment, *, held: Iterable[Resource], home: str) -> dict[str, Any]:
    """One visit, with the resources it holds now."""
    status = Appointment.Status(row.status)
    participants = [
        _participant(elements.reference("Patient", row.patient_id), PARTICIPATIONS.get(status, "accepted")),
        _participant(elements.reference("Location", row.site_id), "accepted"),
        *(_participant(places.actor(each, home=home), "accepted") for each in _once(held)),
    ]
    return {
        "resourceType": "Appointment",
        "id": str(row.pk),
        "meta": elements.meta(version=row.version),
        "status": STATUSES[status],
        "serviceType": [service_type(row.visit_type, home=home)],
        "start": elements.instant(row.start_at),
        "end": elements.instant(row.end_at),
        "minutesDuration": max(1, (row.end_at - row.start_at) // timedelta(minutes=1)),
        "created": elements.instant(row.created_at),
        "participant": participants,
    }


def slot(
    *, resource_id: int, visit_type: VisitType, start: datetime, minutes: int, home: str
) -> dict[str, Any]:
    """A free time for a visit of this type on this resource."""
    return filled(
        {
            "resourceType": "Slot",
            "id": f"{resource_id}-{visit_type.pk}-{start:{_SLOT_TIME}}",
            "serviceType": [service_type(visit_type, home=home)],
            "schedule": elements.reference("Schedule", resource_id),
            "status": "free",
            "start": elements.instant(start),
            "end": elements.instant(start + timedelta(minutes=minutes)),
        }
    )


def service_type(row: VisitType, *, home: str) -> dict[str, Any]:
    """What is done at the visit, in our own code."""
    return elements.concept(elements.coding(f"{home}/fhir/r4/visit-type", row.code), text=row.name)


def _once(held: Iterable[Resource]) -> list[Resource]:
    """A nurse may be held twice, for hands and for eyes."""
    return list({each.pk: each for each in held}.values())


def _participant(actor: dict[str, Any], status: str) -> dict[str, Any]:
    return {"actor": actor, "required": "required", "status": status}
