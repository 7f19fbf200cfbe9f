"""What patients may do to a visit by themselves, and when we rather talk to them; and which of many free
times a small screen shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from scheduling.domain.transitions import Status

T = TypeVar("T")
AWAITED = frozenset({Status.BOOKED, Status.CONFIRMED})


class Answer(StrEnum):
    """Whether the page does it, asks for a call instead, or does not speak of it."""

    YES = "yes"
    CALL = "call"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A site's policy. A change is made on the page until so long before the start, after that by a call."""

    confirm: bool
    move: bool
    cancel: bool
    move_until: timedelta
    cancel_until: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """What the page offers now."""

    confirm: bool
    move: Answer
    cancel: Answer


def permitted(*, status: Status, start_at: datetime, now: datetime, rules: Rules) -> Permitted:
    """What the rules allow for a visit in this status that starts then."""
    if status not in AWAITED or now >= start_at:
        return Permitted(confirm=False, move=Answer.NO, cancel=Answer.NO)
    left = start_at - now
    return Permitted(
        confirm=rules.confirm and status == Status.BOOKED,
        move=Answer.YES if rules.move and left >= rules.move_until else Answer.CALL,
        cancel=Answer.YES if rules.cancel and left >= rules.cancel_until else Answer.CALL,
    )


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most ``most`` of the items, evenly spaced, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    if most == 1:
        return [items[0]]
    last = len(items) - 1
    return [items[place * last // (most - 1)] for place in range(most)]
