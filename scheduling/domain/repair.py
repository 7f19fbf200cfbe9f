"""A repair as a problem: visits that lost their place, what they need, and how disruptive an answer is.

The idea to know: answers are compared like words in a dictionary. First as few visits without a place as
possible, then as few patients moved, then fewer who had confirmed, then the same day, then minutes, then
the same nurse and chair. Everything is counted in the five-minute ticks of one axis.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from clinic.common.intervals import Interval
from scheduling.domain.phases import Kind, Requirement
from scheduling.domain.ticks import TICK_MINUTES, Axis, Taken

REASONS: Mapping[str, str] = {
    "no_place": "Nothing suitable is free in reach. Agree with the patient, or let visits move by more days.",
    "patient_is_here": "The patient has arrived, so the time stays; no other resources are free then.",
    "under_way": "The visit has begun. Settle on the spot who takes over.",
}
"""Why a visit has no place in a proposal."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One chair, nurse, … with its open time, and what visits outside the repair take of it."""

    id: int
    kind: Kind
    capacity: int
    open: Sequence[Interval]
    taken: Sequence[Taken] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A booked visit that a repair may touch.

    ``hit`` visits need a place; the others are in use around them and may only change resources, at their
    own time, to make room. ``movable`` says that the time may change. A new start lies on the grid, from
    ``earliest`` to ``latest``, on ``days`` when given (the gaps of a course), outside ``busy`` (the
    patient's other bookings).
    """

    id: int
    patient_id: int
    start_at: datetime
    requirements: tuple[Requirement, ...]
    minutes: int
    held: Mapping[Kind, int]
    hit: bool
    movable: bool
    earliest: datetime
    latest: datetime
    confirmed: bool = False
    grid_minutes: int = TICK_MINUTES
    busy: tuple[Interval, ...] = ()
    days: frozenset[date] | None = None

    def needs(self, kind: Kind) -> tuple[Requirement, ...]:
        """What is asked of the one resource of this kind."""
        return tuple(each for each in self.requirements if each.kind == kind)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of resource it needs, each once."""
        return tuple(dict.fromkeys(each.kind for each in self.requirements))


@dataclass(frozen=True, slots=True)
class Gap:
    """Two successive visits of one course that are both hit: how far the second is after the first.

    ``positions`` has a number for each day of the axis; their differences are gaps, in days or in days on
    which the clinic works. A gap that is wrong already does not stop both from staying where they are.
    """

    first: int
    second: int
    least: int
    most: int
    positions: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Everything a repair is computed from.

    ``resources`` come with their open time and with what is taken by visits outside this problem.
    ``site_open`` bounds visits that need no resource. A visit moves by ``horizon_days`` at most.
    """

    axis: Axis
    visits: Sequence[Visit]
    resources: Sequence[Resource]
    site_open: Sequence[Interval]
    horizon_days: int
    gaps: Sequence[Gap] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a visit goes: the tick it starts at, and the resource of each kind."""

    start: int
    resources: Mapping[Kind, int]


Places = Mapping[int, Place | None]
"""Visit id to its place; None where nothing is possible."""


@dataclass(frozen=True, slots=True, order=True)
class Disruption:
    """What an answer costs, the worst first: comparing two compares them in this order."""

    unplaced: int = 0
    patients_moved: int = 0
    confirmed_moved: int = 0
    to_another_day: int = 0
    minutes_shifted: int = 0
    resources_changed: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The best places found; ``optimal`` when it is proven that there are none better."""

    places: Places
    disruption: Disruption
    optimal: bool = field(default=False)


def measure(problem: Problem, places: Places) -> Disruption:
    """How disruptive these places are, counted one by one."""
    axis = problem.axis
    unplaced = moved = confirmed = days = minutes = changed = 0
    for visit in problem.visits:
        place, home = places[visit.id], axis.floor(visit.start_at)
        if place is None:
            unplaced += 1
            continue
        changed += sum(visit.held.get(kind) != found for kind, found in place.resources.items())
        if axis.instant(place.start) != visit.start_at:
            moved += 1
            confirmed += visit.confirmed
            days += axis.day_of(place.start) != axis.day_of(home)
            minutes += abs(place.start - home) * TICK_MINUTES
    return Disruption(unplaced, moved, confirmed, days, minutes, changed)
