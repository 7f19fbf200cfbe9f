"""`make bench-outreach`: how fast a full outbox drains, against the bare SQL and the gateways' own pace.

Three questions, each answered as a ratio within one run: what claiming and marking cost beside the same
statements and commits sent by bare psycopg; how many messages one, two and four workers bring to a local
SMTP server and SMS service; and whether claiming slows down with millions of sent rows behind the queue.
BENCH_SCALE (default 1) shrinks the data: 0.1 is an outbox of 100,000 rows with a million sent behind it.
"""

import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from bench.report import percentile, table
from clinic.common import clock
from patients.services import claims
from patients.services.dispatch import dispatch

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
WAITING, SENT = int(900_000 * SCALE), int(10_000_000 * SCALE)
DUE = PATIENTS = max(int(100_000 * SCALE), 8_000)
"""One due message for each patient, so that nobody gets more texts in a day than allowed."""
MARKED = 2_000
"""Messages that each way of marking is timed with, twice."""
DELIVERED = 2_000
CLAIMS = 40
BATCH = 100
WORKERS = (1, 2, 4)


def main() -> None:
    """Fill, measure, print."""
    call_command("migrate", verbosity=0)
    now = _now()
    print(f"Filling: {PATIENTS:,} patients, {WAITING:,} messages waiting, {DUE:,} due …", flush=True)
    _patients(now)
    _messages(WAITING, status="queued", due=now + timedelta(days=1), spread=timedelta(days=30))
    _due(now)
    empty = _claiming(now)
    _print_marking(_marking(now))
    _print_delivering(_delivering(now))
    print(f"Filling: {SENT:,} sent …", flush=True)
    _messages(SENT, status="sent", due=now - timedelta(days=365), spread=timedelta(days=364))
    _due(now)
    full = _claiming(now)
    _print_claiming(empty, full)


def _now() -> datetime:
    """A moment at which nobody sleeps: the patients live in Denver, and it is their noon."""
    return clock.now().replace(hour=19, minute=0, second=0, microsecond=0)


# --- data ---------------------------------------------------------------------------------------------


def _patients(now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO access_site (name, discreet_name, timezone, phone, address, active, version)"
            " VALUES (%s, 'Bench', 'America/Denver', '+13035550100', '', true, 1) RETURNING id",
            [f"Bench {time.time_ns()}"],
        )
        (site,) = cursor.fetchone()
        cursor.execute(
            """
            INSERT INTO patients_patient (version, mrn, site_id, first_name, last_name, preferred_name,
                date_of_birth, sex, email, phone, timezone, language, status, accepts_email, accepts_sms,
                sort_name, created_at)
            SELECT 1, 'BENCH' || n, %s, 'Bench', 'Patient' || n, '', '1980-01-01', 'unknown',
                   'bench' || n || '@example.org', '+1303' || lpad(n::text, 7, '0'), 'America/Denver', 'en',
                   'active', true, true, 'patient' || n, %s
            FROM generate_series(1, %s) AS n
            """,
            [site, now, PATIENTS],
        )


def _messages(rows: int, *, status: str, due: datetime, spread: timedelta) -> None:
    """So many rows, over so long a time, in the order in which a clinic would have written them."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(
            """
            INSERT INTO patients_message (patient_id, subject_kind, subject_id, kind, channel, plan_version,
                context, planned_at, due_at, not_after, status, reason, attempts_made, created_at,
                finished_at)
            SELECT first + n %% patients, 'appointment', top + n, 'day_before',
                   CASE n %% 2 WHEN 0 THEN 'email' ELSE 'sms' END, 1,
                   jsonb_build_object('start_at', %(due)s + interval '20 hours'),
                   due, due, due + interval '12 hours', %(status)s, '',
                   CASE %(status)s WHEN 'sent' THEN 1 ELSE 0 END,
                   due - interval '7 days', CASE %(status)s WHEN 'sent' THEN due END
            FROM (SELECT n, %(due)s + make_interval(secs => %(spread)s * n / %(rows)s::float8) AS due,
                         (SELECT min(id) FROM patients_patient WHERE mrn LIKE 'BENCH%%') AS first,
                         %(patients)s AS patients,
                         (SELECT coalesce(max(subject_id), 0) FROM patients_message) AS top
                  FROM generate_series(1, %(rows)s) AS n) AS made
            """,
            {
                "rows": rows,
                "status": status,
                "due": due,
                "spread": spread.total_seconds(),
                "patients": PATIENTS,
            },
        )
        cursor.execute("VACUUM ANALYZE patients_message")


def _due(now: datetime) -> None:
    """As many due messages as asked for, whatever earlier measurements made of theirs."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM patients_attempt")
        cursor.execute("DELETE FROM patients_message WHERE status <> 'sent' AND due_at <= %s", [now])
    _messages(DUE, status="queued", due=now - timedelta(hours=1), spread=timedelta(hours=1))


# --- claiming -----------------------------------------------------------------------------------------


def _claiming(now: datetime) -> list[float]:
    """Seconds of each of some claims of a batch."""
    seconds = []
    for _ in range(CLAIMS):
        begun = time.perf_counter()
        claimed = claims.claim_due(now=now, limit=BATCH)
        seconds.append(time.perf_counter() - begun)
        assert len(claimed) == BATCH
    return seconds


# --- marking ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Marking:
    """Rows a second: ours with a gateway that takes everything, and bare psycopg with the same commits."""

    ours: float
    bare: float


class _Nowhere:
    """Takes everything at once."""

    def send(self, outgoing: Any) -> str:
        return str(outgoing.reference)

    def close(self) -> None:
        """Nothing to let go of."""


def _marking(now: datetime) -> Marking:
    ours, bare = [], []
    for _round in range(2):  # in turns, so that neither has the quieter machine
        _due(now)
        ours.append(_rate(partial(_our_batch, now)))
        _due(now)
        with psycopg.connect(settings.DATABASE_URL) as connected:
            bare.append(_rate(partial(_bare_batch, connected, now)))
    return Marking(ours=statistics.mean(ours), bare=statistics.mean(bare))


def _our_batch(now: datetime) -> int:
    return dispatch(now=now, limit=BATCH, gateways={"email": _Nowhere(), "sms": _Nowhere()}).sent


def _rate(batch: Callable[[], int]) -> float:
    """Rows a second of a batch called again and again, after one to warm up."""
    batch()
    begun, done = time.perf_counter(), 0
    while done < MARKED:
        step = batch()
        assert step, "the outbox ran dry"
        done += step
    return done / (time.perf_counter() - begun)


def _bare_batch(bare: psycopg.Connection[Any], now: datetime) -> int:
    """The same work without Python in between: claim, commit; then look again, commit, mark, commit."""
    claimed = bare.execute(
        """
        WITH due AS (SELECT id FROM patients_message WHERE status = 'queued' AND due_at <= %s
                     ORDER BY due_at, id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED),
             taken AS (UPDATE patients_message m SET status = 'sending', claim = gen_random_uuid(),
                           leased_until = now() + interval '60 s', attempts_made = attempts_made + 1
                       FROM due WHERE m.id = due.id RETURNING m.id, m.patient_id)
        INSERT INTO patients_attempt (message_id, number, started_at, outcome, provider_id, error)
        SELECT id, 1, now(), 'started', '', '' FROM taken RETURNING message_id
        """,
        [now, BATCH],
    ).fetchall()
    bare.commit()
    for (message_id,) in claimed:
        bare.execute(
            "SELECT m.*, p.*, s.* FROM patients_message m JOIN patients_patient p ON p.id = m.patient_id"
            " JOIN access_site s ON s.id = p.site_id WHERE m.id = %s FOR UPDATE OF m",
            [message_id],
        ).fetchone()
        bare.execute(
            "UPDATE patients_attempt SET handed_over_at = %s WHERE message_id = %s", [now, message_id]
        )
        bare.commit()
        bare.execute(
            "UPDATE patients_message SET status = 'sent', claim = NULL, leased_until = NULL, finished_at = %s"
            " WHERE id = %s",
            [now, message_id],
        )
        bare.execute(
            "UPDATE patients_attempt SET outcome = 'accepted', ended_at = %s, provider_id = %s"
            " WHERE message_id = %s",
            [now, str(message_id), message_id],
        )
        bare.commit()
    return len(claimed)


# --- delivering ---------------------------------------------------------------------------------------


def _delivering(now: datetime) -> dict[int, float]:
    """Messages a second into real local servers, by the number of workers."""
    rates = {}
    with _sinks() as environment:
        for workers in WORKERS:
            _due(now)
            rates[workers] = _deliver(workers, now, environment)
    return rates


def _deliver(workers: int, now: datetime, environment: Mapping[str, str]) -> float:
    context = multiprocessing.get_context("spawn")
    ready, go = context.Barrier(workers + 1), context.Event()
    each = DELIVERED // workers
    processes = [
        context.Process(target=_work, args=(each, now, dict(environment), ready, go)) for _ in range(workers)
    ]
    for process in processes:
        process.start()
    ready.wait(60)
    begun = time.perf_counter()
    go.set()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    return workers * each / (time.perf_counter() - begun)


def _work(messages: int, now: datetime, environment: Mapping[str, str], ready: Any, go: Any) -> None:
    """One worker: rounds of the dispatcher until it has brought out its share."""
    settings.EMAIL_HOST, settings.EMAIL_PORT = environment["SMTP_HOST"], int(environment["SMTP_PORT"])
    settings.SMS_GATEWAY, settings.TWILIO_BASE_URL = "twilio", environment["TWILIO_BASE_URL"]
    settings.TWILIO_ACCOUNT_SID = environment["TWILIO_ACCOUNT_SID"]
    settings.TWILIO_AUTH_TOKEN = environment["TWILIO_AUTH_TOKEN"]
    sent = dispatch(now=now, limit=BATCH).sent  # imports, connections
    ready.wait(60)
    go.wait(60)
    while sent < messages:
        report = dispatch(now=now, limit=BATCH)
        assert report.sent, report
        sent += report.sent


@contextmanager
def _sinks() -> Iterator[dict[str, str]]:
    """The demo's SMTP server and SMS service, in a process of their own."""
    smtp, sms = _free_port(), _free_port()
    with tempfile.TemporaryDirectory() as data:
        environment = {
            "ONSET_DATA": data,
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(smtp),
            "SMS_PORT": str(sms),
            "SMS_GATEWAY": "twilio",
            "TWILIO_BASE_URL": f"http://127.0.0.1:{sms}",
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "TWILIO_AUTH_TOKEN": "bench",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "clinic.embedded.sinks"], env={**os.environ, **environment}
        )
        try:
            for port in (smtp, sms):
                _wait_for(port)
            yield environment
        finally:
            process.terminate()
            process.wait(10)
        assert len(list((Path(data) / "mailbox").glob("*.json"))) >= DELIVERED


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline:
            raise SystemExit("The sinks did not start.")
        time.sleep(0.05)


def _print_marking(marking: Marking) -> None:
    title = f"Claimed and marked: {WAITING + DUE:,} rows, {DUE:,} due, batches of {BATCH}, two commits each"
    share = f"{marking.ours / marking.bare:.2f}"
    rows = [
        ["bare psycopg, the same commits", f"{marking.bare:,.0f}", "1.00"],
        ["dispatch with a gateway that takes all", f"{marking.ours:,.0f}", share],
    ]
    print(table(title, ["", "rows/s", "of the ceiling"], rows), flush=True)


def _print_delivering(rates: Mapping[int, float]) -> None:
    title = "End to end into the local SMTP server and SMS service, half each"
    rows = [[n, f"{rate:,.0f}", f"{rate / n:,.0f}", f"{rate / rates[1]:.2f}"] for n, rate in rates.items()]
    print(table(title, ["workers", "messages/s", "per worker", "against one"], rows), flush=True)


def _print_claiming(empty: list[float], full: list[float]) -> None:
    rows = []
    for name, seconds in (("none sent behind", empty), (f"{SENT:,} sent behind", full)):
        p50, p95 = percentile(seconds, 0.5), percentile(seconds, 0.95)
        rows.append([name, f"{p50:.1f}", f"{p95:.1f}", f"{p50 / percentile(empty, 0.5):.2f}"])
    print(table(f"Claiming a batch of {BATCH}, milliseconds", ["", "p50", "p95", "p50 / none"], rows))


if __name__ == "__main__":
    main()
