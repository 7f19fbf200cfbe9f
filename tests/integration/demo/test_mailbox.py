"""The demo's mailbox: as JSON, as conversations, and writing back as a patient."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from clinic.embedded.mailbox import Delivery, deliver, inbox
from patients.models import Attempt, InboundMessage, Message, Patient
from tests.factories import PatientFactory
from tests.integration.outreach.servers import SmsSink

pytestmark = pytest.mark.django_db

RECEIVED = datetime(2027, 7, 1, 2, 30, tzinfo=UTC)
PAGE = "/demo/mailbox/"


@pytest.fixture
def mailbox(tmp_path: Path, settings: Any) -> Path:
    settings.ONSET_DATA = str(tmp_path)
    return tmp_path / "mailbox"


def received(provider_id: str, **fields: Any) -> Delivery:
    usual = {"to": "+13035550142", "sender": "+13035550100", "subject": "", "body": "See you <b>soon</b>."}
    return Delivery(
        **{"channel": "sms", "received_at": RECEIVED, "provider_id": provider_id, **usual, **fields}
    )


def sent(patient: Patient, provider_id: str, **fields: Any) -> Message:
    """The ledger row of a delivery."""
    usual = {"subject_kind": "appointment", "subject_id": 1, "kind": "confirmation", "channel": "sms"}
    times = dict.fromkeys(("planned_at", "due_at", "not_after", "created_at"), RECEIVED)
    message = Message.objects.create(**{"patient": patient, **usual, **times, "status": "sent", **fields})
    Attempt.objects.create(message=message, number=1, started_at=RECEIVED, provider_id=provider_id)
    return message


def page(**query: str) -> str:
    return Client().get(PAGE, query).content.decode()


def test_each_delivery_names_the_patient_of_its_ledger_row(mailbox: Path) -> None:
    message = sent(PatientFactory.create(), "SM1")
    deliver(mailbox, [received("SM1"), received("SM-stranger")])
    deliver(inbox(mailbox), [received("SM-from-a-patient")])
    known, stranger = Client().get("/demo/mailbox.json").json()
    assert (known["patient"], stranger["patient"]) == (message.patient_id, None)
    assert set(known) == {"channel", "to", "sender", "subject", "body", "received_at", "patient"}
    assert datetime.fromisoformat(known["received_at"]) == RECEIVED


def test_the_page_shows_the_clinics_own_time_and_escapes_what_was_sent(mailbox: Path) -> None:
    deliver(mailbox, [received("SM1")])
    assert "Wed 30 Jun 2027, 20:30 MDT" in page()
    assert "See you &lt;b&gt;soon&lt;/b&gt;." in page()


def test_an_empty_mailbox_says_what_to_do(mailbox: Path) -> None:
    assert Client().get("/demo/mailbox.json").json() == []
    assert "Nothing yet" in page()


def test_texts_and_e_mails_of_one_patient_are_one_conversation_with_links_and_ticks(mailbox: Path) -> None:
    ana = PatientFactory.create(first_name="Ana", last_name="Reyes", phone="+13035550142")
    sent(ana, "SM1", status="delivered")
    sent(ana, "<m2@x>", channel="email")
    other = PatientFactory.create(first_name="Ben", last_name="Ortiz")
    sent(other, "SM3", subject_id=2)
    link = "http://testserver/p/abc/"
    deliver(mailbox, [received("SM3", to=other.phone, received_at=RECEIVED - timedelta(days=1))])
    deliver(mailbox, [received("SM1", body=f"Choose: {link}")])
    deliver(
        mailbox,
        [received("<m2@x>", channel="email", to=ana.email, subject="Your visit", calendar="BEGIN:VCALENDAR")],
    )
    deliver(inbox(mailbox), [received("SM4", sender=ana.phone, body="Thank you!")])
    shown = page()
    assert shown.count("<h2>") == 1
    assert "<h2>Ana Reyes</h2>" in shown
    assert f'<a href="{link}" rel="nofollow">{link}</a>' in shown
    assert "Delivered" in shown
    assert "Thank you!" in shown
    assert "Reply by text as Ana Reyes" in shown
    assert "<h2>Ben Ortiz</h2>" in page(**{"with": str(other.pk)})
    calendar = Client().get("/demo/mailbox/appointment.ics", {"of": "<m2@x>"})
    assert (calendar["Content-Type"], calendar.content) == (
        "text/calendar; charset=utf-8",
        b"BEGIN:VCALENDAR",
    )
    assert Client().get("/demo/mailbox/appointment.ics", {"of": "SM1"}).status_code == 404


@dataclass
class Demo:
    """The web, the sink and a mailbox."""

    mailbox: Path
    sink: SmsSink


@pytest.fixture
def demo(mailbox: Path, settings: Any, live_server: Any) -> Iterator[Demo]:
    """A sink that brings texts to a web that listens."""
    settings.PUBLIC_URL = live_server.url
    settings.TWILIO_AUTH_TOKEN = "test"
    sink = SmsSink(mailbox, web=live_server.url)
    settings.TWILIO_BASE_URL, settings.TWILIO_ACCOUNT_SID = sink.url, sink.account.sid
    yield Demo(mailbox, sink)
    sink.close()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_writing_as_a_patient_reaches_the_clinic_as_from_twilio(demo: Demo) -> None:
    ana = PatientFactory.create()
    answer = Client().post(
        "/demo/mailbox/text/", {"with": str(ana.pk), "phone": ana.phone, "body": " Hello? "}
    )
    assert answer["Location"] == f"{PAGE}?with={ana.pk}&wrote=yes#latest"
    text = InboundMessage.objects.get()
    assert (text.sender, text.body, text.patient_id) == (ana.phone, "Hello?", ana.pk)
    assert Message.objects.get(in_reply_to=text).kind == "reply_received"
    assert "Hello?" in page(**{"with": ana.phone})


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_stranger_who_asks_for_help_gets_words_at_once(demo: Demo, site: Any) -> None:
    Client().post("/demo/mailbox/text/", {"phone": "+13035550177", "body": "HELP"})
    (words,) = demo.sink.received()
    assert (words.to, words.sender) == ("+13035550177", "+13035550100")
    assert "C confirms a visit" in words.body


def test_a_sink_that_is_away_is_told(mailbox: Path, settings: Any) -> None:
    settings.TWILIO_BASE_URL = "http://127.0.0.1:9"
    deliver(mailbox, [received("SM1")])
    answer = Client().post(
        "/demo/mailbox/text/", {"with": "+13035550142", "phone": "+13035550142", "body": "C"}, follow=True
    )
    assert "did not reach the clinic" in answer.content.decode()
