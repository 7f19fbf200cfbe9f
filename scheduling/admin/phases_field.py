"""The phases of a visit type as a table: a row per phase, a column per kind of resource.

The table is only another way to write what domain.phases reads, and shows that reader's faults.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from clinic.access import shown
from clinic.common.errors import FieldError
from scheduling.domain import phases as domain
from scheduling.domain.phases import InvalidPhases, Kind, Phase, Use

BLANK_ROWS = 3
_BOTH = "both"
_USES = {
    "": (),
    Use.EXCLUSIVE.value: (Use.EXCLUSIVE,),
    Use.SHARED.value: (Use.SHARED,),
    _BOTH: (Use.EXCLUSIVE, Use.SHARED),
}
CHOICES = (
    ("", shown.NOTHING),
    (Use.EXCLUSIVE.value, "alone"),
    (Use.SHARED.value, "shared"),
    (_BOTH, "both"),
)


class PhasesTable(forms.Widget):
    """Inputs ``<name>-<row>-name``, ``-minutes`` and one per kind of resource; blank rows are left out."""

    template_name = "admin/scheduling/phases.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Rows for what there is, and a few blank ones."""
        rows = [_row(phase) for phase in value or ()] + [_row({}) for _ in range(BLANK_ROWS)]
        context = super().get_context(name, value, attrs)
        return {**context, "rows": rows, "kinds": [kind.value for kind in Kind], "choices": CHOICES}

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[dict[str, Any]]:
        """The rows that hold anything, as JSON phases."""
        rows = []
        for at in range(domain.MAX_PHASES + BLANK_ROWS):
            given = {
                key: str(data.get(f"{name}-{at}-{key}", "")).strip() for key in ("name", "minutes", *Kind)
            }
            if any(given.values()):
                rows.append(_phase(given))
        return rows

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        """A table without its first row was not on the page."""
        return f"{name}-0-name" not in data


class PhasesField(forms.Field):
    """Phases, checked by the domain."""

    widget = PhasesTable

    def to_python(self, value: Any) -> tuple[Phase, ...]:
        """Raises ValidationError with a sentence for every fault."""
        try:
            return domain.parse(value or [])
        except InvalidPhases as refused:
            raise ValidationError([_sentence(error) for error in refused.errors]) from refused

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compared as phases, so that a different spelling of the same is no change."""
        return bool((initial or []) != (data or []))


def _row(phase: Mapping[str, Any]) -> dict[str, Any]:
    held: dict[str, set[str]] = {}
    for need in phase.get("needs") or ():
        if isinstance(need, Mapping):
            held.setdefault(str(need.get("kind")), set()).add(str(need.get("use")))
    uses = [
        (kind.value, _BOTH if len(held.get(kind, ())) > 1 else next(iter(held.get(kind, ())), ""))
        for kind in Kind
    ]
    return {"name": phase.get("name", ""), "minutes": phase.get("minutes", ""), "uses": uses}


def _phase(given: Mapping[str, str]) -> dict[str, Any]:
    minutes: Any = given["minutes"]
    if minutes.isascii() and minutes.isdigit():
        minutes = int(minutes)
    needs = [{"kind": kind.value, "use": use.value} for kind in Kind for use in _USES.get(given[kind], ())]
    return {"name": given["name"], "minutes": minutes, "needs": needs}


def _sentence(error: FieldError) -> str:
    """``/phases/2/minutes``: must be … -> ``Phase 3, minutes must be …``."""
    parts: Sequence[str] = error.pointer.strip("/").split("/")[1:]
    if not parts:
        return f"The table {error.detail}."
    where = [f"Phase {int(parts[0]) + 1}", *(part for part in parts[1:] if not part.isdigit())]
    return f"{', '.join(where)} {error.detail}."
