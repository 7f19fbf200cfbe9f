"""The steps of an appointment, against the sentence in the API's contract."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from scheduling.domain.transitions import (
    FREES_RESOURCES,
    TRANSITIONS,
    InvalidTransition,
    Status,
    Verb,
    allowed,
    mermaid,
    next_status,
    undo,
)

NOW = datetime(2027, 1, 4, 16, tzinfo=UTC)

# As written in API.md.
CONTRACT = """
booked->confirmed|arrived|cancelled|no_show,
confirmed->arrived|cancelled|no_show, arrived->in_progress|cancelled, in_progress->completed
"""


def contract_steps() -> set[tuple[str, str]]:
    return {
        (before.strip(), after.strip())
        for before, afters in (rule.split("->") for rule in CONTRACT.split(","))
        for after in afters.split("|")
    }


def test_the_table_is_the_contract() -> None:
    steps = {(before.value, after.value) for before, verbs in TRANSITIONS.items() for after in verbs.values()}
    assert steps == contract_steps()
    assert set(TRANSITIONS) == set(Status)


def test_a_verb_always_leads_to_the_same_status() -> None:
    led_to = {verb: {verbs[verb] for verbs in TRANSITIONS.values() if verb in verbs} for verb in Verb}
    assert led_to == {
        Verb.CONFIRM: {Status.CONFIRMED},
        Verb.CHECK_IN: {Status.ARRIVED},
        Verb.START: {Status.IN_PROGRESS},
        Verb.COMPLETE: {Status.COMPLETED},
        Verb.CANCEL: {Status.CANCELLED},
        Verb.NO_SHOW: {Status.NO_SHOW},
    }


@pytest.mark.parametrize(("status", "verb"), list(product(Status, Verb)))
def test_every_pair_is_allowed_or_refused_with_what_is_possible(status: Status, verb: Verb) -> None:
    if verb in allowed(status):
        assert (status.value, next_status(status, verb).value) in contract_steps()
        return
    with pytest.raises(InvalidTransition) as refused:
        next_status(status, verb)
    assert refused.value.code == "invalid_transition"
    assert refused.value.data == {"state": status.value, "possible": [each.value for each in allowed(status)]}
    assert status.value.replace("_", " ") in refused.value.detail


def test_the_refusal_is_a_sentence_for_a_person() -> None:
    with pytest.raises(
        InvalidTransition, match=r"^Start is not possible: the appointment is booked\. Possible"
    ):
        next_status(Status.BOOKED, Verb.START)
    with pytest.raises(InvalidTransition, match=r"is no show\. Nothing more can be done with it\.$"):
        next_status(Status.NO_SHOW, Verb.CHECK_IN)


def test_only_the_lost_visits_free_their_resources() -> None:
    assert frozenset({Status.CANCELLED, Status.NO_SHOW}) == FREES_RESOURCES


class TestUndo:
    @pytest.mark.parametrize(
        ("before", "after"), [(before, after) for before in Status for after in TRANSITIONS[before].values()]
    )
    def test_takes_any_step_back_until_the_window_closes(self, before: Status, after: Status) -> None:
        window = timedelta(minutes=15)
        assert undo(status=after, previous=before, stepped_at=NOW - window, now=NOW, within=window) == before
        with pytest.raises(InvalidTransition, match="15 minutes only") as refused:
            undo(
                status=after,
                previous=before,
                stepped_at=NOW - window - timedelta(microseconds=1),
                now=NOW,
                within=window,
            )
        assert refused.value.data["state"] == after.value

    @pytest.mark.parametrize("previous", [None, Status.COMPLETED])
    def test_refuses_where_there_was_no_step(self, previous: Status | None) -> None:
        with pytest.raises(InvalidTransition, match="no step to undo"):
            undo(status=Status.BOOKED, previous=previous, stepped_at=NOW, now=NOW)


def test_the_diagram_shows_each_step_once_and_where_it_begins_and_ends() -> None:
    lines = [line.strip() for line in mermaid().splitlines()]
    steps = [
        f"{before} --> {after}: {verb}"
        for before, verbs in TRANSITIONS.items()
        for verb, after in verbs.items()
    ]
    ends = [f"{status} --> [*]" for status in ("completed", "cancelled", "no_show")]
    assert lines[:2] == ["stateDiagram-v2", "[*] --> booked"]
    assert sorted(lines[2:]) == sorted(steps + ends)
