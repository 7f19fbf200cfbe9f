"""Patients found, as the search box in the header and the pages that look for a patient show them.

Their next visits come from scheduling, which patients does not know: settings.NEXT_VISITS names the function.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.module_loading import import_string

from clinic.access import shown
from clinic.access.admin.base import actor_in
from clinic.access.admin.refusals import sentence
from clinic.access.policy import Actor
from clinic.common import clock
from clinic.common.errors import Invalid
from patients.admin import finding
from patients.models import Patient
from patients.selectors.patients import DEFAULT_RESULTS

MOST_LIVE = 8
"""Matches below the box in the header; its page shows more."""
NOBODY = "Nobody fits. Try fewer letters of the name, or the date of birth."


@dataclass(frozen=True)
class NextVisit:
    """The visit to come: when, how it stands, and its page."""

    when: str
    status: str
    status_text: str
    url: str


NextVisits = Callable[..., Mapping[int, NextVisit]]
"""``(*, actor, patients, now)`` -> patient id -> their next visit, of those whom the actor's roles show."""


@dataclass(frozen=True)
class Match:
    """One patient found."""

    patient: Patient
    visit: NextVisit | None


def box(request: HttpRequest) -> dict[str, Any]:
    """What UNFOLD's GLOBAL_CALLBACK adds to every page: the box in the header. No query."""
    if not actor_in(request).may("patients.read"):
        return {}
    return {
        "header_search": {
            "template": "admin/patients/header_search.html",
            "action": reverse("admin:patients_patient_search"),
            "matches": reverse("admin:patients_patient_matches"),
        }
    }


def found_by(request: HttpRequest, *, limit: int = DEFAULT_RESULTS) -> dict[str, Any]:
    """The context of a page that looks for the posted text; ``found`` is None when none was posted."""
    shown_as: dict[str, Any] = {"found": None, "matches": [], "note": "", "fault": ""}
    if request.method != "POST":
        return shown_as
    actor, now = actor_in(request), clock.now()
    try:
        found = finding.find(actor=actor, text=request.POST.get("find", ""), now=now, limit=limit)
    except Invalid as refusal:
        return shown_as | {"fault": sentence(refusal)}
    return shown_as | {
        "found": found.patients,
        "matches": _matches(actor, found.patients, now),
        "note": _note(found),
    }


def _matches(actor: Actor, patients: Sequence[Patient], now: datetime) -> list[Match]:
    if not patients:
        return []
    next_visits: NextVisits = import_string(settings.NEXT_VISITS)
    visits = next_visits(actor=actor, patients=patients, now=now)
    return [Match(patient=patient, visit=visits.get(patient.pk)) for patient in patients]


def _note(found: finding.Found) -> str:
    """How many there are, and the birth date as it was read: 3/4/1980 is March 4."""
    days = " or ".join(map(shown.birth_date, found.born))
    if not found.patients:
        return NOBODY + (f" The birth date was read as {days}." if days else "")
    count = len(found.patients)
    said = "1 patient" if count == 1 else f"{count} patients"
    if days:
        said += f" born {days}"
    if found.more:
        return f"The first {said}; there are more. Add the date of birth or more of the name."
    return f"{said}."
