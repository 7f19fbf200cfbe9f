"""Which check-ins may be recorded as answered, for which day, and when an answer shows too little effect."""

from dataclasses import dataclass
from datetime import date

from clinic.common.errors import FieldError, Invalid
from clinic.common.steps import InvalidTransition
from scheduling.domain.check_in_contacts import Windowed
from scheduling.domain.check_ins import OPEN, CheckInStatus

RECORDABLE = OPEN | {CheckInStatus.MISSED}
"""A missed one too: the answer was given in time but written down late."""

_NEXT = {
    CheckInStatus.ANSWERED: "It has been recorded already.",
    CheckInStatus.SUPERSEDED: "A change of dose replaced it. Record the check-in that took its place.",
    CheckInStatus.CANCELLED: "It was cancelled and asks for nothing.",
}


def require_recordable(status: CheckInStatus) -> None:
    """Raises InvalidTransition."""
    if status not in RECORDABLE:
        raise InvalidTransition(_NEXT[status], state=status.value, possible=[])


def require_in_window(*, row: Windowed, answered_on: date, latest: date) -> None:
    """An answer belongs to its window, both ends included; ``latest`` is the present date.

    Raises Invalid: ``answered_in_the_future``, ``outside_window``.
    """
    if answered_on > latest:
        raise _refused("answered_in_the_future", "This day has not come yet. Give the day of the answer.")
    if not row.window_start_on <= answered_on <= row.window_end_on:
        raise _refused(
            "outside_window",
            f"It can be answered from {row.window_start_on} to {row.window_end_on}. "
            "Note anything said outside these days on the work item or the next check-in.",
        )


@dataclass(frozen=True, slots=True)
class Efficacy:
    """One row of the clinic's data: by how much a measure has to have fallen. Source: DOMAIN section 3."""

    better_by_percent: int
    baseline_at_least: int


def falls_short(*, score: int, baseline: int, rule: Efficacy) -> bool:
    """Whether the way from the baseline to the score is less than the rule asks. Exact, never rounded.

    A baseline with too little to fall by is not judged.
    """
    if baseline < rule.baseline_at_least:
        return False
    return (baseline - score) * 100 < rule.better_by_percent * baseline


def _refused(code: str, detail: str) -> Invalid:
    return Invalid(detail, code=code, errors=[FieldError("/answered_on", code, detail)])
