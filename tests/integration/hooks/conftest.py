"""Texts and reports as Twilio brings them: signed posts to the webhooks."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.http import HttpResponse
from django.test import Client
from twilio.request_validator import RequestValidator

from patients.models import Attempt, Message
from tests.factories import PatientFactory

OURS = "+13035550100"
INBOUND, STATUS = "/hooks/twilio/inbound/", "/hooks/twilio/status/"


def sid(number: int) -> str:
    """A message id as Twilio writes it."""
    return f"SM{number:032x}"


def post(path: str, form: dict[str, str], *, signature: str | None = None) -> HttpResponse:
    """Bring a form to a webhook, signed unless a signature is given."""
    address = f"{django_settings.PUBLIC_URL}{path}"
    signed = RequestValidator(django_settings.TWILIO_AUTH_TOKEN).compute_signature(address, form)
    answer = Client().post(path, form, headers={"X-Twilio-Signature": signature or signed})
    assert isinstance(answer, HttpResponse)
    return answer


@pytest.fixture
def now(clock: Callable[[datetime], None]) -> datetime:
    """Monday 10:00 in Denver, also for the webhooks."""
    moment = datetime(2027, 1, 4, 17, 0, tzinfo=UTC)
    clock(moment)
    return moment


@pytest.fixture
def texts(now: datetime) -> Callable[..., HttpResponse]:
    """``texts(patient.phone, "C")``: somebody writes."""
    count = 0

    def write(sender: str, body: str, **form: str) -> HttpResponse:
        nonlocal count
        count += 1
        usual = {"MessageSid": sid(count), "From": sender, "To": OURS, "Body": body, "NumMedia": "0"}
        return post(INBOUND, usual | form)

    return write


@pytest.fixture
def sent(now: datetime) -> Callable[..., Message]:
    """``sent(kind="confirm_request")``: a text that Twilio took a moment ago, with its attempt."""
    count = 1000

    def make(**changes: Any) -> Message:
        nonlocal count
        count += 1
        attempt: dict[str, Any] = {"outcome": "accepted", "provider_id": sid(count), "handed_over_at": now}
        attempt |= changes.pop("attempt", {})
        fields: dict[str, Any] = {
            "patient": changes.pop("patient", None) or PatientFactory.create(),
            "subject_kind": "appointment",
            "subject_id": 7,
            "kind": "day_before",
            "channel": "sms",
            "status": "sent",
            "planned_at": now,
            "due_at": now,
            "not_after": now,
            "created_at": now,
            "attempts_made": 1,
        }
        message = Message.objects.create(**fields | changes)
        Attempt.objects.create(message=message, number=1, started_at=now, **attempt)
        return message

    return make
