"""`make bench-search`: finding one of 200,000 patients by name, phone, birth date, MRN, or two of them.

The floor is one bare psycopg query that asks the same; above it the search as services call it, and the whole
request behind the box in the header, next visits included. BENCH_SCALE (default 1) shrinks the clinic.
"""

import os
import random
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from bench.ceiling import connect
from bench.report import percentile, table
from clinic.access.actors import actor_of
from clinic.access.models import Membership, Site, User
from clinic.access.policy import Actor
from patients.admin import finding
from patients.domain import names

PATIENTS = int(200_000 * float(os.environ.get("BENCH_SCALE", "1")))
SITES = 4
LOOKUPS = 200
NOW = datetime(2026, 1, 5, 15, tzinfo=UTC)
_FIRST = ("Ana", "Ben", "Émile", "Fay", "José", "María", "Łukasz", "Søren", "Zoë", "Iñigo", "Nuria", "Yusuf")
_SYLLABLES = ("ga", "re", "na", "to", "lo", "mi", "ber", "der", "kel", "son", "dez", "qui", "ra", "vi", "sto")
_COLUMNS = (
    "version, mrn, site_id, first_name, last_name, preferred_name, date_of_birth, sex, email, phone, "
    "timezone, language, status, accepts_email, accepts_sms, sort_name, created_at"
)
_ASK = (
    "SELECT id, mrn, first_name, last_name, date_of_birth, phone, status FROM patients_patient"
    " WHERE site_id = ANY (%s) AND {} ORDER BY sort_name, id LIMIT 21"
)
Row = tuple[str, ...]


def main() -> None:
    """Fill, look each kind up in three ways, print."""
    call_command("migrate", verbosity=0)
    user, site_ids = _clinic()
    rows = _fill(site_ids)
    dice = random.Random(2)
    wanted = [row for row in dice.sample(rows, k=LOOKUPS * 2) if row[2] != str(site_ids[-1])][:LOOKUPS]
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    with connect() as link:
        lines = [_measure(kind, wanted, client, actor_of(user), link) for kind in KINDS]
    header = ["", "bare p50", "p95", "search p50", "p95", "request p50", "p95", "x bare", "x bare"]
    print()
    print(table(f"Finding one of {len(rows):,} patients, ms, {LOOKUPS} look-ups each", header, lines))


def _measure(
    kind: str, wanted: list[Row], client: Client, actor: Actor, link: psycopg.Connection[Any]
) -> list[str]:
    """One line of the table: the bare query, the search, and the request."""
    text, condition, values = KINDS[kind]
    url, statement = reverse("admin:patients_patient_matches"), _ASK.format(condition)
    seen = actor.sites("patients.read")

    def ask(row: Row) -> bool:
        return bool(link.execute(statement, [seen, *values(row)]).fetchall())

    def find(row: Row) -> bool:
        return bool(finding.find(actor=actor, text=text(row), now=NOW).patients)

    def post(row: Row) -> bool:
        return b'role="option"' in client.post(url, {"find": text(row)}).content

    bare, found, page = (_timed(wanted, look_up) for look_up in (ask, find, post))
    floor = percentile(bare, 0.5)
    return [
        kind,
        *(f"{percentile(each, share):.2f}" for each in (bare, found, page) for share in (0.5, 0.95)),
        *(f"{percentile(each, 0.5) / floor:.1f}" for each in (found, page)),
    ]


def _timed(rows: list[Row], look_up: Callable[[Row], bool]) -> list[float]:
    """Seconds of each look-up, after a first round of a tenth; every one must find somebody."""
    for row in rows[: len(rows) // 10]:
        look_up(row)
    seconds = []
    for row in rows:
        started = time.perf_counter()
        found = look_up(row)
        seconds.append(time.perf_counter() - started)
        assert found, f"{row[1]} is not found"
    return seconds


def _clinic() -> tuple[User, list[int]]:
    """Four sites and somebody who works at three of them."""
    sites = [
        Site.objects.create(
            name=f"Bench {time.time_ns()}",
            discreet_name="Bench",
            timezone="America/Denver",
            phone="+13035550100",
        )
        for _ in range(SITES)
    ]
    user = User.objects.create(username=f"bench-{time.time_ns()}", is_staff=True)
    Membership.objects.bulk_create(Membership(user=user, site=site, role="front_desk") for site in sites[:-1])
    return user, [site.pk for site in sites]


def _fill(site_ids: list[int]) -> list[Row]:
    """The patients, by COPY; few last names are frequent, as they are in life."""
    dice = random.Random(1)
    lasts = ["".join(dice.choices(_SYLLABLES, k=dice.randint(2, 4))).title() for _ in range(20_000)]
    weights = [1 / (rank + 10) for rank in range(len(lasts))]
    chosen = dice.choices(lasts, weights=weights, k=PATIENTS)
    rows = [_row(number, dice, last, site_ids) for number, last in enumerate(chosen)]
    with connect() as link, link.cursor() as cursor:
        with cursor.copy(f"COPY patients_patient ({_COLUMNS}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        link.commit()
        link.autocommit = True
        cursor.execute("VACUUM ANALYZE patients_patient")
    return rows


def _row(number: int, dice: random.Random, last: str, site_ids: list[int]) -> Row:
    first = dice.choice(_FIRST)
    born = date(1935, 1, 1) + timedelta(days=dice.randrange(25_000))
    phone = f"+1{dice.choice((303, 505, 720, 970))}{dice.randrange(2_000_000, 10_000_000)}"
    plain = names.sort_name(first_name=first, last_name=last)
    site = str(dice.choice(site_ids))
    return (
        *("1", f"BN-{number:07d}", site, first, last, "", born.isoformat(), "unknown", "", phone),
        *("America/Denver", "en", "active", "f", "f", plain, NOW.isoformat()),
    )


def _words(row: Row) -> str:
    first, last = (names.plain_words(name)[0] for name in row[3:5])
    return f"'{last}':* & '{first}':*"


_NAMED = "search @@ to_tsquery('simple', %s)"
KINDS: dict[str, tuple[Callable[[Row], str], str, Callable[[Row], list[str]]]] = {
    "name": (lambda row: f"{row[4]} {row[3]}", _NAMED, lambda row: [_words(row)]),
    "three letters": (
        lambda row: row[4][:3],
        _NAMED,
        lambda row: [f"'{names.plain_words(row[4][:3])[0]}':*"],
    ),
    "phone": (lambda row: f"({row[9][2:5]}) {row[9][5:]}", "phone = %s", lambda row: [row[9]]),
    "last four": (
        lambda row: row[9][-4:],
        "reverse(phone) LIKE %s",
        lambda row: [f"{row[9][-4:][::-1]}%"],
    ),
    "birth date": (lambda row: row[6], "date_of_birth = %s", lambda row: [row[6]]),
    "MRN": (lambda row: row[1].lower(), "mrn = %s", lambda row: [row[1]]),
    "name and birth date": (
        lambda row: f"{row[4]} {row[6]}",
        f"{_NAMED} AND date_of_birth = %s",
        lambda row: [f"'{names.plain_words(row[4])[0]}':*", row[6]],
    ),
    "name and last four": (
        lambda row: f"{row[4]} {row[9][-4:]}",
        f"{_NAMED} AND reverse(phone) LIKE %s",
        lambda row: [f"'{names.plain_words(row[4])[0]}':*", f"{row[9][-4:][::-1]}%"],
    ),
}
"""Kind -> what is typed, and the same as one condition of SQL with its values."""


if __name__ == "__main__":
    main()
