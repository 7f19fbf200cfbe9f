"""How resources are used over a time: the stored days of their visits, and the rows of what is held.

The stored days are most of what a search reads, and one query returns them all.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from django.db import connection

from scheduling.domain.loads import StoredDays, stored_days
from scheduling.domain.ticks import Axis, Taken
from scheduling.models import Allocation

# By hand: thousands of days come back at once, and models made of them would double the time.
_DAYS_AND_HELD = """
SELECT resource_id, %(last)s - day, exclusive, shared, NULL, NULL::timestamptz, NULL::timestamptz
FROM scheduling_resourceday
WHERE resource_id = ANY (%(resources)s) AND day BETWEEN %(first)s AND %(last)s
UNION ALL
SELECT resource_id, NULL, NULL, NULL, use, start_at, end_at
FROM scheduling_allocation
WHERE hold_id IS NOT NULL AND released_at IS NULL AND expires_at > %(now)s
    AND resource_id = ANY (%(resources)s) AND start_at < %(end)s AND end_at > %(start)s
"""

Rows = defaultdict[int, list[Taken]]
"""Allocations by resource."""


@dataclass(frozen=True)
class Usage:
    """The use of resources by their ids: stored days, what these do not hold, and what shall not count."""

    days: Mapping[int, StoredDays] = field(default_factory=lambda: defaultdict(StoredDays))
    taken: Rows = field(default_factory=lambda: Rows(list))
    freed: Rows = field(default_factory=lambda: Rows(list))


class Reader(Protocol):
    """A way to read usage. Tests and benchmarks have others, to hold this module's against."""

    def __call__(
        self, resource_ids: Sequence[int], *, axis: Axis, now: datetime, moving_ids: frozenset[int]
    ) -> Usage:
        """The usage of these resources on the axis, the appointments being moved left out."""


def stored(resource_ids: Sequence[int], *, axis: Axis, now: datetime, moving_ids: frozenset[int]) -> Usage:
    """Visits from the stored days, unexpired holds from their rows. One query, two for a move."""
    if not resource_ids:
        return Usage()
    first, last = stored_days(axis)
    span = axis.span
    days = {each: StoredDays.empty((last - first).days + 1) for each in resource_ids}
    held = Rows(list)
    with connection.cursor() as cursor:
        cursor.execute(
            _DAYS_AND_HELD,
            {
                "resources": list(resource_ids),
                "first": first,
                "last": last,
                "start": span.start,
                "end": span.end,
                "now": now,
            },
        )
        for resource_id, days_before_last, exclusive, shared, use, start, end in cursor.fetchall():
            if use is None:
                of_resource = days[resource_id]
                of_resource.exclusive[days_before_last] = exclusive
                of_resource.shared[days_before_last] = shared
            else:
                held[resource_id].append((use, start, end))
    return Usage(days=days, taken=held, freed=_held_by(moving_ids))


def _held_by(appointment_ids: frozenset[int]) -> Rows:
    """What the visits being moved hold, if any are."""
    found = Rows(list)
    if appointment_ids:
        rows = Allocation.objects.filter(appointment__in=appointment_ids, released_at__isnull=True)
        for resource_id, use, start, end in rows.order_by().values_list(
            "resource_id", "use", "start_at", "end_at"
        ):
            found[resource_id].append((use, start, end))
    return found
