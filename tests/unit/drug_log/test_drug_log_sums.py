"""The sums of a controlled drug's log, against a ledger kept one hundredth of a milligram at a time."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.domain.drug_log import Balance, Entry, Kind, balances, beyond

entries = st.builds(
    Entry,
    kind=st.sampled_from(Kind),
    drug=st.sampled_from(["ketamine", "esketamine"]),
    mg=st.integers(1, 500_00).map(lambda cents: Decimal(cents) / 100),
    lot=st.sampled_from(["", "A1", "B2"]),
    seen=st.booleans(),
)


def by_hand(rows: list[Entry], drug: str) -> tuple[int, int]:
    """(hundredths of a milligram left, wastes without a witness)."""
    left = unseen = 0
    for row in rows:
        if row.drug == drug:
            left += int(row.mg * 100) * (1 if row.kind == "drawn" else -1)
            unseen += row.kind == "wasted" and not row.seen
    return left, unseen


@given(st.lists(entries, max_size=30))
def test_as_a_ledger_kept_by_hand(rows: list[Entry]) -> None:
    found = balances(rows)
    assert set(found) == {row.drug for row in rows}
    for drug, balance in found.items():
        left, unseen = by_hand(rows, drug)
        assert (int(balance.left_mg * 100), balance.unwitnessed) == (left, unseen)
        assert balance.settled == (left == 0 and unseen == 0)
        assert balance.lots == {row.lot for row in rows if row.drug == drug and row.lot}


def test_a_day_that_balances() -> None:
    rows = [
        Entry(Kind.DRAWN, "ketamine", Decimal("50.00"), "A1"),
        Entry(Kind.GIVEN, "ketamine", Decimal("35.00"), "A1"),
        Entry(Kind.WASTED, "ketamine", Decimal("15.00"), "A1"),
    ]
    balance = balances(rows)["ketamine"]
    assert (balance.left_mg, balance.unwitnessed, balance.settled) == (Decimal(0), 1, False)
    balance = balances([*rows[:2], Entry(Kind.WASTED, "ketamine", Decimal(15), seen=True)])["ketamine"]
    assert balance.settled
    assert Balance("ketamine").settled, "nothing was handled"


@pytest.mark.parametrize(
    ("given_mg", "ordered_mg", "rounding", "more"),
    [
        ("35", "35", "0", "0"),
        ("35.1", "35", "0.1", "0"),
        ("35.2", "35", "0.1", "0.2"),
        ("84", "56", "0", "28"),
        ("30", "35", "0", "0"),
        ("30", None, "0", "0"),
    ],
)
def test_beyond_the_order(given_mg: str, ordered_mg: str | None, rounding: str, more: str) -> None:
    ordered = None if ordered_mg is None else Decimal(ordered_mg)
    assert beyond(Decimal(given_mg), ordered, rounding_mg=Decimal(rounding)) == Decimal(more)
