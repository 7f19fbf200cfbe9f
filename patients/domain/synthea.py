"""Synthea's CSV, read as ours: digits leave the names, the dead are marked, descriptions become conditions.

Conditions are matched by description only. SNOMED codes are neither read nor kept (DOMAIN section 1).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType

from clinic.common.errors import FieldError, Invalid
from patients.domain import names
from patients.domain.csv_rows import CsvRow
from patients.domain.import_rows import ConditionRow, PatientRow

PATIENTS_FILE = "patients.csv"
CONDITIONS_FILE = "conditions.csv"
PATIENT_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "mrn": "Id",
        "first_name": "FIRST",
        "last_name": "LAST",
        "date_of_birth": "BIRTHDATE",
        "sex": "GENDER",
        "status": "DEATHDATE",
    }
)
CONDITION_COLUMNS = ("START", "STOP", "PATIENT", "DESCRIPTION")

_SEXES = MappingProxyType({"M": "male", "F": "female", "O": "other", "": "unknown"})
_TAG = re.compile(
    r"\s*\((?:disorder|finding|situation|event|procedure|morphologic abnormality|observable entity)\)\s*$",
    re.IGNORECASE,
)
_MRN_CHARACTERS = 13
"""Of the synthetic id: 12 hexadecimal digits and a hyphen, enough to tell a million people apart."""


def patient(row: CsvRow, conditions: tuple[ConditionRow, ...]) -> PatientRow:
    """A synthetic patient; the dead come as ``deceased``, so that nothing is ever sent to them.

    Raises Invalid whose field errors point at the column.
    """
    cells = row.cells
    if not cells["Id"]:
        raise _fault("Id", "blank", "This is needed.")
    given = {
        "mrn": f"SYN-{cells['Id'][:_MRN_CHARACTERS]}".upper(),
        "first_name": names.without_digits(cells["FIRST"]),
        "last_name": names.without_digits(cells["LAST"]),
        "date_of_birth": cells["BIRTHDATE"],
        "sex": _SEXES.get(cells["GENDER"].upper(), cells["GENDER"]),
        "status": "deceased" if cells["DEATHDATE"] else "active",
    }
    present = {field: value for field, value in given.items() if value}
    return PatientRow(row.file, row.line, present, PATIENT_COLUMNS, conditions)


def condition(row: CsvRow, index: Mapping[str, str], *, today: date) -> ConditionRow | None:
    """The condition of our catalogue that a row describes, or None when it describes none.

    Raises Invalid whose field errors point at the column with an unusable date.
    """
    code = index.get(plain_description(row.cells["DESCRIPTION"]))
    if code is None:
        return None
    onset_on = _day(row, "START")
    resolved_on = _day(row, "STOP")
    if onset_on and onset_on > today:
        raise _fault("START", "in_the_future", "This date is in the future.")
    if onset_on and resolved_on and resolved_on < onset_on:
        raise _fault("STOP", "ends_before_it_begins", "This date is before START.")
    return ConditionRow(code, onset_on, resolved_on)


def description_index(catalogue: Iterable[tuple[str, str, Iterable[str]]]) -> dict[str, str]:
    """Plain description -> condition code, from (code, name, synonyms) of each condition."""
    return {
        plain_description(description): code
        for code, name, synonyms in catalogue
        for description in (name, *synonyms)
    }


def plain_description(description: str) -> str:
    """A description without case, punctuation and SNOMED's "(disorder)" or "(finding)"."""
    return " ".join(names.plain_words(_TAG.sub("", description)))


def _day(row: CsvRow, column: str) -> date | None:
    text = row.cells[column][:10]
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise _fault(column, "not_an_iso_date", "Write the date as YYYY-MM-DD.") from error


def _fault(column: str, code: str, detail: str) -> Invalid:
    return Invalid(detail, code=code, errors=[FieldError(pointer=f"/{column}", code=code, detail=detail)])
