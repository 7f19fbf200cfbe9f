"""How a course stands: its sessions, the gaps between them, and where one of them could be instead."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from clinic.access.models import Site
from clinic.common.errors import Invalid
from clinic.common.intervals import Interval
from scheduling.domain import courses
from scheduling.domain.calendars import day_start
from scheduling.domain.courses import GapUnit, OpenDays, Stage, stage_of
from scheduling.domain.transitions import FREES_RESOURCES, Status
from scheduling.models import Appointment, Course
from scheduling.selectors.availability import Question, search
from scheduling.selectors.open_days import open_days

_ONE_DAY = timedelta(days=1)
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Standing:
    """How a course stands: the sessions that count, in order, and the gaps between them."""

    live: tuple[Appointment, ...]
    gaps: tuple[courses.Gap, ...]
    owed: int
    """Sessions that were planned and lost, and not yet planned anew."""

    @property
    def drift(self) -> tuple[courses.Gap, ...]:
        """The gaps that left their range."""
        return tuple(gap for gap in self.gaps if not gap.in_range)


def standing(course: Course, sessions: Sequence[Appointment]) -> Standing:
    """The state of a course with these sessions, lost ones included. At most two queries."""
    live = tuple(
        sorted((each for each in sessions if Status(each.status) not in FREES_RESOURCES), key=_by_start)
    )
    days = [local_date(course.site, each.start_at) for each in live]
    stages = courses.parse(course.stages)
    calendar = open_days_between(course.site, stages, course.allowed_weekdays, days)
    found = courses.gaps(days, stages=stages, calendar=calendar)
    return Standing(live, tuple(found), max(course.sessions_planned - len(live), 0))


def open_days_between(
    site: Site,
    stages: Sequence[Stage],
    allowed: Sequence[int] | None,
    days: Sequence[date],
    *,
    first_number: int = 1,
) -> OpenDays:
    """What counting the gaps between these dates of sessions, numbered from ``first_number``, needs."""
    counted = [
        day
        for number, pair in enumerate(pairwise(days), start=first_number + 1)
        if stage_of(stages, number).gap_unit is GapUnit.OPEN_DAYS
        for day in pair
    ]
    if not counted:
        return OpenDays()
    return OpenDays(open_dates(site, weekdays_of(allowed, None), min(counted), max(counted)))


def local_date(site: Site, instant: datetime) -> date:
    """The date on the clocks of the site."""
    return instant.astimezone(site.zone).date()


@dataclass(frozen=True, slots=True)
class Fits:
    """Where one session may be, given the dates of those beside it."""

    calendar: OpenDays
    weekdays: frozenset[int]
    before: tuple[date, Stage] | None
    """The date of the session before, and the stage of this one."""
    after: tuple[date, Stage] | None
    """The date of the session after, and its stage."""

    def allow(self, day: date) -> bool:
        """Whether the session may be on this date."""
        return (
            day.weekday() in self.weekdays
            and (self.before is None or self._in_range(self.before[0], day, self.before[1]))
            and (self.after is None or self._in_range(day, self.after[0], self.after[1]))
        )

    def _in_range(self, first: date, second: date, stage: Stage) -> bool:
        return first < second and stage.allows(self.calendar.gap(first, second, stage.gap_unit))


def alternatives(
    question: Question,
    *,
    start: datetime,
    fits: Fits,
    count: int = 3,
) -> list[datetime]:
    """The possible starts nearest to one that was refused which keep the gaps to the sessions beside it."""
    zone = question.site.zone
    day = start.astimezone(zone).date()
    first = max(day - _ONE_DAY * _WEEK, question.now.astimezone(zone).date())
    window = window_of(question.site, first, max(day, first) + _ONE_DAY * _WEEK)
    found = search(
        Question(
            visit_type=question.visit_type,
            site=question.site,
            window=window,
            now=question.now,
            patient_id=question.patient_id,
            moving_ids=question.moving_ids,
        )
    )
    starts = [each for each in found.starts() if fits.allow(each.astimezone(zone).date())]
    return sorted(starts, key=lambda each: (abs(each - start), each))[:count]


def weekdays_of(allowed: Sequence[int] | None, wanted: frozenset[int] | None) -> frozenset[int]:
    """The weekdays that the treatment allows and the patient wants. Raises Invalid (``no_weekday_left``)."""
    left = frozenset(range(_WEEK) if allowed is None else allowed)
    if wanted is not None:
        left &= wanted
    if not left:
        raise Invalid(
            "None of the weekdays asked for is one on which this course is given. Choose others.",
            code="no_weekday_left",
        )
    return left


def open_dates(site: Site, weekdays: frozenset[int], first: date, last: date) -> list[date]:
    """The dates from first to last on which the site works and the course may be given. Two queries."""
    is_open = open_days(site=site, first=first, last=last)
    days = (first + _ONE_DAY * n for n in range((last - first).days + 1))
    return [day for day in days if day.weekday() in weekdays and is_open(day)]


def window_of(site: Site, first: date, last: date) -> Interval:
    """From the beginning of one local date to the end of another."""
    return Interval(day_start(first, site.zone), day_start(last + _ONE_DAY, site.zone))


def _by_start(session: Appointment) -> tuple[datetime, int]:
    return session.start_at, session.pk
