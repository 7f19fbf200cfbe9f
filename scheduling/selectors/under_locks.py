"""What a booking reads once it holds its locks, by hand: as querysets these reads cost it more than all of
PostgreSQL's part."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from clinic.common.intervals import Interval
from scheduling.domain.lanes import Occupied
from scheduling.domain.phases import MAX_VISIT_MINUTES

_LONGEST = timedelta(minutes=MAX_VISIT_MINUTES)
_CLOSED = """
SELECT resource_id, start_at, end_at
FROM scheduling_closure
WHERE (site_id = %(site)s OR resource_id = ANY (%(resources)s)) AND start_at < %(end)s AND end_at > %(start)s
"""
_OCCUPIED = """
SELECT id, resource_id, lane, start_at, end_at, expires_at <= %(now)s
FROM scheduling_allocation
WHERE resource_id = ANY (%(resources)s) AND released_at IS NULL AND start_at < %(end)s AND end_at > %(start)s
    -- Follows from the line above, but the index is on the end, and the months ahead are full.
    AND end_at < %(end_of_longest)s
"""
_HELD = """
SELECT EXISTS (
    SELECT FROM scheduling_hold
    WHERE patient_id = %(patient)s AND start_at < %(end)s AND end_at > %(start)s
        AND ended_at IS NULL AND expires_at > %(now)s AND id IS DISTINCT FROM %(except_id)s
)
"""

Closed = tuple[int | None, datetime, datetime]
"""A closure: its resource (None: the site), start and end."""


def closures(*, site_id: int, resource_ids: Collection[int], during: Interval) -> list[Closed]:
    """Closures of the site and of these resources that touch this time."""
    return _rows(_CLOSED, during, site=site_id, resources=list(resource_ids))


def occupied(
    *, resource_ids: Collection[int], during: Interval, now: datetime
) -> tuple[dict[int, list[Occupied[int]]], list[int]]:
    """What stands on each of these resources in this time, and the allocations of holds that are over."""
    found: dict[int, list[Occupied[int]]] = {each: [] for each in resource_ids}
    over = []
    for row_id, resource_id, lane, start, end, is_over in _rows(
        _OCCUPIED, during, resources=list(resource_ids), now=now, end_of_longest=during.end + _LONGEST
    ):
        if is_over:
            over.append(row_id)
        else:
            found[resource_id].append(Occupied(row_id, lane, Interval(start, end)))
    return found, over


def patient_is_held(patient_id: int, *, during: Interval, now: datetime, except_id: int | None) -> bool:
    """Whether a hold, other than the one with this id, keeps some of this time for the patient."""
    ((held,),) = _rows(_HELD, during, patient=patient_id, now=now, except_id=except_id)
    return bool(held)


def _rows(statement: str, during: Interval, **values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {**values, "start": during.start, "end": during.end})
        return list(cursor.fetchall())
