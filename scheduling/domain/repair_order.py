"""In which order a repair is carried out, so that nobody is sent to a place that is not free yet.

The idea to know: a visit waits for those that now hold what it goes to. Visits that wait for each other
trade places: they form one group, to be carried out together.
"""

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from scheduling.domain.repair import Place, Places, Problem, Visit
from scheduling.domain.repair_options import span
from scheduling.domain.ticks import Axis, ticks_to_hold


def in_order(problem: Problem, places: Places) -> list[list[int]]:
    """Groups of visit ids, first to last; only visits that get another place are in it."""
    axis = problem.axis
    moving = [
        (visit, place)
        for visit in problem.visits
        if (place := places[visit.id]) is not None and _differs(visit, place, axis)
    ]
    waits_for = {
        visit.id: {
            other.id
            for other, _place in moving
            if other.id != visit.id and _in_the_way(visit, place, other, axis)
        }
        for visit, place in moving
    }
    groups = {visit.id: [visit.id] for visit, _place in moving}
    while True:
        leader = {member: lead for lead, members in groups.items() for member in members}
        graph = {
            lead: {leader[each] for member in members for each in waits_for[member]} - {lead}
            for lead, members in groups.items()
        }
        try:
            return [sorted(groups[lead]) for lead in TopologicalSorter(graph).static_order()]
        except CycleError as error:
            _merge(groups, set(error.args[1]))


def _merge(groups: dict[int, list[int]], leads: set[int]) -> None:
    members = [member for lead in leads for member in groups.pop(lead)]
    groups[min(members)] = members


def _differs(visit: Visit, place: Place, axis: Axis) -> bool:
    return axis.instant(place.start) != visit.start_at or any(
        visit.held.get(kind) != one for kind, one in place.resources.items()
    )


def _in_the_way(visit: Visit, place: Place, other: Visit, axis: Axis) -> bool:
    """Whether what ``other`` holds now touches what ``visit`` is to get, or they are the same patient's."""
    home = axis.floor(other.start_at)
    if visit.patient_id == other.patient_id and _overlap(
        (place.start, place.start + ticks_to_hold(visit.minutes)),
        (home, home + ticks_to_hold(other.minutes)),
    ):
        return True
    return any(
        _overlap(wanted, had)
        for kind, one in place.resources.items()
        if other.held.get(kind) == one
        for wanted in _spans(visit, kind, place.start)
        for had in _spans(other, kind, home)
    )


def _spans(visit: Visit, kind: object, tick: int) -> Sequence[tuple[int, int]]:
    touched = (span(need) for need in visit.requirements if need.kind == kind)
    return [(tick + first, tick + end) for first, end in touched]


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]
