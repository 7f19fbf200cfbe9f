"""The life of an appointment as one table of allowed steps, and the diagram drawn from it.

Services ask here before they write a status; nothing else in the code knows which step follows which.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from clinic.common.errors import Conflict

UNDO_WITHIN = timedelta(minutes=15)


class Status(StrEnum):
    """Where an appointment is."""

    BOOKED = "booked"
    CONFIRMED = "confirmed"
    ARRIVED = "arrived"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


class Verb(StrEnum):
    """What a person or the patient does to it."""

    CONFIRM = "confirm"
    CHECK_IN = "check_in"
    START = "start"
    COMPLETE = "complete"
    CANCEL = "cancel"
    NO_SHOW = "no_show"


TRANSITIONS = MappingProxyType(
    {
        Status.BOOKED: MappingProxyType(
            {
                Verb.CONFIRM: Status.CONFIRMED,
                Verb.CHECK_IN: Status.ARRIVED,
                Verb.CANCEL: Status.CANCELLED,
                Verb.NO_SHOW: Status.NO_SHOW,
            }
        ),
        Status.CONFIRMED: MappingProxyType(
            {
                Verb.CHECK_IN: Status.ARRIVED,
                Verb.CANCEL: Status.CANCELLED,
                Verb.NO_SHOW: Status.NO_SHOW,
            }
        ),
        Status.ARRIVED: MappingProxyType({Verb.START: Status.IN_PROGRESS, Verb.CANCEL: Status.CANCELLED}),
        Status.IN_PROGRESS: MappingProxyType({Verb.COMPLETE: Status.COMPLETED}),
        Status.COMPLETED: MappingProxyType({}),
        Status.CANCELLED: MappingProxyType({}),
        Status.NO_SHOW: MappingProxyType({}),
    }
)

FREES_RESOURCES = frozenset({Status.CANCELLED, Status.NO_SHOW})
"""Statuses whose appointment holds neither chair nor nurse nor the patient's time any more."""


class InvalidTransition(Conflict):
    """The step is not allowed now; ``data`` has ``state`` and ``possible`` (verbs)."""

    code = "invalid_transition"

    def __init__(self, *, status: Status, detail: str) -> None:
        super().__init__(detail, state=status.value, possible=[verb.value for verb in allowed(status)])


def allowed(status: Status) -> list[Verb]:
    """The verbs possible in ``status``, in the order a visit usually goes; undo is not among them."""
    return list(TRANSITIONS[status])


def next_status(status: Status, verb: Verb) -> Status:
    """The status after ``verb``. Raises InvalidTransition naming the state and what is possible."""
    after = TRANSITIONS[status].get(verb)
    if after is None:
        detail = f"{_words(verb).capitalize()} is not possible: the appointment is {_words(status)}. "
        raise InvalidTransition(status=status, detail=detail + _possible(status))
    return after


def undo(
    *,
    status: Status,
    previous: Status | None,
    stepped_at: datetime,
    now: datetime,
    within: timedelta = UNDO_WITHIN,
) -> Status:
    """The status the latest step is taken back to.

    ``previous`` is the status before that step, None when there is nothing to take back (a new
    appointment, or a step already undone); ``stepped_at`` is when it was made. The moment exactly
    ``within`` later still counts. Raises InvalidTransition. Resources that the step had freed are for the
    caller to take again.
    """
    if previous is None or status not in TRANSITIONS[previous].values():
        raise InvalidTransition(status=status, detail=f"There is no step to undo. {_possible(status)}")
    require_in_time(status=status, stepped_at=stepped_at, now=now, within=within)
    return previous


def require_in_time(
    *, status: Status, stepped_at: datetime, now: datetime, within: timedelta = UNDO_WITHIN
) -> None:
    """Refuse to take back a step made longer ago than ``within``. Raises InvalidTransition."""
    if now - stepped_at > within:
        minutes = int(within.total_seconds() // 60)
        detail = f"The latest step can be undone for {minutes} minutes only. {_possible(status)}"
        raise InvalidTransition(status=status, detail=detail)


def mermaid() -> str:
    """The table as a Mermaid state diagram, ending in a newline."""
    lines = ["stateDiagram-v2", f"    [*] --> {Status.BOOKED}"]
    for status, steps in TRANSITIONS.items():
        lines += [f"    {status} --> {after}: {verb}" for verb, after in steps.items()]
        if not steps:
            lines.append(f"    {status} --> [*]")
    return "\n".join(lines) + "\n"


def _words(value: Status | Verb) -> str:
    return value.value.replace("_", " ")


def _possible(status: Status) -> str:
    verbs = [_words(verb) for verb in allowed(status)]
    return f"Possible now: {', '.join(verbs)}." if verbs else "Nothing more can be done with it."
