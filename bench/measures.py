"""`make bench-measures`: the measures page over a million sessions, and what counting them takes.

Ratios within one run: the page's data, and the page itself, against one bare psycopg statement that reads the
same rows. BENCH_SCALE (default 1) shrinks the history: 0.1 is 100,000 sessions in the same time.
"""

import os
import sys
import time
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connection
from django.test import Client

from bench import data
from bench.report import percentile, table
from clinic.access.models import Membership, User
from clinic.access.policy import SYSTEM
from clinic.common import clock
from scheduling.domain.measures import Group, Period
from scheduling.models import MeasureDay, MeasurePolicy
from scheduling.selectors.measures import report
from scheduling.services import measures

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
A_DAY, DAYS = 24 * data.CHAIRS, 834
"""A million sessions: as many as the chairs have room for, for two years and a quarter."""
WITHIN_MS = 300.0
"""What the issue asks of the page."""
TIMES = 31
_PERIODS = {
    "30 days, by day": (30, Group.DAY),
    "90 days, by week": (90, Group.WEEK),
    "2 years, by month": (730, Group.MONTH),
}
# What the load leaves out: of ten sessions one is lost, the others were arrived at; each had its reminder.
_STEPS = """
INSERT INTO scheduling_appointmentevent (appointment_id, verb, from_status, to_status, at, via, reason, note)
SELECT id, verb, '', '', start_at + minutes * interval '1 minute', 'staff', '', ''
FROM scheduling_appointment, (VALUES ('check_in', -10), ('start', 5)) AS step (verb, minutes)
WHERE site_id = %(site)s AND id %% 10 <> 0
"""
_LOST = """
UPDATE scheduling_appointment SET status = CASE WHEN id %% 20 = 0 THEN 'no_show' ELSE 'cancelled' END
WHERE site_id = %(site)s AND id %% 10 = 0
"""
_CANCELLED = """
INSERT INTO scheduling_appointmentevent (appointment_id, verb, from_status, to_status, at, via, reason, note)
SELECT id, 'cancel', 'booked', 'cancelled', start_at - (id %% 72) * interval '1 hour', 'staff', '', ''
FROM scheduling_appointment WHERE site_id = %(site)s AND status = 'cancelled'
"""
_REMINDERS = """
INSERT INTO patients_message (patient_id, subject_kind, subject_id, kind, channel, plan_version, context,
                              planned_at, due_at, not_after, status, reason, attempts_made, created_at)
SELECT patient_id, 'appointment', id, 'day_before', 'sms', 1, '{}', start_at - interval '1 day',
       start_at - interval '1 day', start_at, CASE WHEN id %% 30 = 0 THEN 'failed' ELSE 'delivered' END, '',
       1, created_at
FROM scheduling_appointment WHERE site_id = %(site)s
"""
_FLOOR = """
SELECT measure, day, visit_type, numerator, denominator, computed_at
FROM scheduling_measureday WHERE site_id = %s AND day >= %s AND day < %s
"""


def main() -> None:
    """Fill, count, read."""
    call_command("migrate", verbosity=0)
    now = clock.now()
    where = data.clinic(now=now)
    began = time.perf_counter()
    made = data.fill(where, first=-DAYS, last=-1, a_day=round(A_DAY * SCALE), hands_on=False)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for statement in (_LOST, _STEPS, _CANCELLED, _REMINDERS):
            cursor.execute(statement, {"site": where.site.pk})
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("RESET statement_timeout")
    print(
        f"\n{made:,} sessions in {DAYS} days, {len(where.chairs)} chairs, loaded in"
        f" {time.perf_counter() - began:.0f} s. Load average {os.getloadavg()[0]:.1f} on"
        f" {os.cpu_count()} cores.\n"
    )
    counting(where, made)
    missed = reading(where)
    for each in missed:
        print(f"MISSED: {each}")
    if missed:
        sys.exit(
            f"bench-measures: {len(missed)} goals missed, at a load average of {os.getloadavg()[0]:.1f}."
        )


def counting(where: data.Clinic, made: int) -> None:
    """Everything from nothing, in the batches that a worker takes; then the recent days again."""
    rows = []
    policy = MeasurePolicy.objects.get(site=None)
    for name, now in (
        ("everything", where.now),
        ("the recent days, an hour later", where.now + timedelta(minutes=policy.recent_minutes)),
    ):
        seconds = []
        while True:
            started = time.perf_counter()
            if not measures.count_next(now=now):
                break
            seconds.append(time.perf_counter() - started)
        rows.append(
            [
                name,
                len(seconds),
                f"{sum(seconds):.1f}",
                f"{percentile(seconds, 0.5):.0f}",
                f"{percentile(seconds, 1):.0f}",
            ]
        )
    title = f"Counting {made:,} sessions, {measures.BATCH_DAYS} days in one transaction"
    print(table(title, ["", "transactions", "s in all", "p50 ms", "longest ms"], rows))
    print(f"{MeasureDay.objects.filter(site=where.site).count():,} rows are kept.\n")


def reading(where: data.Clinic) -> list[str]:
    """The data of the page, the page over Django, and the floor."""
    manager = User.objects.create(username=f"bench{time.time_ns()}", is_staff=True)
    Membership.objects.create(user=manager, site=where.site, role="manager")
    client = Client()
    client.force_login(manager)
    rows, missed = [], []
    tomorrow = where.now.astimezone(where.site.zone).date() + timedelta(days=1)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as link:
        for name, (days, group) in _PERIODS.items():
            period = Period(tomorrow - timedelta(days=days), tomorrow)
            asked: dict[str, Any] = {"actor": SYSTEM, "sites": [where.site], "group": group, "now": where.now}
            floor = _times(partial(_floor, link, where.site.pk, period))
            found = _times(partial(report, period=period, **asked))
            page = _times(partial(_page, client, period))
            for what, seconds in (("one statement", floor), ("the page's data", found), ("the page", page)):
                p50, p95 = percentile(seconds, 0.5), percentile(seconds, 0.95)
                ratio = p50 / percentile(floor, 0.5)
                rows.append([name, what, f"{p50:.1f}", f"{p95:.1f}", f"{ratio:.1f}"])
            if percentile(page, 0.5) > WITHIN_MS:
                missed.append(f"{name}: p50 {percentile(page, 0.5):.0f} ms, wanted {WITHIN_MS:.0f}")
    print(table("Reading, in the process", ["", "what", "p50 ms", "p95 ms", "p50 / statement"], rows))
    return missed


def _floor(link: psycopg.Connection[Any], site_id: int, period: Period) -> None:
    link.execute(_FLOOR, [site_id, period.before.start, period.end]).fetchall()


def _page(client: Client, period: Period) -> None:
    asked = {"since": period.start.isoformat(), "until": (period.end - timedelta(days=1)).isoformat()}
    answer = client.get("/admin/scheduling/measurepolicy/measures/", asked, secure=True)
    assert answer.status_code == 200, answer.status_code


def _times(work: Any) -> list[float]:
    work()
    seconds = []
    for _ in range(TIMES):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()
