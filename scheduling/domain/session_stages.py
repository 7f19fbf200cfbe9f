"""Where a patient is on the day of an infusion, from arrival to going home, and the steps between.

The appointment's status has the steps that every visit takes (domain/transitions.py). While it is in
progress, an infusion has two more: the infusion ends, the patient is discharged. Both can be undone.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from scheduling.domain import transitions
from scheduling.domain.transitions import InvalidTransition, Status, Verb


class Stage(StrEnum):
    """Where the patient is."""

    EXPECTED = "expected"
    WAITING = "waiting"
    INFUSING = "infusing"
    RECOVERY = "recovery"
    DISCHARGED = "discharged"
    DONE = "done"
    OFF = "off"
    """Cancelled, or nobody came."""


class SessionVerb(StrEnum):
    """The two steps of a session that are no steps of its appointment."""

    END = "end"
    DISCHARGE = "discharge"


_NONE: Mapping[SessionVerb, Stage] = MappingProxyType({})
STEPS: Mapping[Stage, Mapping[SessionVerb, Stage]] = MappingProxyType(
    {
        Stage.INFUSING: MappingProxyType({SessionVerb.END: Stage.RECOVERY}),
        Stage.RECOVERY: MappingProxyType({SessionVerb.DISCHARGE: Stage.DISCHARGED}),
    }
)

_BY_STATUS = MappingProxyType(
    {
        Status.BOOKED: Stage.EXPECTED,
        Status.CONFIRMED: Stage.EXPECTED,
        Status.ARRIVED: Stage.WAITING,
        Status.COMPLETED: Stage.DONE,
        Status.CANCELLED: Stage.OFF,
        Status.NO_SHOW: Stage.OFF,
    }
)


def stage_of(
    status: Status, *, infusion_ended_at: datetime | None = None, discharged_at: datetime | None = None
) -> Stage:
    """The stage that follows from the appointment's status and the moments of its session."""
    if status != Status.IN_PROGRESS:
        return _BY_STATUS[status]
    if infusion_ended_at is None:
        return Stage.INFUSING
    return Stage.RECOVERY if discharged_at is None else Stage.DISCHARGED


def next_stage(stage: Stage, verb: SessionVerb, *, status: Status) -> Stage:
    """The stage after ``verb``. Raises InvalidTransition naming the state and what is possible."""
    after = STEPS.get(stage, _NONE).get(verb)
    if after is None:
        possible = [*STEPS.get(stage, _NONE), *transitions.allowed(status)]
        steps = ", ".join(str(step).replace("_", " ") for step in possible) or "nothing more"
        raise InvalidTransition(
            status=status,
            detail=f"{verb.capitalize()} is not possible: the patient is {stage}. Possible now: {steps}.",
        )
    return after


def mermaid() -> str:
    """Every step from stage to stage as a Mermaid state diagram, ending in a newline."""
    lines = ["stateDiagram-v2", f"    [*] --> {Stage.EXPECTED}"]
    for status, steps in transitions.TRANSITIONS.items():
        if status == Status.IN_PROGRESS:
            continue
        for verb, after in steps.items():
            arrow = f"    {stage_of(status)} --> {stage_of(after)}: {verb}"
            if stage_of(status) != stage_of(after) and arrow not in lines:
                lines.append(arrow)
    for stage, steps_of_session in STEPS.items():
        lines += [f"    {stage} --> {after}: {verb}" for verb, after in steps_of_session.items()]
    lines.append(f"    {Stage.DISCHARGED} --> {Stage.DONE}: {Verb.COMPLETE}")
    lines += [f"    {stage} --> [*]" for stage in (Stage.DONE, Stage.OFF)]
    return "\n".join(lines) + "\n"
