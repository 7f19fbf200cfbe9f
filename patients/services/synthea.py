"""Turns the files of a Synthea directory into rows for services.imports, and counts what it leaves out."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from clinic.common.errors import Invalid
from patients.domain import synthea
from patients.domain.csv_rows import CsvRow, Refusal
from patients.domain.import_rows import ConditionRow, PatientRow, distinct
from patients.models import Condition


@dataclass(frozen=True, slots=True)
class Reading:
    """What a directory holds for us."""

    rows: list[PatientRow | Refusal]
    """Patients with their conditions. A condition that cannot be used is a Refusal of its own."""
    unmapped: Counter[str]
    """Descriptions that name nothing in our catalogue: plain description -> rows."""


def read(
    *, patients: Iterable[CsvRow | Refusal], conditions: Iterable[CsvRow | Refusal], now: datetime
) -> Reading:
    """Every patient with the conditions of theirs that our catalogue knows."""
    people = list(patients)
    known = {row.cells["Id"] for row in people if isinstance(row, CsvRow)}
    found, refusals, unmapped = _conditions(conditions, known, now.date())
    rows = [row if isinstance(row, Refusal) else _patient(row, found) for row in people]
    return Reading(rows=[*rows, *refusals], unmapped=unmapped)


def _patient(row: CsvRow, found: dict[str, list[ConditionRow]]) -> PatientRow | Refusal:
    try:
        return synthea.patient(row, distinct(found.get(row.cells["Id"], ())))
    except Invalid as fault:
        return _refusal(row, fault)


def _conditions(
    rows: Iterable[CsvRow | Refusal], known: set[str], today: date
) -> tuple[dict[str, list[ConditionRow]], list[Refusal], Counter[str]]:
    index = synthea.description_index(Condition.objects.values_list("code", "name", "synonyms"))
    found: dict[str, list[ConditionRow]] = defaultdict(list)
    refusals: list[Refusal] = []
    unmapped: Counter[str] = Counter()
    for row in rows:
        if isinstance(row, Refusal):
            refusals.append(row)
            continue
        if row.cells["PATIENT"] not in known:
            reason = f"There is no such patient in {synthea.PATIENTS_FILE}."
            refusals.append(Refusal(row.file, row.line, "PATIENT", reason))
            continue
        try:
            condition = synthea.condition(row, index, today=today)
        except Invalid as fault:
            refusals.append(_refusal(row, fault))
            continue
        if condition is None:
            unmapped[synthea.plain_description(row.cells["DESCRIPTION"])] += 1
        else:
            found[row.cells["PATIENT"]].append(condition)
    return found, refusals, unmapped


def _refusal(row: CsvRow, fault: Invalid) -> Refusal:
    column = fault.errors[0].pointer[1:] if fault.errors else ""
    return Refusal(row.file, row.line, column, fault.detail)
