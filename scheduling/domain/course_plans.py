"""Places the sessions of a course on days: dynamic programming, so that a plan is found whenever one exists.

Costs are points that add up over sessions and gaps (our defaults [D], below), so the cheapest way to each
day for the first n sessions follows from the cheapest ways for n - 1. No clock, no database: what comes in
are the possible starts per local date.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from heapq import nsmallest
from itertools import islice
from operator import attrgetter, itemgetter
from typing import NamedTuple

from scheduling.domain.courses import OpenDays, Stage, stage_of

MAX_PLANS = 10
MAX_NURSES_TRIED = 12
"""Of many nurses, those free on most days are tried as the course's own: a bound on the work."""

MINUTES_PER_POINT = 15
"""A point for each quarter of an hour away from the usual time."""
GAP_POINTS = 4
"""For each day by which a gap is not the ideal one."""
WAITING_POINTS = 2
"""For each day that the first session is later than it could be."""
NURSE_POINTS = 6
"""For each session without the course's own nurse."""
OVERDUE_POINTS = 10
"""For each day by which the rest of a course begins later than its longest gap."""
_REPEAT_POINTS = 30
"""Only between plans: for a start within an hour of one already proposed, so that plans differ."""
_ALIKE_MINUTES = 60


class Option(NamedTuple):
    """One possible start: minutes since midnight on the wall, the instant, and the nurses who could."""

    minute: int
    start: datetime
    nurses: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be placed: ``count`` sessions, the first having ``first_number``.

    The first lies on ``since`` to ``until``. With ``previous`` (the date of the session before it) its gap is
    kept too, except that it may be overdue where ``may_be_late``.
    """

    stages: Sequence[Stage]
    count: int
    since: date
    until: date
    first_number: int = 1
    previous: date | None = None
    may_be_late: bool = False
    usual_minute: int | None = None
    same_nurse: bool = False


class Cost(NamedTuple):
    """The points of a plan, by what they are for."""

    time_of_day: int
    beginning: int
    gaps: int
    nurse: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Sessions in order, what they cost, and the nurse they have most in common (when that was asked)."""

    days: tuple[date, ...]
    options: tuple[Option, ...]
    cost: Cost
    nurse: int | None = None

    @property
    def points(self) -> int:
        """What it costs in all: 0 is perfect."""
        return sum(self.cost)

    @property
    def score(self) -> float:
        """100 is perfect; the more points per session, the nearer to 0."""
        each = self.points / len(self.options)
        return round(1000 / (10 + each), 1)


@dataclass(frozen=True, slots=True)
class Unplaced:
    """The first session that no choice of the earlier ones leaves room for, and where it would have to be."""

    number: int
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Outcome:
    """The best plan first; or none, and why."""

    plans: tuple[Plan, ...]
    unplaced: Unplaced | None = None


def plan(
    days: Mapping[date, Sequence[Option]], *, wish: Wish, calendar: OpenDays | None = None, limit: int = 1
) -> Outcome:
    """Up to ``limit`` different plans, the first with the least points there is.

    The later ones are as good as possible while using other times than those before. ``days`` holds only
    what the patient wants and may have; ``calendar`` is needed where gaps count open days.
    """
    planner = _Planner(days, wish, calendar or OpenDays())
    found: list[Plan] = []
    while len(found) < limit:
        best = planner.best(found)
        if best is None:
            break
        found.append(best)
    if not found:
        return Outcome((), planner.unplaced())
    return Outcome(tuple(sorted(found, key=attrgetter("points"))))


def usual_minute(days: Mapping[date, Sequence[Option]]) -> int:
    """The time of day that is possible on most days, the earliest of several; 0 when nothing is."""
    counts: dict[int, int] = {}
    for options in days.values():
        for minute in {option.minute for option in options}:
            counts[minute] = counts.get(minute, 0) + 1
    return min(counts, key=lambda minute: (-counts[minute], minute), default=0)


class _Path(NamedTuple):
    """The cheapest way found to one day for so many sessions, as a chain."""

    cost: int
    day: int
    option: Option
    before: "_Path | None"


class _Planner:
    """One wish on the days that have any option, in order."""

    def __init__(self, days: Mapping[date, Sequence[Option]], wish: Wish, calendar: OpenDays) -> None:
        self.days = sorted(day for day, options in days.items() if options)
        self.wish = wish
        self.calendar = calendar
        self.usual = usual_minute(days) if wish.usual_minute is None else wish.usual_minute
        self.options = [
            sorted(
                ((abs(option.minute - self.usual) // MINUTES_PER_POINT, option) for option in days[day]),
                key=lambda each: (each[0], each[1].start),
            )
            for day in self.days
        ]
        self.nurses: list[int | None] = list(self._nurses()) if wish.same_nurse else [None]
        self.first = self._first_session()
        self._reached: dict[Stage, list[list[tuple[int, int]]]] = {}

    def _nurses(self) -> Iterable[int | None]:
        free: dict[int, int] = {}
        for options in self.options:
            for nurse in frozenset().union(*(option.nurses for _points, option in options)):
                free[nurse] = free.get(nurse, 0) + 1
        return sorted(free, key=lambda nurse: (-free[nurse], nurse))[:MAX_NURSES_TRIED] or [None]

    def _first_session(self) -> dict[int, int]:
        """Day index -> points, of the days on which the first session may be."""
        wish, allowed = self.wish, {}
        stage = stage_of(wish.stages, wish.first_number)
        for index, day in enumerate(self.days):
            if not wish.since <= day <= wish.until:
                continue
            if wish.previous is None:
                allowed[index] = (day - wish.since).days * WAITING_POINTS
                continue
            gap = self.calendar.gap(wish.previous, day, stage.gap_unit)
            late = max(gap - stage.max_gap_days, 0)
            if gap >= stage.min_gap_days and (not late or wish.may_be_late):
                allowed[index] = abs(gap - stage.ideal) * GAP_POINTS + late * OVERDUE_POINTS
        return allowed

    def best(self, earlier: Sequence[Plan]) -> Plan | None:
        """The cheapest plan that is none of ``earlier``, preferring times they do not use."""
        used = self._used(earlier)
        best = self._cheapest(used, keep=1, but_not=frozenset())
        known = frozenset(each.options for each in earlier)
        if best is not None and best.options in known:
            # Repeating is cheaper than what else there is: take the next in plain order instead.
            best = self._cheapest({}, keep=len(known) + 1, but_not=known)
        return best

    def _cheapest(
        self, used: Mapping[int, Sequence[int]], *, keep: int, but_not: frozenset[tuple[Option, ...]]
    ) -> Plan | None:
        best: tuple[int, _Path, int | None] | None = None
        least = self._paths(used, None, 1)[:1] if len(self.nurses) > 1 else []
        for nurse in self.nurses:
            for path in self._paths(used, nurse, keep):
                if best is not None and path.cost >= best[0]:
                    break
                if tuple(step.option for step in _steps(path)) not in but_not:
                    best = path.cost, path, nurse
                    break
            if best is not None and least and best[0] == least[0].cost:
                break  # as good as with no wish for a nurse, so no other nurse can do better
        if best is None:
            return None
        _cost, path, nurse = best
        steps = list(_steps(path))
        options = tuple(step.option for step in steps)
        times = sum(abs(option.minute - self.usual) // MINUTES_PER_POINT for option in options)
        others = sum(NURSE_POINTS for option in options if nurse is not None and nurse not in option.nurses)
        beginning = self.first[steps[0].day]
        repeats = sum(_repeats(step.option, used.get(step.day, ())) for step in steps)
        gaps = path.cost - repeats - times - others - beginning
        days = tuple(self.days[step.day] for step in steps)
        return Plan(days, options, Cost(times, beginning, gaps, others), nurse)

    def _paths(self, used: Mapping[int, Sequence[int]], nurse: int | None, keep: int) -> list[_Path]:
        """The ``keep`` cheapest ways to place all sessions, cheapest first."""
        prices: dict[int, list[tuple[int, Option]]] = {}

        def priced(day: int) -> list[tuple[int, Option]]:
            if day not in prices:
                prices[day] = self._prices(day, used.get(day, ()), nurse, keep)
            return prices[day]

        wish = self.wish
        layer = {
            day: [_Path(points + price, day, option, None) for price, option in priced(day)]
            for day, points in self.first.items()
        }
        for number in range(wish.first_number + 1, wish.first_number + wish.count):
            layer = {
                day: _extended(arriving, day, priced(day), keep)
                for day, arriving in self._arriving(layer, stage_of(wish.stages, number), keep)
            }
        return nsmallest(keep, (path for paths in layer.values() for path in paths), key=itemgetter(0))

    def _arriving(
        self, layer: Mapping[int, Sequence[_Path]], stage: Stage, keep: int
    ) -> Iterator[tuple[int, list[tuple[int, _Path]]]]:
        """For each day within reach of the layer: the cheapest ways to it, gap included, session not."""
        ways: dict[int, list[tuple[int, _Path]]] = {}
        reach = self._reach(stage)
        for before in sorted(layer):
            for day, points in reach[before]:
                found = ways.setdefault(day, [])
                if keep == 1 and found:  # the usual case, and most of the time: only the cheapest counts
                    path = layer[before][0]
                    if path.cost + points < found[0][0]:
                        found[0] = (path.cost + points, path)
                else:
                    found.extend((path.cost + points, path) for path in layer[before])
        for day, found in ways.items():
            yield day, nsmallest(keep, found, key=itemgetter(0)) if len(found) > keep else found

    def _reach(self, stage: Stage) -> list[list[tuple[int, int]]]:
        """For each day, the days on which the next session may be, and the points of that gap."""
        if stage not in self._reached:
            positions = [self.calendar.position(day, stage.gap_unit) for day in self.days]
            ideal, reached = stage.ideal, []
            for before, position in enumerate(positions):
                since = bisect_left(positions, position + stage.min_gap_days, before + 1)
                until = bisect_right(positions, position + stage.max_gap_days, since)
                reached.append(
                    [
                        (day, abs(positions[day] - position - ideal) * GAP_POINTS)
                        for day in range(since, until)
                    ]
                )
            self._reached[stage] = reached
        return self._reached[stage]

    def _prices(
        self, day: int, used: Sequence[int], nurse: int | None, keep: int
    ) -> list[tuple[int, Option]]:
        """The cheapest options of a day, with all that a session there costs by itself."""
        options = self.options[day]
        if not used:
            if nurse is None:
                return options[:keep]
            # Cheapest first, so of those without the nurse (and of those with) the first ones are enough.
            having = islice((each for each in options if nurse in each[1].nurses), keep)
            lacking = islice((each for each in options if nurse not in each[1].nurses), keep)
            others = [(points + NURSE_POINTS, option) for points, option in lacking]
            return nsmallest(keep, [*having, *others], key=itemgetter(0))
        priced = [
            (
                points
                + (NURSE_POINTS if nurse is not None and nurse not in option.nurses else 0)
                + _repeats(option, used),
                option,
            )
            for points, option in options
        ]
        return nsmallest(keep, priced, key=itemgetter(0))

    def _used(self, plans: Sequence[Plan]) -> dict[int, list[int]]:
        """Day index -> the minutes that plans have there."""
        index = {day: n for n, day in enumerate(self.days)}
        used: dict[int, list[int]] = {}
        for each in plans:
            for day, option in zip(each.days, each.options, strict=True):
                used.setdefault(index[day], []).append(option.minute)
        return used

    def unplaced(self) -> Unplaced:
        """The first session with nowhere to be, when there is no plan."""
        wish, number = self.wish, self.wish.first_number
        stage = stage_of(wish.stages, number)
        first, last = wish.since, wish.until
        if wish.previous is not None:
            first = max(first, self.calendar.later(wish.previous, stage.min_gap_days, stage.gap_unit))
            if not wish.may_be_late:
                last = min(last, self.calendar.later(wish.previous, stage.max_gap_days, stage.gap_unit))
        reached = sorted(self.first)
        while reached:
            number += 1
            stage = stage_of(wish.stages, number)
            first = self.calendar.later(self.days[reached[0]], stage.min_gap_days, stage.gap_unit)
            last = self.calendar.later(self.days[reached[-1]], stage.max_gap_days, stage.gap_unit)
            layer = {day: [_Path(0, day, self.options[day][0][1], None)] for day in reached}
            reached = sorted(day for day, _ways in self._arriving(layer, stage, 1))
        return Unplaced(number, first, max(first, last))


def _extended(
    arriving: Sequence[tuple[int, _Path]], day: int, priced: Sequence[tuple[int, Option]], keep: int
) -> list[_Path]:
    paths = [
        _Path(cost + price, day, option, before) for cost, before in arriving for price, option in priced
    ]
    return paths if len(paths) <= keep else nsmallest(keep, paths, key=itemgetter(0))


def _steps(path: _Path) -> Iterator[_Path]:
    """The sessions of a way, in order."""
    chain: list[_Path] = []
    step: _Path | None = path
    while step is not None:
        chain.append(step)
        step = step.before
    return reversed(chain)


def _repeats(option: Option, used: Iterable[int]) -> int:
    return sum(_REPEAT_POINTS for minute in used if abs(option.minute - minute) < _ALIKE_MINUTES)
