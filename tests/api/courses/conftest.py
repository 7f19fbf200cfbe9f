"""A clinic that gives courses: a site open on weekdays, and ways to ask for plans and courses."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Patient
from scheduling.models import Closure, WorkingHours
from tests.factories import PatientFactory, open_clinic

MOOD = "ketamine-mood-3-per-week"
PAIN = "ketamine-pain-10-weekdays"


@pytest.fixture
def patient(site: Site) -> Patient:
    return PatientFactory.create(site=site)


@pytest.fixture
def desk(site: Site, client_as: Callable[..., APIClient], clock: object) -> APIClient:
    """Front desk of a site open from Monday to Friday."""
    open_clinic(site, chairs=2, nurses=1)
    WorkingHours.objects.filter(site=site, weekday__gte=5).delete()
    return client_as("front_desk", site)


@pytest.fixture
def close(site: Site) -> Callable[[str], Closure]:
    """Close the site on one local date."""

    def make(day: str) -> Closure:
        start = datetime.combine(date.fromisoformat(day), datetime.min.time(), site.zone)
        return Closure.objects.create(
            site=site, start_at=start, end_at=start + timedelta(days=1), reason="Holiday"
        )

    return make


@pytest.fixture
def plan(desk: APIClient, site: Site, patient: Patient) -> Callable[..., dict[str, Any]]:
    """POST /courses/plan/; the reply, which must be a 200."""

    def ask(template: str, start_on: str, *, preferred: str | None = None, **extra: Any) -> dict[str, Any]:
        preferences = {"preferred_hour": preferred, **extra.pop("preferences", {})}
        response = desk.post(
            "/api/v1/courses/plan/",
            {
                "patient": patient.pk,
                "template": template,
                "site": site.pk,
                "start_on": start_on,
                "preferences": preferences,
                **extra,
            },
        )
        assert response.status_code == 200, response.json()
        answer: dict[str, Any] = response.json()
        return answer

    return ask


@pytest.fixture
def book(desk: APIClient, site: Site, patient: Patient) -> Callable[..., Any]:
    """POST /courses/ with these starts; the response."""

    def post(template: str, starts: Sequence[str], **extra: Any) -> Any:
        body = {
            "patient": patient.pk,
            "template": template,
            "site": site.pk,
            "sessions": [{"start": start} for start in starts],
        }
        return desk.post("/api/v1/courses/", {**body, **extra})

    return post


def starts_of(sessions: Sequence[dict[str, Any]]) -> list[str]:
    """The local starts, to the minute."""
    return [session["start"][:16] for session in sessions]
