"""Location: a site. Schedule: what can be booked there, one per resource of ours."""

from typing import Any

from clinic.access.models import Site
from scheduling.fhir.mappers import elements
from scheduling.fhir.mappers.elements import filled
from scheduling.models import Resource

ACTORS = {
    Resource.Kind.CHAIR: "Location",
    Resource.Kind.ROOM: "Location",
    Resource.Kind.PUMP: "Device",
    Resource.Kind.NURSE: "Practitioner",
    Resource.Kind.PRESCRIBER: "Practitioner",
}
"""What a resource of ours is in FHIR."""


def location(row: Site) -> dict[str, Any]:
    """One site."""
    return filled(
        {
            "resourceType": "Location",
            "id": str(row.pk),
            "meta": elements.meta(version=row.version),
            "status": "active" if row.active else "inactive",
            "name": row.name,
            "mode": "instance",
            "telecom": [{"system": "phone", "value": row.phone}] if row.phone else [],
            "address": {"text": row.address} if row.address else None,
        }
    )


def schedule(row: Resource, *, home: str) -> dict[str, Any]:
    """The time of one chair, pump, room or person; its actors are that resource and the site."""
    return {
        "resourceType": "Schedule",
        "id": str(row.pk),
        "meta": elements.meta(version=row.version),
        "active": row.active,
        "actor": [
            actor(row, home=home, display=row.name),
            elements.reference("Location", row.site_id),
        ],
    }


def actor(row: Resource, *, home: str, display: str = "") -> dict[str, Any]:
    """A resource by its identifier; none of them is served as a FHIR resource of its own."""
    return elements.logical(ACTORS[Resource.Kind(row.kind)], home, "resource", row.pk, display=display)
