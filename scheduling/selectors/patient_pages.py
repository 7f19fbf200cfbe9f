"""What a patient's page shows of the schedule: the policy of its site, and the times a visit can move to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby

from django.db.models import Q

from clinic.access.models import Site
from clinic.common.intervals import Interval
from patients.models import Patient
from scheduling.domain import courses
from scheduling.domain.courses import GapUnit, OpenDays, stage_of
from scheduling.domain.patient_pages import Permitted, Rules, permitted, spread
from scheduling.domain.transitions import Status
from scheduling.models import Appointment, Course, Offer, PatientPagePolicy
from scheduling.selectors.availability import Question, search
from scheduling.selectors.courses import Fits, local_date, open_dates, standing, weekdays_of

_NOON = time(12)


@dataclass(frozen=True, slots=True)
class Day:
    """A local date at the site with times to choose from."""

    on: date
    starts: tuple[datetime, ...]


def policy_of(site_id: int) -> PatientPagePolicy:
    """What this site lets patients do: its own policy, else the default one, else what shipped."""
    rows = list(PatientPagePolicy.objects.filter(Q(site_id=site_id) | Q(site=None)))
    own = [row for row in rows if row.site_id == site_id]
    return (own or rows or [PatientPagePolicy()])[0]


def permitted_for(visit: Appointment, policy: PatientPagePolicy, *, now: datetime) -> Permitted:
    """What the patient may do to this visit on the page now."""
    rules = Rules(
        confirm=policy.confirm,
        move=policy.move,
        cancel=policy.cancel,
        move_until=timedelta(minutes=policy.move_until_minutes),
        cancel_until=timedelta(minutes=policy.cancel_until_minutes),
    )
    return permitted(status=Status(visit.status), start_at=visit.start_at, now=now, rules=rules)


def visit_of(*, patient: Patient, visit_id: int) -> Appointment | None:
    """The patient's visit, with what its page shows."""
    rows = Appointment.objects.select_related("visit_type", "site", "course")
    return rows.filter(pk=visit_id, patient=patient).first()


def offer_of(*, patient: Patient, offer_id: int) -> Offer | None:
    """The patient's offer, with what its page shows."""
    rows = Offer.objects.select_related("slot__site", "entry__visit_type", "appointment")
    return rows.filter(pk=offer_id, patient=patient).first()


def course_of(*, patient: Patient, course_id: int) -> Course | None:
    """The patient's course."""
    return Course.objects.select_related("site").filter(pk=course_id, patient=patient).first()


def window(visit: Appointment, policy: PatientPagePolicy, *, now: datetime) -> Interval:
    """Between which moments a patient may choose a new start."""
    first = now + timedelta(minutes=max(policy.notice_minutes, visit.visit_type.min_notice_minutes))
    return Interval(first, max(first, now + timedelta(days=policy.days_ahead)) + timedelta(minutes=1))


def free_starts(visit: Appointment, policy: PatientPagePolicy, *, now: datetime) -> list[datetime]:
    """Every start the visit can move to, for a session of a course only those that keep its gaps."""
    asked = window(visit, policy, now=now)
    found = search(
        Question(
            visit_type=visit.visit_type,
            site=visit.site,
            window=asked,
            now=now,
            patient_id=visit.patient_id,
            moving_ids=frozenset({visit.pk}),
        )
    ).starts()
    kept = gaps_of(visit, asked)
    return [
        start
        for start in found
        if start != visit.start_at and (kept is None or kept.allow(local_date(visit.site, start)))
    ]


def gaps_of(visit: Appointment, asked: Interval) -> Fits | None:
    """Where within ``asked`` a session may be, given those beside it; None for a visit of no course."""
    course = visit.course
    if course is None:
        return None
    live = standing(course, list(course.sessions.all())).live
    place = next((n for n, each in enumerate(live) if each.pk == visit.pk), None)
    if place is None:
        return None
    days = [local_date(visit.site, each.start_at) for each in live]
    stages = courses.parse(course.stages)
    stage, following = stage_of(stages, place + 1), stage_of(stages, place + 2)
    weekdays = weekdays_of(course.allowed_weekdays, None)
    calendar = OpenDays()
    if GapUnit.OPEN_DAYS in {stage.gap_unit, following.gap_unit}:
        ends = [local_date(visit.site, instant) for instant in (asked.start, asked.end)]
        near = [*days[max(place - 1, 0) : place + 2], *ends]
        calendar = OpenDays(open_dates(visit.site, weekdays, min(near), max(near)))
    return Fits(
        calendar,
        weekdays,
        before=(days[place - 1], stage) if place else None,
        after=(days[place + 1], following) if place + 1 < len(days) else None,
    )


def by_day(
    starts: Sequence[datetime], *, site: Site, morning: bool | None, since: date | None, most: int
) -> list[Day]:
    """The starts as days of the site, thinned to ``most`` a day; ``morning`` None: the whole day."""
    local = [start.astimezone(site.zone) for start in starts]
    wanted = [
        start
        for start in local
        if (morning is None or (start.time() < _NOON) == morning) and (since is None or start.date() >= since)
    ]
    days = groupby(wanted, key=lambda start: start.date())
    return [Day(on, tuple(spread(list(times), most))) for on, times in days]
