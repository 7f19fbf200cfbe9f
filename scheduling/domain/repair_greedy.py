"""A quick, decent repair: one visit after the other stays or goes to the nearest free place.

It is what the solver starts from, and the answer when time runs out before the solver has a better one.
"""

from collections.abc import Mapping, Sequence

from scheduling.domain.phases import Kind
from scheduling.domain.repair import Gap, Place, Problem, Visit
from scheduling.domain.repair_options import Compiler, Options
from scheduling.domain.ticks import each_bit, ones, ticks_to_hold


def place_greedily(problem: Problem, options: Sequence[Options]) -> dict[int, Place | None]:
    """A place for each visit that gets one: those in use stay, then those that cannot move choose first."""
    crew = _Crew(problem)
    for each in options:
        if not each.visit.hit:
            crew.put(each.visit, Place(each.home, dict(each.visit.held)))
    waiting = [each for each in options if each.visit.hit]
    unsettled = []
    for each in sorted(waiting, key=_stays_first):
        place = crew.staying(each)
        if place is None:
            unsettled.append(each)
        else:
            crew.put(each.visit, place)
    for each in unsettled:
        place = crew.nearest(each)
        if place is not None:
            crew.put(each.visit, place)
    return {each.visit.id: crew.places.get(each.visit.id) for each in options}


def _stays_first(options: Options) -> tuple[bool, bool, int, int]:
    return bool(options.starts), not options.visit.confirmed, options.home, options.visit.id


class _Crew:
    """The resources and patients, with what they were given so far."""

    def __init__(self, problem: Problem) -> None:
        self.loads = Compiler(problem).loads
        self.axis = problem.axis
        self.gaps = problem.gaps
        self.places: dict[int, Place] = {}
        self._patients: dict[int, int] = {}
        self._stayed: set[int] = set()

    def put(self, visit: Visit, place: Place) -> None:
        self.places[visit.id] = place
        if self.axis.instant(place.start) == visit.start_at:
            self._stayed.add(visit.id)
        for kind, one in place.resources.items():
            if one in self.loads:
                self.loads[one].take(visit.needs(kind), place.start)
        self._patients[visit.patient_id] = self._patients.get(visit.patient_id, 0) | _whole(
            visit, place.start
        )

    def staying(self, options: Options) -> Place | None:
        return None if options.stay is None else self._at(options, options.home, options.stay)

    def nearest(self, options: Options) -> Place | None:
        """The same day before others, then the fewest minutes away."""
        home = options.home
        today = self.axis.day_of(home)
        ticks = sorted(
            each_bit(options.starts),
            key=lambda tick: (self.axis.day_of(tick) != today, abs(tick - home), tick),
        )
        for tick in ticks:
            serving = {
                kind: [one for one, bits in each.items() if bits >> tick & 1]
                for kind, each in options.moves.items()
            }
            place = self._at(options, tick, serving)
            if place is not None:
                return place
        return None

    def _at(self, options: Options, tick: int, serving: Mapping[Kind, Sequence[int]]) -> Place | None:
        visit = options.visit
        if self._patients.get(visit.patient_id, 0) & _whole(visit, tick):
            return None
        if not all(self._keeps(gap, options, tick) for gap in self.gaps):
            return None
        chosen = {}
        for kind, ids in serving.items():
            found = self._first(ids, visit, kind, tick)
            if found is None:
                return None
            chosen[kind] = found
        return Place(tick, chosen)

    def _first(self, ids: Sequence[int], visit: Visit, kind: Kind, tick: int) -> int | None:
        """The one it had, else the first that is free."""
        needs, had = visit.needs(kind), visit.held.get(kind)
        ordered = sorted(ids, key=lambda one: (one != had, one))
        return next((one for one in ordered if self.loads[one].serves(needs, tick)), None)

    def _keeps(self, gap: Gap, options: Options, tick: int) -> bool:
        """Whether starting here keeps the gap to the other visit, if that has a place yet."""
        here = options.visit.id
        if here not in {gap.first, gap.second}:
            return True
        other_id = gap.second if here == gap.first else gap.first
        other = self.places.get(other_id)
        if other is None or (tick == options.home and other_id in self._stayed):
            return True
        days = self._position(gap, other.start) - self._position(gap, tick)
        return gap.least <= (days if here == gap.first else -days) <= gap.most

    def _position(self, gap: Gap, tick: int) -> int:
        return gap.positions[self.axis.day_of(tick)]


def _whole(visit: Visit, tick: int) -> int:
    return ones(tick, tick + ticks_to_hold(visit.minutes))
