"""django-appointment doing what bench/schedule.py does, in its own virtual environment and database.

Run by django_appointment.sh. Only its own models and functions are called, the way its views call them.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import django
import psycopg
from django.conf import settings

NAME = "peer_django_appointment"


def configure() -> None:
    """Django with this one app, on a fresh database beside ours."""
    url = urlsplit(os.environ["DATABASE_URL"])
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as link:
        link.execute(f"DROP DATABASE IF EXISTS {NAME}")
        link.execute(f"CREATE DATABASE {NAME}")
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": NAME,
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": unquote(url.hostname or ""),
        "PORT": url.port or "",
        "OPTIONS": {name: values[0] for name, values in parse_qs(url.query).items()},
    }
    settings.configure(
        USE_TZ=True,
        TIME_ZONE="UTC",
        DATABASES={"default": database},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "appointment"],
        # It ships no migrations; without them its tables can only be made together with those they need.
        MIGRATION_MODULES={"auth": None, "contenttypes": None, "appointment": None},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LOGGING_CONFIG=None,
    )
    logging.disable(logging.CRITICAL)
    django.setup()


configure()

from appointment.models import (  # type: ignore[import-not-found]  # noqa: E402 - models need the settings
    Appointment,
    AppointmentRequest,
    Service,
    StaffMember,
    WorkingHours,
)
from appointment.services import get_available_slots_for_staff  # type: ignore[import-not-found]  # noqa: E402
from appointment.utils.db_helpers import (  # type: ignore[import-not-found]  # noqa: E402
    get_weekday_num_from_date,
)
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, connections  # noqa: E402

STAFF, DAYS, A_DAY = 12, 30, 4
RACERS, ROUNDS = 50, 3
FIRST = datetime.now(UTC).date() + timedelta(days=1)


def main() -> None:
    """Fill, search, race, print."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    service = Service.objects.create(name="Hour", duration=timedelta(hours=1), price=0)
    staff = [member(number, service) for number in range(STAFF)]
    print(f"\ndjango-appointment 3.12 on the same PostgreSQL: {STAFF} staff, {A_DAY} visits a day each")
    show(f"{DAYS} days x {STAFF} staff", lambda: list(slots(staff, service)))
    show("next 10 slots", lambda: list(islice(slots(staff, service), 10)))
    for number in range(ROUNDS):
        stored = race(staff[number], service, FIRST + timedelta(days=number))
        print(f"  {RACERS} racers on one slot, round {number + 1}: {stored} stored")


def member(number: int, service: Any) -> Any:
    """Somebody who works from 8 to 18 every day, and is partly booked."""
    user = User.objects.create(username=f"staff{number}", first_name=f"Staff {number}")
    made = StaffMember.objects.create(user=user, slot_duration=60, lead_time=wall(8), finish_time=wall(18))
    made.services_offered.add(service)
    for day in range(7):
        WorkingHours.objects.create(staff_member=made, day_of_week=day, start_time=wall(8), end_time=wall(18))
    for day in range(DAYS):
        for hour in range(A_DAY):
            store(made, service, FIRST + timedelta(days=day), 8 + 2 * hour)
    return made


def store(staff: Any, service: Any, day: date, hour: int) -> None:
    """A request and its appointment, as its booking views save them."""
    request = AppointmentRequest.objects.create(
        date=day, start_time=wall(hour), end_time=wall(hour + 1), service=service, staff_member=staff
    )
    Appointment.objects.create(appointment_request=request)


def slots(staff: list[Any], service: Any) -> Iterator[datetime]:
    """Every free slot, day by day, as its calendar page asks for them."""
    for day in (FIRST + timedelta(days=n) for n in range(DAYS)):
        for each in staff:
            yield from get_available_slots_for_staff(day, each, get_weekday_num_from_date(day), service)


def show(name: str, work: Callable[[], object]) -> None:
    """Median time of three, and statements."""
    statements = 0

    def count(execute: Callable[..., object], *call: object) -> object:
        nonlocal statements
        statements += 1
        return execute(*call)

    with connection.execute_wrapper(count):
        work()
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    print(f"  {name}: p50 {1000 * sorted(seconds)[1]:.0f} ms, {statements} queries")


def race(staff: Any, service: Any, day: date) -> int:
    """Everybody looks whether 17:00 is free, and books it if so; how many appointments that made."""
    gate = threading.Barrier(RACERS)

    def run(_number: int) -> None:
        with contextlib.closing(connections["default"]):
            gate.wait(60)
            free = get_available_slots_for_staff(day, staff, get_weekday_num_from_date(day), service)
            if any(slot.hour == 17 for slot in free):
                store(staff, service, day, 17)

    with ThreadPoolExecutor(RACERS) as pool:
        list(pool.map(run, range(RACERS)))
    return int(AppointmentRequest.objects.filter(staff_member=staff, date=day, start_time=wall(17)).count())


if __name__ == "__main__":
    main()
