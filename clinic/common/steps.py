"""Taking a step of a table of allowed steps: status -> verb -> the status after it.

Each record's table is data in its own domain module; this is the one way to ask it.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import TypeVar

from clinic.common.errors import Conflict

S = TypeVar("S", bound=StrEnum)
V = TypeVar("V", bound=StrEnum)


class InvalidTransition(Conflict):
    """The step is not allowed now; ``data`` has ``state`` and ``possible`` (verbs)."""

    code = "invalid_transition"


def after(
    table: Mapping[S, Mapping[V, S]],
    status: S,
    verb: V,
    *,
    called: str,
    over: str,
    unsaid: Collection[V] = (),
) -> S:
    """The status that ``verb`` leads to.

    Raises InvalidTransition: ``called`` says what the record is, ``over`` what to do when nothing is possible
    any more, and the ``unsaid`` verbs are not proposed to anybody.
    """
    steps = table[status]
    if verb in steps:
        return steps[verb]
    possible = [step.value for step in steps if step not in unsaid]
    raise InvalidTransition(
        f"This {called} is {status.value}. "
        + (f"Possible now: {', '.join(possible)}." if possible else over),
        state=status.value,
        possible=possible,
    )
