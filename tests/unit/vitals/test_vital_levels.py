"""What readings call for, with the thresholds that ship, and what cannot be a reading."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from scheduling.domain.vital_levels import Threshold, gravest, implausible, judge

SHIPPED = [
    Threshold(
        measure=row["measure"],
        level=row["level"],
        before_only=row["when"] == "before",
        at_least=Decimal(row["at_least"]) if "at_least" in row else None,
        below=Decimal(row["below"]) if "below" in row else None,
    )
    for row in json.loads(Path("scheduling/catalogue/vital_thresholds.json").read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(
    ("values", "before", "level"),
    [
        ({"systolic": 172, "diastolic": 104}, False, "review"),  # journey A at 30 minutes
        ({"systolic": 138, "diastolic": 86}, False, ""),  # and at 60
        ({"systolic": 145, "diastolic": 85}, False, ""),
        ({"systolic": 140, "diastolic": 80}, True, "acknowledge"),
        ({"systolic": 120, "diastolic": 90}, True, "acknowledge"),
        ({"systolic": 139, "diastolic": 89}, True, ""),
        ({"systolic": 160, "diastolic": 80}, True, "review"),
        ({"systolic": 120, "diastolic": 100}, True, "review"),
        ({"systolic": 180, "diastolic": 80}, True, "urgent"),
        ({"systolic": 179, "diastolic": 109}, False, "review"),
        ({"systolic": 130, "diastolic": 110}, False, "urgent"),
        ({"spo2": 91}, False, "urgent"),
        ({"spo2": 92}, False, ""),
        ({"heart_rate": 190}, False, ""),  # no row ships for it
    ],
)
def test_levels_as_shipped(values: dict[str, int], before: bool, level: str) -> None:
    assert judge(values, symptoms="", before=before, thresholds=SHIPPED).level == level


def test_symptoms_are_urgent_whatever_was_measured() -> None:
    found = judge(
        {"systolic": 120, "diastolic": 80}, symptoms="chest tightness", before=False, thresholds=SHIPPED
    )
    assert found.level == "urgent"
    assert found.findings == [{"measure": "symptoms", "level": "urgent", "when": "any"}]
    assert judge({"spo2": 99}, symptoms="  ", before=False, thresholds=SHIPPED).level == ""


def test_findings_keep_the_gravest_threshold_of_each_measure_as_it_was() -> None:
    found = judge(
        {"systolic": 182, "diastolic": 104, "temperature_c": Decimal("36.5")},
        symptoms="",
        before=True,
        thresholds=SHIPPED,
    )
    assert found.findings == [
        {"measure": "diastolic", "level": "review", "when": "before", "at_least": "100", "value": "104"},
        {"measure": "systolic", "level": "urgent", "when": "any", "at_least": "180", "value": "182"},
    ]


def test_gravest() -> None:
    assert gravest(["review", "", "urgent", "acknowledge"]) == "urgent"
    assert gravest([]) == ""


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        ({"systolic": 1200, "diastolic": 80}, {("/systolic", "out_of_range")}),
        ({"systolic": 29, "diastolic": 9}, {("/systolic", "out_of_range"), ("/diastolic", "out_of_range")}),
        ({"spo2": 101}, {("/spo2", "out_of_range")}),
        ({"temperature_c": Decimal("98.6")}, {("/temperature_c", "out_of_range")}),
        ({"systolic": 120}, {("/diastolic", "required")}),
        ({"diastolic": 80}, {("/systolic", "required")}),
        ({"systolic": 80, "diastolic": 120}, {("/diastolic", "diastolic_not_below_systolic")}),
        ({"systolic": 80, "diastolic": 80}, {("/diastolic", "diastolic_not_below_systolic")}),
        ({}, {("/systolic", "required")}),
        ({"systolic": 120, "diastolic": 80, "spo2": None}, set()),
        ({"temperature_c": Decimal("36.6")}, set()),
    ],
)
def test_what_cannot_be_is_named_by_field(values: dict[str, Any], faults: set[tuple[str, str]]) -> None:
    assert {(fault.pointer, fault.code) for fault in implausible(values, symptoms="")} == faults


def test_symptoms_alone_are_a_reading() -> None:
    assert implausible({}, symptoms="dizzy") == []
