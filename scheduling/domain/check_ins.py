"""When a medicine should begin to work, and so when to ask: check-ins planned from a dose history.

The idea to know: the plan is a pure function of the whole history. What is stored is brought in line with
it by reconciling, which creates and supersedes but never deletes, and never touches an answer.

How DOMAIN section 3 is read where it is terse:

- "Rows not yet answered become superseded": a change of dose takes away every row that could still be
  answered on the day it takes effect or later. A row whose window closes before that day is about the
  old dose alone, so it stays, to be answered or missed: a change ordered for next month does not
  silence this week. A mandatory row due on or before that day stays too, because a mandatory contact may
  only end answered or as a work item.
- A start, increase, switch, restart or stop does this to all earlier rows. A decrease does not re-anchor:
  the patient still takes the medicine, so its onset rows go on and only the rows of an earlier
  reduction give way to the new ones.
- A planned step adds its safety rows (or, when it reduces, its withdrawal rows) and takes none of the
  others away, but the efficacy rows follow the last new dose planned. A planned stop ends the onset rows.
- Dates are calendar dates in the patient's zone; both ends of a window belong to it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from scheduling.domain.check_in_history import (
    NEW_DOSES,
    DoseEvent,
    DoseKind,
    InvalidHistory,
    Order,
    standing_orders,
)
from scheduling.domain.check_in_rules import ApplicableRule, CheckInRule, Follows, PatientFacts, applicable

ONSET = frozenset({Follows.EACH_DOSE, Follows.TARGET_DOSE})

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


class CheckInStatus(StrEnum):
    """Where a check-in is."""

    PLANNED = "planned"
    SENT = "sent"
    ANSWERED = "answered"
    MISSED = "missed"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


OPEN = frozenset({CheckInStatus.PLANNED, CheckInStatus.SENT})
"""Statuses of a row that still waits for its answer."""


@dataclass(frozen=True, slots=True)
class PlannedCheckIn:
    """One row of the plan. ``key`` names its place in the prescription: anchor, anchor day, slot and day.

    The key of SAFE7 is that of the ONSET7 it stands in for, so that one never comes on top of the other;
    moving an anchor to another day makes other keys, since it asks about other days of treatment.
    """

    key: str
    code: str
    day: int
    due_on: date
    window_start_on: date
    window_end_on: date
    mandatory: bool
    staff_contact: bool
    asks: tuple[str, ...]
    anchor_sequence: int
    anchor_kind: DoseKind
    anchor_on: date
    anchor_dose_mg: Decimal

    @property
    def explanation(self) -> str:
        """Why the row is there, for staff: ``day 7 after first dose of 75 mg on 8 March 2027``."""
        dose = f"{self.anchor_dose_mg.normalize():f} mg"
        change = {
            DoseKind.START: f"first dose of {dose}",
            DoseKind.INCREASE: f"first dose of {dose}",
            DoseKind.SWITCH: f"first dose of {dose} after a switch",
            DoseKind.RESTART: f"first dose of {dose} after a restart",
            DoseKind.DECREASE: f"reducing to {dose}",
            DoseKind.STOP: "stopping",
        }[self.anchor_kind]
        on = self.anchor_on
        return f"day {self.day} after {change} on {on.day} {MONTHS[on.month - 1]} {on.year}"


@dataclass(frozen=True, slots=True)
class ExistingCheckIn:
    """A stored row: its database id, where it is, and the plan row it was made from."""

    id: int
    status: CheckInStatus
    check_in: PlannedCheckIn


@dataclass(frozen=True, slots=True)
class Changes:
    """What reconciling asks of the store. Every existing row is in exactly one of keep and supersede."""

    create: tuple[PlannedCheckIn, ...]
    keep: tuple[ExistingCheckIn, ...]
    supersede: tuple[ExistingCheckIn, ...]


def plan(
    *, events: Iterable[DoseEvent], rules: Iterable[CheckInRule], facts: PatientFacts, drug_class: str
) -> list[PlannedCheckIn]:
    """Every check-in the history calls for, by due date; also those whose window has long passed.

    ``rules`` are the rows in force, ``drug_class`` one of ssri, snri, tca, maoi, other. No events, no
    rows. Raises InvalidHistory (also ``date_out_of_range`` when a row would leave the calendar) and
    InvalidRules. Source: DOMAIN section 3; the readings chosen are in the module's docstring.
    """
    rules = tuple(rules)
    orders = standing_orders(events=events)
    removals = [removal for order in orders for removal in _removals(order)]
    rows: list[PlannedCheckIn] = []
    for order in orders:
        for event, follows in _loads(order):
            chosen = applicable(
                rules=[rule for rule in rules if rule.follows is follows],
                facts=facts,
                drug_class=drug_class,
                anchor_on=event.effective_on,
            )
            loaded = [_row(event, choice) for choice in chosen]
            rows += [row for row in loaded if not any(gone.takes(row, follows) for gone in removals)]
    return sorted(rows, key=lambda row: (row.due_on, row.anchor_sequence, row.code))


def reconcile(*, existing: Iterable[ExistingCheckIn], planned: Iterable[PlannedCheckIn]) -> Changes:
    """What to create and supersede so that the open rows are exactly the plan's unsettled ones.

    Answered, missed and cancelled rows stay as they are and settle their key: the same place is not asked
    twice. An open row that is no longer in the plan, or differs from it, is superseded (and the
    plan's version created). A superseded row that the plan wants again is created anew. Doing what is
    asked and reconciling again asks for nothing.
    """
    existing = tuple(existing)
    wanted = {row.key: row for row in planned}
    settled = {
        item.check_in.key
        for item in existing
        if item.status not in OPEN and item.status is not CheckInStatus.SUPERSEDED
    }
    keep: list[ExistingCheckIn] = []
    supersede: list[ExistingCheckIn] = []
    for item in existing:
        key = item.check_in.key
        if item.status not in OPEN:
            keep.append(item)
        elif key not in settled and wanted.get(key) == item.check_in:
            settled.add(key)
            keep.append(item)
        else:
            supersede.append(item)
    create = tuple(row for row in wanted.values() if row.key not in settled)
    return Changes(create=create, keep=tuple(keep), supersede=tuple(supersede))


def _loads(order: Order) -> Iterator[tuple[DoseEvent, Follows]]:
    """Which family of rows each event of the order loads."""
    for event in order.events:
        yield event, Follows.EACH_DOSE if event.kind in NEW_DOSES else Follows.REDUCTION
    if order.target is not None:
        yield order.target, Follows.TARGET_DOSE


@dataclass(frozen=True, slots=True)
class _Removal:
    """From ``on``, rows of these families anchored before event ``before`` are taken away; where
    ``until`` is set, only those whose window closed by then, the change having been withdrawn itself."""

    families: frozenset[Follows]
    on: date
    before: int
    until: date | None = None

    def takes(self, row: PlannedCheckIn, family: Follows) -> bool:
        if family not in self.families or row.anchor_sequence >= self.before:
            return False
        if self.until is not None and row.window_end_on >= self.until:
            return False
        came_due = row.mandatory and row.due_on <= self.on
        return not came_due and row.window_end_on >= self.on


def _removals(order: Order) -> Iterator[_Removal]:
    """What the order takes away from the rows of earlier anchors."""
    head = order.head
    day = head.effective_on
    families = frozenset(Follows)
    if head.kind is DoseKind.DECREASE:
        families = frozenset({Follows.REDUCTION})
        if order.target is not None:
            families |= {Follows.TARGET_DOSE}
    yield _Removal(families, day, head.sequence)
    for step in order.steps:
        if step.kind is DoseKind.STOP:
            yield _Removal(ONSET, step.effective_on, step.sequence)
    if order.target_withdrawn_on is not None:
        # Efficacy rows that return because the target was withdrawn, but could only have been answered
        # while it stood, were never due: they do not come back only to be counted as missed.
        last = order.events[-1].sequence
        yield _Removal(frozenset({Follows.TARGET_DOSE}), day, last + 1, until=order.target_withdrawn_on)


def _row(event: DoseEvent, choice: ApplicableRule) -> PlannedCheckIn:
    rule = choice.rule
    try:
        due_on = event.effective_on + timedelta(days=rule.day)
        window_start_on = due_on - timedelta(days=rule.window_before)
        window_end_on = due_on + timedelta(days=rule.window_after)
    except OverflowError as error:
        raise InvalidHistory(
            "The dates lie outside the calendar; correct the date of the dose.",
            code="date_out_of_range",
            sequence=event.sequence,
        ) from error
    return PlannedCheckIn(
        key=f"{event.sequence}:{event.effective_on.isoformat()}:{choice.slot}:{rule.day}",
        code=rule.code,
        day=rule.day,
        due_on=due_on,
        window_start_on=window_start_on,
        window_end_on=window_end_on,
        mandatory=rule.mandatory,
        staff_contact=rule.staff_contact,
        asks=rule.asks,
        anchor_sequence=event.sequence,
        anchor_kind=event.kind,
        anchor_on=event.effective_on,
        anchor_dose_mg=event.dose_mg,
    )
