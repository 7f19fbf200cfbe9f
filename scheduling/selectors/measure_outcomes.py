"""How courses ended, for measures: which were assessed after their first series, and what that came to.

The idea to know: nothing is scored here. An assessment keeps what its change from the baseline amounts to
(patients/domain/change.py); this only finds the one that speaks for the end of a course.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from django.db.models import Exists, OuterRef

from patients.domain.change import Meaning
from patients.domain.scoring import Kind
from patients.models import Assessment, Threshold
from scheduling.domain import courses as stages
from scheduling.domain.calendars import ONE_DAY, day_start
from scheduling.domain.measures import Assessed, Code, Sitting, Tally, outcome, series_over
from scheduling.domain.transitions import FREES_RESOURCES, Status
from scheduling.models import Appointment, Course
from scheduling.selectors.measure_counts import Counted, Span

_MEASURED = ((Code.RESPONSE, Meaning.RESPONSE), (Code.REMISSION, Meaning.REMISSION))


def course_outcomes(span: Span) -> Iterator[Counted]:
    """Response and remission of the courses that began on these days. Four queries."""
    courses = _begun(span)
    ends = _ends(span, courses.values())
    assessed = _assessed(span, [courses[course_id] for course_id in ends], list(ends.values()))
    found: Counter[tuple[date, str, Code]] = Counter()
    of_all: Counter[tuple[date, str]] = Counter()
    for course_id, (first_on, last_on) in ends.items():
        course = courses[course_id]
        came_to = outcome(
            assessed[course.patient_id],
            first_on=first_on,
            last_on=last_on,
            within_days=span.policy.outcome_within_days,
        )
        if came_to is None:
            continue
        key = first_on, course.visit_type.code
        of_all[key] += 1
        for code, meaning in _MEASURED:
            found[*key, code] += meaning.value in came_to.meets
    for (day, visit_type), count in of_all.items():
        for code, _meaning in _MEASURED:
            yield Counted(day, code, Tally(found[day, visit_type, code], count), visit_type)


def _begun(span: Span) -> dict[int, Course]:
    """Courses at the site whose first session that was held is on one of these days."""
    within = span.interval
    earlier = Appointment.objects.filter(
        course=OuterRef("course"), status=Status.COMPLETED, start_at__lt=OuterRef("start_at")
    )
    firsts = Appointment.objects.filter(
        ~Exists(earlier),
        site=span.site,
        course__isnull=False,
        status=Status.COMPLETED,
        start_at__gte=within.start,
        start_at__lt=within.end,
    )
    courses = Course.objects.filter(pk__in=firsts.values("course")).select_related("visit_type")
    return {course.pk: course for course in courses}


def _ends(span: Span, courses: Iterable[Course]) -> dict[int, tuple[date, date]]:
    """The dates of the first and last session of the first series, where that is over."""
    zone = span.site.zone
    sittings: dict[int, list[Sitting]] = defaultdict(list)
    sessions = (
        Appointment.objects.filter(course__in=[course.pk for course in courses])
        .exclude(status__in=[status.value for status in FREES_RESOURCES])
        .order_by("start_at", "pk")
        .values_list("course_id", "start_at", "status")
    )
    for course_id, start_at, status in sessions:
        sitting = Sitting(start_at.astimezone(zone).date(), held=status == Status.COMPLETED)
        sittings[course_id or 0].append(sitting)
    over = {
        course.pk: series_over(sittings[course.pk], series=stages.parse(course.stages)[0].sessions)
        for course in courses
    }
    return {course_id: ends for course_id, ends in over.items() if ends is not None}


def _assessed(span: Span, courses: list[Course], ends: list[tuple[date, date]]) -> dict[int, list[Assessed]]:
    """By patient, on instruments that know a response."""
    found: dict[int, list[Assessed]] = defaultdict(list)
    if not courses:
        return found
    zone = span.site.zone
    after = timedelta(days=span.policy.outcome_within_days)
    codes = Threshold.objects.filter(kind=Kind.RESPONSE, active=True, instrument__active=True)
    rows = (
        Assessment.objects.current()
        .filter(
            patient__in={course.patient_id for course in courses},
            code__in=codes.order_by().values("instrument__code"),
            score__isnull=False,
            answered_at__gte=day_start(min(last for _first, last in ends), zone),
            answered_at__lt=day_start(max(last for _first, last in ends) + after + ONE_DAY, zone),
            answered_at__lte=span.now,
        )
        .order_by()
        .select_related("baseline")
        .only("patient_id", "answered_at", "meets", "baseline_rule", "baseline__answered_at")
    )
    for row in rows:
        found[row.patient_id].append(
            Assessed(
                answered_at=row.answered_at,
                on=row.answered_at.astimezone(zone).date(),
                meets=frozenset(row.meets),
                baseline_rule=row.baseline_rule,
                baseline_on=row.baseline.answered_at.astimezone(zone).date() if row.baseline else None,
            )
        )
    return found
