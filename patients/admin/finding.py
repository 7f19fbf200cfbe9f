"""One box to find a patient: a name, a birth date, a phone number or an MRN, told apart by how it looks."""

import re
from datetime import date, datetime
from typing import Any

from clinic.access.policy import Actor
from clinic.common.errors import Invalid
from patients.models import Patient
from patients.selectors import patients as finding

_DATES = ("%Y-%m-%d", "%m/%d/%Y", "%m-%d-%Y")
_PHONE = re.compile(r"[+()\d\s.\-]+")
_MIN_DIGITS = 4


def find(*, actor: Actor, text: str) -> list[Patient]:
    """The patients whom the text may mean, by name. Raises Invalid when it says nothing to look for."""
    text = text.strip()[:160]
    if not text:
        raise Invalid(
            "Write a name, a date of birth, a phone number or an MRN.", code="nothing_to_search_for"
        )
    found: dict[int, Patient] = {}
    refusal: Invalid | None = None
    answered = False
    for meaning in _meanings(text):
        try:
            found |= {patient.pk: patient for patient in finding.search(actor=actor, **meaning)}
            answered = True
        except Invalid as refused:
            refusal = refused
    if refusal is not None and not answered:
        raise refusal
    return sorted(found.values(), key=lambda patient: (patient.sort_name, patient.pk))


def _meanings(text: str) -> list[dict[str, Any]]:
    """What to ask the search for, each on its own."""
    born = _date(text)
    if born is not None:
        return [{"date_of_birth": born}]
    meanings: list[dict[str, Any]] = []
    digits = sum(character.isdigit() for character in text)
    if digits and len(text.split()) == 1:
        meanings.append({"mrn": text})
    if digits >= _MIN_DIGITS and _PHONE.fullmatch(text):
        meanings.append({"phone": text})
    if not digits or any(character.isalpha() for character in text):
        meanings.append({"query": text})
    return meanings or [{"phone": text}]


def _date(text: str) -> date | None:
    for form in _DATES:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a birth date has no zone
        except ValueError:
            continue
    return None
