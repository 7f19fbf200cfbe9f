"""Reports on texts: signed, repeated, out of order, early and late, and what follows from each."""

import logging
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from twilio.request_validator import RequestValidator

from patients.gateways.sms import status_callback
from patients.models import Consent, DeliveryReport, Message, WorkItem
from patients.services import outcomes
from patients.services.claims import Claimed
from tests.factories import PatientFactory
from tests.factories.racing import at_once
from tests.integration.hooks.conftest import OURS, STATUS, post, sid

pytestmark = pytest.mark.django_db


def report(message: Message, status: str, *, code: int = 0, **changes: Any) -> HttpResponse:
    """Twilio tells what became of a message."""
    attempt = message.attempts.get()
    form = {
        "MessageSid": changes.pop("provider_id", attempt.provider_id or sid(1)),
        "MessageStatus": status,
        "To": message.patient.phone,
        "From": OURS,
        **({"ErrorCode": str(code)} if code else {}),
    }
    return post(f"{STATUS}?ref=m{message.pk}.1", form, **changes)


def status_of(message: Message) -> tuple[str, str]:
    """Status and reason as stored."""
    message.refresh_from_db()
    return message.status, message.reason


@pytest.mark.parametrize("path", [STATUS, "/hooks/twilio/inbound/"])
@pytest.mark.parametrize("signature", ["", "wrong", "é", "A" * 28])
def test_without_the_right_signature_nothing_happens(path: str, signature: str, now: datetime) -> None:
    form = {"MessageSid": sid(1), "MessageStatus": "delivered", "From": "+13035551234", "Body": "STOP"}
    assert Client().post(path, form, headers={"X-Twilio-Signature": signature}).status_code == 403
    assert Client().post(path, form).status_code == 403
    assert (DeliveryReport.objects.count(), WorkItem.objects.count()) == (0, 0)


def test_a_signature_covers_every_field_and_the_address(sent: Callable[..., Message]) -> None:
    message = sent()
    good = {"MessageSid": sid(5), "MessageStatus": "sent"}
    signed = RequestValidator("test").compute_signature(f"http://testserver{STATUS}", good)
    assert post(STATUS, good, signature=signed).status_code == 204
    assert post(STATUS, good | {"MessageStatus": "failed"}, signature=signed).status_code == 403
    assert post(f"{STATUS}?ref=m{message.pk}.1", good, signature=signed).status_code == 403


def test_behind_a_proxy_the_public_address_counts(sent: Callable[..., Message], settings: Any) -> None:
    settings.PUBLIC_URL = "https://onset.example"
    message = sent()
    assert report(message, "delivered").status_code == 204
    assert status_of(message)[0] == "delivered"


def test_while_texts_are_off_there_is_no_webhook(settings: Any, now: datetime) -> None:
    settings.SMS_GATEWAY = "off"
    assert post(STATUS, {"MessageSid": sid(1), "MessageStatus": "sent"}).status_code == 404


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"MessageSid": "SM1", "MessageStatus": "sent"},
        {"MessageSid": sid(1), "MessageStatus": "SENT; DROP"},
        {"MessageSid": sid(1), "MessageStatus": "x" * 21},
    ],
)
def test_nonsense_is_400_even_when_signed(form: dict[str, str], now: datetime) -> None:
    assert post(STATUS, form).status_code == 400
    assert DeliveryReport.objects.count() == 0


def test_only_post_is_answered(now: datetime) -> None:
    assert Client().get(STATUS).status_code == 405


def test_a_report_on_a_message_we_do_not_know_is_kept(now: datetime) -> None:
    form = {"MessageSid": sid(9), "MessageStatus": "delivered"}
    for path in (STATUS, f"{STATUS}?ref=m999999999.1", f"{STATUS}?ref=nonsense"):
        assert post(path, form).status_code == 204
    assert list(DeliveryReport.objects.values_list("provider_id", "status")) == [(sid(9), "delivered")]


@pytest.mark.parametrize(
    "order", [["queued", "sent", "delivered"], ["delivered", "sent", "queued"], ["delivered", "delivered"]]
)
def test_delivered_in_any_order_and_any_number_of_times(
    order: list[str], sent: Callable[..., Message]
) -> None:
    message = sent()
    for status in order:
        assert report(message, status).status_code == 204
    assert status_of(message) == ("delivered", "")
    assert DeliveryReport.objects.count() == len(set(order))
    assert not WorkItem.objects.exists()


def test_without_our_reference_the_providers_id_finds_the_message(sent: Callable[..., Message]) -> None:
    message = sent()
    post(STATUS, {"MessageSid": message.attempts.get().provider_id, "MessageStatus": "delivered"})
    assert status_of(message)[0] == "delivered"


def test_a_reference_does_not_move_a_report_to_another_message(sent: Callable[..., Message]) -> None:
    message = sent()
    report(message, "delivered", provider_id=sid(77))
    assert status_of(message)[0] == "sent"


@pytest.mark.parametrize("code", [30003, 30004, 30005, 30006])
def test_a_number_that_takes_nothing_is_not_used_again(
    code: int, sent: Callable[..., Message], now: datetime
) -> None:
    message = sent(patient=PatientFactory.create(email="", accepts_email=False))
    waiting = sent(
        patient=message.patient, kind="confirm_request", status="queued", attempt={"provider_id": ""}
    )
    Message.objects.filter(pk=waiting.pk).update(not_after=now + timedelta(days=9))
    report(message, "undelivered", code=code)
    report(message, "undelivered", code=code)
    assert status_of(message) == ("failed", f"twilio_{code}")
    assert status_of(waiting) == ("suppressed", "contact_failed")
    message.patient.refresh_from_db()
    assert message.patient.phone_failed_at is not None
    kinds = sorted(WorkItem.objects.values_list("kind", flat=True))
    assert kinds == ["bad_contact", "undelivered_message", "unreachable"]


def test_the_next_channel_carries_what_a_dead_number_did_not(
    sent: Callable[..., Message], now: datetime
) -> None:
    message = sent(not_after=now + timedelta(hours=5))
    report(message, "undelivered", code=30005)
    assert status_of(message) == ("failed", "twilio_30005")
    assert Message.objects.get(channel="email").status == "queued"
    assert [item.kind for item in WorkItem.objects.all()] == ["bad_contact"]


def test_the_e_mail_that_went_out_spares_the_call(sent: Callable[..., Message]) -> None:
    message = sent()
    sent(patient=message.patient, channel="email", attempt={"provider_id": "<m1@x>"})
    report(message, "undelivered", code=30008)
    assert status_of(message) == ("failed", "twilio_30008")
    assert not WorkItem.objects.exists()


def test_a_number_given_since_is_not_blamed(sent: Callable[..., Message]) -> None:
    message = sent()
    form = {
        "MessageSid": message.attempts.get().provider_id,
        "MessageStatus": "undelivered",
        "ErrorCode": "30003",
        "To": "+13035559999",
    }
    post(f"{STATUS}?ref=m{message.pk}.1", form)
    message.patient.refresh_from_db()
    assert (status_of(message)[0], message.patient.phone_failed_at) == ("failed", None)


def test_an_opt_out_that_only_the_provider_heard_of_is_recorded(sent: Callable[..., Message]) -> None:
    message = sent()
    report(message, "failed", code=21610)
    assert status_of(message) == ("suppressed", "opted_out")
    message.patient.refresh_from_db()
    assert not message.patient.accepts_sms
    consent = Consent.objects.get(patient=message.patient)
    assert (consent.granted, consent.source) == (False, "reply")


def test_an_uncertain_text_that_arrived_is_settled(sent: Callable[..., Message], now: datetime) -> None:
    message = sent(attempt={"provider_id": "", "outcome": "unknown"})
    outcomes.doubt(message, message.patient, reason="worker_lost", now=now)
    item = WorkItem.objects.get(kind="uncertain_message")
    report(message, "sent", provider_id=sid(3))
    assert status_of(message) == ("sent", "")
    report(message, "delivered", provider_id=sid(3))
    assert status_of(message) == ("delivered", "")
    item.refresh_from_db()
    assert item.status == "resolved"
    attempt = message.attempts.get()
    assert (attempt.outcome, attempt.provider_id) == ("accepted", sid(3))


def test_an_uncertain_text_that_did_not_arrive_becomes_a_failure(
    sent: Callable[..., Message], now: datetime
) -> None:
    patient = PatientFactory.create(email="", accepts_email=False)
    message = sent(patient=patient, attempt={"provider_id": "", "outcome": "unknown"})
    outcomes.doubt(message, message.patient, reason="worker_lost", now=now)
    report(message, "undelivered", code=30008, provider_id=sid(3))
    assert status_of(message) == ("failed", "twilio_30008")
    assert WorkItem.objects.exclude(status="resolved").get().kind == "undelivered_message"


def test_a_text_that_arrived_after_all_is_not_sent_again(sent: Callable[..., Message]) -> None:
    message = sent(status="queued", attempt={"provider_id": "", "outcome": "temporary"})
    report(message, "delivered", provider_id=sid(4))
    assert status_of(message)[0] == "delivered"


def held(message: Message, claim: uuid.UUID) -> Claimed:
    """The message in a worker's hands."""
    return Claimed(
        message_id=message.pk,
        patient_id=message.patient_id,
        site_id=message.patient.site_id,
        kind=message.kind,
        channel=message.channel,
        number=1,
        claim=claim,
    )


@pytest.mark.parametrize(
    ("status", "code", "expected"), [("delivered", 0, "delivered"), ("undelivered", 30003, "failed")]
)
def test_a_report_before_the_worker_wrote_the_id_down_waits_for_it(
    status: str, code: int, expected: str, sent: Callable[..., Message], now: datetime
) -> None:
    claim = uuid.uuid4()
    message = sent(
        status="sending",
        claim=claim,
        leased_until=now,
        attempt={"provider_id": "", "outcome": "started"},
    )
    report(message, status, code=code, provider_id=sid(8))
    assert status_of(message)[0] == "sending"
    outcomes.accepted(held(message, claim), provider_id=sid(8), now=now)
    assert status_of(message)[0] == expected
    message.patient.refresh_from_db()
    assert (message.patient.phone_failed_at is not None) == (expected == "failed")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_report_and_the_worker_at_once_end_in_delivered(
    sent: Callable[..., Message], now: datetime
) -> None:
    for number in range(10):
        claim = uuid.uuid4()
        message = sent(
            subject_id=number,
            status="sending",
            claim=claim,
            leased_until=now,
            attempt={"provider_id": "", "outcome": "started"},
        )
        worker = held(message, claim)
        provider_id = sid(50 + number)

        def wrote_down(worker: Claimed = worker, provider_id: str = provider_id) -> None:
            outcomes.accepted(worker, provider_id=provider_id, now=now)

        def told(message: Message = message, provider_id: str = provider_id) -> int:
            return report(message, "delivered", provider_id=provider_id).status_code

        assert at_once([wrote_down, told, told]) == [None, 204, 204]
        assert status_of(message)[0] == "delivered"


def test_the_callback_names_the_row_and_no_person(settings: Any) -> None:
    settings.PUBLIC_URL = "https://onset.example"
    assert status_callback("m12.1") == "https://onset.example/hooks/twilio/status/?ref=m12.1"


def test_logs_name_nobody(sent: Callable[..., Message], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    patient = PatientFactory.create(phone="+13035557654")
    report(sent(patient=patient), "undelivered", code=30003)
    Client().post(STATUS, {"To": patient.phone})
    assert "7654" not in caplog.text
