"""The diagram of an infusion's day says what the tables say."""

import re
from itertools import product

import pytest

from scheduling.domain.session_stages import (
    STEPS,
    SessionVerb,
    Stage,
    mermaid,
    next_stage,
    stage_of,
)
from scheduling.domain.transitions import InvalidTransition, Status, Verb, next_status

_ARROW = re.compile(r"^    (\w+) --> (\w+): (\w+)$", re.MULTILINE)
DRAWN = {(before, verb): after for before, after, verb in _ARROW.findall(mermaid())}


@pytest.mark.parametrize(("status", "verb"), list(product(Status, Verb)))
def test_every_step_of_the_visit_is_drawn_between_its_stages(status: Status, verb: Verb) -> None:
    if status == Status.IN_PROGRESS:
        return  # the session has its own steps then
    before = stage_of(status)
    try:
        after = stage_of(next_status(status, verb))
    except InvalidTransition:
        assert (before, verb) not in DRAWN or before == Stage.EXPECTED
        return
    assert before == after or DRAWN[before, verb] == after


def test_an_infusion_ends_is_discharged_and_then_complete() -> None:
    for stage, verb in product(Stage, SessionVerb):
        drawn = DRAWN.get((stage, verb))
        assert drawn == STEPS.get(stage, {}).get(verb)
        if drawn is None:
            with pytest.raises(InvalidTransition):
                next_stage(stage, verb, status=Status.IN_PROGRESS)
    assert {pair: after for pair, after in DRAWN.items() if after == Stage.DONE} == {
        (Stage.DISCHARGED, Verb.COMPLETE): Stage.DONE
    }
