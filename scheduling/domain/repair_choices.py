"""What a repair decides about one visit, as CP-SAT variables: stay or move, when, and on which resources.

The idea to know: staying and moving are separate choices per resource. Staying has a fixed time, so most
clashes are known before the search begins; only moving has a start to be found.
"""

from collections.abc import Iterable, Sequence

from ortools.sat.python import cp_model

from scheduling.domain.repair import Place, Problem
from scheduling.domain.repair_options import Options
from scheduling.domain.ticks import each_bit


def total(terms: Iterable[cp_model.LinearExpr], weights: Sequence[int] | None = None) -> cp_model.LinearExpr:
    """The sum of the terms, times their weights when given; zero of none."""
    terms = list(terms)
    return cp_model.LinearExpr.weighted_sum(terms, weights or [1] * len(terms))


class Choices:
    """The decisions about one visit: stay or move, when, and on which resources."""

    def __init__(self, model: cp_model.CpModel, options: Options, problem: Problem) -> None:
        visit = options.visit
        self.options = options
        self.stays = model.new_bool_var(f"stay_{visit.id}")
        self.moves = model.new_bool_var(f"move_{visit.id}")
        if options.stay is None:
            model.add(self.stays == 0)
        if not options.starts:
            model.add(self.moves == 0)
        self.placed = model.new_bool_var(f"placed_{visit.id}")
        model.add(self.stays + self.moves == self.placed)
        if not visit.hit:
            model.add(self.stays == 1)
        ticks = list(each_bit(options.starts)) or [max(options.home, 0)]
        domain = cp_model.Domain.from_values(ticks)
        self.start = model.new_int_var_from_domain(domain, f"start_{visit.id}")
        self.at_home = {
            (kind, one): model.new_bool_var(f"home_{visit.id}_{one}")
            for kind, ids in (options.stay or {}).items()
            for one in ids
        }
        self.away = {
            (kind, one): model.new_bool_var(f"away_{visit.id}_{one}")
            for kind, each in options.moves.items()
            for one in each
        }
        self._one_of_each_kind(model)
        self._days(model, problem)
        self._shift(model, ticks)

    def _one_of_each_kind(self, model: cp_model.CpModel) -> None:
        for kind in self.options.stay or ():
            model.add(sum(v for (of, _), v in self.at_home.items() if of == kind) == self.stays)
        for kind, each in self.options.moves.items():
            model.add(sum(v for (of, _), v in self.away.items() if of == kind) == self.moves)
            for one, bits in each.items():
                if bits != self.options.starts:
                    domain = cp_model.Domain.from_values(list(each_bit(bits)))
                    chosen = self.away[kind, one]
                    model.add_linear_expression_in_domain(self.start, domain).only_enforce_if(chosen)

    def _days(self, model: cp_model.CpModel, problem: Problem) -> None:
        """A bool per day it could move to."""
        axis, options = problem.axis, self.options
        self._cuts = axis.cuts
        self.home_day = axis.day_of(max(options.home, 0))
        self.days = {}
        for index in range(len(axis.days)):
            bits = options.starts & axis.day_bits(index)
            if bits:
                there = model.new_bool_var(f"day_{options.visit.id}_{index}")
                first, end = axis.cuts[index], axis.cuts[index + 1]
                model.add(self.start >= first).only_enforce_if(there)
                model.add(self.start < end).only_enforce_if(there)
                self.days[index] = there
        model.add(sum(self.days.values()) == self.moves)

    def _shift(self, model: cp_model.CpModel, ticks: Sequence[int]) -> None:
        home = self.options.home
        self.furthest = max(abs(tick - home) for tick in ticks)
        self.shift = model.new_int_var(0, self.furthest, f"shift_{self.options.visit.id}")
        model.add(self.shift >= self.start - home).only_enforce_if(self.moves)
        model.add(self.shift >= home - self.start).only_enforce_if(self.moves)

    @property
    def other_day(self) -> cp_model.LinearExpr:
        """One when it moves to another day."""
        return self.moves - self.days[self.home_day] if self.home_day in self.days else self.moves

    def position(self, positions: Sequence[int]) -> cp_model.LinearExpr:
        """The position of the day it is on, as a gap counts days; meaningless without a place."""
        away = {there: positions[index] for index, there in self.days.items()}
        return total([self.stays, *away], [positions[self.home_day], *away.values()])

    @property
    def swaps(self) -> cp_model.LinearExpr:
        """How many resources are not those it had."""
        held = self.options.visit.held
        return total(
            [
                chosen
                for group in (self.at_home, self.away)
                for (kind, one), chosen in group.items()
                if held.get(kind) != one
            ]
        )

    def place(self, solved: cp_model.CpSolver) -> Place | None:
        """What the solver decided."""
        for decided, group in ((self.stays, self.at_home), (self.moves, self.away)):
            if solved.boolean_value(decided):
                chosen = {kind: one for (kind, one), var in group.items() if solved.boolean_value(var)}
                start = self.options.home if decided is self.stays else solved.value(self.start)
                return Place(start, chosen)
        return None

    def hint(self, model: cp_model.CpModel, place: Place | None) -> None:
        """Where to begin looking."""
        home = self.options.home
        stays = place is not None and place.start == home
        moves = place is not None and not stays
        model.add_hint(self.placed, place is not None)
        model.add_hint(self.stays, stays)
        model.add_hint(self.moves, moves)
        for group, used in ((self.at_home, stays), (self.away, moves)):
            for (kind, one), chosen in group.items():
                model.add_hint(chosen, used and place is not None and place.resources.get(kind) == one)
        for index, there in self.days.items():
            first, end = self._cuts[index : index + 2]
            model.add_hint(there, moves and place is not None and first <= place.start < end)
        if place is not None and moves:
            model.add_hint(self.start, place.start)
            model.add_hint(self.shift, abs(place.start - home))
