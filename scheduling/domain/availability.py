"""When a visit can start, given everything it needs at once, and why it cannot on days it cannot.

The idea to know: per resource the search turns "free" into bits, shifts each requirement back to the
start of the visit and ANDs them, so one resource serves all requirements of its kind; then ORs the
resources of a kind and ANDs the kinds. Busy time is rounded outward to ticks and open time inward, so
that a start found here is always free; lanes.py decides on exact minutes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property, reduce
from itertools import islice
from operator import or_

from clinic.common.intervals import Interval
from scheduling.domain.loads import StoredDays, loads
from scheduling.domain.local_times import local_texts
from scheduling.domain.phases import PEOPLE, Kind, Requirement, Use
from scheduling.domain.ticks import TICK_MINUTES, Axis, Taken, each_bit, ones, runs_of, ticks_to_hold


@dataclass(frozen=True, slots=True)
class Resource:
    """One chair, nurse, … with its capacity, open intervals, and what it is booked for on the axis.

    That is ``days``, as stored, and allocations beside them touching the axis' span: ``taken``, which they
    do not hold, and ``freed``, which they do but which shall not count.
    """

    id: int
    kind: Kind
    capacity: int
    open: Sequence[Interval]
    taken: Iterable[Taken] = ()
    freed: Iterable[Taken] = ()
    days: StoredDays = field(default_factory=StoredDays)


class Rule(StrEnum):
    """Why a day has no start; ``kind`` of the reason says of whom, where the rule is about a resource."""

    NO_RESOURCE = "no_resource"  # the site has no active resource of the kind
    CLOSED = "closed"  # none of the kind works then
    VISIT_TOO_LONG = "visit_too_long"  # some work, but no stretch of hours holds the visit
    OFF_GRID = "off_grid"  # hours would hold it, but from no allowed start time
    FULLY_BOOKED = "fully_booked"  # the hours are there, other bookings fill them
    NO_COMMON_TIME = "no_common_time"  # the kind has room, but never when the others have
    PATIENT_BUSY = "patient_busy"  # only while the patient has another booking
    NOTICE = "notice"  # only earlier than the shortest notice allows
    HORIZON = "horizon"  # only later than bookings are open


@dataclass(frozen=True, slots=True)
class Reason:
    """Why ``day`` has no start: the first thing that leaves none."""

    day: date
    kind: Kind | None
    rule: Rule


class _Map:
    """One resource on the axis: its hours, its busy planes, and the starts it can serve."""

    def __init__(self, resource: Resource, axis: Axis, needed: Sequence[Requirement], hours: int) -> None:
        self.id = resource.id
        self.kind = resource.kind
        self.capacity = resource.capacity
        self.needed = needed
        self.hours = hours
        exclusive, self.shared = loads(
            axis, resource.days, capacity=resource.capacity, taken=resource.taken, freed=resource.freed
        )
        self.exclusive = exclusive.at_least(1)

    def free(self, use: str) -> int:
        """Ticks at which one more use of this sort can be taken on.

        A person's hands-on and watching are done side by side; of a thing, exclusive means alone.
        """
        if self.kind in PEOPLE:
            return self.hours & ~(
                self.exclusive if use == Use.EXCLUSIVE else self.shared.at_least(self.capacity)
            )
        return (
            self.hours & ~self.exclusive & ~self.shared.at_least(1 if use == Use.EXCLUSIVE else self.capacity)
        )

    @cached_property
    def starts(self) -> int:
        """Ticks from which this resource alone can serve all that is needed of its kind."""
        return _serves(self.needed, {use: self.free(use) for use in {each.use for each in self.needed}})

    @cached_property
    def starts_by_hours(self) -> int:
        """The same, had it no allocations."""
        return _serves(self.needed, dict.fromkeys(Use, self.hours))

    def preference(self, tick: int, day: int) -> int:
        """Sorts the better choice first; see Availability.candidates."""
        if self.kind in PEOPLE:
            shared = (self.shared.at_least(level) for level in range(1, self.capacity + 1))
            return sum((plane & day).bit_count() for plane in (self.exclusive, *shared))
        first, end = _ticks(self.needed[0])
        taken = ~self.free(self.needed[0].use)
        before = tick + first - (taken & ones(0, tick + first)).bit_length()
        after = taken >> (tick + end)
        return before + (after & -after).bit_length() - 1


class _KindMap:
    """All resources of one kind, any of which will do."""

    def __init__(self, kind: Kind | None, maps: Sequence[_Map]) -> None:
        self.kind = kind
        self.maps = maps

    @cached_property
    def starts(self) -> int:
        return reduce(or_, (each.starts for each in self.maps), 0)

    def in_turn(self, turn: int) -> Sequence[_Map]:
        """All of them by id, beginning with the one whose turn it is."""
        by_id = sorted(self.maps, key=lambda one: one.id)
        first = turn % max(1, len(by_id))
        return by_id[first:] + by_id[:first]

    def why_none(self, asked: int, grid: int) -> Rule:
        """Why this kind on its own has no start among ``asked`` (a day, or the part asked for)."""
        if not self.maps:
            return Rule.NO_RESOURCE
        by_hours = reduce(or_, (each.starts_by_hours for each in self.maps), 0)
        if by_hours & asked & grid:
            return Rule.FULLY_BOOKED
        if by_hours & asked:
            return Rule.OFF_GRID
        if any(each.hours & asked for each in self.maps):
            return Rule.VISIT_TOO_LONG
        return Rule.CLOSED


@dataclass(frozen=True, slots=True)
class Limits:
    """Which starts are asked for and allowed.

    Starts lie in ``window`` (half-open), on the grid, at ``earliest`` or later (minimum notice) and at
    ``latest`` at the latest (horizon).
    """

    window: Interval
    grid_minutes: int
    earliest: datetime
    latest: datetime


class Availability:
    """The answer of one search. ``bits`` are the possible starts on ``axis``."""

    def __init__(
        self,
        *,
        axis: Axis,
        limits: Limits,
        kinds: Sequence[_KindMap],
        patient_free: int,
        visit_minutes: int,
    ) -> None:
        self.axis = axis
        self.visit_minutes = visit_minutes
        self._kinds = kinds
        self._patient_free = patient_free
        self._asked = axis.within(limits.window) & ones(0, axis.cuts[-1])
        self._grid = axis.grid(limits.grid_minutes)
        self._since, self._until = axis.since(limits.earliest), axis.until(limits.latest)
        bits = self._asked & self._grid & self._since & self._until & patient_free
        for each in kinds:
            bits &= each.starts
        self.bits = bits

    def starts(self, *, limit: int | None = None) -> list[datetime]:
        """The possible starts in UTC, earliest first, ``limit`` of them at most."""
        return [self.axis.instant(tick) for tick in islice(each_bit(self.bits), limit)]

    def local_starts(self, *, limit: int | None = None) -> tuple[list[str], list[str]]:
        """As :meth:`starts`, and when the visits end, both by the clocks of the place in ISO 8601."""
        ticks = list(islice(each_bit(self.bits), limit))
        return local_texts(self.axis, ticks), local_texts(self.axis, ticks, minutes=self.visit_minutes)

    def allows(self, start: datetime) -> bool:
        """Whether a visit can start at exactly ``start``."""
        tick = self.axis.floor(start)
        return tick >= 0 and self.axis.instant(tick) == start and bool(self.bits >> tick & 1)

    def candidates(self, start: datetime) -> Mapping[Kind, tuple[int, ...]]:
        """Per kind, the ids of the resources free for a visit at ``start``, the one to prefer first.

        A person is preferred who has least to do that day; a chair, pump or room whose free gap is the
        tightest fit, so that the long gaps stay whole for long visits. Equals take turns: each local day
        and each later tick of it begins with the next one by id, so that bookings of different days and
        times do not all wait for the lock on the first. Any combination works. Empty when ``start`` is not
        possible.
        """
        if not self.allows(start):
            return {}
        tick = self.axis.floor(start)
        index = self.axis.day_of(tick)
        day = self.axis.day_bits(index)
        turn = self.axis.days[index].toordinal() + tick - self.axis.cuts[index]
        return {
            each.kind: tuple(
                found.id
                for found in sorted(
                    (one for one in each.in_turn(turn) if one.starts >> tick & 1),
                    key=lambda one: one.preference(tick, day),
                )
            )
            for each in self._kinds
            if each.kind is not None
        }

    def served_by(self, kind: Kind) -> Mapping[int, int]:
        """Per resource of a kind, by id: those of the possible starts at which it is free."""
        return {
            one.id: one.starts & self.bits for each in self._kinds if each.kind == kind for one in each.maps
        }

    def reasons(self) -> list[Reason]:
        """One reason for each day asked for that has no start."""
        found = []
        for index, day in enumerate(self.axis.days):
            asked = self._asked & self.axis.day_bits(index)
            if asked and not self.bits & asked:
                kind, rule = self._why_none(asked)
                found.append(Reason(day, kind, rule))
        return found

    def _why_none(self, asked: int) -> tuple[Kind | None, Rule]:
        """What leaves no start: a kind with nothing on its own goes before kinds that never meet."""
        grid = asked & self._grid
        if not grid:
            return None, Rule.OFF_GRID
        if not grid & self._since & self._until:
            return None, self._untimely(grid)
        for each in self._kinds:
            if not each.starts & grid:
                return each.kind, each.why_none(asked, self._grid)
        for each in self._kinds:
            grid &= each.starts
            if not grid:
                return each.kind, Rule.NO_COMMON_TIME
        if not grid & self._patient_free:
            return None, Rule.PATIENT_BUSY
        return None, self._untimely(grid & self._patient_free)

    def _untimely(self, starts: int) -> Rule:
        return Rule.HORIZON if starts & self._since else Rule.NOTICE


def starts_for(
    *,
    axis: Axis,
    requirements: Sequence[Requirement],
    visit_minutes: int,
    resources: Iterable[Resource],
    limits: Limits,
    patient_busy: Iterable[Interval] = (),
    site_hours: Sequence[Interval] | None = None,
) -> Availability:
    """Every possible start of a visit on ``axis``.

    ``resources`` are those the visit may use (all of the site, or fewer when some are asked for by name);
    of each kind required, one serves all its requirements. The patient must be free for the whole
    visit. ``site_hours``, when given, must hold the whole visit: the only bound of a visit type that needs
    no resource. Raises ValueError for a grid that is not a multiple of 5 minutes.
    """
    needed: dict[Kind, list[Requirement]] = {}
    for requirement in requirements:
        needed.setdefault(requirement.kind, []).append(requirement)
    maps: dict[Kind, list[_Map]] = {kind: [] for kind in needed}
    serving = [resource for resource in resources if resource.kind in needed]
    hours: dict[int, int] = {}
    for resource in serving:
        key = id(resource.open)  # many keep the same hours, given as the very same list; rounding them costs
        if key not in hours:
            hours[key] = axis.covered(resource.open)
        maps[resource.kind].append(_Map(resource, axis, needed[resource.kind], hours[key]))

    kinds = [_KindMap(kind, maps[kind]) for kind in needed]
    if site_hours is not None:
        whole_visit = Requirement(Kind.ROOM, Use.SHARED, 0, visit_minutes)
        site = Resource(id=0, kind=Kind.ROOM, capacity=1, open=site_hours)
        kinds.insert(0, _KindMap(None, [_Map(site, axis, [whole_visit], axis.covered(site_hours))]))
    patient_free = runs_of(ones(0, axis.length) & ~axis.touched(patient_busy), ticks_to_hold(visit_minutes))
    return Availability(
        axis=axis, limits=limits, kinds=kinds, patient_free=patient_free, visit_minutes=visit_minutes
    )


def _ticks(requirement: Requirement) -> tuple[int, int]:
    """The ticks of a visit a requirement touches, [first, end) from its start."""
    return requirement.offset_minutes // TICK_MINUTES, ticks_to_hold(requirement.until_minutes)


def _serves(needed: Iterable[Requirement], free: Mapping[str, int]) -> int:
    """Ticks from which every requirement finds its time free."""
    starts = -1
    for requirement in needed:
        first, end = _ticks(requirement)
        starts &= runs_of(free[requirement.use], end - first) >> first
    return starts
