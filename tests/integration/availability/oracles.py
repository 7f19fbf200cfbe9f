"""The slow and obvious ways to know what is free, which the stored days are held against.

One reads every allocation (in Python), one asks PostgreSQL's multiranges, and knows neither ticks nor bits.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q

from clinic.common.intervals import Interval
from scheduling.domain.ticks import TICKS_IN_A_DAY, Axis
from scheduling.models import Allocation, ResourceDay
from scheduling.selectors.availability import Question, Visit
from scheduling.selectors.usage import Rows, Usage

_TICK = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Planes = dict[tuple[int, date], tuple[bytes, bytes]]


def from_rows(resource_ids: Sequence[int], *, axis: Axis, now: datetime, moving_ids: frozenset[int]) -> Usage:
    """A reader of usage that asks the allocations themselves."""
    standing = Allocation.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now),
        resource__in=resource_ids,
        released_at=None,
        start_at__lt=axis.span.end,
        end_at__gt=axis.span.start,
    ).exclude(appointment__in=moving_ids)
    taken = Rows(list)
    for resource_id, use, start, end in standing.order_by().values_list(
        "resource_id", "use", "start_at", "end_at"
    ):
        taken[resource_id].append((use, start, end))
    return Usage(taken=taken)


def stored_planes() -> Planes:
    """What the table holds, days with nothing booked left out."""
    rows = ResourceDay.objects.values_list("resource_id", "day", "exclusive", "shared")
    return {
        (resource_id, day): (bytes(exclusive), bytes(shared))
        for resource_id, day, exclusive, shared in rows
        if exclusive or shared
    }


def expected_planes() -> Planes:
    """What it must hold: tick by tick, how many visits' allocations touch it."""
    loads: dict[tuple[int, date], dict[str, dict[int, int]]] = defaultdict(
        lambda: {"exclusive": defaultdict(int), "shared": defaultdict(int)}
    )
    for row in Allocation.objects.filter(released_at=None, appointment__isnull=False):
        tick = (row.start_at - _EPOCH) // _TICK
        while _EPOCH + tick * _TICK < row.end_at:
            day, of_day = divmod(tick, TICKS_IN_A_DAY)
            loads[row.resource_id, _EPOCH.date() + timedelta(days=day)][row.use][of_day] += 1
            tick += 1
    return {key: (_planes(uses["exclusive"]), _planes(uses["shared"])) for key, uses in loads.items()}


def _planes(load: dict[int, int]) -> bytes:
    depth = max(load.values(), default=0)
    levels = (sum(1 << tick for tick, count in load.items() if count >= k) for k in range(1, depth + 1))
    return b"".join(level.to_bytes(TICKS_IN_A_DAY // 8, "big") for level in levels)


_MULTIRANGES = """
WITH requirement AS (
    SELECT number, kind, use, make_interval(mins => since) AS since, make_interval(mins => until) AS until
    FROM unnest(%(kinds)s::text[], %(uses)s::text[], %(since)s::int[], %(until)s::int[])
        WITH ORDINALITY AS listed(kind, use, since, until, number)
), resource AS MATERIALIZED (
    SELECT * FROM scheduling_resource
    WHERE site_id = %(site)s AND active AND kind IN (SELECT kind FROM requirement)
), shift AS (
    SELECT r.id, tstzrange(
        (day + w.start) AT TIME ZONE %(zone)s,
        (day + CASE WHEN w."end" > w.start THEN 0 ELSE 1 END + w."end") AT TIME ZONE %(zone)s
    ) AS during
    FROM resource r
    JOIN scheduling_workinghours w ON w.resource_id = r.id OR (w.site_id = r.site_id AND NOT EXISTS (
        SELECT FROM scheduling_workinghours own WHERE own.resource_id = r.id
    ))
    JOIN LATERAL (
        SELECT %(first)s::date + n AS day FROM generate_series(-2, %(days)s) AS n
    ) days ON extract(isodow FROM day) - 1 = w.weekday
        AND day >= coalesce(w.valid_from, day) AND day <= coalesce(w.valid_until, day)
), works AS MATERIALIZED (
    SELECT id, range_agg(during) - coalesce((
        SELECT range_agg(tstzrange(c.start_at, c.end_at)) FROM scheduling_closure c
        WHERE c.resource_id = shift.id OR c.site_id = %(site)s
    ), '{}') AS times
    FROM shift GROUP BY id
), lane AS MATERIALIZED (
    SELECT resource_id, lane, range_agg(tstzrange(start_at, end_at)) AS times
    FROM scheduling_allocation
    WHERE resource_id IN (SELECT id FROM resource) AND released_at IS NULL
        AND (expires_at IS NULL OR expires_at > %(now)s)
        AND (appointment_id IS NULL OR appointment_id <> ALL (%(moving)s))
        AND start_at < %(end)s::timestamptz + interval '1 day' AND end_at > %(start)s
    GROUP BY resource_id, lane
), busy AS MATERIALIZED (
    SELECT r.id, r.kind,
        coalesce((SELECT times FROM lane WHERE resource_id = r.id AND lane = 0), '{}') AS exclusive,
        coalesce((SELECT range_agg(times) FROM lane WHERE resource_id = r.id AND lane > 0), '{}') AS shared,
        coalesce((SELECT range_intersect_agg(times) FROM lane WHERE resource_id = r.id AND lane > 0
                  HAVING count(*) >= r.capacity), '{}') AS full_up
    FROM resource r
), free AS MATERIALIZED (
    SELECT id, busy.kind, use, works.times - CASE
        WHEN busy.kind IN ('nurse', 'prescriber') AND use = 'exclusive' THEN exclusive
        WHEN busy.kind IN ('nurse', 'prescriber') THEN full_up
        WHEN use = 'exclusive' THEN exclusive + shared
        ELSE exclusive + full_up
    END AS times
    FROM busy JOIN works USING (id), (VALUES ('exclusive'), ('shared')) AS uses(use)
), fits AS MATERIALIZED (
    SELECT r.id, r.kind, coalesce(
        range_agg(tstzrange(lower(piece) - since, upper(piece) - until, '[]'))
            FILTER (WHERE lower(piece) - since <= upper(piece) - until), '{}') AS starts
    FROM resource r
    JOIN requirement q USING (kind)
    JOIN free ON free.id = r.id AND free.use = q.use
    LEFT JOIN LATERAL unnest(free.times) AS piece ON true
    GROUP BY r.id, r.kind, q.number
), serves AS (
    SELECT kind, range_intersect_agg(starts) AS starts FROM fits GROUP BY id, kind
), any_of_kind AS (
    SELECT coalesce((SELECT range_agg(starts) FROM serves WHERE serves.kind = needed.kind), '{}') AS starts
    FROM (SELECT DISTINCT kind FROM requirement) AS needed
), possible AS MATERIALIZED (
    SELECT range_intersect_agg(starts) AS starts FROM any_of_kind
), grid AS (
    SELECT at FROM generate_series(%(start)s::timestamptz, %(end)s, interval '5 minutes') AS at
    WHERE at < %(end)s AND at BETWEEN %(earliest)s AND %(latest)s
        AND (extract(hour FROM at AT TIME ZONE %(zone)s) * 60
             + extract(minute FROM at AT TIME ZONE %(zone)s))::int %% %(grid)s = 0
)
SELECT at FROM grid, possible
WHERE at <@ possible.starts
AND NOT EXISTS (
    SELECT FROM scheduling_appointment a
    WHERE a.patient_id = %(patient)s AND a.status NOT IN ('cancelled', 'no_show') AND a.id <> ALL (%(moving)s)
        AND tstzrange(a.start_at, a.end_at) && tstzrange(at, at + make_interval(mins => %(minutes)s))
)
AND NOT EXISTS (
    SELECT FROM scheduling_hold h
    WHERE h.patient_id = %(patient)s AND h.ended_at IS NULL AND h.expires_at > %(now)s
        AND tstzrange(h.start_at, h.end_at) && tstzrange(at, at + make_interval(mins => %(minutes)s))
)
ORDER BY at
"""


def by_multiranges(question: Question) -> list[datetime]:
    """Every possible start, by one query over the rows. Exact to the minute where everything is whole ticks.

    The window must begin on a whole tick; the visit type must need some resource.
    """
    visit, window, zone = Visit.of(question.visit_type), question.window, question.site.zone
    first = window.start.astimezone(zone).date()
    values: dict[str, Any] = {
        "kinds": [each.kind.value for each in visit.requirements],
        "uses": [each.use.value for each in visit.requirements],
        "since": [each.offset_minutes for each in visit.requirements],
        "until": [each.until_minutes for each in visit.requirements],
        "minutes": visit.minutes,
        "site": question.site.pk,
        "zone": zone.key,
        "first": first,
        "days": (window.end.astimezone(zone).date() - first).days + 2,
        "start": window.start,
        "end": window.end,
        "earliest": question.earliest,
        "latest": question.latest,
        "grid": question.visit_type.start_grid_minutes,
        "patient": question.patient_id,
        "moving": list(question.moving_ids),
        "now": question.now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MULTIRANGES, values)
        return [at for (at,) in cursor.fetchall()]


def whole_days(first: date, days: int) -> Interval:
    """So many days in UTC."""
    start = datetime.combine(first, datetime.min.time(), UTC)
    return Interval(start, start + timedelta(days=days))
