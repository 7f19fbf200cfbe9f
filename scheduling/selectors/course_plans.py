"""Plans for a course: reads what the planner needs, and says why when there is none.

One availability search covers the whole range of a plan, so its cost does not depend on how many sessions
are placed; the placing itself is arithmetic (domain/course_plans.py).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta, tzinfo

from clinic.access.models import Site
from clinic.common.errors import Invalid
from scheduling.domain import course_plans, courses
from scheduling.domain.availability import Availability
from scheduling.domain.course_plans import Option, Plan, Unplaced, Wish
from scheduling.domain.courses import GapUnit, OpenDays, Stage, stage_of
from scheduling.domain.phases import Kind
from scheduling.domain.refusals import sentence
from scheduling.domain.ticks import TICK_MINUTES, TICKS_IN_A_DAY, each_bit
from scheduling.models import VisitType
from scheduling.selectors.availability import Question, search
from scheduling.selectors.courses import open_dates, weekdays_of, window_of

MAX_DAYS = 370
"""From the first day a plan may begin to the last it may end: a bound on the work."""
WAIT_DAYS = 14
"""How many days after the asked one the first session may be, unless the question says."""
_MAX_REASONS = 31
_SLACK_DAYS = 21
_ONE_DAY = timedelta(days=1)
_WEEK = 7
_MINUTES_IN_A_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Preferences:
    """What suits the patient, on the clocks of the site; both ends of the window are possible starts."""

    weekdays: frozenset[int] | None = None
    earliest: time | None = None
    latest: time | None = None
    preferred: time | None = None
    same_nurse: bool = False

    @property
    def bounds(self) -> tuple[int, int]:
        """The first and the last minute of the day at which a start suits."""
        return _minute(self.earliest, 0), _minute(self.latest, _MINUTES_IN_A_DAY)

    def accept(self, minute: int) -> bool:
        """Whether a start at this minute of the day suits."""
        earliest, latest = self.bounds
        return earliest <= minute <= latest

    def or_usual(self, times: Iterable[time]) -> "Preferences":
        """The same, with the commonest of these times preferred when none is and it suits."""
        common = Counter(times).most_common(1)
        if self.preferred is not None or not common or not self.accept(_minute(common[0][0], 0)):
            return self
        return replace(self, preferred=common[0][0])


@dataclass(frozen=True, slots=True)
class PlanQuestion:
    """What is to be planned. ``previous`` is the local date of the session before the first one asked."""

    visit_type: VisitType
    site: Site
    patient_id: int
    now: datetime
    stages: Sequence[Stage]
    count: int
    start_on: date
    start_by: date | None = None
    first_number: int = 1
    previous: date | None = None
    may_be_late: bool = False
    allowed_weekdays: Sequence[int] | None = None
    preferences: Preferences = field(default_factory=Preferences)
    moving_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a session cannot be placed: what is in the way on ``day``, one of ``first`` to ``last``."""

    session: int
    first: date
    last: date
    day: date
    kind: Kind | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Plans, the best first; or the reasons why there is none."""

    first_number: int
    plans: tuple[Plan, ...]
    reasons: tuple[Reason, ...]


def plan(question: PlanQuestion, *, limit: int = 3) -> Answer:
    """Up to ``limit`` plans for what is asked, found whenever one exists within 370 days.

    Nine queries at most. Raises Invalid (``no_weekday_left``, ``too_many_sessions``), DateOutOfRange.
    """
    _check(question)
    weekdays = weekdays_of(question.allowed_weekdays, question.preferences.weekdays)
    since = max(question.start_on, question.now.astimezone(question.site.zone).date())
    until = max(since, question.start_by or _latest_first(question, since))
    calendar, last = _calendar(question, weekdays, since, until)
    found = search(
        Question(
            visit_type=question.visit_type,
            site=question.site,
            window=window_of(question.site, since, last),
            now=question.now,
            patient_id=question.patient_id,
            moving_ids=question.moving_ids,
        )
    )
    options = _options(found, weekdays, question.preferences)
    preferred = question.preferences.preferred
    wish = Wish(
        stages=question.stages,
        count=question.count,
        since=since,
        until=until,
        first_number=question.first_number,
        previous=question.previous,
        may_be_late=question.may_be_late,
        usual_minute=None if preferred is None else _minute(preferred, 0),
        same_nurse=question.preferences.same_nurse,
    )
    outcome = course_plans.plan(options, wish=wish, calendar=calendar, limit=limit)
    reasons: tuple[Reason, ...] = ()
    if outcome.unplaced is not None:
        reasons = tuple(_reasons(outcome.unplaced, found, weekdays, options))
    return Answer(question.first_number, outcome.plans, reasons)


def _check(question: PlanQuestion) -> None:
    if not 1 <= question.count <= courses.MAX_SESSIONS:
        raise Invalid(
            f"A plan has 1 to {courses.MAX_SESSIONS} sessions. Plan the rest afterwards.",
            code="too_many_sessions",
        )


def _latest_first(question: PlanQuestion, since: date) -> date:
    """The last date on which the first session is looked for."""
    waiting = since + _ONE_DAY * WAIT_DAYS
    if question.previous is None:
        return waiting
    stage = stage_of(question.stages, question.first_number)
    stretch = 2 * _WEEK if stage.gap_unit is GapUnit.OPEN_DAYS else 1
    in_range = question.previous + _ONE_DAY * (stage.max_gap_days * stretch)
    return max(in_range, waiting) if question.may_be_late else in_range


def _calendar(
    question: PlanQuestion, weekdays: frozenset[int], since: date, until: date
) -> tuple[OpenDays, date]:
    """The open days, where gaps count them, and the last date that any session can be on."""
    bound = since + _ONE_DAY * (MAX_DAYS - 1)
    until = min(until, bound)
    following = [stage_of(question.stages, question.first_number + n) for n in range(1, question.count)]
    first = stage_of(question.stages, question.first_number)
    if all(stage.gap_unit is GapUnit.DAYS for stage in [first, *following]):
        return OpenDays(), min(until + _ONE_DAY * sum(stage.max_gap_days for stage in following), bound)
    longest = sum(
        -(-stage.max_gap_days * _WEEK // len(weekdays))
        if stage.gap_unit is GapUnit.OPEN_DAYS
        else stage.max_gap_days
        for stage in following
    )
    begin = min(since, question.previous or since)
    reach = min(until + _ONE_DAY * (longest + _SLACK_DAYS), bound)
    while True:
        calendar = OpenDays(open_dates(question.site, weekdays, begin, reach))
        last = until
        for stage in following:
            last = calendar.later(last, stage.max_gap_days, stage.gap_unit)
        if last < reach or reach == bound:
            return calendar, min(last, bound)
        reach = bound  # closed for so long that it takes the whole range to know


def _options(
    found: Availability, weekdays: frozenset[int], preferences: Preferences
) -> dict[date, list[Option]]:
    """The possible starts that suit, by local date."""
    axis = found.axis
    earliest, latest = preferences.bounds
    suiting: list[tuple[date, int, int]] = []
    for index, day in enumerate(axis.days):
        if day.weekday() not in weekdays:
            continue
        first, end = axis.cuts[index : index + 2]
        # On a day without a change of clocks, minutes on the wall are simply those elapsed.
        plain = end - first == TICKS_IN_A_DAY
        for tick in each_bit((found.bits & axis.day_bits(index)) >> first):
            minute = tick * TICK_MINUTES if plain else _minute_at(axis.instant(first + tick), axis.zone)
            if earliest <= minute <= latest:
                suiting.append((day, minute, first + tick))
    nurses = _nurses_at(found, [tick for _day, _minute, tick in suiting]) if preferences.same_nurse else None
    options: dict[date, list[Option]] = {}
    for n, (day, minute, tick) in enumerate(suiting):
        option = Option(minute, axis.instant(tick), nurses[n] if nurses else frozenset())
        options.setdefault(day, []).append(option)
    return options


def _nurses_at(found: Availability, ticks: Sequence[int]) -> list[frozenset[int]]:
    """The nurses free for a visit at each of these starts; the same set object wherever it is the same."""
    free = found.served_by(Kind.NURSE)
    rows = [f"{bits:b}"[::-1].ljust(found.axis.length, "0") for bits in free.values()]
    columns = zip(*([row[tick] for tick in ticks] for row in rows), strict=True)
    known: dict[tuple[str, ...], frozenset[int]] = {}
    sets = []
    for column in columns:
        if column not in known:
            known[column] = frozenset(nurse for nurse, bit in zip(free, column, strict=True) if bit == "1")
        sets.append(known[column])
    return sets


def _minute_at(start: datetime, zone: tzinfo) -> int:
    """Minutes on the wall since midnight."""
    wall = start.astimezone(zone)
    return wall.hour * 60 + wall.minute


def _minute(at: time | None, default: int) -> int:
    return default if at is None else at.hour * 60 + at.minute


def _reasons(
    lost: Unplaced, found: Availability, weekdays: frozenset[int], options: Mapping[date, Sequence[Option]]
) -> Iterator[Reason]:
    """What is in the way on each day on which the session would have to be."""
    closed = {reason.day: reason for reason in found.reasons()}
    beyond = found.axis.days[-1] + _ONE_DAY
    first, last = min(lost.first, beyond), min(lost.last, beyond)
    for n in range(min((last - first).days + 1, _MAX_REASONS)):
        day = first + _ONE_DAY * n
        kind, code, detail = None, "gap", "Free, but not at the right distance from the session before."
        if day.weekday() not in weekdays:
            code, detail = "weekday", "This weekday is not one of those asked for or allowed."
        elif day == beyond:
            code, detail = "too_far", f"A plan looks at most {MAX_DAYS} days ahead."
        elif day in closed:
            kind, code, detail = closed[day].kind, closed[day].rule.value, sentence(closed[day])
        elif not options.get(day):
            code, detail = "time_of_day", "Free only at other times of the day than those asked for."
        yield Reason(lost.number, first, last, day, kind, code, detail)
