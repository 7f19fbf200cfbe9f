"""A small clinic to try everything on: two sites, their resources and hours, logins, a dozen patients."""

from datetime import date, time
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from clinic.access.models import Membership, Site, User
from clinic.access.policy import SYSTEM, Role
from clinic.common import clock
from patients.services import patients
from scheduling.models import Resource, SiteHolidayCalendar, WorkingHours
from scheduling.services import holidays

PASSWORD = "onset-demo"  # noqa: S105 - printed on the screen; demo settings only
LOGINS = [Role.FRONT_DESK, Role.NURSE, Role.PRESCRIBER, Role.MANAGER, Role.AUDITOR]
HOLIDAYS = [
    "New Year's Day",
    "Martin Luther King Jr. Day",
    "Washington-Lincoln Day",  # Presidents' Day, as Colorado calls it
    "Washington's Birthday",  # and New York
    "Memorial Day",
    "Independence Day",
    "Labor Day",
    "Thanksgiving Day",
    "Christmas Day",
]
HOLIDAY_YEARS = 3
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
        self._holidays()
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
        for site, state, chairs, nurses in ((cedar, "CO", 6, 3), (harbor, "NY", 3, 2)):
            self._site(site, subdivision=state, chairs=chairs, nurses=nurses)
        password = make_password(PASSWORD)
        for role in LOGINS:
            user = User.objects.create(
                username=role, password=password, first_name=role.label, last_name="Demo", is_staff=True
            )
            Membership.objects.create(user=user, site=cedar, role=role)
        User.objects.create(
            username="admin", password=password, first_name="Admin", is_staff=True, is_superuser=True
        )

    def _site(self, site: Site, *, subdivision: str, chairs: int, nurses: int) -> None:
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
        SiteHolidayCalendar.objects.create(site=site, country="US", subdivision=subdivision, names=HOLIDAYS)

    def _holidays(self) -> None:
        now = clock.now()
        years = range(now.year, now.year + HOLIDAY_YEARS)
        for calendar in SiteHolidayCalendar.objects.all():
            holidays.sync(actor=SYSTEM, now=now, site_id=calendar.site_id, years=years)

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
