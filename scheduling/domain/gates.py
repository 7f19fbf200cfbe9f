"""The gates of an infusion day: what must be true before a treatment starts and before the patient goes home.

Which gates a visit has, and their numbers, are rows (GateRule); this module knows what each check needs to
be told, and judges the facts. DOMAIN section 2.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any

from clinic.common.errors import FieldError, Invalid
from scheduling.domain.gate_checks import CHECKS
from scheduling.domain.gate_facts import Facts, State

START, DISCHARGE = "start", "discharge"
ANSWERED, OVERRIDDEN = "answered", "overridden"
CARRIED_OVER = "consent"
"""The one answer that stands for later visits of the same kind as well."""

LIMITS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "consent": {"valid_days": 365},
        "identity": {},
        "escort": {},
        "driving": {},
        "fasting": {"clear_fluids_minutes": 120, "light_meal_minutes": 360, "fatty_meal_minutes": 480},
        "weight": {"valid_hours": 12},
        "vitals": {"valid_minutes": 60},
        "rescreen": {},
        "flags": {},
        "mood": {"phq9_valid_hours": 24},
        "aldrete": {"least": 9},
        "blood_pressure": {"within_percent": 20, "valid_minutes": 30},
        "oriented": {},
        "gait": {},
        "escort_present": {},
        "driving_advice": {},
        "observation": {"least_minutes": 120},
        "resolved": {},
    }
)
"""Check -> the names of its numbers, with the values that ship. 0 switches a number off."""

CODES = tuple(LIMITS)
_MOST = 100_000


def read_limits(code: str, value: object) -> dict[str, int]:
    """The numbers of one check, those not given as shipped. Raises Invalid (``invalid_limits``)."""
    known = LIMITS[code]
    if not isinstance(value, Mapping):
        raise _invalid("must be an object of whole numbers")
    given: Mapping[Any, Any] = value
    for name, number in given.items():
        if name not in known:
            raise _invalid(f"may only have {', '.join(known) or 'nothing'}")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _MOST:
            raise _invalid(f"{name} must be a whole number from 0 to {_MOST}")
    return {**known, **given}


def _invalid(detail: str) -> Invalid:
    return Invalid(detail, code="invalid_limits", errors=[FieldError("/limits", "invalid_limits", detail)])


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One gate of a visit, as its row has it."""

    code: str
    stage: str
    name: str
    advice: str
    clinical: bool
    overridable_by: tuple[str, ...]
    limits: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Record:
    """Something somebody recorded about a gate: an answer, or the decision to go on without it."""

    gate: str
    stage: str
    result: str
    answers: Mapping[str, Any]
    about: str
    reason: str
    at: datetime
    by_id: int | None


@dataclass(frozen=True)
class Gate:
    """How one gate of one visit stands. ``at``, ``by_id``, ``reason``: of the override when it counts, else
    of the answer."""

    code: str
    stage: str
    name: str
    advice: str
    state: State
    detail: str
    clinical: bool
    overridable_by: tuple[str, ...]
    answers: Mapping[str, Any] | None
    at: datetime | None
    by_id: int | None
    reason: str
    basis: tuple[Any, ...]

    @property
    def blocks(self) -> bool:
        """Whether the step that it guards has to wait."""
        return self.state in {State.OPEN, State.FAIL}

    @cached_property
    def about(self) -> str:
        """The facts it hangs on, as a digest: an override counts as long as they are the same."""
        return digest(self.code, self.basis)


def digest(code: str, basis: tuple[Any, ...]) -> str:
    """64 characters that change with the facts, and do not tell them."""
    return hashlib.sha256(json.dumps([code, basis], default=str).encode()).hexdigest()


def judge(
    rules: Sequence[Rule],
    *,
    records: Iterable[Record],
    carried: Record | None,
    since: Mapping[str, datetime | None],
    facts: Mapping[str, Facts],
) -> list[Gate]:
    """Every gate of one visit, in the order of the rules.

    ``records``: what was recorded in this visit, the oldest first; ``carried``: the latest consent of this
    patient for this kind of visit, whichever visit it was given in. ``since`` and ``facts``, by stage: only
    what was recorded from ``since`` on counts (a visit moved to another day is asked anew); None: nothing.
    """
    answers: dict[tuple[str, str], Record] = {}
    overrides: dict[tuple[str, str], Record] = {}
    for record in records:
        begins = since[record.stage]
        if begins is not None and record.at >= begins:
            kept = overrides if record.result == OVERRIDDEN else answers
            kept[record.stage, record.gate] = record
    gates = []
    for rule in rules:
        key = rule.stage, rule.code
        answer = carried if rule.code == CARRIED_OVER else answers.get(key)
        gates.append(_judge(rule, answer, overrides.get(key), facts[rule.stage]))
    return gates


def _judge(rule: Rule, answer: Record | None, override: Record | None, facts: Facts) -> Gate:
    found = CHECKS[rule.code](answer.answers if answer else None, facts, rule.limits)
    overridable_by = rule.overridable_by if found.overridable else ()
    blocked = found.state in {State.OPEN, State.FAIL}
    counts = (
        override is not None
        and blocked
        and bool(overridable_by)
        and override.about == digest(rule.code, found.basis)
    )
    shown = override if counts else answer
    return Gate(
        code=rule.code,
        stage=rule.stage,
        name=rule.name,
        advice=rule.advice,
        state=State.OVERRIDDEN if counts else found.state,
        detail=found.detail,
        clinical=rule.clinical,
        overridable_by=overridable_by,
        answers=answer.answers if answer else None,
        at=shown.at if shown else None,
        by_id=shown.by_id if shown else None,
        reason=override.reason if override is not None and counts else "",
        basis=found.basis,
    )
