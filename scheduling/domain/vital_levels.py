"""What a reading of vital signs calls for: thresholds are rows, this compares.

The software flags; a clinician decides. What is kept on the reading are the thresholds it reached, as they
were, so that a later change of set-up changes nothing about it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from clinic.common.errors import FieldError
from scheduling.domain.vitals import MEASURES

SYMPTOMS = "symptoms"
LEVELS = ("acknowledge", "review", "urgent")
"""From the mildest to the gravest."""

Value = int | Decimal | None


@dataclass(frozen=True, slots=True)
class Threshold:
    """``measure`` at least or below a value means ``level``; symptoms have no value: any are enough."""

    measure: str
    level: str
    before_only: bool = False
    at_least: Decimal | None = None
    below: Decimal | None = None

    @property
    def bound(self) -> Decimal | None:
        """The value itself."""
        return self.below if self.at_least is None else self.at_least

    def reached(self, value: Value) -> bool:
        """Whether a value is beyond it."""
        if value is None:
            return False
        if self.at_least is not None:
            return value >= self.at_least
        return self.below is not None and value < self.below


@dataclass(frozen=True, slots=True)
class Judgement:
    """The gravest level ("" for none) and, per measure, the gravest threshold it reached."""

    level: str
    findings: list[dict[str, str]]


def gravest(levels: Iterable[str]) -> str:
    """The gravest of these levels; "" when there is none."""
    return max((level for level in levels if level), key=LEVELS.index, default="")


def judge(
    values: Mapping[str, Value], *, symptoms: str, before: bool, thresholds: Iterable[Threshold]
) -> Judgement:
    """Compare one set of vital signs. ``before``: it was taken before the treatment began."""
    reached: dict[str, Threshold] = {}
    for each in thresholds:
        if each.before_only and not before:
            continue
        met = bool(symptoms.strip()) if each.measure == SYMPTOMS else each.reached(values.get(each.measure))
        known = reached.get(each.measure)
        if met and (known is None or LEVELS.index(each.level) > LEVELS.index(known.level)):
            reached[each.measure] = each
    findings = [_finding(each, values.get(each.measure)) for _, each in sorted(reached.items())]
    return Judgement(gravest(each.level for each in reached.values()), findings)


def implausible(values: Mapping[str, Value], *, symptoms: str) -> list[FieldError]:
    """What cannot be, each by its field: ``out_of_range``, ``required``, ``diastolic_not_below_systolic``."""
    given = {name: value for name, value in values.items() if value is not None}
    if not given and not symptoms.strip():
        detail = "Give at least one vital sign, or the symptoms."
        return [FieldError("/systolic", "required", detail)]
    faults = []
    for name, value in given.items():
        measure = MEASURES[name]
        if not measure.least <= value <= measure.most:
            detail = (
                f"The {measure.label} is {measure.least} to {measure.most} {measure.unit}. Check the value."
            )
            faults.append(FieldError(f"/{name}", "out_of_range", detail))
    systolic, diastolic = given.get("systolic"), given.get("diastolic")
    if (systolic is None) != (diastolic is None):
        missing = "systolic" if systolic is None else "diastolic"
        faults.append(FieldError(f"/{missing}", "required", "Give both, systolic and diastolic pressure."))
    elif systolic is not None and diastolic is not None and diastolic >= systolic:
        detail = "The diastolic pressure is below the systolic. Check both."
        faults.append(FieldError("/diastolic", "diastolic_not_below_systolic", detail))
    return faults


def _finding(reached: Threshold, value: Value) -> dict[str, str]:
    kept = {
        "measure": reached.measure,
        "level": reached.level,
        "when": "before" if reached.before_only else "any",
    }
    for name, number in (("at_least", reached.at_least), ("below", reached.below), ("value", value)):
        if number is not None:
            kept[name] = f"{Decimal(number).normalize():f}"
    return kept
