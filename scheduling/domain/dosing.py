"""The dose of an infusion: from the weight on the day and a protocol to milligrams, a rate and the caps.

All amounts are Decimal and carry their unit in the name. Rounding never passes a cap: what a cap allows is
rounded down. DOMAIN section 2.
"""

from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any

from clinic.common.errors import Invalid

LEAST_KG, MOST_KG = Decimal(20), Decimal(400)
MOST_MG = Decimal(100_000)
MOST_MINUTES = 24 * 60
MINUTES_IN_AN_HOUR = Decimal(60)
_CENT = Decimal("0.01")
"""Amounts and rates are kept to a hundredth of a milligram."""


class Basis(StrEnum):
    """What the protocol's amount is multiplied by."""

    MG_PER_KG = "mg_per_kg"
    MG_PER_KG_H = "mg_per_kg_h"
    FIXED_MG = "fixed_mg"


class Cap(StrEnum):
    """A limit of the protocol."""

    MAX_MG = "max_mg"
    MAX_MG_PER_H = "max_mg_per_h"


class Why(StrEnum):
    """What about an ordered dose a prescriber must give a reason for."""

    ABOVE_MAX_MG = "above_max_mg"
    ABOVE_MAX_MG_PER_H = "above_max_mg_per_h"
    NOT_AS_CALCULATED = "not_as_calculated"
    FASTER_THAN_PROTOCOL = "faster_than_protocol"
    ANOTHER_CHOICE = "another_choice"


SENTENCES = {
    Why.ABOVE_MAX_MG: "It is more than the protocol's cap in all.",
    Why.ABOVE_MAX_MG_PER_H: "It runs faster than the protocol's cap per hour.",
    Why.NOT_AS_CALCULATED: "It is not the dose calculated from the weight.",
    Why.FASTER_THAN_PROTOCOL: "It runs faster than the protocol has it.",
    Why.ANOTHER_CHOICE: "It is neither the first dose of the protocol nor the patient's last one.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """The numbers of a protocol. ``amount`` is in the unit of its basis; fixed doses have ``choices_mg``."""

    basis: Basis
    minutes: int
    amount: Decimal | None = None
    choices_mg: tuple[Decimal, ...] = ()
    max_mg: Decimal | None = None
    max_mg_per_h: Decimal | None = None
    round_mg: Decimal = Decimal("0.1")

    def to_json(self) -> dict[str, Any]:
        """As a dose order keeps it: amounts as strings."""
        return {
            "basis": self.basis.value,
            "minutes": self.minutes,
            "amount": _text(self.amount),
            "choices_mg": [str(choice) for choice in self.choices_mg],
            "max_mg": _text(self.max_mg),
            "max_mg_per_h": _text(self.max_mg_per_h),
            "round_mg": str(self.round_mg),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """What is to be given: ``mg`` in all over ``minutes``. A fixed dose has no rate.

    ``calculated_mg`` is what weight and protocol come to before the caps; ``capped_by`` lowered it.
    """

    calculated_mg: Decimal
    mg: Decimal
    mg_per_h: Decimal | None
    minutes: int
    capped_by: Cap | None = None


def calculate(protocol: Protocol, *, weight_kg: Decimal | None, minutes: int | None = None) -> Dose:
    """The protocol's dose over ``minutes`` (the protocol's own, unless given).

    mg/kg is a total whatever the duration; mg/kg/h grows with it. It may come to nothing: caps and rounding
    leave 0 mg. Raises Invalid (``not_weighed``) when the weight is needed and missing.
    """
    minutes = protocol.minutes if minutes is None else minutes
    if protocol.basis == Basis.FIXED_MG:
        first = protocol.choices_mg[0]
        return Dose(calculated_mg=first, mg=first, mg_per_h=None, minutes=minutes)
    if weight_kg is None:
        raise Invalid("Weigh the patient first: the dose follows from the weight.", code="not_weighed")
    assert protocol.amount is not None  # noqa: S101 - the table's constraint
    # Multiplied by 60 throughout, so that thirds of an hour stay exact until the end.
    exact_60 = protocol.amount * weight_kg
    exact_60 *= minutes if protocol.basis == Basis.MG_PER_KG_H else MINUTES_IN_AN_HOUR
    limits_60 = _limits_60(protocol, minutes)
    capped_by = min(limits_60, key=lambda cap: limits_60[cap], default=None)
    if capped_by and limits_60[capped_by] >= exact_60:
        capped_by = None
    step_60 = protocol.round_mg * MINUTES_IN_AN_HOUR
    steps = (exact_60 / step_60).quantize(Decimal(1), ROUND_HALF_UP)
    for limit_60 in limits_60.values():
        steps = min(steps, (limit_60 / step_60).quantize(Decimal(1), ROUND_FLOOR))
    mg = steps * protocol.round_mg
    return Dose(
        calculated_mg=_cents(exact_60 / MINUTES_IN_AN_HOUR),
        mg=mg,
        mg_per_h=rate(mg, minutes),
        minutes=minutes,
        capped_by=capped_by,
    )


def _limits_60(protocol: Protocol, minutes: int) -> dict[Cap, Decimal]:
    """Sixty times the most mg that each cap allows; of equal ones the rate is named, which is what is set."""
    limits = {}
    if protocol.max_mg_per_h is not None:
        limits[Cap.MAX_MG_PER_H] = protocol.max_mg_per_h * minutes
    if protocol.max_mg is not None:
        limits[Cap.MAX_MG] = protocol.max_mg * MINUTES_IN_AN_HOUR
    return limits


def rate(mg: Decimal, minutes: int) -> Decimal:
    """mg/h of so many mg over so many minutes."""
    return _cents(mg * MINUTES_IN_AN_HOUR / minutes)


def total(mg_per_h: Decimal, minutes: int) -> Decimal:
    """mg that a rate comes to in so many minutes."""
    return _cents(mg_per_h * minutes / MINUTES_IN_AN_HOUR)


def why(protocol: Protocol, dose: Dose, *, calculated: Dose, last_mg: Decimal | None = None) -> list[Why]:
    """What about an ordered dose needs a prescriber's reason; nothing when it is as calculated.

    ``calculated`` is the protocol's dose over the ordered minutes, ``last_mg`` the patient's last fixed dose.
    Slower than the protocol needs no reason, faster does, by more than rounding.
    """
    if protocol.basis == Basis.FIXED_MG:
        return [] if dose.mg in {calculated.mg, last_mg} else [Why.ANOTHER_CHOICE]
    found = []
    rate_60 = dose.mg * MINUTES_IN_AN_HOUR
    if protocol.max_mg is not None and dose.mg > protocol.max_mg:
        found.append(Why.ABOVE_MAX_MG)
    if protocol.max_mg_per_h is not None and (
        rate_60 > protocol.max_mg_per_h * dose.minutes
        or (dose.mg_per_h is not None and dose.mg_per_h > protocol.max_mg_per_h)
    ):
        found.append(Why.ABOVE_MAX_MG_PER_H)
    if abs(dose.mg - calculated.mg) > protocol.round_mg:
        found.append(Why.NOT_AS_CALCULATED)
    if (
        protocol.basis == Basis.MG_PER_KG
        and dose.minutes < protocol.minutes
        and (dose.mg - protocol.round_mg) * protocol.minutes > calculated.mg * dose.minutes
    ):
        found.append(Why.FASTER_THAN_PROTOCOL)
    return found


def ordered(
    protocol: Protocol,
    *,
    minutes: int,
    calculated: Dose,
    mg: Decimal | None = None,
    mg_per_h: Decimal | None = None,
) -> Dose:
    """The dose somebody asks for, as a total or as a rate, or neither: then as calculated.

    Raises Invalid: ``contradiction`` (both, and they disagree; a rate of a fixed dose), ``dose_not_offered``
    (a fixed dose that the protocol does not have), ``out_of_range`` (nothing, or beyond any infusion).
    """
    if protocol.basis == Basis.FIXED_MG:
        return _fixed(protocol, minutes=minutes, mg=mg, mg_per_h=mg_per_h)
    if mg is None and mg_per_h is None:
        return _usable(calculated)
    if mg is None:
        assert mg_per_h is not None  # noqa: S101 - one of both is given
        mg = total(mg_per_h, minutes)
    elif mg_per_h is not None and abs(total(mg_per_h, minutes) - mg) > protocol.round_mg:
        raise Invalid(
            f"{mg_per_h} mg/h over {minutes} minutes is {total(mg_per_h, minutes)} mg, not {mg}. Give one.",
            code="contradiction",
        )
    return _usable(replace(calculated, mg=mg, mg_per_h=rate(mg, minutes) if mg_per_h is None else mg_per_h))


def _usable(dose: Dose) -> Dose:
    """Raises Invalid (``out_of_range``) for nothing, and for what no infusion can be."""
    if dose.mg <= 0:
        raise Invalid("The dose comes to nothing. Order more than 0 mg.", code="out_of_range")
    if max(dose.mg, dose.mg_per_h or dose.mg, dose.calculated_mg) > MOST_MG:
        raise Invalid(f"No dose or rate is above {MOST_MG} mg. Check the numbers.", code="out_of_range")
    return dose


def _fixed(protocol: Protocol, *, minutes: int, mg: Decimal | None, mg_per_h: Decimal | None) -> Dose:
    first = protocol.choices_mg[0]
    if mg_per_h is not None:
        raise Invalid("This dose is fixed in mg and has no rate. Give mg.", code="contradiction")
    if mg is not None and mg not in protocol.choices_mg:
        choices = ", ".join(f"{choice} mg" for choice in protocol.choices_mg)
        raise Invalid(f"The protocol has {choices}. Choose one of them.", code="dose_not_offered")
    return Dose(calculated_mg=first, mg=first if mg is None else mg, mg_per_h=None, minutes=minutes)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)
