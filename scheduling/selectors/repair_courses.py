"""What courses ask of a repair: the dates on which each hit session keeps its gaps to those beside it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise

from clinic.access.models import Site
from scheduling.domain import courses
from scheduling.domain.courses import OpenDays, Stage, stage_of
from scheduling.domain.repair import Gap
from scheduling.domain.ticks import Axis
from scheduling.models import Appointment, Course
from scheduling.selectors.courses import Fits, local_date, weekdays_of
from scheduling.selectors.open_days import open_days


def limits(
    hit: Mapping[int, Appointment], *, site: Site, axis: Axis
) -> tuple[dict[int, frozenset[date]], list[Gap]]:
    """Per hit session the dates it may move to, and the gaps between sessions that are both hit.

    Three queries however many courses. Appointments come with their course.
    """
    of_courses = {row.course_id: row.course for row in hit.values() if row.course is not None}
    if not of_courses:
        return {}, []
    sessions: defaultdict[int, list[Appointment]] = defaultdict(list)
    live = Appointment.objects.filter(course__in=of_courses).exclude(status__in=Appointment.FREES_RESOURCES)
    for row in live.order_by("start_at", "id"):
        assert row.course_id is not None  # noqa: S101 - the filter above
        sessions[row.course_id].append(row)
    starts = [local_date(site, row.start_at) for rows in sessions.values() for row in rows]
    first, last = min(*starts, axis.days[0]), max(*starts, axis.days[-1])
    is_open = open_days(site=site, first=first, last=last)
    dates = [day for day in _dates(first, last) if is_open(day)]
    allowed: dict[int, frozenset[date]] = {}
    gaps: list[Gap] = []
    for course_id, course in of_courses.items():
        reader = _Course(course, sessions[course_id], dates, site)  # type: ignore[index]  # keyed by its own id
        allowed |= reader.days(hit, axis)
        gaps += reader.gaps(hit, axis)
    return allowed, gaps


def _dates(first: date, last: date) -> list[date]:
    return [date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1)]


class _Course:
    """One course with its sessions that count, in order."""

    def __init__(
        self, course: Course, sessions: Sequence[Appointment], open_dates: Sequence[date], site: Site
    ) -> None:
        self.stages: Sequence[Stage] = courses.parse(course.stages)
        self.weekdays = weekdays_of(course.allowed_weekdays, None)
        self.calendar = OpenDays(day for day in open_dates if day.weekday() in self.weekdays)
        self.sessions = sessions
        self.on = [local_date(site, row.start_at) for row in sessions]

    def days(self, hit: Mapping[int, Appointment], axis: Axis) -> dict[int, frozenset[date]]:
        """The dates that keep the gaps to sessions which stay where they are."""
        found = {}
        for index, row in enumerate(self.sessions):
            if row.pk not in hit:
                continue
            fits = Fits(
                calendar=self.calendar,
                weekdays=self.weekdays,
                before=self._beside(index - 1, index + 1, hit),
                after=self._beside(index + 1, index + 2, hit),
            )
            found[row.pk] = frozenset(day for day in axis.days if fits.allow(day))
        return found

    def gaps(self, hit: Mapping[int, Appointment], axis: Axis) -> list[Gap]:
        """The gaps between successive sessions that are both hit. They keep their order."""
        found = []
        for number, (first, second) in enumerate(pairwise(self.sessions), start=2):
            if first.pk in hit and second.pk in hit:
                stage = stage_of(self.stages, number)
                positions = [self.calendar.position(day, stage.gap_unit) for day in axis.days]
                found.append(Gap(first.pk, second.pk, stage.min_gap_days, stage.max_gap_days, positions))
        return found

    def _beside(self, index: int, number: int, hit: Mapping[int, Appointment]) -> tuple[date, Stage] | None:
        """The date of the session at ``index`` if there is one that stays, and the stage of ``number``."""
        if not 0 <= index < len(self.sessions) or self.sessions[index].pk in hit:
            return None
        return self.on[index], stage_of(self.stages, number)
