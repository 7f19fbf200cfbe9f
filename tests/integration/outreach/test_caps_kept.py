"""Caps, answers and the other channel, as the dispatcher keeps them: real rows, real sinks."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest

from patients.models import Attempt, Consent, InboundMessage, Message, Patient, WorkItem
from patients.services import dispatch as dispatching
from patients.services import handover, outreach
from patients.services.dispatch import dispatch
from tests.factories import PatientFactory
from tests.factories.racing import race
from tests.integration.outreach.servers import SmsSink, SmtpSink

Queued = Callable[..., Message]


def outcome(message: Message) -> tuple[str, str]:
    """How the story stands."""
    message.refresh_from_db()
    return message.status, message.reason


@pytest.fixture
def patient(db: None) -> Patient:
    """Reachable on both channels."""
    return PatientFactory.create()


@pytest.fixture
def text(queued: Queued, patient: Patient, now: datetime) -> Callable[..., Message]:
    """``text(1, kind="confirmation")``: one of several texts to the same patient, useful for two days."""

    def make(number: int, **changes: Any) -> Message:
        fields = {"kind": "confirmation", "not_after": now + timedelta(days=2)}
        return queued(patient=patient, channel="sms", subject_id=number, **fields | changes)

    return make


@pytest.mark.django_db
class TestCaps:
    """One text a day, three in any seven days [D]."""

    def test_the_second_text_of_a_day_waits_for_the_next(
        self, text: Callable[..., Message], sms: SmsSink, now: datetime
    ) -> None:
        first, second = text(1), text(2)
        assert (dispatch(now=now).sent, len(sms.received())) == (1, 1)
        assert outcome(first) == ("sent", "")
        assert outcome(second) == ("queued", "")
        assert second.due_at == datetime.fromisoformat("2027-01-05T09:00-07:00")
        assert second.attempts.get().error == "capped"
        assert dispatch(now=second.due_at).sent == 1

    def test_what_finds_no_room_is_left_to_the_email(
        self, text: Callable[..., Message], queued: Queued, patient: Patient, sms: SmsSink, now: datetime
    ) -> None:
        text(1)
        second = text(2, not_after=now + timedelta(hours=8))
        email = queued(patient=patient, subject_id=2, kind="confirmation", due_at=now + timedelta(hours=1))
        dispatch(now=now)
        assert outcome(second) == ("suppressed", "capped")
        assert outcome(email) == ("queued", "")
        assert not WorkItem.objects.exists()

    def test_without_one_an_email_takes_over(
        self, text: Callable[..., Message], sms: SmsSink, smtp: SmtpSink, now: datetime
    ) -> None:
        text(1)
        second = text(2, not_after=now + timedelta(hours=8))
        dispatch(now=now)
        email = Message.objects.get(channel="email")
        assert (email.subject_id, email.kind, email.context) == (2, "confirmation", second.context)
        assert dispatch(now=now).sent == 1
        assert [each.to for each in smtp.received() if each.channel == "email"] == [email.patient.email]
        assert not WorkItem.objects.exists()

    def test_and_without_an_address_somebody_calls(
        self, text: Callable[..., Message], sms: SmsSink, now: datetime
    ) -> None:
        text(1)
        text(2, not_after=now + timedelta(hours=8))
        Patient.objects.update(email="")
        dispatch(now=now)
        assert WorkItem.objects.get().key == "undelivered:appointment:2:confirmation:1"

    @pytest.mark.parametrize(
        ("fate", "counts"),
        [("accepted", True), ("unknown", True), ("started", True), ("permanent", False), ("not_sent", False)],
    )
    def test_what_may_have_gone_out_counts(
        self, text: Callable[..., Message], sms: SmsSink, now: datetime, fate: str, counts: bool
    ) -> None:
        earlier = text(1, status="sent")
        Attempt.objects.create(
            message=earlier, number=1, started_at=now, handed_over_at=now, outcome=fate, ended_at=now
        )
        text(2)
        assert dispatch(now=now).sent == (not counts)

    def test_agreed_frequency_lifts_them_until_it_is_taken_back(
        self, text: Callable[..., Message], patient: Patient, sms: SmsSink, now: datetime
    ) -> None:
        def agree(granted: bool, at: datetime) -> None:
            Consent.objects.create(
                patient=patient,
                channel="sms",
                purpose="frequent",
                granted=granted,
                source="staff",
                recorded_at=at,
            )

        agree(True, now - timedelta(days=2))
        text(1), text(2)
        assert dispatch(now=now).sent == 2
        agree(False, now - timedelta(days=1))
        text(3)
        assert dispatch(now=now).held == 1

    def test_a_text_leaves_the_day_to_the_reminder_that_is_due_then(
        self, text: Callable[..., Message], sms: SmsSink, now: datetime
    ) -> None:
        less = text(1)
        more = text(2, kind="day_before", due_at=now + timedelta(hours=3))
        assert dispatch(now=now).sent == 0
        assert outcome(less) == ("queued", "")
        assert dispatch(now=more.due_at).sent == 1
        assert outcome(more) == ("sent", "")
        assert less.due_at == datetime.fromisoformat("2027-01-05T09:00-07:00")

    def test_emails_are_not_counted(
        self, queued: Queued, patient: Patient, smtp: SmtpSink, now: datetime
    ) -> None:
        for number in range(4):
            queued(patient=patient, subject_id=number)
        assert dispatch(now=now).sent == 4


@pytest.mark.django_db
class TestAnswers:
    """Whoever has just texted is answered at any hour, beyond any cap."""

    @pytest.fixture
    def answer(self, text: Callable[..., Message], patient: Patient, now: datetime) -> Callable[..., Message]:
        """An answer that is due, of this kind."""
        inbound = InboundMessage.objects.create(
            provider_id="SM1", sender=patient.phone, received_at=now, intent="stop", patient=patient
        )
        return lambda kind, **changes: text(
            inbound.pk, subject_kind="reply", kind=kind, in_reply_to=inbound, **changes
        )

    def test_by_night_and_after_the_text_of_the_day(
        self,
        text: Callable[..., Message],
        answer: Callable[..., Message],
        sms: SmsSink,
        now: datetime,
    ) -> None:
        night = datetime.fromisoformat("2027-01-04T23:00-07:00")
        text(1)
        dispatch(now=now)
        reply = answer("reply_help", due_at=night)
        assert dispatch(now=night).sent == 1
        assert outcome(reply) == ("sent", "")
        text(2, due_at=night + timedelta(hours=10))
        assert dispatch(now=night + timedelta(hours=11)).sent == 1  # the answer used nothing up

    @pytest.mark.parametrize(
        ("kind", "story"),
        [("reply_stopped", ("sent", "")), ("reply_help", ("suppressed", "opted_out"))],
    )
    def test_only_its_own_confirmation_goes_out_after_a_stop(
        self, answer: Callable[..., Message], sms: SmsSink, now: datetime, kind: str, story: tuple[str, str]
    ) -> None:
        reply = answer(kind)
        Patient.objects.update(accepts_sms=False)
        dispatch(now=now)
        assert outcome(reply) == story
        assert not Message.objects.filter(channel="email").exists()
        assert not WorkItem.objects.exists()

    def test_a_kind_alone_opens_nothing(
        self, text: Callable[..., Message], sms: SmsSink, now: datetime
    ) -> None:
        forged = text(1, kind="reply_stopped")
        Patient.objects.update(accepts_sms=False, email="")
        dispatch(now=now)
        assert outcome(forged) == ("suppressed", "opted_out")


@pytest.mark.django_db
def test_a_dead_number_lets_the_email_take_over_at_once_and_for_what_waits(
    text: Callable[..., Message], sms: SmsSink, smtp: SmtpSink, now: datetime
) -> None:
    failed = text(1)
    tomorrow = now + timedelta(days=1)
    waiting = text(2, kind="confirm_request", planned_at=tomorrow, due_at=tomorrow)
    Patient.objects.update(phone="+15005550009")
    patient = Patient.objects.get()
    patient.phone_failed_at = now
    patient.save()
    outreach.contact_changed(patient=patient, now=now)
    assert outcome(failed) == outcome(waiting) == ("suppressed", "contact_failed")
    emails = Message.objects.filter(channel="email").order_by("subject_id")
    assert [(row.subject_id, row.status, row.due_at) for row in emails] == [
        (1, "queued", now),
        (2, "queued", tomorrow),
    ]
    assert not WorkItem.objects.exists()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_two_workers_only_one_sends_the_text_of_the_day(
    text: Callable[..., Message], sms: SmsSink, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [text(1), text(2)]
    together, real = Barrier(2, timeout=20), handover.hand_over

    def at_the_same_time(*args: Any, **named: Any) -> Any:
        together.wait()
        return real(*args, **named)

    monkeypatch.setattr(dispatching, "hand_over", at_the_same_time)
    race([lambda: dispatch(now=now, limit=1), lambda: dispatch(now=now, limit=1)])
    assert len(sms.received()) == 1
    assert sorted(outcome(message) for message in messages) == [("queued", ""), ("sent", "")]
