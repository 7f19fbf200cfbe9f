"""When a message is tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.domain.retries import backoff, next_try

NOW = datetime(2027, 1, 4, 17, tzinfo=UTC)


def test_one_two_four_minutes_and_never_more_than_thirty() -> None:
    minutes = [backoff(tries, spread=0) / timedelta(minutes=1) for tries in range(1, 9)]
    assert minutes == [1, 2, 4, 8, 16, 30, 30, 30]
    assert backoff(32_000, spread=0) == timedelta(minutes=30)


def test_the_spread_takes_off_at_most_a_quarter() -> None:
    assert backoff(3, spread=0.999) > timedelta(minutes=3)
    assert backoff(3, spread=0.5) == timedelta(minutes=3, seconds=30)


def test_a_retry_follows_a_try() -> None:
    with pytest.raises(ValueError, match="at least one"):
        backoff(0, spread=0)


@given(tries=st.integers(1, 100), left=st.integers(-100, 10_000), spread=st.floats(0, 1, exclude_max=True))
def test_the_next_try_is_ahead_and_before_the_cut_off(tries: int, left: int, spread: float) -> None:
    not_after = NOW + timedelta(seconds=left)
    moment = next_try(now=NOW, tries=tries, not_after=not_after, spread=spread)
    if moment is None:
        assert left <= 30
    else:
        assert NOW < moment < not_after
        assert moment - NOW <= timedelta(minutes=30)
