"""When a visit can start: fetches what the pure search needs, in a fixed number of queries."""

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

from django.db import connection

from clinic.access.models import Site
from clinic.common.intervals import Interval, subtract
from scheduling.domain import availability as domain
from scheduling.domain import phases
from scheduling.domain.calendars import WeeklyHours, open_intervals
from scheduling.domain.phases import Kind, Requirement
from scheduling.domain.ticks import Axis
from scheduling.models import Appointment, VisitType
from scheduling.selectors.usage import Reader, stored

# By hand, because every booking and every search asks them: as querysets they cost it some milliseconds.
_RESOURCES = """
SELECT id, kind, capacity
FROM scheduling_resource
WHERE site_id = %s AND kind = ANY (%s) AND active
ORDER BY id
"""
# The hours of one owner come as one text: most keep the same, and what is read once need not be read again.
_HOURS_AND_CLOSURES = """
SELECT resource_id, NULL::timestamptz, NULL::timestamptz,
       json_agg(json_build_array(weekday, start, "end", valid_from, valid_until)
                ORDER BY weekday, start, id)::text
FROM scheduling_workinghours
WHERE site_id = %(site)s OR resource_id = ANY (%(resources)s)
GROUP BY resource_id
UNION ALL
SELECT resource_id, start_at, end_at, NULL
FROM scheduling_closure
WHERE (site_id = %(site)s OR resource_id = ANY (%(resources)s)) AND start_at < %(end)s AND end_at > %(start)s
"""
_PATIENTS_TIME = """
SELECT start_at, end_at
FROM scheduling_appointment
WHERE patient_id = %(patient)s AND start_at < %(end)s AND end_at > %(start)s
    AND status <> ALL (%(freed)s) AND id <> ALL (%(moving)s)
UNION ALL
SELECT start_at, end_at
FROM scheduling_hold
WHERE patient_id = %(patient)s AND start_at < %(end)s AND end_at > %(start)s
    AND ended_at IS NULL AND expires_at > %(now)s
"""


@dataclass(frozen=True)
class Visit:
    """A visit type as the search needs it."""

    requirements: tuple[Requirement, ...]
    minutes: int
    infusion_minutes: int | None = None
    """How long the phase lasts in which the drug runs, if there is one."""

    @classmethod
    def of(cls, visit_type: VisitType, *, infusion_minutes: int | None = None) -> "Visit":
        """Read the phases, with the infusion that long where it differs; the same ones are read once."""
        return _visit(json.dumps(visit_type.phases), infusion_minutes)


@lru_cache(maxsize=256)
def _visit(phases_json: str, infusion_minutes: int | None) -> Visit:
    parsed = phases.parse(json.loads(phases_json))
    if infusion_minutes is not None:
        parsed = phases.with_infusion_minutes(parsed, infusion_minutes)
    running = phases.infusion_phase(parsed)
    return Visit(
        phases.requirements(parsed),
        phases.total_minutes(parsed),
        None if running is None else parsed[running].minutes,
    )


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
    moving_ids: frozenset[int] = frozenset()
    """The appointments being moved: their own time and resources count as free."""
    infusion_minutes: int | None = None
    """When the infusion of the visit being moved lasts longer or shorter than its type's."""
    notice_kept: bool = False
    """The patient heard of the time early enough (a hold, an offer): only the present bounds the start."""

    @property
    def visit(self) -> Visit:
        """What is asked of the resources."""
        return Visit.of(self.visit_type, infusion_minutes=self.infusion_minutes)

    @property
    def earliest(self) -> datetime:
        """The first start that the visit type's notice allows."""
        if self.notice_kept:
            return self.now
        return self.now + timedelta(minutes=self.visit_type.min_notice_minutes)

    @property
    def latest(self) -> datetime:
        """The last start that the visit type's horizon allows."""
        return self.now + timedelta(days=self.visit_type.horizon_days)


def search(question: Question, *, usage: Reader = stored) -> domain.Availability:
    """Every start that is possible in the window, with reasons for the days that have none.

    At most five queries whatever the size: resources, hours with closures, the patient's time, and what
    ``usage`` reads. Raises DateOutOfRange, ValueError for a window of more than 400 days.
    """
    visit, zone = question.visit, question.site.zone
    first = question.window.start.astimezone(zone).date()
    last = (question.window.end - timedelta(microseconds=1)).astimezone(zone).date()
    axis = Axis.over(first=first, days=(last - first).days + 1, zone=zone, visit_minutes=visit.minutes)
    kinds = {requirement.kind for requirement in visit.requirements}
    rows = _resources(question, kinds)
    calendar = Calendar.load(site=question.site, resource_ids=[row.id for row in rows], span=axis.span)
    used = usage([row.id for row in rows], axis=axis, now=question.now, moving_ids=question.moving_ids)
    return domain.starts_for(
        axis=axis,
        requirements=visit.requirements,
        visit_minutes=visit.minutes,
        resources=[
            domain.Resource(
                row.id,
                Kind(row.kind),
                row.capacity,
                calendar.open_for(row.id),
                taken=used.taken[row.id],
                freed=used.freed[row.id],
                days=used.days[row.id],
            )
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
    with connection.cursor() as cursor:
        cursor.execute(_RESOURCES, [question.site.pk, sorted(kinds)])
        rows = [_Serving(*row) for row in cursor.fetchall()]
    named_kinds = {row.kind for row in rows if row.id in question.resource_ids}
    return [row for row in rows if row.kind not in named_kinds or row.id in question.resource_ids]


_NO_HOURS = "[]"


@lru_cache(maxsize=1024)
def _hours(rows: str) -> tuple[WeeklyHours, ...]:
    """The hours of one owner, as the statement above writes them."""
    return tuple(
        WeeklyHours(
            weekday,
            time.fromisoformat(start),
            time.fromisoformat(end),
            date.fromisoformat(valid_from) if valid_from else None,
            date.fromisoformat(valid_until) if valid_until else None,
        )
        for weekday, start, end, valid_from, valid_until in json.loads(rows)
    )


class Calendar:
    """Hours and closures of a site and its resources over a span, resolved to open intervals."""

    def __init__(
        self,
        site: Site,
        span: Interval,
        hours: dict[int | None, str],
        closures: dict[int | None, list[Interval]],
    ) -> None:
        self._hours, self._closures = hours, closures
        first, last = (instant.astimezone(site.zone).date() for instant in (span.start, span.end))
        self._days: tuple[date, date] = (first, last)
        self._zone = site.zone
        self._resolved: dict[tuple[str, frozenset[Interval]], list[Interval]] = {}
        self._site_open = self._resolve(hours.get(None, _NO_HOURS), closures[None])

    @classmethod
    def load(cls, *, site: Site, resource_ids: Collection[int], span: Interval) -> "Calendar":
        """One query."""
        hours: dict[int | None, str] = {}
        closures: dict[int | None, list[Interval]] = defaultdict(list)
        with connection.cursor() as cursor:
            cursor.execute(
                _HOURS_AND_CLOSURES,
                {"site": site.pk, "resources": list(resource_ids), "start": span.start, "end": span.end},
            )
            for owner, closed_from, closed_until, open_hours in cursor.fetchall():
                if open_hours is None:
                    closures[owner].append(Interval(closed_from, closed_until))
                else:
                    hours[owner] = open_hours
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

    def _resolve(self, hours: str, closures: list[Interval]) -> list[Interval]:
        """One list for all who keep the same hours: resolving them is more work than searching in them."""
        key = hours, frozenset(closures)
        if key not in self._resolved:
            first, last = self._days
            self._resolved[key] = open_intervals(
                hours=_hours(hours),
                closures=closures,
                first=first,
                last=last,
                zone=self._zone,
            )
        return self._resolved[key]


def _patient_busy(question: Question, span: Interval) -> list[Interval]:
    """The patient's other visits, and times held for them, at any site."""
    if question.patient_id is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            _PATIENTS_TIME,
            {
                "patient": question.patient_id,
                "start": span.start,
                "end": span.end,
                "freed": [status.value for status in Appointment.FREES_RESOURCES],
                "moving": list(question.moving_ids),
                "now": question.now,
            },
        )
        return [Interval(start, end) for start, end in cursor.fetchall()]


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
            moving_ids=question.moving_ids,
            infusion_minutes=question.infusion_minutes,
        )
        found = search(asked).starts()
        if len(found) >= count:
            break
    return sorted(found, key=lambda candidate: (abs(candidate - start), candidate))[:count]
