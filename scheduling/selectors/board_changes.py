"""Whether anything on the board of a day has changed: one statement, asked by every open board all day.

The idea to know: whatever a board shows has a row that counts its versions, so the ids and versions of these
rows, together with the present minute, name what the board looks like.
"""

import hashlib
from datetime import datetime

from django.db import connection

from clinic.access.models import Site
from clinic.common.intervals import Interval
from scheduling.selectors.board_rows import LONGEST_VISIT

# The bounds on the other end of an interval add nothing but speed: they keep the index scans short.
_MARKS = """
SELECT (
    SELECT md5(string_agg(concat_ws(':', a.id, a.version, a.unconfirmed_version, s.version, p.version,
                                    alarms.held), ',' ORDER BY a.id))
    FROM scheduling_appointment a
    JOIN patients_patient p ON p.id = a.patient_id
    LEFT JOIN scheduling_infusionsession s ON s.appointment_id = a.id
    LEFT JOIN LATERAL (
        SELECT sum(version) AS held FROM patients_safetyalarm
        WHERE patient_id = a.patient_id AND cleared_at IS NULL
    ) alarms ON true
    WHERE a.site_id = %(site)s AND a.start_at < %(end)s AND a.end_at > %(start)s
        AND a.start_at > %(earliest)s
), (
    SELECT md5(string_agg(concat_ws(':', id, version, start_at, end_at), ',' ORDER BY id))
    FROM scheduling_closure
    WHERE end_at > %(start)s AND start_at < %(end)s
        AND (site_id = %(site)s
             OR resource_id IN (SELECT id FROM scheduling_resource WHERE site_id = %(site)s))
), (
    SELECT md5(string_agg(concat_ws(':', id, version), ',' ORDER BY id))
    FROM scheduling_hold
    WHERE site_id = %(site)s AND expires_at > %(now)s AND ended_at IS NULL
        AND start_at < %(end)s AND end_at > %(start)s
), (
    SELECT concat_ws(':', count(*), sum(version)) FROM scheduling_resource WHERE site_id = %(site)s
), (
    SELECT concat_ws(':', count(*), sum(h.version), max(h.id)) FROM scheduling_workinghours h
    WHERE h.site_id = %(site)s
        OR h.resource_id IN (SELECT id FROM scheduling_resource WHERE site_id = %(site)s)
)
"""


def marks(*, site: Site, during: Interval, now: datetime) -> str:
    """What the board of this site and day looks like at this minute, as a short text. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            _MARKS,
            {
                "site": site.pk,
                "start": during.start,
                "end": during.end,
                "earliest": during.start - LONGEST_VISIT,
                "now": now,
            },
        )
        row = cursor.fetchone()
    seen = (site.pk, site.version, during.start.isoformat(), f"{now:%Y-%m-%dT%H:%M}", *row)
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:20]
