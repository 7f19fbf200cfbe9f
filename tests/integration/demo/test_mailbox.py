"""The demo's mailbox, as JSON and as a page."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from clinic.embedded.mailbox import Delivery, deliver
from patients.models import Attempt, Message
from tests.factories import PatientFactory

pytestmark = pytest.mark.django_db

RECEIVED = datetime(2027, 7, 1, 2, 30, tzinfo=UTC)


@pytest.fixture
def mailbox(tmp_path: Path, settings: Any) -> Path:
    settings.ONSET_DATA = str(tmp_path)
    return tmp_path / "mailbox"


def received(provider_id: str, **fields: Any) -> Delivery:
    usual = {"to": "+13035550142", "sender": "+13035550100", "subject": "", "body": "See you <b>soon</b>."}
    return Delivery(channel="sms", received_at=RECEIVED, provider_id=provider_id, **{**usual, **fields})


def test_each_delivery_names_the_patient_of_its_ledger_row(mailbox: Path) -> None:
    message = Message.objects.create(
        patient=PatientFactory.create(),
        subject_kind="appointment",
        subject_id=1,
        kind="confirmation",
        channel="sms",
        planned_at=RECEIVED,
        due_at=RECEIVED,
        not_after=RECEIVED,
        created_at=RECEIVED,
    )
    Attempt.objects.create(message=message, number=1, started_at=RECEIVED, provider_id="SM1")
    deliver(mailbox, [received("SM1"), received("SM-stranger")])
    known, stranger = Client().get("/demo/mailbox.json").json()
    assert (known["patient"], stranger["patient"]) == (message.patient_id, None)
    assert set(known) == {"channel", "to", "sender", "subject", "body", "received_at", "patient"}
    assert datetime.fromisoformat(known["received_at"]) == RECEIVED


def test_the_page_shows_the_clinics_own_time_and_escapes_what_was_sent(mailbox: Path) -> None:
    deliver(mailbox, [received("SM1")])
    page = Client().get("/demo/mailbox/").content.decode()
    assert "Wed 30 Jun 2027, 20:30 MDT" in page
    assert "See you &lt;b&gt;soon&lt;/b&gt;." in page


def test_an_empty_mailbox_says_what_to_do(mailbox: Path) -> None:
    assert Client().get("/demo/mailbox.json").json() == []
    assert "Nothing yet" in Client().get("/demo/mailbox/").content.decode()
