"""The stored days of resources held against the allocations they are derived from, and derived anew.

Triggers keep them equal (docs/adr/0010); this is for after a restore, a bulk load that went past the
triggers, or doubt. Both use onset_resource_days(), the database's own definition of what is right.
"""

from datetime import date
from typing import NamedTuple

from django.db import connection

from clinic.common.transactions import durable
from scheduling.models import Resource

_DRIFT = """
SELECT resource_id, day
FROM onset_resource_days(%(resources)s) AS must
FULL JOIN (
    SELECT * FROM scheduling_resourceday
    WHERE resource_id = ANY (%(resources)s) AND (exclusive <> '' OR shared <> '')
) AS kept USING (resource_id, day)
WHERE must.exclusive IS DISTINCT FROM kept.exclusive OR must.shared IS DISTINCT FROM kept.shared
ORDER BY resource_id, day
"""


class Drift(NamedTuple):
    """A day on which what is stored of a resource is not what it is booked for."""

    resource_id: int
    day: date


def drift(*, resource_id: int) -> list[Drift]:
    """The days of a resource that are stored wrongly.

    One statement, hence one moment: bookings made meanwhile are no false alarm.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DRIFT, {"resources": [resource_id]})
        return [Drift(*row) for row in cursor.fetchall()]


@durable
def rebuild(*, resource_id: int) -> None:
    """Derive the stored days of a resource anew, with the resource locked as bookings lock it."""
    list(Resource.objects.select_for_update().filter(pk=resource_id))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM scheduling_resourceday WHERE resource_id = %s", [resource_id])
        cursor.execute(
            "INSERT INTO scheduling_resourceday (resource_id, day, exclusive, shared)"
            " SELECT resource_id, day, exclusive, shared FROM onset_resource_days(%s)",
            [[resource_id]],
        )
