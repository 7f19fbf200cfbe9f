"""Who fits a freed time: every rule alone, and properties that hold for any entry and any slot."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic.common.errors import Conflict
from clinic.common.intervals import Interval
from scheduling.domain.courses import GapUnit, OpenDays, Stage
from scheduling.domain.waitlist import (
    TRANSITIONS,
    EntryStatus,
    Freed,
    Misfit,
    Verb,
    Waiting,
    after,
    in_order,
    keeps_gaps,
    notice_needed,
    verdict,
)

DENVER = ZoneInfo("America/Denver")
NOW = datetime(2027, 2, 8, 16, 0, tzinfo=UTC)  # Monday 09:00 in Denver
HOUR = timedelta(hours=1)
STARTS = [NOW + HOUR * n for n in range(1, 6)]
FREED = Freed(zone=DENVER, starts=STARTS, length=2 * HOUR, given_up_by=1)
BEN = Waiting(id=5, patient_id=2, priority=0, since=NOW, window=Interval(NOW, NOW + 24 * HOUR))


def test_the_earliest_start_is_offered() -> None:
    assert verdict(BEN, FREED, now=NOW).start == STARTS[0]


@pytest.mark.parametrize(
    ("entry", "freed", "misfit"),
    [
        (replace(BEN, patient_id=1), FREED, Misfit.OWN),
        (BEN, replace(FREED, offered_to={2}), Misfit.OFFERED_BEFORE),
        (replace(BEN, needs_escort=True, has_escort=False), FREED, Misfit.ESCORT),
        (replace(BEN, contactable=False), FREED, Misfit.NOT_CONTACTABLE),
        (BEN, replace(FREED, useful=False), Misfit.NOTHING_FREED),
        (BEN, replace(FREED, starts=[]), Misfit.NO_START),
        (replace(BEN, weekdays=frozenset({1, 2})), FREED, Misfit.NO_START),
        (replace(BEN, notice=6 * HOUR), FREED, Misfit.NO_START),
        (replace(BEN, earliest_time=time(14, 1)), FREED, Misfit.NO_START),
        (replace(BEN, latest_time=time(9, 59)), FREED, Misfit.NO_START),
        (replace(BEN, window=Interval(NOW + 6 * HOUR, NOW + 7 * HOUR)), FREED, Misfit.NO_START),
        (replace(BEN, busy=(Interval(NOW, NOW + 8 * HOUR),)), FREED, Misfit.NO_START),
        (replace(BEN, allowed_days=frozenset({date(2027, 2, 9)})), FREED, Misfit.NO_START),
        (replace(BEN, quiet_until=NOW + 5 * HOUR), FREED, Misfit.NO_START),
    ],
)
def test_why_somebody_is_not_asked(entry: Waiting, freed: Freed, misfit: Misfit) -> None:
    found = verdict(entry, freed, now=NOW)
    assert (found.start, found.later, found.misfit) == (None, None, misfit)


@pytest.mark.parametrize(
    ("entry", "start"),
    [
        (replace(BEN, notice=2 * HOUR), STARTS[1]),
        (replace(BEN, notice=5 * HOUR), STARTS[4]),
        (replace(BEN, earliest_time=time(12)), STARTS[2]),
        (replace(BEN, latest_time=time(10)), STARTS[0]),
        (replace(BEN, weekdays=frozenset({0})), STARTS[0]),
        (replace(BEN, busy=(Interval(NOW, NOW + 2 * HOUR),)), STARTS[1]),
        (replace(BEN, window=Interval(STARTS[3], STARTS[4])), STARTS[3]),
        (replace(BEN, allowed_days=frozenset({date(2027, 2, 8)})), STARTS[0]),
        (replace(BEN, needs_escort=True, has_escort=True), STARTS[0]),
    ],
)
def test_the_first_start_that_suits(entry: Waiting, start: datetime) -> None:
    assert verdict(entry, FREED, now=NOW).start == start


def test_who_sleeps_or_answers_another_offer_is_looked_at_again_then() -> None:
    for waiting in (replace(BEN, quiet_until=NOW + HOUR), replace(BEN, answering_until=NOW + HOUR)):
        assert verdict(waiting, FREED, now=NOW).later == NOW + HOUR
        assert verdict(waiting, FREED, now=NOW + HOUR).start == STARTS[1]
    both = replace(BEN, quiet_until=NOW + HOUR, answering_until=NOW + 2 * HOUR)
    assert verdict(both, FREED, now=NOW).later == NOW + 2 * HOUR


def test_the_order_is_priority_then_waiting_time_then_id() -> None:
    entries = [
        replace(BEN, id=1, since=NOW),
        replace(BEN, id=2, since=NOW - HOUR),
        replace(BEN, id=3, priority=9, since=NOW + HOUR),
        replace(BEN, id=4, since=NOW - HOUR),
    ]
    assert [each.id for each in in_order(entries)] == [3, 2, 4, 1]


@pytest.mark.parametrize(
    ("asked", "fasting", "hours"),
    [(None, False, 2), (None, True, 8), (0, False, 0), (0, True, 2), (3, True, 3), (30, True, 30)],
)
def test_fasting_needs_its_hours_and_never_less_than_clear_fluids(
    asked: int | None, fasting: bool, hours: int
) -> None:
    needed = notice_needed(
        asked=None if asked is None else asked * HOUR,
        fasting=fasting,
        usual=2 * HOUR,
        fasting_usual=8 * HOUR,
        floor=2 * HOUR,
    )
    assert needed == hours * HOUR


MOOD = [Stage(2, 3, sessions=6)]
WEEKDAYS = [Stage(1, 1, sessions=10, gap_unit=GapUnit.OPEN_DAYS)]


@pytest.mark.parametrize(
    ("sessions", "day", "kept"),
    [
        ((1, 3, 8), 5, True),
        ((1, 3, 8), 6, True),
        ((1, 3, 8), 7, False),
        ((1, 3), 6, True),
        ((1, 3), 4, False),
        ((1, 3), 3, False),
        ((), 6, True),
    ],
)
def test_a_lost_session_comes_back_only_where_the_gaps_allow(
    sessions: tuple[int, ...], day: int, kept: bool
) -> None:
    days = [date(2027, 2, n) for n in sessions]
    assert keeps_gaps(days, date(2027, 2, day), stages=MOOD, calendar=OpenDays()) is kept


def test_open_days_count_over_a_weekend() -> None:
    open_days = OpenDays(date(2027, 2, n) for n in (1, 2, 3, 4, 5, 8, 9, 10))
    friday, monday, tuesday = date(2027, 2, 5), date(2027, 2, 8), date(2027, 2, 9)
    assert keeps_gaps([friday], monday, stages=WEEKDAYS, calendar=open_days)
    assert not keeps_gaps([friday], tuesday, stages=WEEKDAYS, calendar=open_days)


@pytest.mark.parametrize("status", list(EntryStatus))
@pytest.mark.parametrize("verb", list(Verb))
def test_an_entry_changes_only_while_it_waits(status: EntryStatus, verb: Verb) -> None:
    if verb in TRANSITIONS[status]:
        assert after(status, verb) in set(EntryStatus)
        return
    with pytest.raises(Conflict) as refused:
        after(status, verb)
    assert refused.value.code == "invalid_transition"
    assert refused.value.data == {"state": status.value, "possible": []}


minutes = st.integers(min_value=0, max_value=48 * 60).map(lambda n: timedelta(minutes=15 * (n // 15)))
intervals = st.tuples(minutes, st.integers(min_value=1, max_value=600)).map(
    lambda pair: Interval(NOW + pair[0], NOW + pair[0] + timedelta(minutes=pair[1]))
)
entries = st.builds(
    Waiting,
    id=st.just(5),
    patient_id=st.sampled_from([1, 2]),
    priority=st.integers(0, 9),
    since=st.just(NOW),
    window=intervals,
    weekdays=st.frozensets(st.integers(0, 6)),
    earliest_time=st.none() | st.times(),
    latest_time=st.none() | st.times(),
    notice=minutes,
    needs_escort=st.booleans(),
    has_escort=st.booleans(),
    contactable=st.booleans(),
    quiet_until=st.none() | minutes.map(lambda wait: NOW + wait),
    answering_until=st.none() | minutes.map(lambda wait: NOW + wait),
    busy=st.lists(intervals, max_size=3).map(tuple),
    allowed_days=st.none() | st.frozensets(st.dates(date(2027, 2, 7), date(2027, 2, 11))),
)
slots = st.builds(
    Freed,
    zone=st.just(DENVER),
    starts=st.lists(minutes.map(lambda wait: NOW + wait), max_size=8, unique=True).map(sorted),
    length=st.integers(1, 400).map(lambda n: timedelta(minutes=n)),
    given_up_by=st.sampled_from([None, 1, 9]),
    offered_to=st.sampled_from([(), (2,)]),
    useful=st.booleans(),
)


@given(entries, slots)
def test_exactly_one_answer_and_what_is_offered_keeps_every_rule(entry: Waiting, freed: Freed) -> None:
    found = verdict(entry, freed, now=NOW)
    assert sum(part is not None for part in (found.start, found.later, found.misfit)) == 1
    if found.start is None:
        return
    local = found.start.astimezone(DENVER)
    assert found.start in freed.starts
    assert entry.window.start <= found.start < entry.window.end
    assert found.start > NOW
    assert found.start - NOW >= entry.notice
    assert local.weekday() in (entry.weekdays or range(7))
    assert (entry.earliest_time or time.min) <= local.time() <= (entry.latest_time or time.max)
    assert entry.has_escort or not entry.needs_escort
    assert entry.contactable
    assert freed.useful
    assert entry.patient_id not in {freed.given_up_by, *freed.offered_to}
    assert all(found.start >= other.end or found.start + freed.length <= other.start for other in entry.busy)
    assert all(moment is None or moment <= NOW for moment in (entry.quiet_until, entry.answering_until))


@given(entries, slots, st.integers(0, 7))
def test_no_start_that_suits_is_overlooked(entry: Waiting, freed: Freed, index: int) -> None:
    """The other way round: with only one start to choose, the answer about it is the answer in the crowd."""
    if index >= len(freed.starts):
        return
    alone = verdict(entry, replace(freed, starts=[freed.starts[index]]), now=NOW)
    crowd = verdict(entry, freed, now=NOW)
    if alone.start is not None:
        assert crowd.start is not None
        assert crowd.start <= alone.start


@given(entries, slots)
def test_looking_again_later_moves_forward(entry: Waiting, freed: Freed) -> None:
    found = verdict(entry, freed, now=NOW)
    if found.later is not None:
        assert found.later > NOW
        assert verdict(entry, freed, now=found.later).start is not None
