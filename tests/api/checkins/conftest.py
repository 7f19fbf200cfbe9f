"""What the tests of check-ins over HTTP share: Denver's clock, people of one clinic, and the tick."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Patient
from scheduling.models import WorkingHours
from scheduling.tasks import advance_check_ins
from tests.factories import PatientFactory

DENVER = ZoneInfo("America/Denver")


def denver(month: int, day: int, hour: int = 9, minute: int = 0) -> datetime:
    """A moment of 2027 on Denver's clocks."""
    return datetime(2027, month, day, hour, minute, tzinfo=DENVER).astimezone(UTC)


def on(month: int, day: int) -> str:
    """A day of 2027."""
    return date(2027, month, day).isoformat()


@pytest.fixture
def tick(clock: Callable[[datetime], None]) -> Callable[[datetime], None]:
    """``tick(moment)``: time has come to this moment, and beat looks."""

    def at(moment: datetime) -> None:
        clock(moment)
        advance_check_ins()

    return at


@pytest.fixture
def open_on_weekdays(site: Site) -> None:
    """Monday to Friday, 08:00 to 17:00."""
    WorkingHours.objects.bulk_create(
        WorkingHours(site=site, weekday=day, start=time(8), end=time(17)) for day in range(5)
    )


@pytest.fixture
def prescriber(site: Site, client_as: Callable[..., APIClient], clock: object) -> APIClient:
    """Somebody who prescribes there."""
    return client_as("prescriber", site)


@pytest.fixture
def nurse(site: Site, client_as: Callable[..., APIClient], clock: object) -> APIClient:
    """Somebody who records answers there."""
    return client_as("nurse", site)


@pytest.fixture
def ana(site: Site) -> Patient:
    """46 years old."""
    return PatientFactory.create(site=site, date_of_birth=date(1980, 5, 17))


@pytest.fixture
def sertraline(ana: Patient) -> dict[str, Any]:
    """What is prescribed on 4 January 2027, from the next day."""
    return {
        "patient": ana.pk,
        "medication": "sertraline",
        "drug_class": "ssri",
        "dose_mg": 50,
        "first_dose_on": on(1, 5),
        "indication": "depression",
    }
