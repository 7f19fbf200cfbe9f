"""A clinic that never closes, full for months: what the scheduling benchmarks search and book in.

Every session is one hour of one chair, its nurse has two of them at most, staggered, so that hands-on
parts never meet: generated rows keep every constraint, and each chair's free hours are known.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as wall
from typing import Any

from django.db import connection, transaction

from clinic.access.models import Site
from patients.models import Patient
from scheduling.models import Resource, VisitType, WorkingHours
from scheduling.services import resource_days

CHAIRS, NURSES = 50, 30
DAYS_AHEAD = 90
A_DAY = 1112
"""Sessions a day of the 1,200 that the chairs have room for: 100,000 in 90 days."""
PATIENTS = 9_600
_PHASES: list[dict[str, Any]] = [
    {"name": "Set-up", "minutes": 15, "needs": ["chair", "hands-on", "watching"]},
    {"name": "Infusion", "minutes": 15, "needs": ["chair", "watching"]},
    {"name": "Disconnection", "minutes": 15, "needs": ["chair", "hands-on", "watching"]},
    {"name": "Turnover", "minutes": 15, "needs": ["chair"]},
]
_NEEDS = {
    "chair": {"kind": "chair", "use": "exclusive"},
    "hands-on": {"kind": "nurse", "use": "exclusive"},
    "watching": {"kind": "nurse", "use": "shared"},
}
_SESSIONS = """
CREATE TEMP TABLE bench_session ON COMMIT DROP AS
SELECT nextval(pg_get_serial_sequence('scheduling_appointment', 'id')) AS id,
       (%(chairs)s::bigint[])[chair] AS chair,
       (%(nurses)s::bigint[])[1 + (chair - 1) %% %(nurse_count)s] AS nurse,
       1 + (chair - 1) / %(nurse_count)s AS lane,
       (%(patients)s::bigint[])[1 + ((day + 8000) %% 8 * 24 + hour) * %(chair_count)s + chair - 1] AS patient,
       %(midnight)s + make_interval(days => day, hours => hour,
                                    mins => (chair - 1) / %(nurse_count)s * 15) AS start
FROM (
    SELECT day, hour, chair,
           row_number() OVER (PARTITION BY day ORDER BY hashint8(day * 5000 + hour * 100 + chair)) AS place
    FROM generate_series(%(first)s, %(last)s) AS day,
         generate_series(0, 23) AS hour,
         generate_series(1, %(chair_count)s) AS chair
) AS slots
WHERE place <= %(a_day)s
"""
_APPOINTMENTS = """
INSERT INTO scheduling_appointment (id, version, patient_id, visit_type_id, site_id, start_at, end_at, status,
                                    plan_version, reason, created_at, scheduled_at)
SELECT id, 1, patient, %(visit_type)s, %(site)s, start, start + interval '1 hour',
       CASE WHEN start < %(now)s THEN 'completed' ELSE 'booked' END, 1, '', start - interval '30 days',
       start - interval '30 days'
FROM bench_session
"""
_ALLOCATIONS = """
INSERT INTO scheduling_allocation (appointment_id, resource_id, use, lane, alone, start_at, end_at)
SELECT id, chair, 'exclusive', 0, true, start, start + interval '60 minutes' FROM bench_session
UNION ALL
SELECT id, nurse, 'exclusive', 0, false, start, start + interval '15 minutes' FROM bench_session
WHERE %(hands_on)s
UNION ALL
SELECT id, nurse, 'exclusive', 0, false, start + interval '30 minutes', start + interval '45 minutes'
FROM bench_session
WHERE %(hands_on)s
UNION ALL
SELECT id, nurse, 'shared', lane, false, start, start + interval '45 minutes' FROM bench_session
"""


@dataclass(frozen=True)
class Clinic:
    """One site with everything in place. ``midnight`` is the UTC midnight that its days are counted from."""

    site: Site
    visit_type: VisitType
    chairs: list[int]
    nurses: list[int]
    patients: list[int]
    midnight: datetime
    now: datetime


def clinic(*, now: datetime, chairs: int = CHAIRS, nurses: int = NURSES, people: int = PATIENTS) -> Clinic:
    """A site, its hours, resources, visit type and patients; nothing booked yet."""
    mark = time.time_ns()
    site = Site.objects.create(
        name=f"Bench {mark}", discreet_name="Bench", timezone="America/Denver", phone="+13035550100"
    )
    resources = Resource.objects.bulk_create(
        [Resource(site=site, kind="chair", name=f"Chair {n}", capacity=1) for n in range(chairs)]
        + [Resource(site=site, kind="nurse", name=f"Nurse {n}", capacity=3) for n in range(nurses)]
    )
    staff = [resource for resource in resources if resource.kind == "nurse"]
    WorkingHours.objects.bulk_create(
        WorkingHours(site=of_site, resource=of_resource, weekday=day, start=wall(0), end=wall(0))
        for of_site, of_resource in [(site, None), *((None, nurse) for nurse in staff)]
        for day in range(7)
    )
    visit_type = VisitType.objects.create(
        code=f"bench-{mark}",
        name=f"Bench hour {mark}",
        discreet_name="Visit",
        kind="infusion",
        phases=[{**phase, "needs": [_NEEDS[need] for need in phase["needs"]]} for phase in _PHASES],
        start_grid_minutes=15,
        horizon_days=365,
    )
    return Clinic(
        site=site,
        visit_type=visit_type,
        chairs=[resource.pk for resource in resources if resource.kind == "chair"],
        nurses=[nurse.pk for nurse in staff],
        patients=patients(site, count=people, now=now),
        midnight=datetime.combine(now.date(), wall(0), UTC),
        now=now,
    )


def existing(site_id: int) -> Clinic:
    """The same, found again by another process; its present is when its patients were registered."""
    site = Site.objects.get(pk=site_id)
    staff = Resource.objects.filter(site=site).order_by("pk")
    people = Patient.objects.filter(site=site).order_by("pk")[:PATIENTS]
    now = people[0].created_at
    return Clinic(
        site=site,
        visit_type=VisitType.objects.filter(appointment__site=site).distinct().get(),
        chairs=[resource.pk for resource in staff if resource.kind == "chair"],
        nurses=[resource.pk for resource in staff if resource.kind == "nurse"],
        patients=[patient.pk for patient in people],
        midnight=datetime.combine(now.date(), wall(0), UTC),
        now=now,
    )


def place(*, day: int, hour: int, chair: int) -> int:
    """Which of the patients has this hour of this chair, as _SESSIONS counts; chairs count from 1."""
    return (day + 8000) % 8 * 24 * CHAIRS + hour * CHAIRS + chair - 1


def patients(site: Site, *, count: int, now: datetime) -> list[int]:
    """Ids of new patients who are reached by e-mail and text."""
    mark = time.time_ns()
    made = Patient.objects.bulk_create(
        (
            Patient(
                site=site,
                mrn=f"BENCH-{mark}-{n}",
                first_name="Bench",
                last_name=f"Patient {n}",
                sort_name=f"patient {n} bench",
                date_of_birth=date(1980, 1, 1),
                email=f"bench{n}@example.org",
                phone=f"+1303555{n % 10000:04d}",
                accepts_email=True,
                accepts_sms=True,
                timezone="America/Denver",
                created_at=now,
            )
            for n in range(count)
        ),
        batch_size=2_000,
    )
    return [patient.pk for patient in made]


def fill(where: Clinic, *, first: int, last: int, a_day: int = A_DAY, hands_on: bool = True) -> int:
    """Book the days from ``first`` to ``last``, counted from today; how many sessions that made.

    A million load in half the time without the nurses' ``hands_on`` parts: two allocations each, not four.

    Written past the triggers, so the stored days are derived at the end, as after any bulk load.
    """
    values: dict[str, Any] = {
        "chairs": where.chairs,
        "nurses": where.nurses,
        "patients": where.patients,
        "chair_count": CHAIRS,
        "nurse_count": NURSES,
        "midnight": where.midnight,
        "a_day": a_day,
        "first": first,
        "last": last,
        "visit_type": where.visit_type.pk,
        "site": where.site.pk,
        "now": where.now,
        "hands_on": hands_on,
    }
    with _bulk_load(), connection.cursor() as cursor:
        for statement in (_SESSIONS, _APPOINTMENTS, _ALLOCATIONS):
            cursor.execute(statement, values)
    for resource_id in (*where.chairs, *where.nurses):
        resource_days.rebuild(resource_id=resource_id)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return (last - first + 1) * a_day


@contextmanager
def _bulk_load() -> Iterator[None]:
    """Without triggers, and with the constraints that look at other rows made once at the end.

    Checking the exclusion constraints is most of the time: PostgreSQL looks up every row.
    """
    tables = ("scheduling_appointment", "scheduling_allocation")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        cursor.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype IN ('x', 'f') AND conrelid::regclass::text = ANY (%s)",
            [list(tables)],
        )
        constraints = cursor.fetchall()
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for table, name, _definition in constraints:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        yield
        for table, name, definition in constraints:
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
