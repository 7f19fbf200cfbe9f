"""The geometry of the day board, held against slow and obvious oracles, on days of 23, 24 and 25 hours."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic.common.intervals import Interval
from scheduling.domain import board
from scheduling.domain.board import Frame
from scheduling.domain.session_stages import Stage

DENVER = ZoneInfo("America/Denver")
DAY = date(2027, 1, 4)
SPRING, AUTUMN = date(2027, 3, 14), date(2027, 11, 7)
START = datetime(2027, 1, 4, 15, tzinfo=UTC)
TICK = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)
SPANS = st.dictionaries(
    st.integers(1, 40),
    st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    max_size=25,
)


def between(day: date, start: time, end: time, zone: ZoneInfo = DENVER) -> Interval:
    """By the clock on the wall."""
    return Interval(datetime.combine(day, start, zone), datetime.combine(day, end, zone))


@given(SPANS)
def test_every_span_has_one_place_and_none_overlap_in_a_lane(spans: dict[int, tuple[int, int]]) -> None:
    placed = board.stack(spans)
    assert {key: (place.first, place.end) for key, place in placed.items()} == spans
    for one, place in placed.items():
        assert 0 <= place.lane < place.lanes
        for other, beside in placed.items():
            overlap = place.first < beside.end and beside.first < place.end
            if one != other and overlap:
                assert place.lane != beside.lane
                assert place.lanes == beside.lanes


@given(SPANS)
def test_a_column_is_split_into_as_few_lanes_as_its_fullest_row_needs(
    spans: dict[int, tuple[int, int]],
) -> None:
    rows = {row: {key for key, (first, end) in spans.items() if first <= row < end} for row in range(90)}
    groups: list[set[int]] = []
    for keys in rows.values():  # spans that share a row, directly or through others, are one group
        if keys:
            touched = [group for group in groups if group & keys]
            groups = [group for group in groups if not group & keys] + [keys.union(*touched)]
    for key, place in board.stack(spans).items():
        group = next(group for group in groups if key in group)
        assert place.lanes == max(len(keys & group) for keys in rows.values())


@given(
    st.lists(st.tuples(st.integers(0, 700), st.integers(1, 200)), max_size=4),
    st.lists(st.tuples(st.integers(0, 700), st.integers(1, 120)), max_size=12),
    st.integers(-60, 720),
)
def test_gaps_are_the_free_quarter_hours_from_now_on(
    open_minutes: list[tuple[int, int]], busy_minutes: list[tuple[int, int]], now: int
) -> None:
    shown = Frame(START, 144)
    hours, busy = (
        [Interval(START + first * MINUTE, START + (first + length) * MINUTE) for first, length in spans]
        for spans in (open_minutes, busy_minutes)
    )
    present = START + now * MINUTE

    def free(quarter: int) -> bool:
        moments = [START + (15 * quarter + minute) * MINUTE for minute in range(15)]
        return all(
            moment >= present
            and any(each.contains(moment) for each in hours)
            and not any(each.contains(moment) for each in busy)
            for moment in moments
        )

    found = board.gaps(shown, hours=hours, busy=busy, now=present)
    quarters = [row // 3 for first, end in found for row in range(first, end, 3)]
    assert quarters == [quarter for quarter in range(48) if free(quarter)]
    assert all(first % 3 == 0 and end % 3 == 0 for first, end in found)


@pytest.mark.parametrize(("day", "hours"), [(DAY, 24), (SPRING, 23), (AUTUMN, 25)])
def test_a_whole_day_has_as_many_rows_as_it_is_long(day: date, hours: int) -> None:
    whole = board.bounds(day, DENVER)
    assert whole is not None
    shown = board.frame(day=day, zone=DENVER, hours=[whole], visits=[])
    assert shown.ticks == hours * 12
    assert len(shown.hours(DENVER)) == hours
    assert shown.instant(shown.ticks) == whole.end


def test_a_doubled_hour_is_on_the_board_twice() -> None:
    whole = board.bounds(AUTUMN, DENVER)
    assert whole is not None
    shown = board.frame(day=AUTUMN, zone=DENVER, hours=[whole], visits=[])
    assert [f"{at:%H %Z}" for _tick, at in shown.hours(DENVER)][:4] == [
        "00 MDT",
        "01 MDT",
        "01 MST",
        "02 MST",
    ]


def test_the_frame_is_full_hours_around_opening_and_visits() -> None:
    hours = [between(DAY, time(8), time(17))]
    assert board.frame(day=DAY, zone=DENVER, hours=hours, visits=[]) == Frame(START, 108)
    early_and_late = [between(DAY, time(7, 40), time(9)), between(DAY, time(16), time(17, 5))]
    shown = board.frame(day=DAY, zone=DENVER, hours=hours, visits=early_and_late)
    assert shown == Frame(START - timedelta(hours=1), 132)


def test_a_visit_across_midnight_is_on_both_boards_and_whole_on_the_two_together() -> None:
    visit = Interval(
        datetime.combine(DAY, time(23), DENVER),
        datetime.combine(DAY + timedelta(days=1), time(1, 30), DENVER),
    )
    rows = []
    for day in (DAY, DAY + timedelta(days=1)):
        shown = board.frame(day=day, zone=DENVER, hours=[], visits=[visit])
        span = shown.span(visit)
        assert span is not None
        rows.append(span[1] - span[0])
    assert rows == [12, 18]


def test_a_closed_day_shows_usual_hours_and_a_skipped_date_nothing() -> None:
    closed = board.frame(day=DAY, zone=DENVER, hours=[], visits=[])
    assert (closed.start, closed.ticks) == (START, 108)
    apia = ZoneInfo("Pacific/Apia")
    skipped = date(2011, 12, 30)
    assert board.bounds(skipped, apia) is None
    assert board.frame(day=skipped, zone=apia, hours=[], visits=[]).ticks == 0


@given(st.integers(-300, 1500), st.integers(1, 300))
def test_a_span_is_the_rows_that_the_interval_touches(first: int, length: int) -> None:
    shown = Frame(START, 108)
    during = Interval(START + first * MINUTE, START + (first + length) * MINUTE)
    touched = [
        row for row in range(108) if during.overlaps(Interval(shown.instant(row), shown.instant(row + 1)))
    ]
    span = shown.span(during)
    assert (list(range(*span)) if span else []) == touched


def test_the_line_of_the_present_is_between_rows_and_only_on_the_board() -> None:
    shown = Frame(START, 108)
    assert shown.at(START + 7 * MINUTE) == pytest.approx(1.4)
    assert shown.at(START - MINUTE) is None
    assert shown.at(START + timedelta(hours=9, minutes=1)) is None


PLANNED = Interval(START, START + timedelta(hours=2))
SET_UP = timedelta(minutes=15)


@pytest.mark.parametrize(
    ("stage", "started", "now", "late"),
    [
        (Stage.EXPECTED, None, -30, 0),
        (Stage.EXPECTED, None, 20, 20),  # whoever is not here still needs the set-up
        (Stage.WAITING, None, 10, 0),
        (Stage.WAITING, None, 25, 10),
        (Stage.INFUSING, 15, 50, 0),
        (Stage.INFUSING, 40, 50, 25),
        (Stage.INFUSING, 5, 50, 0),  # begun early, it keeps its place
        (Stage.RECOVERY, 15, 130, 10),  # past its end it ends now at the earliest
        (Stage.DISCHARGED, 40, 100, 25),
        (Stage.DONE, 40, 300, 0),
        (Stage.OFF, None, 300, 0),
    ],
)
def test_how_late_a_visit_will_end(stage: Stage, started: int | None, now: int, late: int) -> None:
    ends = board.projected_end(
        PLANNED,
        stage=stage,
        set_up=SET_UP,
        started_at=None if started is None else START + started * MINUTE,
        now=START + now * MINUTE,
    )
    assert ends == PLANNED.end + late * MINUTE


def test_minutes_into_the_next_visit() -> None:
    following = [START + timedelta(hours=3), START + timedelta(hours=2)]
    assert board.minutes_into(START + timedelta(hours=2, minutes=20), following) == 20
    assert board.minutes_into(START + timedelta(hours=2, seconds=30), following) == 1
    assert board.minutes_into(START + timedelta(hours=2), following) == 0
    assert board.minutes_into(START + timedelta(hours=9), []) == 0


def test_chairs_are_sorted_as_people_count() -> None:
    assert sorted(["Chair 10", "Bed", "Chair 2", "chair 1", "2"], key=board.by_number) == [
        "2",
        "Bed",
        "chair 1",
        "Chair 2",
        "Chair 10",
    ]
