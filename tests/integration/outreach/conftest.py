"""What the tests of outreach share: a present outside quiet hours, local sinks and rows that are due."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from patients.models import Message
from tests.factories import PatientFactory
from tests.integration.outreach.servers import SID, TOKEN, SmsSink, SmtpSink


@pytest.fixture
def now() -> datetime:
    """Monday 10:00 in Denver: nobody sleeps."""
    return datetime(2027, 1, 4, 17, 0, tzinfo=UTC)


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    """Where the sinks put what they accept."""
    return tmp_path / "mailbox"


@pytest.fixture
def smtp(mailbox: Path, settings: Any) -> Iterator[SmtpSink]:
    """An SMTP server that the settings point to."""
    sink = SmtpSink(mailbox)
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.DEFAULT_FROM_EMAIL = "appointments@onset.example"
    yield sink
    sink.close()


@pytest.fixture
def sms(mailbox: Path, settings: Any) -> Iterator[SmsSink]:
    """A server that speaks Twilio's REST, to which the settings point."""
    sink = SmsSink(mailbox)
    settings.SMS_GATEWAY, settings.TWILIO_BASE_URL = "twilio", sink.url
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = SID, TOKEN
    settings.TWILIO_FROM = "+13035550100"
    yield sink
    sink.close()


@pytest.fixture
def queued(now: datetime) -> Callable[..., Message]:
    """``queued(channel="sms")``: a message of appointment 7 that is due, to a reachable patient."""

    def make(**changes: Any) -> Message:
        patient = changes.pop("patient", None) or PatientFactory.create()
        fields: dict[str, Any] = {
            "patient": patient,
            "subject_kind": "appointment",
            "subject_id": 7,
            "kind": "day_before",
            "channel": "email",
            "context": {"start_at": "2027-01-05T16:00:00+00:00", "timezone": "America/Denver"},
            "planned_at": now,
            "due_at": now,
            "not_after": now + timedelta(hours=8),
            "created_at": now - timedelta(days=1),
        }
        return Message.objects.create(**fields | changes)

    return make
