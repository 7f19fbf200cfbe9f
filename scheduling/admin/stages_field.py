"""The stages of a course as a table, a row per stage, and as sentences.

The table is only another way to write what domain.courses reads, and shows that reader's faults.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from clinic.common.errors import FieldError
from scheduling.domain import courses as domain
from scheduling.domain.courses import GapUnit, InvalidStages, Stage

BLANK_ROWS = 2
_NUMBERS = ("sessions", "min_gap_days", "ideal_gap_days", "max_gap_days")
_TEXTS = ("name", "source")
_CHOSEN = ("gap_unit", "mark")
_WORDS = {
    "name": "name",
    "sessions": "sessions",
    "min_gap_days": "shortest gap",
    "ideal_gap_days": "gap to aim at",
    "max_gap_days": "longest gap",
    "source": "source",
}
UNITS = ((GapUnit.DAYS.value, "days"), (GapUnit.OPEN_DAYS.value, "open days"))


def stage_sentences(stages: Sequence[Stage]) -> list[str]:
    """``6 sessions, 2 to 3 days apart`` for each stage."""
    return [_spoken(stage) for stage in stages]


def _spoken(stage: Stage) -> str:
    unit = "open days" if stage.gap_unit is GapUnit.OPEN_DAYS else "days"
    low, high = stage.min_gap_days, stage.max_gap_days
    gap = f"{low} {unit if low > 1 else unit[:-1]}" if low == high else f"{low} to {high} {unit}"
    aim = f", aiming at {stage.ideal}" if stage.ideal != low else ""
    if stage.sessions is None:
        return f"for as long as it helps, every {gap}{aim}"
    return f"{stage.sessions} session{'' if stage.sessions == 1 else 's'}, {gap} apart{aim}"


class StagesTable(forms.Widget):
    """Inputs ``<name>-<row>-<field>``; rows that say nothing are left out."""

    template_name = "admin/scheduling/stages.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Rows for what there is, and a few blank ones."""
        rows = [*(value or ()), *({} for _ in range(BLANK_ROWS))]
        context = super().get_context(name, value, attrs)
        columns = [(field, _WORDS[field]) for field in ("name", *_NUMBERS, "source")]
        cells = [
            [
                (field, _WORDS[field], field in _NUMBERS, "" if row.get(field) is None else row.get(field))
                for field in ("name", *_NUMBERS, "source")
            ]
            for row in rows
        ]
        units = [row.get("gap_unit", GapUnit.DAYS.value) for row in rows]
        marks = [row.get("mark", domain.MARKS[-1]) for row in rows]
        return {
            **context,
            "columns": columns,
            "rows": list(zip(cells, units, marks, strict=True)),
            "units": UNITS,
            "marks": domain.MARKS,
        }

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[dict[str, Any]]:
        """The rows that hold anything, as JSON stages."""
        rows = []
        for at in range(domain.MAX_STAGES + BLANK_ROWS):
            given = {
                key: str(data.get(f"{name}-{at}-{key}", "")).strip() for key in (*_NUMBERS, *_TEXTS, *_CHOSEN)
            }
            if any(given[key] for key in (*_NUMBERS, *_TEXTS)):
                rows.append(_stage(given))
        return rows

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        """A table without its first row was not on the page."""
        return f"{name}-0-name" not in data


class StagesField(forms.Field):
    """Stages, checked by the domain."""

    widget = StagesTable

    def to_python(self, value: Any) -> tuple[Stage, ...]:
        """Raises ValidationError with a sentence for every fault."""
        try:
            return domain.parse(value or [])
        except InvalidStages as refused:
            raise ValidationError([_sentence(error) for error in refused.errors]) from refused

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compared as stages, so that a different spelling of the same is no change."""
        try:
            return domain.parse(initial or []) != domain.parse(data or [])
        except InvalidStages:
            return True


def _stage(given: Mapping[str, str]) -> dict[str, Any]:
    numbers = {key: _number(given[key]) for key in _NUMBERS}
    return {**given, **numbers}


def _number(text: str) -> Any:
    """What is no number is left for the reader to refuse; an empty box is no number at all."""
    if not text:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else text  # noqa: PLR2004 - all are far smaller


def _sentence(error: FieldError) -> str:
    """``/stages/1/max_gap_days``: is less … -> ``Stage 2, longest gap is less …``."""
    parts: Sequence[str] = error.pointer.strip("/").split("/")[1:]
    detail = error.detail.replace("min_gap_days", "the shortest gap")
    if not parts:
        return f"Write 1 to {domain.MAX_STAGES} stages, a row for each."
    where = [f"Stage {int(parts[0]) + 1}", *(_WORDS.get(part, part) for part in parts[1:])]
    return f"{', '.join(where)}: {detail}."
