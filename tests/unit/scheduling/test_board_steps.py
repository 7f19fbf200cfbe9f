"""Which step the board offers with one click, to whom, and when the latest can be taken back."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduling.domain import board_steps
from scheduling.domain.session_stages import Stage
from scheduling.domain.transitions import Status

NOW = datetime(2027, 1, 4, 15, tzinfo=UTC)


def steps(
    status: str,
    stage: Stage,
    *,
    infused: bool = True,
    begun: bool = True,
    writes: bool = True,
    treats: bool = True,
) -> list[str]:
    """As words."""
    found = board_steps.possible(
        status=Status(status), stage=stage, infused=infused, begun=begun, writes=writes, treats=treats
    )
    return [str(step) for step in found]


@pytest.mark.parametrize(
    ("status", "stage", "wanted"),
    [
        ("booked", Stage.EXPECTED, ["confirm", "check_in", "cancel", "no_show"]),
        ("confirmed", Stage.EXPECTED, ["check_in", "cancel", "no_show"]),
        ("arrived", Stage.WAITING, ["start", "cancel"]),
        ("in_progress", Stage.INFUSING, ["end"]),
        ("in_progress", Stage.RECOVERY, ["discharge"]),
        ("in_progress", Stage.DISCHARGED, ["complete"]),
        ("completed", Stage.DONE, []),
        ("cancelled", Stage.OFF, []),
    ],
)
def test_a_treatment_goes_from_step_to_step(status: str, stage: Stage, wanted: list[str]) -> None:
    assert steps(status, stage) == wanted


def test_a_consultation_has_no_infusion_to_end() -> None:
    assert steps("in_progress", Stage.INFUSING, infused=False) == ["complete"]


def test_nobody_misses_a_visit_that_has_not_begun() -> None:
    assert steps("confirmed", Stage.EXPECTED, begun=False) == ["check_in", "cancel"]


def test_each_role_sees_its_own_steps() -> None:
    assert steps("arrived", Stage.WAITING, treats=False) == ["cancel"]
    assert steps("arrived", Stage.WAITING, writes=False) == ["start"]
    assert steps("booked", Stage.EXPECTED, writes=False, treats=False) == []


@pytest.mark.parametrize(
    ("status", "stage", "on_the_day", "wanted"),
    [
        ("booked", Stage.EXPECTED, True, "check_in"),
        ("booked", Stage.EXPECTED, False, "confirm"),
        ("confirmed", Stage.EXPECTED, False, None),
        ("arrived", Stage.WAITING, True, "start"),
        ("completed", Stage.DONE, True, None),
    ],
)
def test_what_is_offered_first(status: str, stage: Stage, on_the_day: bool, wanted: str | None) -> None:
    possible = board_steps.possible(
        status=Status(status), stage=stage, infused=True, begun=True, writes=True, treats=True
    )
    assert board_steps.next_of(possible, on_the_day=on_the_day) == wanted


def test_ending_a_visit_is_never_offered_first() -> None:
    waiting = board_steps.possible(
        status=Status.ARRIVED, stage=Stage.WAITING, infused=True, begun=True, writes=True, treats=False
    )
    assert board_steps.next_of(waiting, on_the_day=True) is None


@pytest.mark.parametrize(
    ("verb", "minutes", "wanted"),
    [
        ("start", 15, True),
        ("end", 0, True),
        ("start", 16, False),
        ("undo", 0, False),
        ("book", 0, False),
        (None, 0, False),
    ],
)
def test_what_can_be_taken_back(verb: str | None, minutes: int, wanted: bool) -> None:
    assert board_steps.undoable(verb, NOW - timedelta(minutes=minutes), now=NOW) is wanted
