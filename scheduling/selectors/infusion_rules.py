"""Which rows an infusion day goes by: of each thing the narrowest row in force on the day."""

from collections.abc import Callable, Hashable, Iterable
from datetime import date
from typing import Any, TypeVar

from scheduling.models import (
    Appointment,
    DoseProtocol,
    GateRule,
    InfusionDayPolicy,
    VitalSchedule,
    VitalThreshold,
)

Rule = TypeVar("Rule", DoseProtocol, GateRule, InfusionDayPolicy, VitalSchedule, VitalThreshold)


def in_force(
    rules: Iterable[Rule],
    *,
    visit: Appointment,
    on: date,
    thing: Callable[[Rule], Hashable] = lambda _rule: None,
) -> list[Rule]:
    """Of the rules that fit the visit, the narrowest of each ``thing``, in the order given.

    A visit type counts before a kind of visit, that before a site, the site before none; of equally narrow
    ones the latest that has begun. Where the one that counts is inactive, there is none. ``rules`` is read
    once by the caller, so that many visits cost no more queries than one.
    """
    best: dict[Hashable, Rule] = {}
    for rule in rules:
        if _fits(rule, visit, on):
            key = thing(rule)
            if key not in best or _narrowness(rule) > _narrowness(best[key]):
                best[key] = rule
    return [rule for rule in best.values() if rule.active]


def _fits(rule: Any, visit: Appointment, on: date) -> bool:
    return (
        getattr(rule, "visit_type_id", None) in {None, visit.visit_type_id}
        and getattr(rule, "visit_kind", "") in {"", visit.visit_type.kind}
        and rule.site_id in {None, visit.site_id}
        and (rule.valid_from is None or rule.valid_from <= on)
    )


def _narrowness(rule: Any) -> tuple[bool, bool, bool, date, int]:
    return (
        getattr(rule, "visit_type_id", None) is not None,
        bool(getattr(rule, "visit_kind", "")),
        rule.site_id is not None,
        rule.valid_from or date.min,
        rule.pk,
    )


def policy_of(visit: Appointment, *, on: date) -> InfusionDayPolicy:
    """The times to answer at the visit's site; as shipped where no row counts."""
    found = in_force(InfusionDayPolicy.objects.all(), visit=visit, on=on)
    return found[0] if found else InfusionDayPolicy()
