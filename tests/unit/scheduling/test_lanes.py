"""Lanes: whatever order bookings arrive in, capacity is used to the last place and never exceeded."""

from datetime import UTC, datetime, timedelta
from itertools import combinations, permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinic.common.intervals import Interval
from scheduling.domain.lanes import Occupied, Placements, Wanted, in_the_way, place, place_all

NINE = datetime(2027, 1, 4, 16, tzinfo=UTC)


def hours(first: float, end: float) -> Interval:
    return Interval(NINE + timedelta(hours=first - 9), NINE + timedelta(hours=end - 9))


def shared(first: float, end: float) -> Wanted:
    return Wanted("shared", hours(first, end))


def exclusive(first: float, end: float) -> Wanted:
    return Wanted("exclusive", hours(first, end))


def peak(intervals: list[Interval]) -> int:
    return max((sum(each.contains(one.start) for each in intervals) for one in intervals), default=0)


def after(existing: list[Occupied[str]], placed: Placements[str], new: list[Wanted]) -> list[Occupied[str]]:
    moved = [Occupied(row.key, placed.moves.get(row.key, row.lane), row.during) for row in existing]
    added = [
        Occupied(f"new {n}", lane, want.during)
        for n, (want, lane) in enumerate(zip(new, placed.lanes, strict=True))
    ]
    return moved + added


def clashes(rows: list[Occupied[str]]) -> list[tuple[str, str]]:
    """What the exclusion constraint would refuse."""
    return [
        (one.key, other.key)
        for one, other in combinations(rows, 2)
        if one.lane == other.lane and one.during.overlaps(other.during)
    ]


def colourings(intervals: dict[str, Interval], capacity: int) -> list[list[Occupied[str]]]:
    """Every way the constraint allows the intervals to be stored."""
    ways = []
    for lanes in product(range(1, capacity + 1), repeat=len(intervals)):
        rows = [Occupied(key, lane, intervals[key]) for key, lane in zip(intervals, lanes, strict=True)]
        if not clashes(rows):
            ways.append(rows)
    return ways


class TestTheFourBookings:
    FOUR = {"A": hours(9, 10), "B": hours(10, 11), "C": hours(9, 11), "D": hours(9, 11)}

    @pytest.mark.parametrize("order", list(permutations("ABCD")), ids="".join)
    def test_fit_in_every_order_from_every_fragmentation(self, order: tuple[str, ...]) -> None:
        for arrived in range(4):
            present = {key: self.FOUR[key] for key in order[:arrived]}
            for rows in colourings(present, 3):
                state = rows
                for key in order[arrived:]:
                    new = Wanted("shared", self.FOUR[key])
                    placed = place_all(new=[new], existing=state, capacity=3, kind="nurse")
                    assert placed is not None
                    state = [
                        Occupied(key if row.key == "new 0" else row.key, row.lane, row.during)
                        for row in after(state, placed, [new])
                    ]
                assert not clashes(state)
                assert {row.lane for row in state} <= {1, 2, 3}

    def test_one_move_is_enough(self) -> None:
        rows = [
            Occupied("A", 1, hours(9, 10)),
            Occupied("B", 2, hours(10, 11)),
            Occupied("C", 3, hours(9, 11)),
        ]
        placed = place(new=shared(9, 11), existing=rows, capacity=3, kind="nurse")
        assert placed is not None
        assert len(placed.moves) == 1

    def test_a_fourth_at_once_is_refused(self) -> None:
        rows = [Occupied(str(lane), lane, hours(9, 11)) for lane in (1, 2, 3)]
        assert place(new=shared(10, 12), existing=rows, capacity=3, kind="nurse") is None
        assert place(new=shared(11, 12), existing=rows, capacity=3, kind="nurse") is not None


class TestExclusiveUse:
    def test_takes_the_hands_on_lane_beside_watched_patients(self) -> None:
        rows = [Occupied(str(lane), lane, hours(9, 11)) for lane in (1, 2, 3)]
        placed = place(new=exclusive(9, 9.25), existing=rows, capacity=3, kind="nurse")
        assert placed is not None
        assert (placed.lane, placed.moves) == (0, {})

    def test_is_for_one_patient_at_a_time(self) -> None:
        rows = [Occupied("A", 0, hours(9, 9.25))]
        assert place(new=exclusive(9.2, 10), existing=rows, capacity=3, kind="nurse") is None
        assert place(new=exclusive(9.25, 10), existing=rows, capacity=3, kind="nurse") is not None

    @pytest.mark.parametrize("kind", ["chair", "pump", "room"])
    def test_of_a_thing_means_alone(self, kind: str) -> None:
        watched, alone = [Occupied("A", 1, hours(9, 10))], [Occupied("A", 0, hours(9, 10))]
        assert place(new=exclusive(9, 10), existing=watched, capacity=4, kind=kind) is None
        assert place(new=shared(9, 10), existing=alone, capacity=4, kind=kind) is None
        assert place(new=shared(9, 10), existing=watched, capacity=4, kind=kind) is not None
        assert place(new=exclusive(10, 11), existing=watched, capacity=4, kind=kind) is not None
        assert place_all(new=[shared(9, 10), exclusive(9, 10)], existing=[], capacity=4, kind=kind) is None


class TestSeveralAtOnce:
    def test_lanes_come_in_the_order_asked(self) -> None:
        new = [exclusive(9, 9.25), shared(9, 10.75), exclusive(10.5, 10.75)]
        placed: Placements[str] | None = place_all(new=new, existing=[], capacity=3, kind="nurse")
        assert placed == Placements((0, 1, 0), {})

    def test_they_do_not_overlap_each_other(self) -> None:
        assert (
            place_all(new=[exclusive(9, 10), exclusive(9.5, 11)], existing=[], capacity=3, kind="nurse")
            is None
        )
        assert place_all(new=[shared(9, 10), shared(9.5, 11)], existing=[], capacity=1, kind="nurse") is None

    def test_nothing_asked_is_nothing_placed(self) -> None:
        assert place_all(new=[], existing=[], capacity=1, kind="chair") == Placements((), {})


class TestLoweredCapacity:
    ROWS = [
        Occupied("A", 1, hours(9, 10)),
        Occupied("B", 2, hours(9, 10)),
        Occupied("C", 3, hours(9, 12)),
    ]

    def test_what_was_booked_before_stays_and_room_left_is_used(self) -> None:
        new = [shared(10, 11)]
        placed = place_all(new=new, existing=self.ROWS, capacity=2, kind="nurse")
        assert placed is not None
        assert not clashes(after(self.ROWS, placed, new))

    def test_no_more_is_added_where_it_is_exceeded(self) -> None:
        assert place(new=shared(9.5, 11), existing=self.ROWS, capacity=2, kind="nurse") is None

    def test_dealing_anew_keeps_the_surplus_apart_and_the_newcomer_within(self) -> None:
        rows = [*self.ROWS, Occupied("D", 1, hours(10, 11)), Occupied("E", 2, hours(11, 12))]
        new = [shared(11, 13)]
        assert place_all(new=new, existing=rows, capacity=2, kind="nurse") is None
        rows = [*self.ROWS[:2], Occupied("C", 3, hours(9, 10.5)), Occupied("D", 1, hours(10, 11))]
        rows.append(Occupied("E", 2, hours(11, 12)))
        new = [shared(10.5, 12)]
        placed = place_all(new=new, existing=rows, capacity=2, kind="nurse")
        assert placed is not None
        assert placed.lanes[0] in {1, 2}
        assert not clashes(after(rows, placed, new))


@st.composite
def a_state(draw: st.DrawFn) -> tuple[int, list[Occupied[str]], list[Wanted]]:
    """A capacity, rows the constraint would hold, in lanes as scattered as it allows, and new wishes."""
    capacity = draw(st.integers(1, 4))
    spans = st.tuples(st.integers(0, 20), st.integers(1, 8)).map(lambda at: hours(at[0], at[0] + at[1]))
    rows: list[Occupied[str]] = []
    for n, during in enumerate(draw(st.lists(spans, max_size=16))):
        lane = draw(st.integers(0, capacity))
        if not any(row.lane == lane and row.during.overlaps(during) for row in rows):
            rows.append(Occupied(f"row {n}", lane, during))
    wishes = st.builds(Wanted, st.sampled_from(["shared", "shared", "exclusive"]), spans)
    return capacity, rows, draw(st.lists(wishes, min_size=1, max_size=3))


@settings(max_examples=400)
@given(a_state())
def test_placed_exactly_when_no_instant_is_over_capacity(
    state: tuple[int, list[Occupied[str]], list[Wanted]],
) -> None:
    capacity, rows, new = state
    placed = place_all(new=new, existing=rows, capacity=capacity, kind="nurse")

    hands_on = [row.during for row in rows if row.lane == 0]
    watched = [row.during for row in rows if row.lane != 0]
    hands_on += [want.during for want in new if want.use == "exclusive"]
    watched += [want.during for want in new if want.use == "shared"]
    assert (placed is not None) == (peak(hands_on) <= 1 and peak(watched) <= capacity)

    if placed is not None:
        stored = after(rows, placed, new)
        assert not clashes(stored)
        assert all(0 <= row.lane <= capacity for row in stored)
        assert all(
            (lane == 0) == (want.use == "exclusive") for want, lane in zip(new, placed.lanes, strict=True)
        )
        lanes = {row.key: row.lane for row in rows}
        assert all(lanes[key] not in {0, lane} for key, lane in placed.moves.items())


@settings(max_examples=200)
@given(a_state())
def test_nothing_moves_while_a_lane_is_free(state: tuple[int, list[Occupied[str]], list[Wanted]]) -> None:
    capacity, rows, new = state
    wish = Wanted("shared", new[0].during)
    blocked = {row.lane for row in rows if row.during.overlaps(wish.during)}
    placed = place(new=wish, existing=rows, capacity=capacity, kind="nurse")
    if blocked.issuperset(range(1, capacity + 1)):
        assert placed is None or placed.moves
    else:
        assert placed is not None
        assert (placed.moves, placed.lane) == ({}, min(set(range(1, capacity + 1)) - blocked))


@pytest.mark.parametrize("first_lane", [1, 2])
def test_dealing_anew_reaches_beyond_the_nearest_neighbours(first_lane: int) -> None:
    """N touches A and B only, but moving either makes the next in the chain move too."""
    other = 3 - first_lane
    rows = [
        Occupied("Z", first_lane, hours(7, 8.5)),
        Occupied("Y", other, hours(8, 9.5)),
        Occupied("A", first_lane, hours(9, 10.5)),
        Occupied("B", other, hours(10.5, 12)),
        Occupied("C", first_lane, hours(11.5, 13)),
        Occupied("D", other, hours(12.5, 14)),
    ]
    new = [shared(10, 11)]
    placed = place_all(new=new, existing=rows, capacity=2, kind="nurse")
    assert placed is not None
    assert not clashes(after(rows, placed, new))
    assert set(placed.moves) == {"B", "C", "D"}


def test_few_rows_move() -> None:
    """Over every fragmentation of a crowded morning, near the least that any re-packing could do."""
    present = {
        "A": hours(9, 10),
        "B": hours(10, 11),
        "C": hours(11, 12),
        "E": hours(9, 11),
        "F": hours(9, 9.5),
        "G": hours(9.5, 10),
        "H": hours(11.5, 12.5),
        "I": hours(12, 13),
    }
    moved = least = 0
    for wish in (shared(10, 11.5), shared(10, 11), shared(11, 11.5), shared(10.5, 11.5)):
        targets = colourings(present | {"new": wish.during}, 3)
        for rows in colourings(present, 3):
            placed = place(new=wish, existing=rows, capacity=3, kind="nurse")
            assert placed is not None
            moved += len(placed.moves)
            least += min(
                sum(row.lane != target.lane for row, target in zip(rows, way, strict=False))
                for way in targets
            )
    assert least <= moved <= 1.3 * least


@settings(max_examples=200)
@given(a_state(), st.sampled_from(["nurse", "chair"]))
def test_something_is_in_the_way_exactly_when_there_is_no_room(
    state: tuple[int, list[Occupied[str]], list[Wanted]], kind: str
) -> None:
    capacity, rows, several = state
    new = several[:1]
    found = in_the_way(new=new, existing=rows, capacity=capacity, kind=kind)
    room = place_all(new=new, existing=rows, capacity=capacity, kind=kind) is not None
    assert (found == []) == room
    named = [row for row in rows if row.key in found]
    assert len(named) == len(found)
    assert all(row.during.overlaps(new[0].during) for row in named)
    # Without what was named there is room.
    rest = [row for row in rows if row.key not in found]
    assert place_all(new=new, existing=rest, capacity=capacity, kind=kind) is not None
