"""Searching for a person: by POST only, and one page, so that nothing personal stands in an address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from clinic.api import outcomes
from clinic.common.errors import Invalid
from patients.domain import mrn as mrns
from patients.models import Patient
from patients.selectors import patients as finding
from scheduling.fhir import parameters
from scheduling.fhir.kinds import ID, OfRows, Page, Wanted
from scheduling.fhir.mappers.patients import patient
from scheduling.fhir.parameters import Asked, Parameter, refused
from scheduling.selectors import fhir as rows

_OURS = {"query": "name", "phone": "phone"}
_ONE_DAY = timedelta(days=1)


def _by_selector(_value: str, _asked: Asked) -> Q:
    """These are read together, by patients.selectors."""
    return Q()


def _personal(name: str, kind: str, documentation: str) -> Parameter:
    return Parameter(name, kind, f"{documentation} By POST to _search only.", _by_selector, personal=True)


PARAMETERS = (
    ID,
    _personal("identifier", "token", "The MRN, with or without its system."),
    _personal("name", "string", "Beginnings of words of the name; all must fit."),
    _personal("birthdate", "date", "The day, without a prefix."),
    _personal("phone", "token", "The number in any format, or at least its last four digits."),
)
_NAMES = frozenset(parameter.name for parameter in PARAMETERS if parameter.personal)


@dataclass(frozen=True)
class Patients(OfRows):
    """Patients, found as the clinic's own search finds them."""

    def search(self, wanted: Wanted, asked: Asked) -> Page:
        """By name when somebody is looked for, else a page of all. Raises ValidationError (400)."""
        if not _NAMES & wanted.values.keys():
            return super().search(wanted, asked)
        limit = min(wanted.count, finding.MOST_RESULTS)
        found = _found(wanted, asked, limit=limit)
        only = wanted.one("_id")
        shown = [row for row in found if only is None or str(row.pk) in only.split(",")]
        return Page([self.show(row) for row in shown], notes=_more(len(found), limit))


def _found(wanted: Wanted, asked: Asked, *, limit: int) -> Sequence[Patient]:
    number = wanted.one("identifier")
    if number is not None:
        system, _bar, number = number.rpartition("|")
        if system not in {"", f"{settings.PUBLIC_URL}/fhir/r4/mrn"}:
            return []
        if not mrns.plain(number):
            raise refused("identifier", "Give the MRN.")
    try:
        return finding.search(
            actor=asked.actor,
            query=wanted.one("name"),
            date_of_birth=_day(wanted.one("birthdate")),
            phone=wanted.one("phone"),
            mrn=number,
            limit=limit,
        )
    except Invalid as fault:
        names = [_OURS[error.pointer.strip("/")] for error in fault.errors]
        raise refused(names[0], fault.detail, code=fault.code) from None


def _day(value: str | None) -> Any:
    if value is None:
        return None
    prefix, first, end = parameters.dates("birthdate", value)
    if prefix != "eq" or end - first != _ONE_DAY:
        raise refused("birthdate", "Give one whole date, such as 1980-05-17.")
    return first


def _more(count: int, limit: int) -> list[Mapping[str, Any]]:
    if count < limit:
        return []
    text = f"These are the first {limit}; there may be more. Say more about the person."
    return [outcomes.issue("incomplete", code="more_found", text=text, severity="warning")]


def show(row: Patient) -> Mapping[str, Any]:
    """As FHIR has it."""
    return patient(row, home=settings.PUBLIC_URL)


PATIENTS = Patients("Patient", "patients.read", PARAMETERS, rows=rows.patients, show=show)
