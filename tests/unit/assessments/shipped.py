"""The shipped questionnaires, straight from the catalogue files: no database needed."""

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from patients.domain.instruments import Instrument
from patients.domain.scoring import Kind, Opens, Threshold, Unit

CATALOGUE = Path(__file__).resolve().parents[3] / "patients" / "catalogue"


@cache
def rows() -> dict[str, dict[str, Any]]:
    """Code to catalogue row."""
    files = json.loads((CATALOGUE / "instruments.json").read_text(encoding="utf-8"))
    found = {}
    for each in files:
        for row in json.loads(
            (CATALOGUE / "instruments" / f"{each['file']}.json").read_text(encoding="utf-8")
        ):
            found[row["code"]] = row
    return found


def instrument(code: str) -> Instrument:
    """As the domain reads it."""
    row = rows()[code]
    return Instrument.from_rows(
        code=row["code"], method=row["method"], items=row["items"], scales=row["scales"]
    )


def thresholds(code: str) -> list[Threshold]:
    """Its numbers."""
    return [
        Threshold(
            kind=Kind(row["kind"]),
            value=Decimal(row["value"]),
            unit=Unit(row["unit"]),
            code=row.get("code", ""),
            item=row.get("item", ""),
            opens=Opens(row.get("opens", "")),
            severity=row.get("severity", ""),
            owner_role=row.get("owner_role", ""),
            within_minutes=row.get("within_minutes"),
        )
        for row in rows()[code]["thresholds"]
    ]


def answers(code: str, total: int, **given: int) -> dict[str, int]:
    """Answers that add up to ``total``; ``given`` are fixed, such as i9=2."""
    fixed = {name.removeprefix("i"): value for name, value in given.items()}
    left = total - sum(fixed.values())
    found = {}
    for item in instrument(code).items:
        if item.code in fixed:
            found[item.code] = fixed[item.code]
            continue
        found[item.code] = min(max(item.values), left)
        left -= found[item.code]
    assert left == 0, "no such total"
    return found
