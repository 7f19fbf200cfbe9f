"""The pretended Twilio against the real web: reports that arrive, numbers that take nothing, and its own way
with STOP. What passes here and in production differs in nothing but the address."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from clinic.embedded.mailbox import inbox, read
from clinic.embedded.processes import wait_until
from clinic.embedded.sms_hooks import UNDELIVERED_NUMBERS
from patients.gateways.base import Fault, GatewayError, Outgoing
from patients.gateways.sms import SmsGateway
from patients.models import DeliveryReport, InboundMessage, Message, WorkItem
from patients.services.dispatch import dispatch
from tests.factories import PatientFactory
from tests.integration.hooks.conftest import OURS
from tests.integration.outreach.servers import SID, TOKEN, SmsSink

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
Sinks = Callable[..., SmsSink]


@pytest.fixture
def sinks(tmp_path: Path, settings: Any, live_server: Any) -> Iterator[Sinks]:
    """``sinks(answers_stop=True)``: a sink, a web that listens, and settings that join them."""
    made: list[SmsSink] = []

    def make(**options: Any) -> SmsSink:
        settings.PUBLIC_URL = live_server.url
        settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = SID, TOKEN
        settings.SMS_GATEWAY, settings.TWILIO_FROM = "twilio", OURS
        made.append(SmsSink(tmp_path / "mailbox", web=live_server.url, **options))
        settings.TWILIO_BASE_URL = made[-1].url
        return made[-1]

    yield make
    for sink in made:
        sink.close()


def queue(phone: str, now: datetime, *, number: int = 1) -> Message:
    """A text that is due to somebody without e-mail."""
    patient = PatientFactory.create(phone=phone, email="", accepts_email=False)
    times = dict.fromkeys(("planned_at", "due_at", "created_at"), now)
    return Message.objects.create(
        patient=patient,
        subject_kind="appointment",
        subject_id=number,
        kind="waitlist_gone",
        channel="sms",
        not_after=now.replace(hour=23),
        context={"start_at": "2027-01-05T16:00:00+00:00", "timezone": "America/Denver"},
        **times,
    )


def becomes(message: Message, status: str) -> bool:
    """Whether the row gets there soon."""

    def there() -> bool:
        message.refresh_from_db()
        return message.status == status

    return wait_until(there, seconds=10.0)


def write(sink: SmsSink, sender: str, body: str) -> int:
    """A patient writes; the status of the web's answer."""
    answer = sink.write({"From": sender, "To": OURS, "Body": body})["web_status"]
    assert isinstance(answer, int)
    return answer


def test_a_text_ends_delivered_by_the_providers_word(sinks: Sinks, now: datetime) -> None:
    sink = sinks()
    message = queue("+13035550142", now)
    assert dispatch(now=now).sent == 1
    assert becomes(message, "delivered")
    assert len(sink.received()) == 1
    assert set(DeliveryReport.objects.values_list("status", flat=True)) == {"sent", "delivered"}


@pytest.mark.parametrize(("phone", "code"), UNDELIVERED_NUMBERS.items())
def test_a_number_that_takes_nothing_ends_failed(phone: str, code: int, sinks: Sinks, now: datetime) -> None:
    sinks()
    message = queue(phone, now)
    dispatch(now=now)
    assert becomes(message, "failed")
    assert message.reason == f"twilio_{code}"
    message.patient.refresh_from_db()
    assert message.patient.phone_failed_at is not None
    assert set(WorkItem.objects.values_list("kind", flat=True)) == {"bad_contact", "undelivered_message"}


def test_our_own_answer_to_stop_is_sent_and_then_silence(sinks: Sinks, now: datetime) -> None:
    sink = sinks()
    patient = PatientFactory.create()
    assert write(sink, patient.phone, "STOP") == 200
    dispatch(now=now)
    (confirmation,) = sink.received()
    assert "no more texts" in confirmation.body
    assert write(sink, patient.phone, "STOP") == 200
    assert dispatch(now=now).claimed == 0
    assert [text.body for text in read(inbox(sink.mailbox))] == ["STOP", "STOP"]


def test_a_provider_that_answers_stop_itself_then_takes_nothing_until_start(
    sinks: Sinks, now: datetime
) -> None:
    sink = sinks(answers_stop=True)
    patient = PatientFactory.create()
    write(sink, patient.phone, "Stop")
    assert (InboundMessage.objects.get().outcome, Message.objects.count()) == ("stopped", 0)
    assert [text.sender for text in sink.received()] == [OURS]
    gateway = SmsGateway()
    letter = Outgoing(reference="m1.1", to=patient.phone, sender_name="", subject="", body="Hello")
    with pytest.raises(GatewayError) as raised:
        gateway.send(letter)
    assert (raised.value.fault, raised.value.code) == (Fault.OPTED_OUT, "twilio_21610")
    write(sink, patient.phone, "START")
    gateway.send(letter)
    gateway.close()
    patient.refresh_from_db()
    assert patient.accepts_sms


def test_an_answer_to_stop_that_the_provider_refuses_is_no_work_for_anybody(
    sinks: Sinks, now: datetime
) -> None:
    """An account whose own opt-out handling does not say that it has answered (no OptOutType)."""
    sink = sinks()
    patient = PatientFactory.create(phone="+15005550004")  # Twilio's number that is unsubscribed
    write(sink, patient.phone, "STOP")
    dispatch(now=now)
    answer = Message.objects.get(kind="reply_stopped")
    assert (answer.status, answer.reason) == ("suppressed", "opted_out")
    assert not WorkItem.objects.exists()


def test_whoever_does_not_sign_with_the_accounts_token_is_refused(
    sinks: Sinks, settings: Any, now: datetime
) -> None:
    sink = sinks()
    settings.TWILIO_AUTH_TOKEN = "another"
    assert write(sink, "+13035550142", "STOP") == 403
    assert InboundMessage.objects.count() == 0
