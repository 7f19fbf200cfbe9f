"""What an import brings, before anything is checked: a patient with conditions, and where each came from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from clinic.common.errors import Invalid
from patients.domain.csv_rows import CsvRow

REQUIRED_COLUMNS = ("first_name", "last_name", "date_of_birth")
PREFERENCE_COLUMNS: Mapping[str, str] = MappingProxyType(
    {"contact_preferences.email": "email", "contact_preferences.sms": "sms"}
)
"""Column -> channel. The API's nested names, written with a full stop."""

COLUMNS = (
    "mrn",
    *REQUIRED_COLUMNS,
    "preferred_name",
    "sex",
    "email",
    "phone",
    "timezone",
    "language",
    "status",
    *PREFERENCE_COLUMNS,
)
"""What a CSV file of patients may hold: the API's names."""

_WORDS = MappingProxyType({"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False})


@dataclass(frozen=True, slots=True)
class ConditionRow:
    """A condition by its code in our catalogue."""

    code: str
    onset_on: date | None
    resolved_on: date | None


@dataclass(frozen=True, slots=True)
class PatientRow:
    """A patient as written, empty cells left out. ``columns``: our field -> the file's column.

    ``conditions`` are distinct by code and onset, see :func:`distinct`.
    """

    file: str
    line: int
    given: Mapping[str, str]
    columns: Mapping[str, str]
    conditions: tuple[ConditionRow, ...] = ()

    def details(self) -> dict[str, str]:
        """The patient's details, without contact preferences."""
        return {field: value for field, value in self.given.items() if field not in PREFERENCE_COLUMNS}

    def column(self, field: str) -> str:
        """What the file calls this field."""
        return self.columns.get(field, field)


def from_csv(row: CsvRow) -> PatientRow:
    """A row of our own CSV form."""
    return PatientRow(row.file, row.line, {name: cell for name, cell in row.cells.items() if cell}, {})


def preference(word: str) -> bool:
    """What a cell says about being reached. Raises Invalid (``not_yes_or_no``)."""
    said = _WORDS.get(word.casefold())
    if said is None:
        raise Invalid("Write yes or no.", code="not_yes_or_no")
    return said


def distinct(conditions: Iterable[ConditionRow]) -> tuple[ConditionRow, ...]:
    """One row per code and onset; where one has ended and another has not, it has not."""
    found: dict[tuple[str, date | None], ConditionRow] = {}
    for row in conditions:
        kept = found.get((row.code, row.onset_on))
        if kept is None or row.resolved_on is None:
            found[row.code, row.onset_on] = row
    return tuple(found.values())
