"""The life of a work item as one table of allowed steps."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from clinic.common.errors import Conflict


class Status(StrEnum):
    """Where a work item is."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Verb(StrEnum):
    """What a person does to it."""

    ACKNOWLEDGE = "acknowledge"
    ASSIGN = "assign"
    RESOLVE = "resolve"


TRANSITIONS: Mapping[Status, Mapping[Verb, Status]] = MappingProxyType(
    {
        Status.OPEN: MappingProxyType(
            {
                Verb.ACKNOWLEDGE: Status.ACKNOWLEDGED,
                Verb.ASSIGN: Status.OPEN,
                Verb.RESOLVE: Status.RESOLVED,
            }
        ),
        Status.ACKNOWLEDGED: MappingProxyType(
            {Verb.ASSIGN: Status.ACKNOWLEDGED, Verb.RESOLVE: Status.RESOLVED}
        ),
        Status.RESOLVED: MappingProxyType({}),
    }
)


class InvalidTransition(Conflict):
    """The step is not allowed now; ``data`` has ``state`` and ``possible`` (verbs)."""

    code = "invalid_transition"


def after(status: Status, verb: Verb) -> Status:
    """The status that ``verb`` leads to. Raises InvalidTransition."""
    steps = TRANSITIONS[status]
    if verb not in steps:
        possible = [step.value for step in steps]
        raise InvalidTransition(
            f"This work item is {status.value}. "
            + (f"Possible now: {', '.join(possible)}." if possible else "Nothing more can be done to it."),
            state=status.value,
            possible=possible,
        )
    return steps[verb]
