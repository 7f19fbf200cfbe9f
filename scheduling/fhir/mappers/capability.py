"""CapabilityStatement: what this server answers, made from the table that it answers by."""

from collections.abc import Iterable
from typing import Any

from scheduling.fhir.kinds import Kind

RELEASED_ON = "2026-11-23"
"""When what is served last changed."""
_SECURITY = (
    "Send Authorization: Token <token>, as for the API (docs/api.md). "
    "What is shown depends on the roles of the token's user at each site."
)
_PERSONAL = (
    "Names, dates of birth, phone numbers and record numbers are searched for by POST to _search only."
)


def capability_statement(kinds: Iterable[Kind], *, base: str) -> dict[str, Any]:
    """For everybody to read: it tells about the software, not about anyone."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": RELEASED_ON,
        "kind": "instance",
        "software": {"name": "Onset"},
        "implementation": {"description": "Onset, read only", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "documentation": _PERSONAL,
                "security": {"description": _SECURITY},
                "resource": [_resource(kind) for kind in kinds],
            }
        ],
    }


def _resource(kind: Kind) -> dict[str, Any]:
    return {
        "type": kind.type,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "versioned" if kind.versioned else "no-version",
        "readHistory": False,
        "searchParam": [
            {"name": each.name, "type": each.kind, "documentation": each.documentation}
            for each in kind.parameters
        ],
    }
