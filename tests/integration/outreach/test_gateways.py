"""The gateway contract against local servers: what is delivered, and which fault each failure is."""

import asyncio
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http import HTTPStatus
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope
from icalendar import Calendar

from clinic.embedded.sms_sink import Refused
from patients.gateways import sms as sms_module
from patients.gateways.base import Attachment, Fault, Gateway, GatewayError, Outgoing
from patients.gateways.calendar import Event, entries
from patients.gateways.email import EmailGateway, build
from patients.gateways.sms import SmsGateway
from tests.integration.outreach.servers import RECEIVED_AT, SmsSink, SmtpSink


def outgoing(**changes: Any) -> Outgoing:
    """A message to somebody."""
    fields: dict[str, Any] = {
        "reference": "m12.1",
        "to": "ana@example.org",
        "sender_name": "Cedar Street Office",
        "subject": "Mañana: 9:00 a.m.",
        "body": "Hola Ana:\n\n.una línea que empieza con punto\n",
    }
    return Outgoing(**fields | changes)


def text(**changes: Any) -> Outgoing:
    """A text message."""
    return outgoing(
        **{"to": "+13035550123", "subject": "", "body": "Cedar: 9:00. STOP to opt out."} | changes
    )


def content_of(envelope: Envelope) -> bytes:
    """The message as it came over the wire."""
    assert isinstance(envelope.content, bytes)
    return envelope.content


def void(_result: object) -> None:
    """For hooks whose answer does not matter."""


def fault_of(gateway: Gateway, message: Outgoing) -> tuple[Fault, str]:
    """What sending raises."""
    with pytest.raises(GatewayError) as raised:
        gateway.send(message)
    assert message.to not in str(raised.value)
    return raised.value.fault, raised.value.code


@pytest.fixture
def email_gateway(smtp: SmtpSink) -> Iterator[EmailGateway]:
    """Pointed at the SMTP sink."""
    gateway = EmailGateway()
    yield gateway
    gateway.close()


@pytest.fixture
def sms_gateway(sms: SmsSink) -> Iterator[SmsGateway]:
    """Pointed at the SMS sink."""
    gateway = SmsGateway()
    yield gateway
    gateway.close()


class TestEmail:
    """SMTP."""

    def test_arrives_as_written(self, smtp: SmtpSink, email_gateway: EmailGateway) -> None:
        envelopes: list[bytes] = []

        def keep(_sink: SmtpSink, _server: SMTP, envelope: Envelope) -> None:
            envelopes.append(content_of(envelope))

        smtp.on_data = keep
        provider_id = email_gateway.send(outgoing())
        (delivery,) = smtp.received()
        assert delivery.to == "ana@example.org"
        assert delivery.subject == "Mañana: 9:00 a.m."
        assert delivery.body == "Hola Ana:\n\n.una línea que empieza con punto\n"
        assert delivery.provider_id == provider_id == "<m12.1@onset.example>"
        message = message_from_bytes(envelopes[0], policy=policy.default)
        assert message["From"] == "Cedar Street Office <appointments@onset.example>"
        assert message["Auto-Submitted"] == "auto-generated"

    def test_a_batch_uses_one_connection(self, smtp: SmtpSink, email_gateway: EmailGateway) -> None:
        for number in range(5):
            email_gateway.send(outgoing(reference=f"m{number}.1"))
        assert (len(smtp.received()), smtp.connections) == (5, 1)

    def test_the_calendar_entry_is_neutral_and_replaces_earlier_ones(
        self, smtp: SmtpSink, email_gateway: EmailGateway
    ) -> None:
        received: list[bytes] = []

        def keep(_sink: SmtpSink, _server: SMTP, envelope: Envelope) -> None:
            received.append(content_of(envelope))

        smtp.on_data = keep
        ics = entries(
            [Event(appointment_id=7, sequence=2, start_at=RECEIVED_AT, end_at=None)],
            host="onset.example",
            site="Cedar Street Office",
            language="es",
            stamped_at=RECEIVED_AT,
            cancelled=False,
        )
        email_gateway.send(outgoing(attachments=(ics,)))
        message = message_from_bytes(received[0], policy=policy.default)
        assert isinstance(message, EmailMessage)
        (part,) = message.iter_attachments()
        assert part.get_content_type() == "text/calendar"
        assert part.get_filename() == "appointment.ics"
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        calendar = Calendar.from_ical(payload)
        (event,) = calendar.walk("VEVENT")
        assert calendar["method"] == "PUBLISH"
        assert (event["uid"], event["sequence"]) == ("appointment-7@onset.example", 2)
        assert event["summary"] == "Cedar Street Office: cita"
        assert event.decoded("dtstart") == RECEIVED_AT

    @pytest.mark.parametrize(
        ("reply", "fault"),
        [
            ("450 4.2.1 Mailbox busy", Fault.TEMPORARY),
            ("452 4.2.2 Mailbox full", Fault.TEMPORARY),
            ("421 4.3.2 Shutting down", Fault.UNAVAILABLE),
            ("530 5.7.0 Authentication required", Fault.UNAVAILABLE),
            ("550 5.1.1 No such user <ana@example.org>", Fault.BAD_ADDRESS),
            ("550 No such user", Fault.BAD_ADDRESS),
            ("550 5.7.1 Policy", Fault.REFUSED),
            ("552 5.2.2 Mailbox full", Fault.REFUSED),
            ("554 Transaction failed", Fault.REFUSED),
        ],
    )
    def test_what_a_refused_recipient_means(
        self, smtp: SmtpSink, email_gateway: EmailGateway, reply: str, fault: Fault
    ) -> None:
        smtp.on_rcpt = lambda _address: reply
        assert fault_of(email_gateway, outgoing()) == (fault, f"smtp_{reply[:3]}")
        smtp.on_rcpt = lambda _address: None
        email_gateway.send(outgoing())  # the gateway is still good for others
        assert len(smtp.received()) == 1

    @pytest.mark.parametrize(
        ("reply", "fault"),
        [
            ("451 4.3.0 Later", Fault.TEMPORARY),
            ("550 5.1.1 No such user", Fault.BAD_ADDRESS),
            ("554 5.6.0 Content rejected", Fault.REFUSED),
        ],
    )
    def test_what_refused_content_means(
        self, smtp: SmtpSink, email_gateway: EmailGateway, reply: str, fault: Fault
    ) -> None:
        smtp.on_data = lambda _sink, _server, _envelope: reply
        assert fault_of(email_gateway, outgoing())[0] == fault

    def test_hanging_up_after_the_content_is_an_unknown_outcome(
        self, smtp: SmtpSink, email_gateway: EmailGateway
    ) -> None:
        def hang_up(_sink: SmtpSink, server: SMTP, _envelope: Envelope) -> None:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()

        smtp.on_data = hang_up
        assert fault_of(email_gateway, outgoing()) == (Fault.UNKNOWN, "smtp_disconnected")

    def test_a_server_that_ended_the_idle_connection_is_called_again(
        self, smtp: SmtpSink, email_gateway: EmailGateway
    ) -> None:
        email_gateway.send(outgoing())
        smtp.kill()
        smtp.start()
        email_gateway.send(outgoing(reference="m13.1"))
        assert len(smtp.received()) == 2

    def test_nobody_listens(self, smtp: SmtpSink, email_gateway: EmailGateway) -> None:
        email_gateway.send(outgoing())
        smtp.kill()
        assert fault_of(email_gateway, outgoing())[0] == Fault.UNAVAILABLE
        smtp.start()
        email_gateway.send(outgoing())
        assert len(smtp.received()) == 2

    @pytest.mark.parametrize("to", ["ana@exam\nple.org", "@"])
    def test_an_address_that_cannot_be_written_is_never_sent(
        self, smtp: SmtpSink, email_gateway: EmailGateway, to: str
    ) -> None:
        fault, _code = fault_of(email_gateway, outgoing(to=to))
        assert fault in {Fault.REFUSED, Fault.BAD_ADDRESS}
        assert smtp.received() == []

    def test_an_attachment_keeps_its_type(self, email_gateway: EmailGateway, smtp: SmtpSink) -> None:
        file = Attachment(
            name="a.ics", content=b"BEGIN:VCALENDAR", content_type="text/calendar; method=CANCEL"
        )
        email_gateway.send(outgoing(attachments=(file,)))
        assert len(smtp.received()) == 1

    def test_a_message_with_a_link_can_be_unsubscribed_from_with_one_click(self) -> None:
        """RFC 8058; the page takes the POST."""
        headers = build(outgoing(link="https://onset.example/p/abc/")).message()
        assert headers["List-Unsubscribe"] == "<https://onset.example/p/abc/unsubscribe/>"
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert "List-Unsubscribe" not in build(outgoing()).message()


class TestSms:
    """Twilio's REST."""

    def test_arrives_as_written(self, sms: SmsSink, sms_gateway: SmsGateway) -> None:
        sid = sms_gateway.send(text(body="¿Mañana? é ñ @ £ 100% + &="))
        (delivery,) = sms.received()
        assert (delivery.to, delivery.sender) == ("+13035550123", "+13035550100")
        assert delivery.body == "¿Mañana? é ñ @ £ 100% + &="
        assert delivery.provider_id == sid

    @pytest.mark.parametrize(
        ("status", "code", "fault"),
        [
            (HTTPStatus.BAD_REQUEST, 21211, Fault.BAD_ADDRESS),
            (HTTPStatus.BAD_REQUEST, 21614, Fault.BAD_ADDRESS),
            (HTTPStatus.BAD_REQUEST, 21610, Fault.OPTED_OUT),
            (HTTPStatus.BAD_REQUEST, 21617, Fault.REFUSED),
            (HTTPStatus.UNAUTHORIZED, 20003, Fault.UNAVAILABLE),
            (HTTPStatus.TOO_MANY_REQUESTS, 20429, Fault.UNAVAILABLE),
            (HTTPStatus.INTERNAL_SERVER_ERROR, 20500, Fault.TEMPORARY),
            (HTTPStatus.SERVICE_UNAVAILABLE, 20503, Fault.TEMPORARY),
            (HTTPStatus.GATEWAY_TIMEOUT, 20504, Fault.UNKNOWN),
        ],
    )
    def test_what_an_error_means(
        self, sms: SmsSink, sms_gateway: SmsGateway, status: HTTPStatus, code: int, fault: Fault
    ) -> None:
        def refuse(_form: object) -> None:
            raise Refused(status, code, "The number +13035550123 is the problem")

        sms.before = refuse
        assert fault_of(sms_gateway, text()) == (fault, f"twilio_{code}")
        assert (sms.requests, sms.received()) == (1, [])

    def test_no_reply_is_an_unknown_outcome_and_not_repeated(
        self, sms: SmsSink, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sms_module, "_TIMEOUT_SECONDS", 0.2)
        gateway = SmsGateway()
        given_up = threading.Event()
        sms.after = lambda _form: void(given_up.wait(10))
        assert fault_of(gateway, text()) == (Fault.UNKNOWN, "sms_read_timeout")
        given_up.set()
        gateway.close()
        assert sms.requests == 1

    def test_hanging_up_without_a_reply_is_an_unknown_outcome(
        self, sms: SmsSink, sms_gateway: SmsGateway
    ) -> None:
        def hang_up(_form: object) -> None:
            raise RuntimeError

        sms.after = hang_up
        assert fault_of(sms_gateway, text()) == (Fault.UNKNOWN, "sms_connection")
        assert (sms.requests, len(sms.received())) == (1, 1)

    def test_nobody_listens(self, settings: Any, sms: SmsSink) -> None:
        settings.TWILIO_BASE_URL = "http://127.0.0.1:9"
        gateway = SmsGateway()
        assert fault_of(gateway, text()) == (Fault.UNAVAILABLE, "sms_connection")
        gateway.close()

    def test_nothing_personal_is_logged(
        self, sms: SmsSink, sms_gateway: SmsGateway, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        sms_gateway.send(text())
        assert "3035550123" not in caplog.text
        assert "9:00" not in caplog.text


def test_every_fault_is_temporary_permanent_or_unknown() -> None:
    permanent = {fault for fault in Fault if GatewayError(fault, "x").permanent}
    assert permanent == {Fault.REFUSED, Fault.BAD_ADDRESS, Fault.OPTED_OUT}


def test_an_outgoing_message_shows_nothing_when_printed() -> None:
    assert "ana" not in repr(outgoing()).lower()
