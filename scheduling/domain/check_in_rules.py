"""The rows of the onset check-in table, and which of them apply to one patient on one anchor day.

Every number (days, windows, the age limit) is data a clinic may change; the rules here only read it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Any, Self

from clinic.common.errors import Invalid


class Follows(StrEnum):
    """Which change of dose loads a row."""

    EACH_DOSE = "each_dose"
    """Safety rows: after the first dose of every start, increase, switch or restart, planned steps too."""
    TARGET_DOSE = "target_dose"
    """Efficacy rows: once, after the first dose of the target, the last new dose that is ordered."""
    REDUCTION = "reduction"
    """Withdrawal rows: after every decrease and stop."""


class InvalidRules(Invalid):
    """The rows in force contradict each other; ``data`` names the code and day at fault."""

    code = "invalid_check_in_rules"


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """What the rules ask about the patient. ``risk_flag``: any open flag that calls for early contact."""

    date_of_birth: date
    risk_flag: bool = False
    indications: frozenset[str] = frozenset()

    def age_on(self, day: date) -> int:
        """Whole years on ``day``. Born on 29 February, one is a year older on 1 March of common years, so
        that the stricter rule for the young never ends a day early."""
        born = self.date_of_birth
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


@dataclass(frozen=True, slots=True)
class CheckInRule:
    """One row of the table: ask this, so many days after the anchor, inside that window (whole days).

    ``max_age`` (whole years, inclusive, on the anchor day) and ``risk_flag`` narrow a row to patients who
    meet either one; with neither set it is for everyone. Empty ``drug_classes`` or ``indications`` mean
    all. ``replaces`` is the code of the row this one takes the place of where both apply. ``applies``,
    ``source`` and ``mark`` (S, K or D) are for people, to judge where the numbers come from.
    """

    code: str
    day: int
    window_before: int
    window_after: int
    purpose: str
    asks: tuple[str, ...]
    follows: Follows
    mandatory: bool = False
    staff_contact: bool = False
    replaces: str | None = None
    max_age: int | None = None
    risk_flag: bool = False
    drug_classes: frozenset[str] = frozenset()
    indications: frozenset[str] = frozenset()
    applies: str = ""
    source: str = ""
    mark: str = "D"

    def __post_init__(self) -> None:
        if self.day < 0 or self.window_before < 0 or self.window_after < 0:
            raise InvalidRules(
                f"{self.code}: the day and both sides of the window are whole days, 0 or more.",
                check_in=self.code,
                day=self.day,
            )

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """The rule in a row of catalogue/check_in_rules.json. Raises InvalidRules for an unknown field."""
        unknown = row.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise InvalidRules(f"Unknown field in a check-in rule: {', '.join(sorted(unknown))}.")
        return cls(
            **{
                **row,
                "asks": tuple(row["asks"]),
                "follows": Follows(row["follows"]),
                "drug_classes": frozenset(row.get("drug_classes", ())),
                "indications": frozenset(row.get("indications", ())),
            }
        )

    def applies_to(self, *, facts: PatientFacts, drug_class: str, anchor_on: date) -> bool:
        """Whether this row is for this patient and medicine, judged on the anchor day."""
        if self.drug_classes and drug_class not in self.drug_classes:
            return False
        if self.indications and not self.indications & facts.indications:
            return False
        if self.max_age is None and not self.risk_flag:
            return True
        young = self.max_age is not None and facts.age_on(anchor_on) <= self.max_age
        return young or (self.risk_flag and facts.risk_flag)


@dataclass(frozen=True, slots=True)
class ApplicableRule:
    """A rule in force for one anchor. ``slot`` is the code whose place it fills: its own, or replaced."""

    rule: CheckInRule
    slot: str


def applicable(
    *, rules: Iterable[CheckInRule], facts: PatientFacts, drug_class: str, anchor_on: date
) -> Sequence[ApplicableRule]:
    """The rows that apply on ``anchor_on``, without those another applicable row replaces.

    Raises InvalidRules when two rows would ask for the same place on the same day, which no reader of the
    record could tell apart, or replace each other in a circle.
    """
    present = [
        rule for rule in rules if rule.applies_to(facts=facts, drug_class=drug_class, anchor_on=anchor_on)
    ]
    replaced_by = {rule.code: rule.replaces for rule in present if rule.replaces}
    slots = {rule.code: _slot(rule.code, replaced_by) for rule in present}
    hidden = set(replaced_by.values())
    chosen = [ApplicableRule(rule, slots[rule.code]) for rule in present if rule.code not in hidden]
    places: set[tuple[str, int]] = set()
    for choice in chosen:
        place = (choice.slot, choice.rule.day)
        if place in places:
            raise InvalidRules(
                f"Two check-in rules apply for {choice.slot} on day {choice.rule.day}; keep one of them.",
                check_in=choice.slot,
                day=choice.rule.day,
            )
        places.add(place)
    return chosen


def _slot(code: str, replaced_by: Mapping[str, str]) -> str:
    seen = {code}
    while code in replaced_by:
        code = replaced_by[code]
        if code in seen:
            raise InvalidRules("The check-in rules replace each other in a circle.", check_in=code)
        seen.add(code)
    return code
