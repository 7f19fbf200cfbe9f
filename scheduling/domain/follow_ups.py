"""The life of a follow-up as one table of allowed steps, and the day on which a next-day call falls."""

from collections.abc import Callable
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType

from clinic.common.errors import Conflict

SEARCHED_DAYS = 60
"""How far ahead an open day is looked for; a site closed for longer keeps the day itself."""


class Status(StrEnum):
    """Where a follow-up is."""

    DUE = "due"
    DONE = "done"
    CANCELLED = "cancelled"


class Verb(StrEnum):
    """What a person does to it."""

    MOVE = "move"
    COMPLETE = "complete"
    CANCEL = "cancel"


TRANSITIONS = MappingProxyType(
    {
        Status.DUE: MappingProxyType(
            {Verb.MOVE: Status.DUE, Verb.COMPLETE: Status.DONE, Verb.CANCEL: Status.CANCELLED}
        ),
        Status.DONE: MappingProxyType({}),
        Status.CANCELLED: MappingProxyType({}),
    }
)


class InvalidTransition(Conflict):
    """The step is not allowed now; ``data`` has ``state`` and ``possible`` (verbs)."""

    code = "invalid_transition"


def after(status: Status, verb: Verb) -> Status:
    """The status that ``verb`` leads to. Raises InvalidTransition."""
    steps = TRANSITIONS[status]
    if verb not in steps:
        raise InvalidTransition(
            f"This follow-up is {status.value}. "
            + (f"Possible now: {', '.join(steps)}." if steps else "Make a new one if more is owed."),
            state=status.value,
            possible=[step.value for step in steps],
        )
    return steps[verb]


def next_open_day(day: date, *, is_open: Callable[[date], bool]) -> date:
    """``day`` itself or the first open one after it; ``day`` when none is near (DOMAIN section 6, A)."""
    days = (day + timedelta(days=ahead) for ahead in range(SEARCHED_DAYS))
    return next(filter(is_open, days), day)
