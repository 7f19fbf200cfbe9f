"""The rows a board is made of, read as plain tuples: making models of them costs more than reading them."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from clinic.access.models import Site
from clinic.common.intervals import Interval
from scheduling.domain.phases import MAX_VISIT_MINUTES
from scheduling.models import Resource

# By hand: two laterals and an index hit each, where querysets would ask once per question. The bounds on the
# other end of an interval add nothing but speed. Instants come as seconds, exact to the microsecond: Django's
# loader of instants would take longer than everything else here.
_VISITS = """
SELECT a.id, a.version, s.version, a.patient_id, p.first_name, p.last_name, p.preferred_name, p.date_of_birth,
       a.visit_type_id, extract(epoch FROM a.start_at)::float8, extract(epoch FROM a.end_at)::float8,
       a.status, a.unconfirmed_version >= a.plan_version, a.reason,
       extract(epoch FROM s.started_at)::float8, extract(epoch FROM s.infusion_ended_at)::float8,
       extract(epoch FROM s.discharged_at)::float8,
       latest.verb, extract(epoch FROM latest.at)::float8, extract(epoch FROM since.at)::float8,
       EXISTS (SELECT FROM patients_safetyalarm WHERE patient_id = a.patient_id AND cleared_at IS NULL)
FROM scheduling_appointment a
JOIN patients_patient p ON p.id = a.patient_id
LEFT JOIN scheduling_infusionsession s ON s.appointment_id = a.id
LEFT JOIN LATERAL (
    SELECT verb, at FROM scheduling_appointmentevent WHERE appointment_id = a.id ORDER BY id DESC LIMIT 1
) latest ON true
LEFT JOIN LATERAL (
    SELECT max(at) AS at FROM scheduling_appointmentevent
    WHERE appointment_id = a.id AND to_status = a.status AND from_status <> to_status AND verb <> 'undo'
) since ON true
WHERE a.site_id = %s AND a.start_at < %s AND a.end_at > %s
    AND a.start_at > %s
ORDER BY a.start_at, a.id
"""
_TAKEN = """
SELECT resource_id, appointment_id, hold_id, extract(epoch FROM expires_at)::float8, use = 'shared',
       extract(epoch FROM start_at)::float8, extract(epoch FROM end_at)::float8
FROM scheduling_allocation
WHERE resource_id = ANY (%s) AND released_at IS NULL AND start_at < %s AND end_at > %s
    AND end_at < %s AND (expires_at IS NULL OR expires_at > %s)
ORDER BY start_at, id
"""
LONGEST_VISIT = timedelta(minutes=MAX_VISIT_MINUTES)
_KINDS = (Resource.Kind.CHAIR, Resource.Kind.NURSE, Resource.Kind.PRESCRIBER)


class VisitRow(NamedTuple):
    """A visit that reaches into the day, whatever became of it."""

    id: int
    version: int
    session_version: int | None
    patient_id: int
    first_name: str
    last_name: str
    preferred_name: str
    born_on: date
    visit_type_id: int
    start_at: datetime
    end_at: datetime
    status: str
    unconfirmed: bool
    reason: str
    started_at: datetime | None
    infusion_ended_at: datetime | None
    discharged_at: datetime | None
    latest_verb: str | None
    latest_at: datetime | None
    since: datetime | None
    """When it came to its present status."""
    alarmed: bool


class TakenRow(NamedTuple):
    """Time on a resource: a visit's, or a hold's that has not expired."""

    resource_id: int
    appointment_id: int | None
    hold_id: int | None
    expires_at: datetime | None
    shared: bool
    start_at: datetime
    end_at: datetime


_OF_VISIT = frozenset({9, 10, 14, 15, 16, 18, 19})
_OF_TAKEN = frozenset({3, 5, 6})
"""Where the instants of a row are."""


class ResourceRow(NamedTuple):
    """A chair, a nurse or a prescriber."""

    id: int
    kind: str
    name: str
    capacity: int
    active: bool


def visits(site: Site, during: Interval) -> list[VisitRow]:
    """By start. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_VISITS, [site.pk, during.end, during.start, during.start - LONGEST_VISIT])
        return [VisitRow._make(_with_instants(row, _OF_VISIT)) for row in cursor.fetchall()]


def taken(resource_ids: Collection[int], during: Interval, *, now: datetime) -> list[TakenRow]:
    """By start. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKEN, [list(resource_ids), during.end, during.start, during.end + LONGEST_VISIT, now]
        )
        return [TakenRow._make(_with_instants(row, _OF_TAKEN)) for row in cursor.fetchall()]


def resources(site: Site) -> dict[int, ResourceRow]:
    """By id, those out of service as well. One query."""
    rows = Resource.objects.filter(site=site, kind__in=_KINDS).order_by()
    named = rows.values_list("id", "kind", "name", "capacity", "active")
    return {row[0]: ResourceRow(*row) for row in named}


def _with_instants(row: Sequence[Any], places: frozenset[int]) -> list[Any]:
    """The row with the seconds at these places as instants."""
    return [
        datetime.fromtimestamp(value, UTC) if at in places and value is not None else value
        for at, value in enumerate(row)
    ]
