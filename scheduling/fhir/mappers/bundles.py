"""Bundle: one page of what a search found, with the address of the next."""

from collections.abc import Mapping, Sequence
from typing import Any

from clinic.api import outcomes
from scheduling.fhir.mappers.elements import filled


def searchset(
    resources: Sequence[Mapping[str, Any]],
    *,
    notes: Sequence[Mapping[str, Any]],
    links: Mapping[str, str],
    base: str,
) -> dict[str, Any]:
    """The resources as matches, and after them what is to be said about the search."""
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": f"{base}/{each['resourceType']}/{each['id']}",
            "resource": each,
            "search": {"mode": "match"},
        }
        for each in resources
    ]
    if notes:
        said = outcomes.outcome([dict(note) for note in notes])
        entries.append({"resource": said, "search": {"mode": "outcome"}})
    return filled(
        {
            "resourceType": "Bundle",
            "type": "searchset",
            "link": [{"relation": relation, "url": url} for relation, url in links.items()],
            "entry": entries,
        }
    )
