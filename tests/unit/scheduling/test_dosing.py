"""Doses: milligrams from weight and protocol, held against exact fractions, and what needs a reason."""

from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic.common.errors import Invalid
from scheduling.domain.dosing import Basis, Cap, Dose, Protocol, Why, calculate, ordered, rate, why

MOOD = Protocol(basis=Basis.MG_PER_KG, amount=Decimal("0.5"), minutes=40)
PAIN = Protocol(
    basis=Basis.MG_PER_KG_H,
    amount=Decimal("0.35"),
    minutes=240,
    max_mg=Decimal(100),
    max_mg_per_h=Decimal(25),
)
NASAL = Protocol(
    basis=Basis.FIXED_MG, choices_mg=(Decimal(56), Decimal(84)), minutes=15, round_mg=Decimal(28)
)


def test_ana() -> None:
    dose = calculate(MOOD, weight_kg=Decimal(70))
    assert dose == Dose(calculated_mg=Decimal(35), mg=Decimal(35), mg_per_h=Decimal("52.5"), minutes=40)


def test_ben_is_capped() -> None:
    dose = calculate(PAIN, weight_kg=Decimal(90))
    assert dose.calculated_mg == Decimal(126)  # 31.5 mg/h over 4 h
    assert (dose.mg, dose.mg_per_h, dose.capped_by) == (Decimal(100), Decimal(25), Cap.MAX_MG_PER_H)


def test_the_cap_that_binds_is_named() -> None:
    longer = calculate(PAIN, weight_kg=Decimal(90), minutes=300)
    assert (longer.mg, longer.mg_per_h, longer.capped_by) == (Decimal(100), Decimal(20), Cap.MAX_MG)
    light = calculate(PAIN, weight_kg=Decimal(50))
    assert (light.mg, light.mg_per_h, light.capped_by) == (Decimal(70), Decimal("17.5"), None)


def test_a_fixed_dose_needs_no_weight() -> None:
    assert calculate(NASAL, weight_kg=None).mg == Decimal(56)
    with pytest.raises(Invalid) as refused:
        calculate(MOOD, weight_kg=None)
    assert refused.value.code == "not_weighed"


def cents(least: str, most: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(least), Decimal(most), places=2)


@st.composite
def protocols(draw: st.DrawFn) -> Protocol:
    return Protocol(
        basis=draw(st.sampled_from([Basis.MG_PER_KG, Basis.MG_PER_KG_H])),
        amount=draw(st.decimals(Decimal("0.001"), Decimal(3), places=3)),
        minutes=draw(st.integers(1, 600)),
        max_mg=draw(st.none() | cents("0.01", "300")),
        max_mg_per_h=draw(st.none() | cents("0.01", "100")),
        round_mg=draw(
            st.sampled_from([Decimal("0.01"), Decimal("0.1"), Decimal("0.25"), Decimal(1), Decimal("2.5")])
        ),
    )


WEIGHTS = st.decimals(Decimal(20), Decimal(400), places=1)


@given(protocols(), WEIGHTS, st.none() | st.integers(1, 1440))
def test_doses_are_those_of_exact_fractions(protocol: Protocol, kg: Decimal, minutes: int | None) -> None:
    lasts = minutes or protocol.minutes
    assert protocol.amount is not None
    exact = (
        Fraction(protocol.amount)
        * Fraction(kg)
        * (Fraction(lasts, 60) if protocol.basis == Basis.MG_PER_KG_H else 1)
    )
    step = Fraction(protocol.round_mg)
    expected = floor(exact / step + Fraction(1, 2)) * step
    limits = []
    if protocol.max_mg is not None:
        limits.append(Fraction(protocol.max_mg))
    if protocol.max_mg_per_h is not None:
        limits.append(Fraction(protocol.max_mg_per_h) * Fraction(lasts, 60))
    for limit in limits:
        if expected > limit:
            expected = floor(limit / step) * step

    dose = calculate(protocol, weight_kg=kg, minutes=minutes)

    assert Fraction(dose.mg) == expected
    assert Fraction(dose.calculated_mg) == Fraction(floor(exact * 100 + Fraction(1, 2)), 100)
    assert dose.mg_per_h is not None
    assert abs(Fraction(dose.mg_per_h) - expected * 60 / lasts) <= Fraction(1, 200)
    assert (dose.capped_by is not None) == any(limit < exact for limit in limits)
    if dose.mg > 0:
        shorter = minutes is not None and lasts < protocol.minutes
        reasons = why(protocol, ordered(protocol, minutes=lasts, calculated=dose), calculated=dose)
        assert set(reasons) <= ({Why.FASTER_THAN_PROTOCOL} if shorter else set())


@given(protocols(), WEIGHTS, cents("0.01", "500"))
def test_whatever_passes_a_cap_needs_a_reason(protocol: Protocol, kg: Decimal, mg: Decimal) -> None:
    calculated = calculate(protocol, weight_kg=kg)
    dose = ordered(protocol, minutes=protocol.minutes, calculated=calculated, mg=mg)
    reasons = why(protocol, dose, calculated=calculated)
    too_much = protocol.max_mg is not None and Fraction(mg) > Fraction(protocol.max_mg)
    too_fast = protocol.max_mg_per_h is not None and Fraction(mg) * 60 / protocol.minutes > Fraction(
        protocol.max_mg_per_h
    )
    assert (Why.ABOVE_MAX_MG in reasons) == too_much
    assert (Why.ABOVE_MAX_MG_PER_H in reasons) == too_fast
    assert (Why.NOT_AS_CALCULATED in reasons) == (
        abs(Fraction(mg) - Fraction(calculated.mg)) > Fraction(protocol.round_mg)
    )


def asked(protocol: Protocol, kg: Decimal | None, *, minutes: int | None = None, **given_: Any) -> list[Why]:
    lasts = minutes or protocol.minutes
    calculated = calculate(protocol, weight_kg=kg, minutes=lasts)
    dose = ordered(protocol, minutes=lasts, calculated=calculated, **given_)
    return why(protocol, dose, calculated=calculated, last_mg=Decimal(84))


def test_slower_needs_no_reason_and_faster_does() -> None:
    assert asked(MOOD, Decimal(70), minutes=60) == []
    assert asked(MOOD, Decimal(70), minutes=30) == [Why.FASTER_THAN_PROTOCOL]
    assert asked(PAIN, Decimal(60), minutes=120) == []  # the same rate for half the time


def test_by_no_more_than_rounding() -> None:
    assert asked(MOOD, Decimal(70), mg=Decimal("35.1")) == []
    assert asked(MOOD, Decimal(70), mg=Decimal("35.2")) == [Why.NOT_AS_CALCULATED]
    assert asked(MOOD, Decimal(70), mg_per_h=Decimal("52.5")) == []
    assert asked(PAIN, Decimal(90), mg_per_h=Decimal(26)) == [
        Why.ABOVE_MAX_MG,
        Why.ABOVE_MAX_MG_PER_H,
        Why.NOT_AS_CALCULATED,
    ]


def test_fixed_doses() -> None:
    calculated = calculate(NASAL, weight_kg=None)
    high = ordered(NASAL, minutes=15, calculated=calculated, mg=Decimal("84.00"))
    assert (high.mg, high.mg_per_h) == (Decimal(84), None)
    assert why(NASAL, high, calculated=calculated) == [Why.ANOTHER_CHOICE]
    assert why(NASAL, high, calculated=calculated, last_mg=Decimal(84)) == []
    assert asked(NASAL, None) == []


@pytest.mark.parametrize(
    ("protocol", "given_", "code"),
    [
        (NASAL, {"mg": Decimal(28)}, "dose_not_offered"),
        (NASAL, {"mg_per_h": Decimal(28)}, "contradiction"),
        (MOOD, {"mg": Decimal(35), "mg_per_h": Decimal(60)}, "contradiction"),
        (MOOD, {"mg": Decimal(0)}, "out_of_range"),
        (MOOD, {"mg": Decimal("100000.01")}, "out_of_range"),
        (MOOD, {"mg_per_h": Decimal(200000)}, "out_of_range"),
    ],
)
def test_what_cannot_be_ordered(protocol: Protocol, given_: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        asked(protocol, Decimal(70), **given_)
    assert refused.value.code == code


def test_caps_and_rounding_may_leave_nothing() -> None:
    tiny = Protocol(basis=Basis.MG_PER_KG, amount=Decimal("0.001"), minutes=40, round_mg=Decimal(1))
    calculated = calculate(tiny, weight_kg=Decimal(20))
    assert calculated.mg == 0
    with pytest.raises(Invalid) as refused:
        ordered(tiny, minutes=40, calculated=calculated)
    assert refused.value.code == "out_of_range"
    assert ordered(tiny, minutes=40, calculated=calculated, mg=Decimal(1)).mg_per_h == rate(Decimal(1), 40)


def test_a_protocol_is_kept_as_text() -> None:
    assert PAIN.to_json() == {
        "basis": "mg_per_kg_h",
        "minutes": 240,
        "amount": "0.35",
        "choices_mg": [],
        "max_mg": "100",
        "max_mg_per_h": "25",
        "round_mg": "0.1",
    }
