"""Whose alarm it is and until when; the steps of its life."""

from datetime import UTC, datetime, timedelta

import pytest

from clinic.common.steps import InvalidTransition
from patients.domain.alarms import Status, Step, Verb, Watch, after, turn

NOW = datetime(2027, 1, 4, 15, tzinfo=UTC)
CHAIN = [Step("nurse", 15), Step("prescriber", 10)]
OPEN = Watch(watched=True)


def test_the_first_role_has_its_minutes_when_somebody_watches() -> None:
    first = turn(chain=CHAIN, level=1, now=NOW, watch=OPEN)
    assert (first.role, first.until) == ("nurse", NOW + timedelta(minutes=15))


def test_the_timer_starts_at_opening_when_nobody_watches() -> None:
    opening = NOW + timedelta(hours=13)
    first = turn(chain=CHAIN, level=1, now=NOW, watch=Watch(watched=False, next_open=opening))
    assert first.until == opening + timedelta(minutes=15)


def test_without_a_known_opening_it_starts_at_once() -> None:
    first = turn(chain=CHAIN, level=1, now=NOW, watch=Watch(watched=False))
    assert first.until == NOW + timedelta(minutes=15)


@pytest.mark.parametrize(("level", "role"), [(2, "prescriber"), (3, "prescriber"), (40, "prescriber")])
def test_after_the_last_role_it_comes_again(level: int, role: str) -> None:
    later = turn(chain=CHAIN, level=level, now=NOW, watch=OPEN)
    assert (later.level, later.role, later.until) == (level, role, NOW + timedelta(minutes=10))


@pytest.mark.parametrize(
    ("status", "verb", "then"),
    [
        (Status.OPEN, Verb.ACKNOWLEDGE, Status.ACKNOWLEDGED),
        (Status.OPEN, Verb.RESOLVE, Status.RESOLVED),
        (Status.ACKNOWLEDGED, Verb.RESOLVE, Status.RESOLVED),
        (Status.ACKNOWLEDGED, Verb.ACKNOWLEDGE, None),
        (Status.RESOLVED, Verb.ACKNOWLEDGE, None),
        (Status.RESOLVED, Verb.RESOLVE, None),
    ],
)
def test_its_life(status: Status, verb: Verb, then: Status | None) -> None:
    if then is not None:
        assert after(status, verb) == then
        return
    with pytest.raises(InvalidTransition) as refused:
        after(status, verb)
    assert refused.value.data["state"] == status.value
