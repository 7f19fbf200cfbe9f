"""Small repair problems, what makes an answer wrong, and the best answer found the slow, obvious way."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from zoneinfo import ZoneInfo

from clinic.common.intervals import Interval
from scheduling.domain.phases import PEOPLE, Kind, Requirement, Use
from scheduling.domain.repair import Disruption, Place, Places, Problem, Resource, Visit, measure
from scheduling.domain.ticks import TICK_MINUTES, Axis

ZONE = ZoneInfo("UTC")
DAY = date(2027, 1, 11)
CHAIR_AND_NURSE = (
    Requirement(Kind.CHAIR, Use.EXCLUSIVE, 0, 60),
    Requirement(Kind.NURSE, Use.EXCLUSIVE, 0, 15),
    Requirement(Kind.NURSE, Use.SHARED, 0, 45),
    Requirement(Kind.NURSE, Use.EXCLUSIVE, 30, 15),
)
CHAIR_ONLY = (Requirement(Kind.CHAIR, Use.EXCLUSIVE, 0, 60),)


def at(hour: int, minute: int = 0, *, day: int = 0) -> datetime:
    """A time on the first day, or so many days later."""
    return datetime.combine(DAY, time(hour, minute), UTC) + timedelta(days=day)


def hours(first: int, last: int, *, days: int = 1) -> list[Interval]:
    """Open from one full hour to another on each day."""
    return [Interval(at(first, day=n), at(last, day=n)) for n in range(days)]


def visit(number: int, start: datetime, held: Mapping[Kind, int], **other: object) -> Visit:
    """A hit visit of an hour that may start every 30 minutes."""
    given: dict[str, object] = {
        "patient_id": number,
        "requirements": CHAIR_AND_NURSE if Kind.NURSE in held else CHAIR_ONLY,
        "minutes": 60,
        "hit": True,
        "movable": True,
        "earliest": at(0),
        "latest": at(0, day=30),
        "grid_minutes": 30,
        **other,
    }
    return Visit(id=number, start_at=start, held=held, **given)  # type: ignore[arg-type]


def problem(
    visits: list[Visit], resources: list[Resource], *, days: int = 1, horizon_days: int = 14
) -> Problem:
    """On an axis of so many days."""
    axis = Axis.over(first=DAY, days=days, zone=ZONE, visit_minutes=60)
    return Problem(
        axis=axis,
        visits=visits,
        resources=resources,
        site_open=hours(0, 23, days=days),
        horizon_days=horizon_days,
    )


def faults(given: Problem, places: Places) -> list[str]:
    """Everything that is wrong with an answer, looked up use by use."""
    found = []
    for each in given.visits:
        place = places[each.id]
        if place is not None:
            found += _against_its_own_rules(given, each, place)
        elif not each.hit:
            found.append(f"{each.id} lost its place")
    return found + _served_too_many(given, places) + _in_two_places(given, places)


def _against_its_own_rules(given: Problem, each: Visit, place: Place) -> list[str]:
    start = given.axis.instant(place.start)
    moved = start != each.start_at
    rules = {
        "may not move": not moved or (each.hit and each.movable),
        "is off its grid": not moved or not start.minute % each.grid_minutes,
        "is too soon or too far": not moved or each.earliest <= start <= each.latest,
        "moves too many days": abs((start.date() - each.start_at.date()).days) <= given.horizon_days,
        "lacks a kind": set(place.resources) == set(each.kinds),
        "is outside hours": all(_open(given, each, place, need) for need in each.requirements),
    }
    return [f"{each.id} {fault}" for fault, kept in rules.items() if not kept]


def _open(given: Problem, each: Visit, place: Place, need: Requirement) -> bool:
    [resource] = [one for one in given.resources if one.id == place.resources[need.kind]]
    where_it_was = not each.hit and each.held[need.kind] == resource.id
    return where_it_was or any(hours.contains(_during(given, place, need)) for hours in resource.open)


def _during(given: Problem, place: Place, need: Requirement) -> Interval:
    start = given.axis.instant(place.start)
    return Interval(
        start + timedelta(minutes=need.offset_minutes), start + timedelta(minutes=need.until_minutes)
    )


def _served_too_many(given: Problem, places: Places) -> list[str]:
    found = []
    for one in given.resources:
        uses = [(use, Interval(start, end)) for use, start, end in one.taken]
        for each in given.visits:
            place = places[each.id]
            if place is not None:
                uses += [
                    (need.use.value, _during(given, place, need))
                    for need in each.requirements
                    if place.resources[need.kind] == one.id
                ]
        for use, during in uses:
            others = [other for other, span in uses if span.contains(during.start)]
            same = others.count(use)
            if same > (one.capacity if use == Use.SHARED else 1):
                found.append(f"{one.id} serves too many at {during.start:%H:%M}")
            if one.kind not in PEOPLE and same < len(others):
                found.append(f"{one.id} is not alone at {during.start:%H:%M}")
    return found


def _in_two_places(given: Problem, places: Places) -> list[str]:
    spans: dict[int, list[Interval]] = {}
    for each in given.visits:
        place = places[each.id]
        if place is not None:
            start = given.axis.instant(place.start)
            here = [Interval(start, start + timedelta(minutes=each.minutes))]
            spans.setdefault(each.patient_id, []).extend([*here, *each.busy])
    return [
        f"patient {patient} is in two places"
        for patient, theirs in spans.items()
        for one in theirs
        if sum(other.contains(one.start) for other in theirs) > 1
    ]


def best_by_brute_force(given: Problem) -> Disruption:
    """Every combination of places, tried."""
    every = [list(_places(given, each)) for each in given.visits]
    best = None
    for combination in product(*every):
        places = {each.id: place for each, place in zip(given.visits, combination, strict=True)}
        cost = measure(given, places)
        if (best is None or cost < best) and not faults(given, places):
            best = cost
    assert best is not None
    return best


def _places(given: Problem, each: Visit) -> Iterator[Place | None]:
    by_kind = [[one.id for one in given.resources if one.kind == kind] for kind in each.kinds]
    home = given.axis.floor(each.start_at)
    step = each.grid_minutes // TICK_MINUTES
    starts = range(0, given.axis.cuts[-1], step) if each.hit and each.movable else [home]
    for start in starts:
        for ids in product(*by_kind):
            place = Place(start, dict(zip(each.kinds, ids, strict=True)))
            if not faults_alone(given, each, place):
                yield place
    yield None


def faults_alone(given: Problem, each: Visit, place: Place) -> bool:
    """Whether the place is wrong whatever the others do: keeps the search by hand small."""
    alone = Problem(
        axis=given.axis,
        visits=[each],
        resources=given.resources,
        site_open=given.site_open,
        horizon_days=given.horizon_days,
    )
    return bool(faults(alone, {each.id: place}))
