"""A patient with a visit, and links to it, opened with a plain client that checks CSRF as browsers must."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Patient
from patients.services import links
from scheduling.models import Appointment
from scheduling.services import appointments
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type

START = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)
"""Monday 09:00 in Denver, a week after NOW."""
BORN = {"year": "1980", "month": "5", "day": "17"}
Link = Callable[..., str]


@pytest.fixture
def clinic(db: None) -> Site:
    site = SiteFactory.create(address="12 Cedar Street\nDenver, CO 80203")
    open_clinic(site)
    return site


@pytest.fixture
def ana(clinic: Site) -> Patient:
    return PatientFactory.create(site=clinic)


@pytest.fixture
def visit(clinic: Site, ana: Patient, now: datetime) -> Appointment:
    """A consultation on Monday the 11th at 09:00."""
    return appointments.book(
        actor=SYSTEM,
        now=now,
        patient_id=ana.pk,
        visit_type=visit_type("consultation"),
        site=clinic,
        start=START,
    )


@pytest.fixture
def link(now: datetime) -> Link:
    """``link(visit)``: the path that opens it for its patient; ``kind``, ``patient``, ``expires_at``."""

    def make(
        subject: Any, *, kind: str = "appointment", patient: Patient | None = None, **fields: Any
    ) -> str:
        url = links.issue(
            patient=patient or subject.patient,
            subject_kind=kind,
            subject_id=subject.pk,
            message=None,
            expires_at=fields.get("expires_at", now + timedelta(days=60)),
            now=now,
        )
        return url.removeprefix("http://testserver")

    return make


class Browser:
    """A client with cookies and CSRF checks that fills in the forms it was shown."""

    def __init__(self) -> None:
        self.client = Client(enforce_csrf_checks=True)

    def get(self, path: str) -> Any:
        return self.client.get(path)

    def press(self, shown: str, path: str | None = None, **fields: Any) -> Any:
        """POST to ``path`` with the hidden fields that the page at ``shown`` holds, and these."""
        page = self.client.get(shown).content.decode()
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        if "csrftoken" in self.client.cookies:  # a page without a form was open in another tab before
            hidden.setdefault("csrfmiddlewaretoken", self.client.cookies["csrftoken"].value)
        return self.client.post(path or shown, hidden | fields, headers={"Origin": "null"})

    def identify(self, path: str, **born: str) -> Any:
        """Give a date of birth on a link; by default the right one."""
        self.client.get(f"{path}preferences/")  # any page with a form brings the CSRF cookie
        return self.press(f"{path}preferences/", f"{path}birth-date/", **BORN | born)


@pytest.fixture
def browser(clock: object, empty_cache: None) -> Browser:
    """The patient's phone, at NOW."""
    return Browser()


def text_of(response: Any) -> str:
    """What a page says, without its tags and with single spaces."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())
