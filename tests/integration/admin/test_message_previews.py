"""“What would this patient get?”: the same as sending does, and nothing is stored."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.access.models import Site
from patients.models import ContactPolicy, Message, Patient, PatientLink
from scheduling.models import Appointment, ReminderRule
from scheduling.services import reminders
from scheduling.services.previews import Line, preview
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, visit_type

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _texting(settings: Any) -> None:
    settings.SMS_GATEWAY = "twilio"


@pytest.fixture
def visit(site: Site) -> Appointment:
    """In ten days at 09:00, a first visit, just booked."""
    patient = PatientFactory.create(site=site)
    start = NOW.replace(hour=16) + timedelta(days=10)
    return Appointment.objects.create(
        patient=patient,
        visit_type=visit_type(),
        site=site,
        start_at=start,
        end_at=start + timedelta(hours=2),
        scheduled_at=NOW,
        created_at=NOW,
    )


def texts(lines: list[Line]) -> list[tuple[str, str, str]]:
    """Kind, status and what moved it, of each text."""
    return [(line.kind, line.status, line.moved) for line in lines if line.channel == "sms"]


def test_it_shows_what_the_ledger_then_holds(visit: Appointment) -> None:
    before = preview(appointment=visit, patient=visit.patient, now=NOW)
    assert not Message.objects.exists()
    assert not PatientLink.objects.exists()
    reminders.begin(appointments=[visit], patient=visit.patient, now=NOW)
    after = preview(appointment=visit, patient=visit.patient, now=NOW)
    assert before == after
    queued = Message.objects.filter(channel="email").values_list("kind", "due_at")
    assert {(line.kind, line.due_at) for line in before if line.channel == "email"} == set(queued)


def test_texts_beyond_the_cap_are_shown_as_they_will_fare(visit: Appointment) -> None:
    shipped = [
        ("confirmation", "queued", "later"),  # it is 08:00: after the night
        ("preparation", "queued", ""),
        ("confirm_request", "queued", ""),
        ("day_before", "queued", ""),
    ]
    assert texts(preview(appointment=visit, patient=visit.patient, now=NOW)) == shipped
    ContactPolicy.objects.update(texts_per_week=2)
    lines = preview(appointment=visit, patient=visit.patient, now=NOW)
    assert texts(lines) == [*shipped[:2], ("confirm_request", "suppressed", ""), shipped[3]]
    [capped] = [line for line in lines if line.status == "suppressed"]
    assert capped.reason == "capped"


def test_why_kinds_bring_nothing_is_said(visit: Appointment) -> None:
    ReminderRule.objects.create(
        kind="day_before", site=visit.site, anchor="start", late_minutes=1, email=False, sms=False
    )
    skipped = {
        line.kind: line.reason
        for line in preview(appointment=visit, patient=visit.patient, now=NOW)
        if line.status == "skipped"
    }
    assert skipped == {
        "day_before": "it is switched off for this visit type or site",
        "cancellation": "the visit is not cancelled",
    }


def test_the_page_of_a_visit(visit: Appointment, staff: Callable[..., Client], site: Site) -> None:
    address = reverse("admin:scheduling_reminderrule_preview_visit", args=[visit.pk])
    page = staff("front_desk", site).get(address).content.decode()
    assert "Reply C to confirm, R to move, STOP to opt out." in page
    assert "words version 1" in page
    assert staff("auditor", site).get(address).status_code == 404
    assert staff("front_desk", SiteFactory.create()).get(address).status_code == 404


def test_the_page_of_the_rules(site: Site, staff: Callable[..., Client]) -> None:
    address = reverse("admin:scheduling_reminderrule_preview")
    client = staff("manager", site)
    assert client.get(address).status_code == 200
    asked = {
        "visit_type": visit_type().pk,
        "site": site.pk,
        "start": "2027-01-14T09:00",
        "mrn": "",
        "language": "es",
    }
    page = client.post(address, asked).content.decode()
    assert "Su primera cita en" in page
    assert not Patient.objects.exists()
    stranger = PatientFactory.create()
    refused = client.post(address, asked | {"mrn": stranger.mrn}).content.decode()
    assert "There is no such patient at your sites." in refused
