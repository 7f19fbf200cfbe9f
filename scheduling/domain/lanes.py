"""Which lane of a resource an allocation takes, so that one exclusion constraint guards every capacity.

Exclusive use is lane 0; shared use takes one of lanes 1 to capacity, and no two allocations that overlap
are in the same lane. Bookings arriving in an unlucky order fragment the lanes though each instant has
room; then the overlapping neighbours are dealt out anew, which always succeeds when capacity is respected.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count, pairwise
from typing import Generic, TypeVar

from clinic.common.intervals import Interval
from scheduling.domain.phases import PEOPLE, Use

EXCLUSIVE_LANE = 0
FIRST_SHARED_LANE = 1

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Occupied(Generic[K]):
    """An allocation already stored: the caller's ``key`` for it (its id), its lane and its time."""

    key: K
    lane: int
    during: Interval


@dataclass(frozen=True, slots=True)
class Wanted:
    """An allocation to be made."""

    use: str
    during: Interval


@dataclass(frozen=True, slots=True)
class Placement(Generic[K]):
    """Where one new allocation goes, and the stored ones that change lane for it: key to new lane."""

    lane: int
    moves: dict[K, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placements(Generic[K]):
    """Lanes for several new allocations, in the order asked, and the stored ones that change lane."""

    lanes: tuple[int, ...]
    moves: dict[K, int] = field(default_factory=dict)


def place(*, new: Wanted, existing: Iterable[Occupied[K]], capacity: int, kind: str) -> Placement[K] | None:
    """A lane for ``new`` among ``existing``, all of one resource; None only when it really is taken.

    ``capacity`` is the number of patients in shared use at once. ``kind`` decides whether exclusive use
    runs beside shared use (people) or excludes it (a chair, pump or room). ``existing`` may be any superset
    of the allocations connected to ``new`` by overlaps; pass whole days around it. Apply ``moves`` and the
    new row with the constraint deferred or in one statement.
    """
    placed = place_all(new=[new], existing=existing, capacity=capacity, kind=kind)
    return None if placed is None else Placement(placed.lanes[0], placed.moves)


def place_all(
    *, new: Sequence[Wanted], existing: Iterable[Occupied[K]], capacity: int, kind: str
) -> Placements[K] | None:
    """Lanes for all of ``new`` together, or None when any instant of them has no room; see ``place``."""
    rows = list(existing)
    hands_on = [row.during for row in rows if row.lane == EXCLUSIVE_LANE]
    watched = [row for row in rows if row.lane != EXCLUSIVE_LANE]
    exclusive = [want.during for want in new if want.use == Use.EXCLUSIVE]
    shared = [want.during for want in new if want.use == Use.SHARED]

    if _any_overlap(exclusive, hands_on) or _overlap_among(exclusive):
        return None
    if kind not in PEOPLE:
        everything = [*shared, *(row.during for row in watched)]
        if _any_overlap(exclusive, everything) or _any_overlap(shared, hands_on):
            return None
    if not _fits(shared, watched, capacity):
        return None

    lanes, moves = _share(shared, watched, capacity)
    given = iter(lanes)
    return Placements(tuple(next(given) if want.use == Use.SHARED else EXCLUSIVE_LANE for want in new), moves)


def in_the_way(
    *, new: Sequence[Wanted], existing: Iterable[Occupied[K]], capacity: int, kind: str
) -> list[K]:
    """The keys of the rows for which :func:`place_all` finds no room: none, exactly when it finds some.

    ``new`` are one visit's uses of one resource, which do not stand in each other's way.
    """
    rows = list(existing)
    hands_on = [row for row in rows if row.lane == EXCLUSIVE_LANE]
    watched = [row for row in rows if row.lane != EXCLUSIVE_LANE]
    exclusive = [want.during for want in new if want.use == Use.EXCLUSIVE]
    shared = [want.during for want in new if want.use == Use.SHARED]
    alone = kind not in PEOPLE
    blocking = [*_touching(hands_on, [*exclusive, *(shared if alone else [])])]
    if alone:
        blocking += _touching(watched, exclusive)
    for edge in {*shared, *(row.during for row in watched)}:
        there = [row for row in watched if row.during.contains(edge.start)]
        asked = sum(want.contains(edge.start) for want in shared)
        if asked and asked + len(there) > capacity:
            blocking += there
    return list(dict.fromkeys(row.key for row in blocking))


def _touching(rows: Iterable[Occupied[K]], times: Sequence[Interval]) -> list[Occupied[K]]:
    return [row for row in rows if _any_overlap([row.during], times)]


def _any_overlap(first: Iterable[Interval], second: Sequence[Interval]) -> bool:
    return any(one.overlaps(other) for one in first for other in second)


def _overlap_among(intervals: Iterable[Interval]) -> bool:
    return any(one.end > after.start for one, after in pairwise(sorted(intervals)))


def _fits(wanted: Sequence[Interval], rows: Iterable[Occupied[K]], capacity: int) -> bool:
    """Whether the load stays within capacity at every instant of ``wanted``; it peaks where one starts."""
    load = [*wanted, *(row.during for row in rows)]
    return all(
        sum(other.contains(one.start) for other in load) <= capacity
        for one in load
        if any(want.contains(one.start) for want in wanted)
    )


def _share(
    wanted: Sequence[Interval], rows: Sequence[Occupied[K]], capacity: int
) -> tuple[list[int], dict[K, int]]:
    """Shared lanes for ``wanted``, which fit: into free lanes if they can, else by dealing anew."""
    taken = [(row.lane, row.during) for row in rows]
    lanes: list[int] = []
    for want in wanted:
        blocked = {lane for lane, during in taken if during.overlaps(want)}
        lane = next((lane for lane in _shared_lanes(capacity) if lane not in blocked), None)
        if lane is None:
            return _deal_anew(wanted, _connected(wanted, rows), capacity)
        lanes.append(lane)
        taken.append((lane, want))
    return lanes, {}


def _shared_lanes(capacity: int) -> range:
    return range(FIRST_SHARED_LANE, FIRST_SHARED_LANE + capacity)


def _connected(wanted: Iterable[Interval], rows: Iterable[Occupied[K]]) -> list[Occupied[K]]:
    """The rows linked to ``wanted`` by a chain of overlaps: only their lanes bear on each other."""
    reached, waiting = list(wanted), list(rows)
    linked: list[Occupied[K]] = []
    while reached:
        edge = reached.pop()
        touching = [row for row in waiting if row.during.overlaps(edge)]
        waiting = [row for row in waiting if not row.during.overlaps(edge)]
        linked += touching
        reached += [row.during for row in touching]
    return linked


def _deal_anew(
    wanted: Sequence[Interval], rows: Sequence[Occupied[K]], capacity: int
) -> tuple[list[int], dict[K, int]]:
    """Lanes by ascending start, each row keeping its own where that is free.

    Taken in order of start, any free lane will do: at each start fewer than ``capacity`` others are under
    way, so one is free. That freedom is spent on moving few rows: who must choose takes the lane whose
    present holder comes latest. Rows beyond a capacity that was lowered since keep a lane of their own
    above it.
    """
    deals: list[tuple[Interval, int, Occupied[K] | None]] = [
        *((row.during, -1, row) for row in rows),
        *((during, index, None) for index, during in enumerate(wanted)),
    ]
    deals.sort(key=lambda deal: (deal[0].start, deal[2] is None))
    until: dict[int, datetime] = {}
    lanes = [0] * len(wanted)
    moves: dict[K, int] = {}
    for position, (during, index, row) in enumerate(deals):
        under_way = {lane for lane, end in until.items() if end > during.start}
        free = [lane for lane in _shared_lanes(capacity) if lane not in under_way]
        if row is not None and row.lane not in under_way and (row.lane in free or not free):
            lane = row.lane
        elif free:
            to_come = [(other.during, other.lane) for _, _, other in deals[position + 1 :] if other]
            lane = max(free, key=lambda lane: _undisturbed(lane, during, to_come))
        else:
            lane = next(n for n in count(FIRST_SHARED_LANE + capacity) if n not in under_way)
        until[lane] = during.end
        if row is None:
            lanes[index] = lane
        elif lane != row.lane:
            moves[row.key] = lane
    return lanes, moves


def _undisturbed(lane: int, during: Interval, to_come: Iterable[tuple[Interval, int]]) -> tuple[bool, float]:
    """How long the lane stays clear of its present holders, for comparison; clear throughout is best."""
    starts = [other.start for other, holder in to_come if holder == lane and other.start < during.end]
    return (not starts, min(starts).timestamp() if starts else 0.0)
