"""Where each visit of a repair could go on its own, as bits; clashes among the visits come later.

The idea to know: what is closed or taken by visits outside the repair is worked into the bits once, so
that solver and greedy start only have to keep the visits of the repair apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, reduce
from operator import and_, or_

from scheduling.domain.phases import PEOPLE, Kind, Requirement, Use
from scheduling.domain.repair import Problem, Resource, Visit
from scheduling.domain.ticks import TICK_MINUTES, Axis, ones, runs_of, stack, ticks_to_hold


def span(requirement: Requirement) -> tuple[int, int]:
    """The ticks of a visit that a requirement touches, [first, end) from its start."""
    return requirement.offset_minutes // TICK_MINUTES, ticks_to_hold(requirement.until_minutes)


def reached(starts: int, first: int, end: int) -> int:
    """The ticks touched by a use [first, end) of a visit that begins at any of ``starts``."""
    have, bits = 1, starts << first
    while have < end - first:
        step = min(have, end - first - have)
        bits |= bits << step
        have += step
    return bits


def runs(bits: int) -> Iterator[tuple[int, int]]:
    """The unbroken stretches of bits that are set, as [first, end)."""
    at = 0
    while bits:
        gap = (bits & -bits).bit_length() - 1
        bits >>= gap
        length = (~bits & (bits + 1)).bit_length() - 1
        yield at + gap, at + gap + length
        bits >>= length
        at += gap + length


class Load:
    """What one resource has to do, tick by tick, and what it could still take on."""

    def __init__(self, resource: Resource, axis: Axis) -> None:
        self.resource = resource
        self.hours = axis.covered(resource.open)
        exclusive, shared = axis.touched_by_use(resource.taken)
        self.exclusive = stack(exclusive, capacity=1, length=axis.length)[0]
        self.shared = stack(shared, capacity=resource.capacity, length=axis.length)

    def free(self, use: str) -> int:
        """Ticks with room for one more such use; of a thing, exclusive means alone."""
        if self.resource.kind in PEOPLE:
            return self.hours & ~(self.exclusive if use == Use.EXCLUSIVE else self.shared[-1])
        return self.hours & ~self.exclusive & ~(self.shared[0] if use == Use.EXCLUSIVE else self.shared[-1])

    def starts(self, needs: Sequence[Requirement]) -> int:
        """Ticks from which it can serve all that a visit needs of it."""
        found = -1
        for need in needs:
            first, end = span(need)
            found &= runs_of(self.free(need.use), end - first) >> first
        return found

    def serves(self, needs: Sequence[Requirement], tick: int) -> bool:
        """Whether it can serve a visit starting at this very tick."""
        return all(
            not ones(tick + first, tick + end) & ~self.free(need.use)
            for need in needs
            for first, end in [span(need)]
        )

    def take(self, needs: Sequence[Requirement], tick: int) -> None:
        """Serve it."""
        for need in needs:
            first, end = span(need)
            mask = ones(tick + first, tick + end)
            if need.use == Use.EXCLUSIVE:
                self.exclusive |= mask
                continue
            for level in range(len(self.shared) - 1, 0, -1):
                self.shared[level] |= self.shared[level - 1] & mask
            self.shared[0] |= mask


@dataclass(frozen=True, slots=True)
class Options:
    """What one visit could do.

    ``home`` is the tick of its present start. ``stay`` names per kind the resources that could serve it
    there; it is None when it cannot stay. ``starts`` are the other ticks it could begin at; ``moves`` says
    per kind which resource serves from which of them.
    """

    visit: Visit
    home: int
    stay: Mapping[Kind, tuple[int, ...]] | None
    starts: int
    moves: Mapping[Kind, Mapping[int, int]]


class Compiler:
    """Options of the visits of one problem; the bits of a resource are worked out once per kind of need."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.axis = problem.axis
        self.loads = {each.id: Load(each, self.axis) for each in problem.resources}
        self._known: dict[tuple[int, tuple[Requirement, ...]], int] = {}

    def options(self) -> list[Options]:
        """One for each visit, in the order of the problem."""
        return [self._of(visit) for visit in self.problem.visits]

    def _of(self, visit: Visit) -> Options:
        home = self.axis.floor(visit.start_at)
        on_tick = self.axis.instant(home) == visit.start_at
        serving = {kind: self._serving(visit, kind) for kind in visit.kinds}
        site = self._site_starts(visit) if not serving else -1
        stay = {
            kind: tuple(one for one, bits in each.items() if bits >> home & 1)
            for kind, each in serving.items()
        }
        if not visit.hit:  # where it is now is always possible, whatever the hours say today
            kept = {kind: tuple({visit.held[kind]: None} | dict.fromkeys(ids)) for kind, ids in stay.items()}
            return Options(visit, home, kept, 0, {})
        can_stay = on_tick and site >> home & 1 and all(stay.values())
        if not visit.movable:
            return Options(visit, home, stay if can_stay else None, 0, {})
        starts = self._allowed(visit) & site & ~(1 << home if on_tick else 0)
        starts = reduce(and_, (reduce(or_, each.values(), 0) for each in serving.values()), starts)
        moves = {
            kind: {one: bits & starts for one, bits in each.items() if bits & starts}
            for kind, each in serving.items()
        }
        return Options(visit, home, stay if can_stay else None, starts, moves)

    def _serving(self, visit: Visit, kind: Kind) -> dict[int, int]:
        needs = visit.needs(kind)
        return {each.id: self._starts(each.id, needs) for each in self.problem.resources if each.kind == kind}

    def _starts(self, resource_id: int, needs: tuple[Requirement, ...]) -> int:
        key = (resource_id, needs)
        if key not in self._known:
            self._known[key] = self.loads[resource_id].starts(needs)
        return self._known[key]

    def _site_starts(self, visit: Visit) -> int:
        return runs_of(self._site_hours, ticks_to_hold(visit.minutes))

    @cached_property
    def _site_hours(self) -> int:
        return self.axis.covered(self.problem.site_open)

    def _allowed(self, visit: Visit) -> int:
        """Starts that its rules and its patient allow, whatever the resources."""
        axis = self.axis
        free = runs_of(ones(0, axis.length) & ~axis.touched(visit.busy), ticks_to_hold(visit.minutes))
        return (
            free
            & axis.grid(visit.grid_minutes)
            & axis.since(visit.earliest)
            & axis.until(visit.latest)
            & self._days(visit)
        )

    def _days(self, visit: Visit) -> int:
        here = self.axis.days[self.axis.day_of(self.axis.floor(visit.start_at))]
        reach = timedelta(days=self.problem.horizon_days)
        wanted = (
            index
            for index, day in enumerate(self.axis.days)
            if abs(day - here) <= reach and (visit.days is None or day in visit.days)
        )
        return reduce(or_, (self.axis.day_bits(index) for index in wanted), 0)
