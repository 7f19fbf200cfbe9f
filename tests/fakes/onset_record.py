"""Dose histories and a record of check-ins in memory, for tests of the pure onset engine."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

from scheduling.domain.check_in_contacts import overdue
from scheduling.domain.check_in_history import DoseEvent, DoseKind
from scheduling.domain.check_in_rules import CheckInRule, PatientFacts
from scheduling.domain.check_ins import (
    OPEN,
    Changes,
    CheckInStatus,
    ExistingCheckIn,
    PlannedCheckIn,
    plan,
    reconcile,
)

CATALOGUE = Path(__file__).parents[2] / "scheduling" / "catalogue" / "check_in_rules.json"
RULES = tuple(CheckInRule.from_row(row) for row in json.loads(CATALOGUE.read_text(encoding="utf-8")))

ADULT = PatientFacts(date_of_birth=date(1980, 6, 15))
YOUNG_DEPRESSED = PatientFacts(date_of_birth=date(2002, 6, 15), indications=frozenset({"depression"}))


def event(
    sequence: int,
    kind: str,
    dose_mg: str,
    effective_on: date,
    *,
    ordered_on: date | None = None,
    planned: bool = False,
) -> DoseEvent:
    """A change of dose, ordered on the day it takes effect unless said otherwise."""
    return DoseEvent(
        sequence=sequence,
        kind=DoseKind(kind),
        dose_mg=Decimal(dose_mg),
        ordered_on=ordered_on or effective_on,
        effective_on=effective_on,
        planned=planned,
    )


def planned_rows(
    *events: DoseEvent, facts: PatientFacts = ADULT, drug_class: str = "snri"
) -> list[PlannedCheckIn]:
    """The plan of these events under the shipped rules."""
    return plan(events=events, rules=RULES, facts=facts, drug_class=drug_class)


MARCH_1 = date(2027, 3, 1)
START = event(1, "start", "37.5", MARCH_1)


def on(month: int, day: int) -> date:
    """A day of 2027, the year of the journeys."""
    return date(2027, month, day)


def listed(rows: Iterable[PlannedCheckIn]) -> list[tuple[str, date]]:
    """Code and due date of each row."""
    return [(row.code, row.due_on) for row in rows]


def only(rows: Iterable[PlannedCheckIn], code: str, *, sequence: int = 1) -> PlannedCheckIn:
    """The one row with this code of this anchor."""
    (row,) = [row for row in rows if row.code == code and row.anchor_sequence == sequence]
    return row


class Record:
    """Check-ins as the database holds them: appended to, their status changed, never deleted."""

    def __init__(self) -> None:
        self.rows: list[ExistingCheckIn] = []

    def reconcile(self, planned: Iterable[PlannedCheckIn]) -> Changes:
        """Brings the record in line with the plan; returns what was done."""
        changes = reconcile(existing=self.rows, planned=planned)
        gone = {row.id for row in changes.supersede}
        self.set_status(CheckInStatus.SUPERSEDED, lambda row: row.id in gone)
        for row in changes.create:
            self.rows.append(ExistingCheckIn(len(self.rows) + 1, CheckInStatus.PLANNED, row))
        return changes

    def answer(self, *dues: date) -> None:
        """Answers every open row due on one of these days; there must be one for each."""
        for due in dues:
            assert due in {row.check_in.due_on for row in self.open}, f"nothing to answer on {due}"
        self.set_status(
            CheckInStatus.ANSWERED, lambda row: row.status in OPEN and row.check_in.due_on in dues
        )

    def sweep(self, today: date) -> list[PlannedCheckIn]:
        """Counts lapsed rows as missed; returns those that open a work item."""
        lapsed = [
            (row, lapse)
            for row in self.open
            if (lapse := overdue(row=row.check_in, today=today, answered=False)) is not None
        ]
        ids = {row.id for row, _ in lapsed}
        self.set_status(CheckInStatus.MISSED, lambda row: row.id in ids)
        return [row.check_in for row, lapse in lapsed if lapse.opens_work_item]

    def set_status(self, status: CheckInStatus, which: Callable[[ExistingCheckIn], bool]) -> None:
        """Changes the status of the rows chosen."""
        self.rows = [replace(row, status=status) if which(row) else row for row in self.rows]

    @property
    def open(self) -> list[ExistingCheckIn]:
        """The rows that still wait for an answer."""
        return [row for row in self.rows if row.status in OPEN]

    def listed(self, status: CheckInStatus) -> set[tuple[str, date]]:
        """Code and due date of the rows with this status."""
        return {(row.check_in.code, row.check_in.due_on) for row in self.rows if row.status is status}
