"""The solver against brute force, and the cases a charge nurse would think of first."""

import time
from dataclasses import astuple
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinic.common.intervals import Interval, subtract
from scheduling.domain.phases import Kind, Requirement, Use
from scheduling.domain.repair import Answer, Disruption, Gap, Place, Problem, Resource, Visit, measure
from scheduling.domain.repair_greedy import place_greedily
from scheduling.domain.repair_options import Compiler, reached, runs
from scheduling.domain.repair_order import in_order
from scheduling.domain.repair_solver import repair
from scheduling.domain.ticks import each_bit
from tests.fakes.repair_oracle import at, best_by_brute_force, faults, hours, problem, visit

CHAIR, OTHER_CHAIR, NURSE, OTHER_NURSE = 1, 2, 11, 12
ON_FIRST = {Kind.CHAIR: CHAIR, Kind.NURSE: NURSE}


def chair(number: int, *, closed: Interval | None = None, opens: int = 8, closes: int = 12) -> Resource:
    return Resource(number, Kind.CHAIR, 1, subtract(hours(opens, closes), [closed] if closed else []))


def nurse(number: int, *, away: Interval | None = None, capacity: int = 3) -> Resource:
    return Resource(number, Kind.NURSE, capacity, subtract(hours(8, 12), [away] if away else []))


def all_morning() -> Interval:
    return Interval(at(8), at(12))


def test_a_sick_nurse_with_a_colleague_free_moves_nobody() -> None:
    visits = [visit(n, at(8 + n), ON_FIRST) for n in range(3)]
    sick = problem(visits, [chair(CHAIR), nurse(NURSE, away=all_morning()), nurse(OTHER_NURSE)])
    answer = repair(sick, seconds=10)
    assert answer.optimal
    assert answer.disruption == Disruption(resources_changed=3)
    assert answer.places == {
        n: Place(sick.axis.floor(at(8 + n)), {Kind.CHAIR: CHAIR, Kind.NURSE: OTHER_NURSE}) for n in range(3)
    }


def test_a_full_clinic_moves_as_few_as_possible_and_no_further_than_needed() -> None:
    """One of two chairs breaks from 8 to 10: its two visits wait until somebody's chair is free."""
    closed = Interval(at(8), at(10))
    visits = [visit(1, at(8), {Kind.CHAIR: CHAIR}), visit(2, at(9), {Kind.CHAIR: CHAIR}, confirmed=True)]
    busy = [("exclusive", at(8), at(10))]
    full = problem(
        visits,
        [chair(CHAIR, closed=closed), Resource(OTHER_CHAIR, Kind.CHAIR, 1, hours(8, 11), busy)],
    )
    answer = repair(full, seconds=10)
    assert answer.optimal
    assert answer.disruption.unplaced == 0
    assert answer.disruption.patients_moved == 2
    assert answer.disruption.minutes_shifted == 60 + 120
    assert {full.axis.instant(place.start) for place in answer.places.values() if place} == {at(10)}


def test_a_chain_of_neighbours() -> None:
    """The hit visit fits nowhere until the visit on chair 3 goes to chair 2."""
    hit = visit(1, at(9), {Kind.CHAIR: 1})
    blocking = visit(2, at(9, 30), {Kind.CHAIR: 3}, hit=False, movable=False)
    chain = problem(
        [hit, blocking],
        [
            chair(1, closed=all_morning()),
            Resource(2, Kind.CHAIR, 1, hours(8, 12), [("exclusive", at(8), at(9, 30))]),
            Resource(3, Kind.CHAIR, 1, hours(8, 12)),
        ],
    )
    greedy = measure(chain, place_greedily(chain, Compiler(chain).options()))
    assert greedy.patients_moved == 1
    answer = repair(chain, seconds=10)
    assert answer.disruption == Disruption(resources_changed=2)
    assert in_order(chain, answer.places) == [[2], [1]]


def test_who_arrived_is_not_moved_and_is_named_when_nothing_else_helps() -> None:
    visits = [visit(1, at(9), ON_FIRST, movable=False)]
    gone = problem(visits, [chair(CHAIR), nurse(NURSE, away=all_morning())])
    assert repair(gone, seconds=5).places == {1: None}


def test_confirmed_patients_are_moved_last() -> None:
    held = {Kind.CHAIR: CHAIR}
    both = [visit(1, at(9), held, confirmed=True), visit(2, at(9), {Kind.CHAIR: OTHER_CHAIR})]
    closed = Interval(at(9), at(10))
    one_left = problem(
        both,
        [chair(CHAIR, closed=closed), chair(OTHER_CHAIR, closed=closed), chair(3, opens=8, closes=10)],
    )
    answer = repair(one_left, seconds=10)
    assert (answer.disruption.patients_moved, answer.disruption.confirmed_moved) == (1, 0)


WATCHED = (Requirement(Kind.NURSE, Use.SHARED, 0, 60),)


@pytest.mark.parametrize(("outsiders", "moved"), [(0, 1), (1, 2)])
def test_a_nurse_takes_on_no_more_than_she_may_watch(outsiders: int, moved: int) -> None:
    """Three patients of a sick nurse at one hour, a colleague who watches two at once."""
    visits = [visit(n, at(9), {Kind.NURSE: NURSE}, requirements=WATCHED) for n in range(3)]
    already = [("shared", at(9), at(10))] * outsiders
    short = problem(
        visits,
        [nurse(NURSE, away=all_morning()), Resource(OTHER_NURSE, Kind.NURSE, 2, hours(8, 12), already)],
    )
    answer = repair(short, seconds=10)
    assert (answer.disruption.unplaced, answer.disruption.patients_moved) == (0, moved)
    assert faults(short, answer.places) == []


def test_nothing_moves_to_a_time_too_soon_or_too_far() -> None:
    held = {Kind.CHAIR: CHAIR}
    open_ = [Interval(at(hour), at(hour + 1)) for hour in (8, 14, 22)]
    shut = [Resource(CHAIR, Kind.CHAIR, 1, open_)]
    within = problem([visit(1, at(9), held, earliest=at(10), latest=at(20))], shut)
    assert within.axis.instant(_place(repair(within, seconds=5), 1).start) == at(14)
    never = problem([visit(1, at(9), held, earliest=at(15), latest=at(20))], shut)
    assert repair(never, seconds=5).places == {1: None}


def test_another_day_is_worse_than_many_minutes() -> None:
    """From 20:00, either 12 hours earlier on the same day or 10 hours later, which is the next."""
    held = {Kind.CHAIR: CHAIR}
    open_ = [Interval(at(8), at(9)), Interval(at(6, day=1), at(7, day=1))]
    visits = [visit(n, at(20), held) for n in (1, 2)]
    choice = problem(visits[:1], [Resource(CHAIR, Kind.CHAIR, 1, open_)], days=2)
    assert repair(choice, seconds=5).disruption == Disruption(patients_moved=1, minutes_shifted=720)
    # One visit each: together they take both places, whoever takes which.
    both = problem(visits, [Resource(CHAIR, Kind.CHAIR, 1, open_)], days=2)
    answer = repair(both, seconds=5).disruption
    assert (answer.patients_moved, answer.to_another_day, answer.minutes_shifted) == (2, 1, 720 + 600)
    only_later = [Resource(CHAIR, Kind.CHAIR, 1, open_[1:])]
    assert repair(problem(visits[:1], only_later, days=2), seconds=5).disruption.to_another_day == 1
    stays = problem(visits[:1], only_later, days=2, horizon_days=0)
    assert repair(stays, seconds=5).places == {1: None}


def _place(answer: Answer, number: int) -> Place:
    place = answer.places[number]
    assert place is not None
    return place


@pytest.mark.parametrize(("most", "unplaced"), [(3, 0), (1, 1)])
def test_two_sessions_of_a_course_keep_their_gap(most: int, unplaced: int) -> None:
    held = {Kind.CHAIR: CHAIR}
    visits = [visit(1, at(8), held), visit(2, at(8, day=1), held)]
    open_ = [Interval(at(8, day=n), at(9, day=n)) for n in (0, 3)]
    course = problem(visits, [Resource(CHAIR, Kind.CHAIR, 1, open_)], days=4)
    course = Problem(
        axis=course.axis,
        visits=visits,
        resources=course.resources,
        site_open=(),
        horizon_days=14,
        gaps=[Gap(1, 2, 1, most, range(4))],
    )
    answer = repair(course, seconds=5)
    assert (answer.disruption.unplaced, answer.optimal) == (unplaced, True)


def test_one_patient_is_never_in_two_places() -> None:
    held = {Kind.CHAIR: CHAIR}
    same = [visit(1, at(8), held, patient_id=7), visit(2, at(9), {Kind.CHAIR: OTHER_CHAIR}, patient_id=7)]
    crowded = problem(
        same, [chair(3, opens=8, closes=9), chair(4, opens=8, closes=9), chair(5, opens=10, closes=11)]
    )
    answer = repair(crowded, seconds=5)
    assert answer.disruption.unplaced == 0
    assert faults(crowded, answer.places) == []


def test_the_same_problem_has_the_same_answer() -> None:
    visits = [visit(n, at(8 + n % 3), ON_FIRST) for n in range(3)]
    sick = problem(visits, [chair(n) for n in (1, 2, 3)] + [nurse(12), nurse(13)])
    assert repair(sick, seconds=10) == repair(sick, seconds=10)


def test_nothing_to_repair() -> None:
    answer = repair(problem([], [chair(1)]), seconds=1)
    assert (answer.places, astuple(answer.disruption), answer.optimal) == ({}, (0,) * 6, True)


def test_without_time_the_greedy_answer_stands() -> None:
    visits = [visit(n, at(8 + n), ON_FIRST) for n in range(3)]
    sick = problem(visits, [chair(CHAIR), nurse(NURSE, away=all_morning()), nurse(OTHER_NURSE)])
    answer = repair(sick, seconds=0)
    assert answer.places == place_greedily(sick, Compiler(sick).options())
    assert not answer.optimal


@pytest.mark.parametrize("seconds", [1, 2])
def test_the_time_limit_is_kept_on_a_problem_too_hard_for_it(seconds: int) -> None:
    hard = _crowded_week()
    began = time.monotonic()
    answer = repair(hard, seconds=seconds)
    took = time.monotonic() - began
    assert not answer.optimal, "a problem that is solved in time tests nothing"
    assert took < seconds + 3, "building and presolving are part of it"
    assert faults(hard, answer.places) == []
    assert answer.disruption <= measure(hard, place_greedily(hard, Compiler(hard).options()))


def _crowded_week() -> Problem:
    """A clinic of 12 chairs closes for a day, and the days around it are nearly full."""
    chairs, days = range(1, 13), 5
    visits = [
        visit(
            n, at(8 + n // 12, day=2), {Kind.CHAIR: 1 + n % 12, Kind.NURSE: 20 + n % 5}, confirmed=n % 3 == 0
        )
        for n in range(48)
    ]
    open_ = [each for each in hours(8, 14, days=days) if each.start.date() != at(0, day=2).date()]
    resources = [
        Resource(
            n,
            Kind.CHAIR,
            1,
            open_,
            [("exclusive", at(8 + n % 3, day=d), at(11, 40, day=d)) for d in range(days)],
        )
        for n in chairs
    ]
    resources += [Resource(20 + n, Kind.NURSE, 3, open_) for n in range(5)]
    return problem(visits, resources, days=days)


@st.composite
def small_problems(draw: st.DrawFn) -> Problem:
    """Up to three visits on up to two chairs and two nurses between 8 and 11, somebody being away."""
    with_nurses = draw(st.booleans())
    chairs = [CHAIR, OTHER_CHAIR]
    nurses = [NURSE, OTHER_NURSE] if with_nurses else []

    def taken(capacity: int) -> list[tuple[str, datetime, datetime]]:
        slots = draw(st.lists(st.integers(0, 5), max_size=1, unique=True))
        use = "exclusive" if capacity == 1 else "shared"
        return [
            (use, at(8) + timedelta(minutes=30 * n), at(8, 30) + timedelta(minutes=30 * n)) for n in slots
        ]

    resources = []
    for number in chairs + nurses:
        away = draw(st.tuples(st.integers(0, 5), st.integers(0, 4)))
        span = (
            [Interval(at(8) + timedelta(minutes=30 * away[0]), at(8) + timedelta(minutes=30 * sum(away)))]
            if away[1]
            else []
        )
        kind = Kind.CHAIR if number in chairs else Kind.NURSE
        capacity = 1 if kind == Kind.CHAIR else draw(st.integers(1, 2))
        resources.append(Resource(number, kind, capacity, subtract(hours(8, 11), span), taken(capacity)))
    visits: list[Visit] = []
    for number in range(1, draw(st.integers(1, 2 if with_nurses else 3)) + 1):
        held = {Kind.CHAIR: draw(st.sampled_from(chairs))}
        if with_nurses:
            held[Kind.NURSE] = draw(st.sampled_from(nurses))
        visits.append(
            visit(
                number,
                at(8) + timedelta(minutes=30 * draw(st.integers(0, 4))),
                held,
                patient_id=draw(st.integers(1, 2)),
                confirmed=draw(st.booleans()),
                movable=draw(st.booleans()),
            )
        )
    return problem(visits, resources)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(small_problems())
def test_nothing_is_less_disruptive_than_the_answer(small: Problem) -> None:
    answer = repair(small, seconds=20)
    assert answer.optimal
    assert faults(small, answer.places) == []
    assert answer.disruption == measure(small, answer.places) == best_by_brute_force(small)


@settings(max_examples=100, deadline=None)
@given(small_problems())
def test_the_greedy_answer_is_a_possible_one(small: Problem) -> None:
    assert faults(small, place_greedily(small, Compiler(small).options())) == []


@given(st.integers(0, 2**60), st.integers(0, 20), st.integers(1, 20))
def test_reached_is_every_tick_of_every_use(starts: int, first: int, length: int) -> None:
    slow = {start + first + n for start in each_bit(starts) for n in range(length)}
    assert set(each_bit(reached(starts, first, first + length))) == slow


@given(st.integers(0, 2**80))
def test_runs_cover_exactly_the_bits(bits: int) -> None:
    found = list(runs(bits))
    assert [tick for first, end in found for tick in range(first, end)] == list(each_bit(bits))
    assert all(one[1] < other[0] for one, other in pairwise(found))


def test_visits_that_trade_places_go_together() -> None:
    one = visit(1, at(9), {Kind.CHAIR: 1})
    two = visit(2, at(9), {Kind.CHAIR: 2})
    three = visit(3, at(9), {Kind.CHAIR: 3})
    swap = problem([one, two, three], [chair(n) for n in (1, 2, 3, 4)])
    home = swap.axis.floor(at(9))
    places = {
        1: Place(home, {Kind.CHAIR: 2}),
        2: Place(home, {Kind.CHAIR: 1}),
        3: Place(home, {Kind.CHAIR: 3}),
    }
    assert in_order(swap, places) == [[1, 2]]
    ring = {**places, 2: Place(home, {Kind.CHAIR: 3}), 3: Place(home, {Kind.CHAIR: 1})}
    assert in_order(swap, ring) == [[1, 2, 3]]
    chain = {**places, 2: Place(home, {Kind.CHAIR: 3}), 3: Place(home, {Kind.CHAIR: 4})}
    assert in_order(swap, chain) == [[3], [2], [1]]
