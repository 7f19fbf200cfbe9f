"""The least disruptive repair, found with OR-tools CP-SAT within a time limit.

The idea to know: three rounds over one model, each fixing what the round before achieved: who gets a place
and who is moved at all; then days and minutes; then nurses and chairs. A round that runs out of time keeps
the best answer so far, which at worst is the greedy one. Seed and number of threads are fixed, so an answer
that is proven best is the same every time.

Only the worker imports this module: OR-tools brings NumPy and pandas, which web processes need not load.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ortools.sat.python import cp_model

from scheduling.domain.phases import PEOPLE, Use
from scheduling.domain.repair import Answer, Disruption, Gap, Places, Problem, measure
from scheduling.domain.repair_choices import Choices, total
from scheduling.domain.repair_greedy import place_greedily
from scheduling.domain.repair_options import Compiler, Load, Options, reached, runs, span
from scheduling.domain.ticks import TICK_MINUTES, ticks_to_hold

_SEED = 20_270_104
_THREADS = 1
_SHARES = (0.7, 0.7, 1.0)
"""Of the time that is left, the part each round may use."""
_LEAST_SECONDS = 0.05


def repair(problem: Problem, *, seconds: float) -> Answer:
    """The least disruptive places found within ``seconds`` of elapsed time."""
    deadline = time.monotonic() + seconds
    compiler = Compiler(problem)
    options = compiler.options()
    best: Places = place_greedily(problem, options)
    if not problem.visits:
        return Answer(best, Disruption(), optimal=True)
    model = _Model(problem, compiler, options)
    optimal = True
    for share, round_ in zip(_SHARES, model.rounds(), strict=True):
        left = (deadline - time.monotonic()) * share
        found, proven = model.improve(round_, best, seconds=left)
        optimal = optimal and proven
        best = min(best, found, key=lambda places: measure(problem, places))
        model.keep(round_, measure(problem, best))
    return Answer(best, measure(problem, best), optimal)


@dataclass(frozen=True)
class _Round:
    """What one round minimises, for the solver and for places already known."""

    objective: cp_model.LinearExpr
    of: Callable[[Disruption], int]


@dataclass
class _Uses:
    """What the visits of the problem may ask of one resource, as optional intervals."""

    exclusive: list[cp_model.IntervalVar] = field(default_factory=list)
    shared: list[cp_model.IntervalVar] = field(default_factory=list)
    reach: int = 0
    """The ticks that any of them may touch."""


class _Model:
    """The constraints between visits, and what is minimised."""

    def __init__(self, problem: Problem, compiler: Compiler, options: Sequence[Options]) -> None:
        self.problem = problem
        self.model = cp_model.CpModel()
        self.choices = [Choices(self.model, each, problem) for each in options]
        self._uses: defaultdict[int, _Uses] = defaultdict(_Uses)
        for choice in self.choices:
            self._use(choice)
        for resource_id, uses in self._uses.items():
            if resource_id in compiler.loads:
                self._serve(compiler.loads[resource_id], uses)
        self._patients()
        for gap in problem.gaps:
            self._gap(gap)

    def rounds(self) -> list[_Round]:
        """What is minimised, one after the other; within a round each level outweighs all below it."""
        hit = [each for each in self.choices if each.options.visit.hit]
        more = len(hit) + 1
        without = len(hit) - total(each.placed for each in hit)
        moved = total(each.moves for each in hit)
        confirmed = total(each.moves for each in hit if each.options.visit.confirmed)
        days = total(each.other_day for each in hit)
        ticks = total(each.shift for each in hit)
        furthest = sum(each.furthest for each in hit) + 1
        return [
            _Round(
                without * more * more + moved * more + confirmed,
                lambda all_: (all_.unplaced * more + all_.patients_moved) * more + all_.confirmed_moved,
            ),
            _Round(
                days * furthest + ticks,
                lambda all_: all_.to_another_day * furthest + all_.minutes_shifted // TICK_MINUTES,
            ),
            _Round(total(each.swaps for each in self.choices), lambda all_: all_.resources_changed),
        ]

    def improve(self, round_: _Round, known: Places, *, seconds: float) -> tuple[Places, bool]:
        """Places at least as good as those known, and whether they are proven best for this round."""
        if seconds < _LEAST_SECONDS:
            return known, False
        self.model.clear_hints()  # type: ignore[no-untyped-call]
        for choice in self.choices:
            choice.hint(self.model, known[choice.options.visit.id])
        self.model.minimize(round_.objective)
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        solver.parameters.num_workers = _THREADS
        solver.parameters.random_seed = _SEED
        status = solver.solve(self.model)
        if status not in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
            return known, False
        places = {choice.options.visit.id: choice.place(solver) for choice in self.choices}
        return places, status == cp_model.OPTIMAL

    def keep(self, round_: _Round, achieved: Disruption) -> None:
        """Later rounds may not give up what this one achieved."""
        self.model.add(round_.objective <= round_.of(achieved))

    def _use(self, choice: Choices) -> None:
        """Optional intervals on every resource that could serve the visit, where it is and elsewhere."""
        options = choice.options
        for group, start in ((choice.at_home, options.home), (choice.away, choice.start)):
            ticks = 1 << options.home if group is choice.at_home else options.starts
            for (kind, one), chosen in group.items():
                uses = self._uses[one]
                for need in options.visit.needs(kind):
                    first, end = span(need)
                    interval = self.model.new_optional_fixed_size_interval_var(
                        start + first, end - first, chosen, f"{chosen.name}_{need.use}_{first}"
                    )
                    (uses.exclusive if need.use == Use.EXCLUSIVE else uses.shared).append(interval)
                    uses.reach |= reached(ticks, first, end)

    def _serve(self, load: Load, uses: _Uses) -> None:
        """Keep apart what one resource cannot do at once."""
        capacity = load.resource.capacity
        if load.resource.kind in PEOPLE or capacity == 1:
            together = [] if load.resource.kind in PEOPLE else uses.shared
            self.model.add_no_overlap([*uses.exclusive, *together])
        if capacity == 1 and load.resource.kind not in PEOPLE:
            return
        intervals, demands = list(uses.shared), [1] * len(uses.shared)
        if load.resource.kind not in PEOPLE:
            intervals += uses.exclusive
            demands += [capacity] * len(uses.exclusive)
        # Where outsiders fill it up is in the bits already; where they only take a part is added here.
        for plane in load.shared[:-1]:
            for first, end in runs(plane & uses.reach):
                intervals.append(self.model.new_fixed_size_interval_var(first, end - first, f"taken_{first}"))
                demands.append(1)
        self.model.add_cumulative(intervals, demands, capacity)

    def _patients(self) -> None:
        """Nobody is in two places at once."""
        by_patient: defaultdict[int, list[Choices]] = defaultdict(list)
        for choice in self.choices:
            by_patient[choice.options.visit.patient_id].append(choice)
        for theirs in by_patient.values():
            if len(theirs) > 1:
                whole = [interval for choice in theirs for interval in self._whole(choice)]
                self.model.add_no_overlap(whole)

    def _whole(self, choice: Choices) -> list[cp_model.IntervalVar]:
        ticks = ticks_to_hold(choice.options.visit.minutes)
        return [
            self.model.new_optional_fixed_size_interval_var(start, ticks, there, f"{there.name}_whole")
            for start, there in ((choice.options.home, choice.stays), (choice.start, choice.moves))
        ]

    def _gap(self, gap: Gap) -> None:
        """Binds when both have a place and at least one of them moves."""
        by_id = {choice.options.visit.id: choice for choice in self.choices}
        first, second = by_id[gap.first], by_id[gap.second]
        between = second.position(gap.positions) - first.position(gap.positions)
        for bound in ([first.moves, second.placed], [first.placed, second.moves]):
            self.model.add(between >= gap.least).only_enforce_if(bound)
            self.model.add(between <= gap.most).only_enforce_if(bound)
