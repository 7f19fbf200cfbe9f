"""Which step a board offers with one click, and which ones behind it.

The tables of allowed steps are in transitions.py and session_stages.py; here is only what a person at the
board wants next.
"""

from collections.abc import Iterable
from datetime import datetime

from scheduling.domain import transitions
from scheduling.domain.session_stages import STEPS, SessionVerb, Stage
from scheduling.domain.transitions import UNDO_WITHIN, Status, Verb

CLINICAL = frozenset({Verb.START, Verb.COMPLETE, SessionVerb.END, SessionVerb.DISCHARGE})
"""Steps that only those who treat may take."""
ENDS = frozenset({Verb.CANCEL, Verb.NO_SHOW})
"""Steps after which the visit will not happen: never offered as the next one."""
_UNDONE = frozenset({*Verb, *SessionVerb})

Step = Verb | SessionVerb


def possible(
    *, status: Status, stage: Stage, infused: bool, begun: bool, writes: bool, treats: bool
) -> list[Step]:
    """The steps this person may take, the next one first. ``begun``: the visit's time has come.

    A treatment ends, is recovered from and is discharged before its visit is complete.
    """
    steps: list[Step] = [*(STEPS.get(stage, {}) if infused else ()), *transitions.allowed(status)]
    if infused and stage in STEPS:
        steps.remove(Verb.COMPLETE)
    if not begun and Verb.NO_SHOW in steps:
        steps.remove(Verb.NO_SHOW)
    return [step for step in steps if (treats if step in CLINICAL else writes)]


def next_of(steps: Iterable[Step], *, on_the_day: bool) -> Step | None:
    """The one offered with one click: on the day of the visit the patient comes, before it one confirms."""
    left = [step for step in steps if step not in ENDS]
    if on_the_day and Verb.CHECK_IN in left:
        return Verb.CHECK_IN
    return left[0] if left and not (left[0] == Verb.CHECK_IN and not on_the_day) else None


def undoable(verb: str | None, at: datetime | None, *, now: datetime) -> bool:
    """Whether the latest thing that happened is a step that can still be taken back."""
    return verb in _UNDONE and at is not None and now - at <= UNDO_WITHIN
