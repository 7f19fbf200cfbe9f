"""One box to find a patient: every search of the admin goes through here. What is typed is never kept."""

from dataclasses import dataclass
from datetime import date, datetime

from clinic.access.policy import Actor
from clinic.common.errors import Invalid
from patients.domain import lookups, phones
from patients.models import Patient
from patients.selectors import patients as finding


@dataclass(frozen=True)
class Found:
    """The patients whom a text may mean, the likeliest first.

    ``more``: there are others. ``born``: the birth dates that it names.
    """

    patients: list[Patient]
    more: bool
    born: tuple[date, ...]


def find(*, actor: Actor, text: str, now: datetime, limit: int = finding.DEFAULT_RESULTS) -> Found:
    """Look for every reading of the text. Raises Invalid that says what to write instead."""
    found: dict[int, Patient] = {}
    refusals: list[Invalid] = []
    readings = lookups.read(text, today=now.date())
    for reading in readings:
        try:
            matching = finding.search(actor=actor, limit=limit + 1, **reading.criteria())
        except Invalid as refused:
            refusals.append(refused)
        else:
            found |= {patient.pk: patient for patient in matching}
    if len(refusals) == len(readings):
        raise refusals[0]
    if not found and all(reading.criteria().keys() == {"mrn"} for reading in readings):
        raise Invalid(
            "No MRN is exactly this. Write at least the last "
            f"{phones.FEWEST_SEARCH_DIGITS} digits of a phone number, or a whole birth date like 3/4/1980.",
            code="too_short",
        )
    days = dict.fromkeys(reading.date_of_birth for reading in readings if reading.date_of_birth)
    return Found(patients=list(found.values())[:limit], more=len(found) > limit, born=tuple(days))
