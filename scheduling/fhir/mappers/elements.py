"""The small parts that every resource is made of. FHIR has no empty values: what is not there is left out."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"


def filled(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None, empty text or an empty list; False and 0 stay."""
    return {
        name: value for name, value in resource.items() if value is not None and value not in ("", [], {})
    }


def meta(*, version: int, updated_at: datetime | None = None) -> dict[str, Any]:
    """Which version this is, and when it came to be where that is kept."""
    return filled(
        {"versionId": str(version), "lastUpdated": None if updated_at is None else instant(updated_at)}
    )


def instant(moment: datetime) -> str:
    """An instant in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def reference(kind: str, pk: int | str) -> dict[str, Any]:
    """To a resource that is served here."""
    return {"reference": f"{kind}/{pk}"}


def identifier(home: str, what: str, value: object) -> dict[str, Any]:
    """A name that this clinic gives; ``home`` is its PUBLIC_URL, so that no two clinics share a system."""
    return {"system": f"{home}/fhir/r4/{what}", "value": str(value)}


def logical(kind: str, home: str, what: str, value: object, *, display: str = "") -> dict[str, Any]:
    """To somebody or something that is not served here, by its identifier."""
    return filled({"type": kind, "identifier": identifier(home, what, value), "display": display})


def coding(system: str, code: str, display: str = "") -> dict[str, Any]:
    """A code of a system."""
    return filled({"system": system, "code": code, "display": display})


def concept(*codings: Mapping[str, Any], text: str = "") -> dict[str, Any]:
    """Codes that mean the same, and the words for it."""
    return filled({"coding": list(codings), "text": text})


def quantity(value: Decimal | int, *, unit: str, ucum: str) -> dict[str, Any]:
    """An amount with its UCUM unit."""
    return {"value": number(value), "unit": unit, "system": UCUM, "code": ucum}


def number(value: Decimal | int) -> int | float:
    """FHIR's decimal is a JSON number. Ours have at most eight digits, which a float writes as they are."""
    if isinstance(value, int) or value == value.to_integral_value():
        return int(value)
    return float(value)
