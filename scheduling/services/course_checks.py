"""The rules of a course that need no search: how many sessions, in order, which weekdays, how far apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from clinic.access.models import Site
from clinic.common.errors import DomainError, Invalid
from scheduling.domain import courses as domain
from scheduling.domain.courses import Gap, GapUnit, OpenDays, Stage, stage_of
from scheduling.models import VisitType
from scheduling.selectors import courses as selector
from scheduling.selectors.courses import Fits
from scheduling.services.appointments import checked_start
from scheduling.services.course_sessions import Sitting, naming

MAX_SPAN = timedelta(days=370)
"""From the first to the last session of one request: a bound on its work."""
_AROUND = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Asked:
    """Sessions as somebody asks for them, ``previous`` being the local date of the one before the first.

    ``may_be_late`` excuses the first gap for being too long (never too short): what was lost took the time.
    ``override_reason`` says why a person accepts gaps and weekdays that the course does not allow.
    """

    visit_type: VisitType
    site: Site
    stages: Sequence[Stage]
    allowed_weekdays: Sequence[int] | None
    starts: Sequence[datetime]
    first_number: int = 1
    previous: date | None = None
    may_be_late: bool = False
    override_reason: str = ""

    def numbered(self) -> list[tuple[int, datetime]]:
        """Each start with the number of its session."""
        return list(enumerate(self.starts, start=self.first_number))

    def dates(self) -> list[date]:
        """The local dates, beginning with the previous session's when there is one."""
        dates = [selector.local_date(self.site, start) for start in self.starts]
        return dates if self.previous is None else [self.previous, *dates]


def check(asked: Asked, *, now: datetime, unchanged: Sequence[datetime] = ()) -> list[Sitting]:
    """What is to be written, when the rules allow it; ``unchanged`` starts are booked already.

    Raises Invalid (``too_many_sessions``, ``sessions_out_of_order``, ``range_too_long``,
    ``weekday_not_allowed``, ``gap_out_of_range``, and those of one visit), naming the session.
    """
    if not 1 <= len(asked.starts) <= domain.MAX_SESSIONS:
        raise Invalid(f"Ask for 1 to {domain.MAX_SESSIONS} sessions at once.", code="too_many_sessions")
    sittings: list[Sitting] = []
    for number, start in asked.numbered():
        with naming(number):
            at = start
            if start not in unchanged:
                at = checked_start(start, visit_type=asked.visit_type, site=asked.site, now=now)
            if sittings and at <= sittings[-1].start:
                raise Invalid(
                    "It is not after the one before. Send them in order.", code="sessions_out_of_order"
                )
            sittings.append(Sitting(number, at))
    if sittings[-1].start - sittings[0].start > MAX_SPAN:
        raise Invalid(
            f"One request spans at most {MAX_SPAN.days} days. Book the rest afterwards.",
            code="range_too_long",
        )
    if asked.previous is not None and asked.dates()[1] <= asked.previous:
        error: DomainError = Invalid(
            "It is not after the sessions that stay. Choose a later day.", code="sessions_out_of_order"
        )
        with naming(asked.first_number):
            raise error
    if not asked.override_reason:
        _check_weekdays(asked)
        _check_gaps(asked)
    return sittings


def _check_weekdays(asked: Asked) -> None:
    if asked.allowed_weekdays is None:
        return
    for number, start in asked.numbered():
        if selector.local_date(asked.site, start).weekday() not in asked.allowed_weekdays:
            with naming(number):
                raise Invalid(
                    "The course is not given on this weekday. Choose another, or give an override_reason.",
                    code="weekday_not_allowed",
                    allowed_weekdays=list(asked.allowed_weekdays),
                )


def _check_gaps(asked: Asked) -> None:
    dates = asked.dates()
    first_number = asked.first_number + (asked.previous is None)
    calendar = selector.open_days_between(
        asked.site, asked.stages, asked.allowed_weekdays, dates, first_number=first_number - 1
    )
    for gap in domain.gaps(dates, stages=asked.stages, calendar=calendar, first_number=first_number):
        late = asked.may_be_late and gap.number == asked.first_number and gap.days > gap.stage.max_gap_days
        if not gap.in_range and not late:
            raise gap_out_of_range(gap)


def gap_out_of_range(gap: Gap) -> Invalid:
    """422, naming the session, its gap and what is meant."""
    return Invalid(
        f"{gap.sentence} Choose another day, or give an override_reason.",
        code="gap_out_of_range",
        session=gap.number,
        gap_days=gap.days,
        min_gap_days=gap.stage.min_gap_days,
        max_gap_days=gap.stage.max_gap_days,
        gap_unit=gap.stage.gap_unit.value,
    )


def fits(asked: Asked, number: int) -> Fits:
    """Where session ``number`` may be, if the others stay as they are asked."""
    dates = asked.dates()
    index = number - asked.first_number + (asked.previous is not None)
    stage = stage_of(asked.stages, number)
    following = stage_of(asked.stages, number + 1)
    before = (dates[index - 1], stage) if index > 0 else None
    after = (dates[index + 1], following) if index + 1 < len(dates) else None
    weekdays = selector.weekdays_of(asked.allowed_weekdays, None)
    calendar = OpenDays()
    if GapUnit.OPEN_DAYS in {stage.gap_unit, following.gap_unit}:
        near = [dates[index] - _AROUND, dates[index] + _AROUND, *dates[max(index - 1, 0) : index + 2]]
        calendar = OpenDays(selector.open_dates(asked.site, weekdays, min(near), max(near)))
    return Fits(calendar, weekdays, before, after)
