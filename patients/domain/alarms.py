"""The life of a safety alarm: its steps, whose it is, and when it goes on to the next role.

The idea to know: a timer that starts while nobody is at the clinic starts when the clinic next opens. After
the last role it stays there and comes again, until somebody acknowledges it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from clinic.common import steps


class Status(StrEnum):
    """Where an alarm is."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Verb(StrEnum):
    """What a clinician does to it."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


TRANSITIONS: Mapping[Status, Mapping[Verb, Status]] = MappingProxyType(
    {
        Status.OPEN: MappingProxyType({Verb.ACKNOWLEDGE: Status.ACKNOWLEDGED, Verb.RESOLVE: Status.RESOLVED}),
        Status.ACKNOWLEDGED: MappingProxyType({Verb.RESOLVE: Status.RESOLVED}),
        Status.RESOLVED: MappingProxyType({}),
    }
)


@dataclass(frozen=True, slots=True)
class Watch:
    """Whether somebody is at the clinic now, and if not, when next (None: not known)."""

    watched: bool
    next_open: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One role of the chain, and how long it has."""

    role: str
    minutes: int


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is: the step's number (1 is the first), its role, and when it ends."""

    level: int
    role: str
    until: datetime


def after(status: Status, verb: Verb) -> Status:
    """The status that ``verb`` leads to. Raises InvalidTransition."""
    return steps.after(TRANSITIONS, status, verb, called="alarm", over="It needs nothing more.")


def turn(*, chain: Sequence[Step], level: int, now: datetime, watch: Watch) -> Turn:
    """The turn that begins now at ``level``; beyond the chain (never empty) it is the last role's again."""
    step = chain[min(level, len(chain)) - 1]
    starts = now if watch.watched or watch.next_open is None else max(now, watch.next_open)
    return Turn(level=level, role=step.role, until=starts + timedelta(minutes=step.minutes))
