"""How many texts a patient gets, against an oracle that tries every half hour."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.domain.caps import WEEK, Allowance, allows, first_allowed
from patients.domain.quiet_hours import QuietHours, is_quiet

DENVER = ZoneInfo("America/Denver")
QUIET = QuietHours(start=time(20), end=time(9), pull_to=time(18))
HALF_HOUR = timedelta(minutes=30)
START = datetime(2027, 3, 8, 7, tzinfo=UTC)
"""Midnight in Denver, six days before the clocks are put forward."""
CAP = Allowance(per_day=1, per_week=3)


def at(day: int, hour: int = 12, minute: int = 0) -> datetime:
    """A moment of March 2027 on Denver's clocks."""
    return datetime(2027, 3, day, hour, minute, tzinfo=DENVER).astimezone(UTC)


def slow(
    moment: datetime, sent: Sequence[datetime], kept: Sequence[datetime], cap: Allowance, zone: ZoneInfo
) -> bool:
    """Whether the day of the text, and every seven days that hold it and end with a text, have room for all:
    those that ended before do not change any more."""
    texts = [*sent, *kept, moment]
    day = [text for text in texts if text.astimezone(zone).date() == moment.astimezone(zone).date()]
    if len(day) > cap.per_day:
        return False
    return all(
        sum(end - WEEK < text <= end for text in texts) <= cap.per_week
        for end in [moment, *kept]
        if end - WEEK < moment <= end
    )


moments = st.builds(lambda halves: START + halves * HALF_HOUR, st.integers(0, 48 * 14))
caps = st.builds(Allowance, per_day=st.integers(1, 2), per_week=st.integers(1, 4))
zones = st.sampled_from([DENVER, ZoneInfo("Asia/Kolkata"), ZoneInfo("America/St_Johns")])


@given(
    now=moments,
    useful=st.integers(0, 48 * 9),
    ages=st.lists(st.integers(0, 48 * 7), max_size=5),
    waits=st.lists(st.integers(0, 48 * 14), max_size=3),
    cap=caps,
    zone=zones,
)
def test_the_first_moment_is_the_one_that_trying_them_all_finds(
    now: datetime, useful: int, ages: list[int], waits: list[int], cap: Allowance, zone: ZoneInfo
) -> None:
    not_after = now + useful * HALF_HOUR
    sent = [now - age * HALF_HOUR for age in ages]
    kept = [now + wait * HALF_HOUR for wait in waits]
    tried = (now + step * HALF_HOUR for step in range(useful + 1))
    expected = next(
        (
            moment
            for moment in tried
            if not is_quiet(moment, QUIET, zone) and slow(moment, sent, kept, cap, zone)
        ),
        None,
    )
    found = first_allowed(now=now, not_after=not_after, sent=sent, kept=kept, cap=cap, quiet=QUIET, zone=zone)
    assert found == expected


@given(now=moments, ages=st.lists(st.integers(0, 48 * 8), max_size=5), cap=caps, zone=zones)
def test_what_is_sent_as_allowed_never_exceeds_the_caps(
    now: datetime, ages: list[int], cap: Allowance, zone: ZoneInfo
) -> None:
    sent: list[datetime] = []
    for age in sorted(ages, reverse=True):
        moment = now - age * HALF_HOUR
        if allows(moment, sent=sent, kept=[], cap=cap, zone=zone):
            sent.append(moment)
    for text in sent:
        assert sum(text - WEEK < other <= text for other in sent) <= cap.per_week
        days = [other.astimezone(zone).date() for other in sent]
        assert days.count(text.astimezone(zone).date()) <= cap.per_day


def first(now: datetime, *, sent: Sequence[datetime] = (), kept: Sequence[datetime] = ()) -> datetime | None:
    """With the shipped caps, for a text useful for two days."""
    return first_allowed(
        now=now, not_after=now + timedelta(days=2), sent=sent, kept=kept, cap=CAP, quiet=QUIET, zone=DENVER
    )


def test_the_second_text_of_a_day_waits_for_the_next_morning() -> None:
    assert first(at(8, 15), sent=[at(8, 10)]) == at(9, 9)
    assert first(at(8, 15), sent=[at(7, 19)]) == at(8, 15)


def test_the_day_is_the_patients() -> None:
    late = datetime(2027, 3, 9, 2, tzinfo=UTC)  # 19:00 in Denver, the next day in UTC
    assert not allows(late, sent=[at(8, 10)], kept=[], cap=CAP, zone=DENVER)
    assert allows(late, sent=[at(8, 10)], kept=[], cap=CAP, zone=ZoneInfo("UTC"))


@pytest.mark.parametrize(("minute", "fits"), [(0, True), (-1, False)])
def test_seven_days_are_168_hours_also_when_the_clocks_change(minute: int, fits: bool) -> None:
    sent = [at(9, 10), at(11, 10), at(13, 10)]
    moment = at(16, 11, 0) + timedelta(minutes=minute)  # the clocks went forward on the 14th
    assert allows(moment, sent=sent, kept=[], cap=CAP, zone=DENVER) is fits


def test_a_text_keeps_off_the_day_of_one_that_is_worth_more() -> None:
    assert first(at(8, 10), kept=[at(8, 17)]) == at(9, 9)


def test_a_text_leaves_room_in_the_week_of_one_that_is_worth_more() -> None:
    sent = [at(8, 10), at(9, 10)]
    assert allows(at(10, 10), sent=sent, kept=[], cap=CAP, zone=DENVER)
    assert not allows(at(10, 10), sent=sent, kept=[at(14, 10)], cap=CAP, zone=DENVER)
    assert allows(at(10, 10), sent=sent, kept=[at(15, 12)], cap=CAP, zone=DENVER)


def test_what_finds_no_room_in_time_finds_none() -> None:
    assert first(at(11, 10), sent=[at(8, 10), at(9, 10), at(10, 10)]) is None
