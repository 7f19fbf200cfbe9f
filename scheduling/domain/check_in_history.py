"""A prescription's history of doses, read as the orders a prescriber gave and what still stands of them.

The idea to know: an order is one decision (its head) together with the steps planned in it. A later order
replaces whatever earlier orders had planned to begin on or after the day it takes effect.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Self

from clinic.common.errors import Invalid


class DoseKind(StrEnum):
    """What happened to the dose."""

    START = "start"
    INCREASE = "increase"
    DECREASE = "decrease"
    SWITCH = "switch"
    STOP = "stop"
    RESTART = "restart"


NEW_DOSES = frozenset({DoseKind.START, DoseKind.INCREASE, DoseKind.SWITCH, DoseKind.RESTART})
"""Re-anchor: the wait for relief begins again."""

REDUCTIONS = frozenset({DoseKind.DECREASE, DoseKind.STOP})
"""Load the withdrawal rows."""

FIRST_KINDS = frozenset({DoseKind.START, DoseKind.SWITCH, DoseKind.RESTART})
"""What a history may begin with; a switch or restart when the earlier medicine is another prescription."""


class InvalidHistory(Invalid):
    """The doses do not make a history; the code says which rule, ``data`` the event's ``sequence``."""

    code = "invalid_dose_history"


@dataclass(frozen=True, slots=True)
class DoseEvent:
    """One change of dose. ``effective_on`` is the first day on the new dose (for a stop, without it).

    ``sequence`` is the event's number in the prescription, given in the order of recording and never
    reused: it stays what it is when dates are corrected. ``planned``: a step laid down in the same
    decision as the nearest unplanned event before it.
    """

    sequence: int
    kind: DoseKind
    dose_mg: Decimal
    ordered_on: date
    effective_on: date
    planned: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """One decision: the dose it begins with and the planned steps that still stand.

    ``target_withdrawn_on``: the earliest day on which a later order took effect that withdrew this
    order's target dose; the efficacy rows then count from the new dose before it.
    """

    head: DoseEvent
    steps: tuple[DoseEvent, ...] = ()
    target_withdrawn_on: date | None = None

    @property
    def events(self) -> tuple[DoseEvent, ...]:
        """Head and steps, in order of effect."""
        return (self.head, *self.steps)

    @property
    def target(self) -> DoseEvent | None:
        """The last new dose of this order: the anchor of efficacy rows. None when it only reduces."""
        new_doses = [event for event in self.events if event.kind in NEW_DOSES]
        return new_doses[-1] if new_doses else None

    def followed_by(self, step: DoseEvent) -> Self:
        """This order with one more planned step."""
        return replace(self, steps=(*self.steps, step))

    def overtaken_on(self, day: date) -> Self:
        """This order without the steps planned for ``day`` or later."""
        kept = replace(self, steps=tuple(step for step in self.steps if step.effective_on < day))
        if self.target_withdrawn_on is not None:
            return replace(kept, target_withdrawn_on=min(self.target_withdrawn_on, day))
        return kept if kept.target == self.target else replace(kept, target_withdrawn_on=day)


def standing_orders(*, events: Iterable[DoseEvent]) -> Sequence[Order]:
    """The orders still in force, oldest first, each without the steps a later order overtook.

    An order given later but taking effect earlier cancels the earlier one (increase ordered for the 20th,
    then a stop on the 12th); on the same day both stand, the later one having the last word. A service
    that records a change restates in the new order those planned steps that still hold.

    Raises InvalidHistory: ``no_start``, ``already_started``, ``change_before_start``, ``already_stopped``,
    ``planned_step_out_of_order``, ``duplicate_sequence``.
    """
    orders: list[Order] = []
    history = sorted(events, key=lambda event: event.sequence)
    for position, event in enumerate(history):
        if position == 0:
            _check_first(event)
        elif event.sequence == history[position - 1].sequence:
            raise _refused(event, "duplicate_sequence", "Two changes of dose have the same number.")
        else:
            _check_later(event, first=history[0])
        if event.planned:
            _check_follows(event, orders[-1].events[-1])
            orders[-1] = orders[-1].followed_by(event)
            continue
        day = event.effective_on
        orders = [order.overtaken_on(day) for order in orders if order.head.effective_on <= day]
        if orders:
            _check_not_stopped(event, orders[-1].events[-1])
        orders.append(Order(event))
    return orders


def _check_first(event: DoseEvent) -> None:
    if event.planned or event.kind not in FIRST_KINDS:
        raise _refused(event, "no_start", "A prescription begins with a first dose; record that first.")


def _check_later(event: DoseEvent, *, first: DoseEvent) -> None:
    if event.kind is DoseKind.START:
        raise _refused(event, "already_started", "It has been started already; record a restart instead.")
    if event.effective_on < first.effective_on:
        raise _refused(
            event,
            "change_before_start",
            f"A {event.kind} cannot take effect before the first dose; correct one of the two dates.",
        )


def _check_follows(step: DoseEvent, previous: DoseEvent) -> None:
    if step.effective_on <= previous.effective_on:
        raise _refused(
            step, "planned_step_out_of_order", "Planned steps must each take effect later than the last."
        )
    _check_not_stopped(step, previous)


def _check_not_stopped(event: DoseEvent, previous: DoseEvent) -> None:
    if previous.kind is DoseKind.STOP and event.kind in {
        DoseKind.INCREASE,
        DoseKind.DECREASE,
        DoseKind.STOP,
    }:
        raise _refused(event, "already_stopped", "It has been stopped by then; record a restart instead.")


def _refused(event: DoseEvent, code: str, detail: str) -> InvalidHistory:
    return InvalidHistory(detail, code=code, sequence=event.sequence)
