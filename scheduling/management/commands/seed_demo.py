"""A small clinic to try everything on: two sites, their resources and hours, logins, a dozen patients."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from clinic.access.models import Membership, Site, User
from clinic.access.policy import SYSTEM, Role
from clinic.common import clock
from patients.services import patients
from scheduling.models import Closure, Resource, WorkingHours

PASSWORD = "onset-demo"  # noqa: S105 - printed on the screen; demo settings only
LOGINS = [Role.FRONT_DESK, Role.NURSE, Role.PRESCRIBER, Role.MANAGER, Role.AUDITOR]
HOLIDAYS = [
    (date(2026, 11, 26), "Thanksgiving"),
    (date(2026, 12, 25), "Christmas Day"),
    (date(2027, 1, 1), "New Year's Day"),
    (date(2027, 1, 18), "Martin Luther King Jr. Day"),
    (date(2027, 2, 15), "Presidents' Day"),
    (date(2027, 5, 31), "Memorial Day"),
    (date(2027, 7, 5), "Independence Day, observed"),
    (date(2027, 9, 6), "Labor Day"),
    (date(2027, 11, 25), "Thanksgiving"),
    (date(2027, 12, 24), "Christmas Day, observed"),
]
PATIENTS = [
    ("Ana", "Reyes", date(1980, 5, 17), "female", "en"),
    ("Ben", "Okafor", date(1968, 9, 3), "male", "en"),
    ("Fay", "Lindqvist", date(2002, 11, 21), "female", "en"),
    ("Émile", "Durand", date(1975, 2, 8), "male", "en"),
    ("Lucía", "Peña-Ortiz", date(1990, 7, 30), "female", "es"),
    ("Walter", "O'Neil", date(1954, 12, 2), "male", "en"),
    ("Grace", "Nakamura", date(1988, 3, 14), "female", "en"),
    ("Tomás", "Vigil", date(1963, 6, 25), "male", "es"),
    ("Priya", "Raman", date(1995, 10, 9), "female", "en"),
    ("Joel", "Baker", date(1979, 1, 19), "other", "en"),
    ("Marta", "Kowalska", date(1971, 4, 4), "female", "en"),
    ("Sam", "Whitehorse", date(1984, 8, 28), "unknown", "en"),
]


class Command(BaseCommand):
    """Idempotent: a clinic that has sites is left alone."""

    help = "Seed the demo clinic. Refuses production settings."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Everything or nothing."""
        if not getattr(settings, "ONSET_DATA", ""):
            raise CommandError("seed_demo makes known passwords, so it runs in demo and test settings only.")
        with transaction.atomic():
            if not Site.objects.exists():
                self._clinic()
        if not Site.objects.first().patients.exists():  # type: ignore[union-attr]  # made just above
            self._patients()

    def _clinic(self) -> None:
        cedar = Site.objects.create(
            name="Cedar Street",
            discreet_name="Cedar Street Office",
            timezone="America/Denver",
            phone="+13035550100",
            address="410 Cedar Street, Denver, CO 80203",
        )
        harbor = Site.objects.create(
            name="Harbor View",
            discreet_name="Harbor View Office",
            timezone="America/New_York",
            phone="+12125550100",
            address="7 Harbor View, New York, NY 10004",
        )
        for site, chairs, nurses in ((cedar, 6, 3), (harbor, 3, 2)):
            self._site(site, chairs=chairs, nurses=nurses)
        password = make_password(PASSWORD)
        for role in LOGINS:
            user = User.objects.create(
                username=role, password=password, first_name=role.label, last_name="Demo", is_staff=True
            )
            Membership.objects.create(user=user, site=cedar, role=role)
        User.objects.create(
            username="admin", password=password, first_name="Admin", is_staff=True, is_superuser=True
        )

    def _site(self, site: Site, *, chairs: int, nurses: int) -> None:
        counts = {"chair": (chairs, 1), "nurse": (nurses, 3), "prescriber": (2, 3), "pump": (4, 1)}
        Resource.objects.bulk_create(
            Resource(site=site, kind=kind, name=f"{kind.title()} {n + 1}", capacity=capacity)
            for kind, (count, capacity) in counts.items()
            for n in range(count)
        )
        WorkingHours.objects.bulk_create(
            WorkingHours(site=site, weekday=day, start=time(8), end=time(17)) for day in range(5)
        )
        WorkingHours.objects.create(site=site, weekday=5, start=time(9), end=time(13))
        Closure.objects.bulk_create(
            Closure(
                site=site, start_at=_midnight(day, site.zone), end_at=_midnight(day, site.zone, 1), reason=why
            )
            for day, why in HOLIDAYS
        )

    def _patients(self) -> None:
        now = clock.now()
        site = Site.objects.order_by("id")[0]
        for number, (first, last, born, sex, language) in enumerate(PATIENTS, start=1):
            patients.register(
                actor=SYSTEM,
                now=now,
                site_id=site.pk,
                given={
                    "first_name": first,
                    "last_name": last,
                    "date_of_birth": born,
                    "sex": sex,
                    "language": language,
                    "email": f"patient{number}@example.org",
                    "phone": f"+1303555{1000 + number}",
                },
            )


def _midnight(day: date, zone: ZoneInfo, days_later: int = 0) -> datetime:
    return datetime.combine(day + timedelta(days=days_later), time(), tzinfo=zone)
