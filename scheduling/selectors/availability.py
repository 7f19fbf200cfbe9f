"""When a visit can start: fetches what the pure search needs, in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db.models import Q

from clinic.access.models import Site
from clinic.common.intervals import Interval, subtract
from scheduling.domain import availability as domain
from scheduling.domain import phases
from scheduling.domain.calendars import WeeklyHours, open_intervals
from scheduling.domain.phases import Kind, Requirement
from scheduling.domain.ticks import Axis, Taken
from scheduling.models import Allocation, Appointment, Closure, Resource, VisitType, WorkingHours


@dataclass(frozen=True)
class Visit:
    """A visit type as the search needs it."""

    requirements: tuple[Requirement, ...]
    minutes: int

    @classmethod
    def of(cls, visit_type: VisitType) -> "Visit":
        """Read the phases once."""
        parsed = phases.parse(visit_type.phases)
        return cls(phases.requirements(parsed), phases.total_minutes(parsed))


@dataclass(frozen=True)
class Question:
    """What is asked: which visit, where, for whom, with which resources, ignoring which appointment."""

    visit_type: VisitType
    site: Site
    window: Interval
    now: datetime
    patient_id: int | None = None
    resource_ids: frozenset[int] = frozenset()
    """When given, the kinds of these resources are served by these only."""
    moving_id: int | None = None
    """The appointment being moved: its own time and resources count as free."""

    @property
    def earliest(self) -> datetime:
        """The first start that the visit type's notice allows."""
        return self.now + timedelta(minutes=self.visit_type.min_notice_minutes)

    @property
    def latest(self) -> datetime:
        """The last start that the visit type's horizon allows."""
        return self.now + timedelta(days=self.visit_type.horizon_days)


def search(question: Question) -> domain.Availability:
    """Every start that is possible in the window, with reasons for the days that have none.

    Six queries whatever the size: resources, hours, closures, allocations, and two for the patient.
    Raises DateOutOfRange, ValueError for a window of more than 400 days.
    """
    visit, zone = Visit.of(question.visit_type), question.site.zone
    first = question.window.start.astimezone(zone).date()
    last = (question.window.end - timedelta(microseconds=1)).astimezone(zone).date()
    axis = Axis.over(first=first, days=(last - first).days + 1, zone=zone, visit_minutes=visit.minutes)
    kinds = {requirement.kind for requirement in visit.requirements}
    rows = _resources(question, kinds)
    calendar = _Calendar.load(site=question.site, resources=rows, span=axis.span)
    taken = _taken(rows, axis.span, question.moving_id)
    return domain.starts_for(
        axis=axis,
        requirements=visit.requirements,
        visit_minutes=visit.minutes,
        resources=[
            domain.Resource(row.id, Kind(row.kind), row.capacity, calendar.open_for(row.id), taken[row.id])
            for row in rows
        ],
        limits=domain.Limits(
            window=question.window,
            grid_minutes=question.visit_type.start_grid_minutes,
            earliest=question.earliest,
            latest=question.latest,
        ),
        patient_busy=_patient_busy(question, axis.span),
        site_hours=None if kinds else calendar.open_for(None),
    )


class _Serving(NamedTuple):
    """A resource row as the search needs it: a site may have hundreds, and models cost."""

    id: int
    kind: str
    capacity: int


def _resources(question: Question, kinds: Collection[str]) -> list[_Serving]:
    if not kinds:
        return []
    found = Resource.objects.filter(site=question.site, kind__in=kinds, active=True).order_by("id")
    rows = [_Serving(*row) for row in found.values_list("id", "kind", "capacity")]
    named_kinds = {row.kind for row in rows if row.id in question.resource_ids}
    return [row for row in rows if row.kind not in named_kinds or row.id in question.resource_ids]


class _Calendar:
    """Hours and closures of a site and its resources over a span, resolved to open intervals."""

    def __init__(
        self,
        site: Site,
        span: Interval,
        hours: dict[int | None, list[WeeklyHours]],
        closures: dict[int | None, list[Interval]],
    ) -> None:
        self._hours, self._closures = hours, closures
        first, last = (instant.astimezone(site.zone).date() for instant in (span.start, span.end))
        self._days: tuple[date, date] = (first, last)
        self._zone = site.zone
        self._site_open = self._resolve(hours[None], closures[None])

    @classmethod
    def load(cls, *, site: Site, resources: Collection[_Serving], span: Interval) -> "_Calendar":
        owners = Q(site=site) | Q(resource__in=[row.id for row in resources])
        hours: dict[int | None, list[WeeklyHours]] = defaultdict(list)
        for row in WorkingHours.objects.filter(owners).order_by():
            hours[row.resource_id].append(
                WeeklyHours(row.weekday, row.start, row.end, row.valid_from, row.valid_until)
            )
        closures: dict[int | None, list[Interval]] = defaultdict(list)
        hitting = Closure.objects.filter(owners, start_at__lt=span.end, end_at__gt=span.start)
        for owner, start, end in hitting.order_by().values_list("resource_id", "start_at", "end_at"):
            closures[owner].append(Interval(start, end))
        return cls(site, span, hours, closures)

    def open_for(self, resource_id: int | None) -> list[Interval]:
        """A resource's own hours if it has any, else its site's; less the closures of both."""
        if resource_id is not None and resource_id in self._hours:
            return self._resolve(
                self._hours[resource_id], [*self._closures[None], *self._closures[resource_id]]
            )
        if resource_id is not None and resource_id in self._closures:
            return subtract(self._site_open, self._closures[resource_id])
        return self._site_open

    def _resolve(self, hours: list[WeeklyHours], closures: list[Interval]) -> list[Interval]:
        first, last = self._days
        return open_intervals(hours=hours, closures=closures, first=first, last=last, zone=self._zone)


def _taken(
    resources: Collection[_Serving], span: Interval, moving_id: int | None
) -> defaultdict[int, list[Taken]]:
    """The unreleased allocations of each resource that touch the span."""
    rows = Allocation.objects.filter(
        resource__in=[row.id for row in resources],
        released_at__isnull=True,
        start_at__lt=span.end,
        end_at__gt=span.start,
    )
    if moving_id is not None:
        rows = rows.exclude(appointment_id=moving_id)
    taken: defaultdict[int, list[Taken]] = defaultdict(list)
    for resource_id, use, start, end in rows.order_by().values_list(
        "resource_id", "use", "start_at", "end_at"
    ):
        taken[resource_id].append((use, start, end))
    return taken


def _patient_busy(question: Question, span: Interval) -> list[Interval]:
    """The patient's other visits, at any site."""
    if question.patient_id is None:
        return []
    rows = (
        Appointment.objects.filter(
            patient_id=question.patient_id, start_at__lt=span.end, end_at__gt=span.start
        )
        .exclude(status__in=Appointment.FREES_RESOURCES)
        .exclude(pk=question.moving_id or 0)
    )
    return [Interval(start, end) for start, end in rows.order_by().values_list("start_at", "end_at")]


def nearest(question: Question, *, start: datetime, count: int = 3) -> list[datetime]:
    """The possible starts closest to one that was refused, nearest first: the same day, then further."""
    found: list[datetime] = []
    for days in (1, 7, 30):
        reach = timedelta(days=days)
        window = Interval(max(start - reach, question.now), max(start, question.now) + reach)
        asked = Question(
            visit_type=question.visit_type,
            site=question.site,
            window=window,
            now=question.now,
            patient_id=question.patient_id,
            moving_id=question.moving_id,
        )
        found = search(asked).starts()
        if len(found) >= count:
            break
    return sorted(found, key=lambda candidate: (abs(candidate - start), candidate))[:count]
