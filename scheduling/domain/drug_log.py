"""The sums of a controlled drug's log: what was drawn is given or wasted, to a hundredth of a milligram.

Struck entries are left out by the caller. All amounts are milligrams, Decimal.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

NOTHING = Decimal(0)


class Kind(StrEnum):
    """What happened to an amount; the same words as DrugLogEntry.Kind."""

    DRAWN = "drawn"
    GIVEN = "given"
    WASTED = "wasted"


@dataclass(frozen=True, slots=True)
class Entry:
    """One amount. ``seen``: another person signed as its witness."""

    kind: Kind
    drug: str
    mg: Decimal
    lot: str = ""
    seen: bool = False

    @property
    def wants_witness(self) -> bool:
        """What is wasted is seen by another person; nobody has signed yet."""
        return self.kind == Kind.WASTED and not self.seen


@dataclass(slots=True)
class Balance:
    """The sums of one drug. ``left_mg``: drawn and not accounted for; negative: more went than was drawn."""

    drug: str
    drawn_mg: Decimal = NOTHING
    given_mg: Decimal = NOTHING
    wasted_mg: Decimal = NOTHING
    unwitnessed: int = 0
    lots: set[str] = field(default_factory=set)

    @property
    def left_mg(self) -> Decimal:
        """drawn - given - wasted."""
        return self.drawn_mg - self.given_mg - self.wasted_mg

    @property
    def settled(self) -> bool:
        """Nothing is left over and every waste was witnessed."""
        return self.left_mg == 0 and not self.unwitnessed

    def add(self, entry: Entry) -> None:
        """Count one entry."""
        match entry.kind:
            case Kind.DRAWN:
                self.drawn_mg += entry.mg
            case Kind.GIVEN:
                self.given_mg += entry.mg
            case Kind.WASTED:
                self.wasted_mg += entry.mg
        self.unwitnessed += entry.wants_witness
        if entry.lot:
            self.lots.add(entry.lot)


def balances(entries: Iterable[Entry]) -> dict[str, Balance]:
    """Drug -> its sums, by name."""
    found: dict[str, Balance] = {}
    for entry in entries:
        found.setdefault(entry.drug, Balance(entry.drug)).add(entry)
    return dict(sorted(found.items()))


def beyond(given_mg: Decimal, ordered_mg: Decimal | None, *, rounding_mg: Decimal = NOTHING) -> Decimal:
    """How much more was given than ordered; 0 within the order's rounding, or without an order."""
    if ordered_mg is None or given_mg <= ordered_mg + rounding_mg:
        return NOTHING
    return given_mg - ordered_mg
