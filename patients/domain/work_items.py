"""The life of a work item as one table of allowed steps."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from clinic.common import steps


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


def after(status: Status, verb: Verb) -> Status:
    """The status that ``verb`` leads to. Raises InvalidTransition."""
    return steps.after(TRANSITIONS, status, verb, called="work item", over="Nothing more can be done to it.")
