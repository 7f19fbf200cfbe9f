"""One round of sending, against real servers and the real database: what goes out, what does not, what is
tried again, what a person is asked to do."""

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope

from clinic.embedded.sms_sink import Refused
from patients.gateways.base import Fault, GatewayError, Outgoing
from patients.models import Attempt, Consent, Message, MessageTemplate, Patient, PatientLink, WorkItem
from patients.services import dispatch as dispatching
from patients.services import links, outreach
from patients.services.dispatch import dispatch
from tests.factories import PatientFactory
from tests.integration.outreach.servers import SmsSink, SmtpSink

pytestmark = pytest.mark.django_db
Queued = Callable[..., Message]


def outcome(message: Message) -> tuple[str, str]:
    """How the story stands."""
    message.refresh_from_db()
    return message.status, message.reason


def attempts(message: Message) -> list[tuple[int, str, str, bool]]:
    """Number, outcome, error, and whether it was handed over."""
    rows = message.attempts.order_by("number")
    return [(row.number, row.outcome, row.error, row.handed_over_at is not None) for row in rows]


class Scripted:
    """A gateway that does what it is told: for failures that no local server can be made to have."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.sent: list[Outgoing] = []

    def send(self, outgoing: Outgoing) -> str:
        """The next answer, or "ok"."""
        self.sent.append(outgoing)
        answer = self.answers.pop(0) if self.answers else "ok"
        if isinstance(answer, BaseException):
            raise answer
        return answer() if callable(answer) else str(answer)

    def close(self) -> None:
        """Nothing to let go of."""


class TestWhatGoesOut:
    """The good case, on both channels."""

    def test_an_email_with_its_calendar_entry(self, queued: Queued, smtp: SmtpSink, now: datetime) -> None:
        message = queued()
        report = dispatch(now=now)
        (delivery,) = smtp.received()
        assert delivery.to == message.patient.email
        assert delivery.subject == "Reminder: Tuesday, January 5, 9:00 AM"
        assert delivery.body.startswith(
            "Hello Ana,\n\nA reminder of your appointment at Cedar Street Office: "
        )
        assert "Tuesday, January 5 at 9:00 AM." in delivery.body
        assert "(303) 555-0100" in delivery.body
        assert delivery.provider_id == f"<m{message.pk}.1@onset.example>"
        assert (report.claimed, report.sent) == (1, 1)
        assert outcome(message) == ("sent", "")
        assert (message.finished_at, message.claim, message.leased_until) == (now, None, None)
        assert attempts(message) == [(1, "accepted", "", True)]
        assert message.attempts.get().provider_id == delivery.provider_id

    def test_a_text_in_the_patients_language(self, queued: Queued, sms: SmsSink, now: datetime) -> None:
        message = queued(channel="sms", patient=PatientFactory.create(language="es"))
        dispatch(now=now)
        (delivery,) = sms.received()
        assert delivery.to == message.patient.phone
        link = PatientLink.objects.get()
        opened = delivery.body.split()[-4]
        assert delivery.body == (
            f"Cedar Street Office: mar 5 ene, 9:00 am. Antes de venir: {opened} STOP: no mas."
        )
        assert links.hash_of(opened.split("/")[-2]) == link.token_hash
        assert (link.subject_kind, link.subject_id, link.message_id) == ("appointment", 7, message.pk)
        assert link.expires_at == message.not_after  # this context names no end of the visit
        assert message.attempts.get().provider_id == delivery.provider_id

    def test_oldest_due_first_and_no_more_than_the_limit(
        self, queued: Queued, smtp: SmtpSink, now: datetime
    ) -> None:
        third, first, second = (
            queued(due_at=now - timedelta(minutes=minutes), subject_id=minutes) for minutes in (1, 30, 10)
        )
        later = queued(due_at=now + timedelta(seconds=1), subject_id=99)
        assert dispatch(now=now, limit=2).sent == 2
        assert [each.to for each in smtp.received()] == [first.patient.email, second.patient.email]
        assert dispatch(now=now).sent == 1
        assert outcome(third) == ("sent", "")
        assert outcome(later) == ("queued", "")
        assert dispatch(now=now).idle

    def test_the_address_and_consent_of_the_last_moment_count(
        self, queued: Queued, smtp: SmtpSink, now: datetime
    ) -> None:
        message = queued()
        Patient.objects.update(email="new@example.org")
        dispatch(now=now)
        assert [each.to for each in smtp.received()] == ["new@example.org"]
        assert outcome(message) == ("sent", "")

    def test_a_check_in_is_dated_in_the_patients_zone(
        self, queued: Queued, sms: SmsSink, now: datetime
    ) -> None:
        queued(
            channel="sms",
            kind="check_in",
            subject_kind="check_in",
            context={"on": "2027-01-11"},
            patient=PatientFactory.create(timezone="America/New_York"),
        )
        dispatch(now=now)
        assert "by Mon, Jan 11: http" in sms.received()[0].body
        midnight = datetime.fromisoformat("2027-01-12T00:00-05:00")
        assert PatientLink.objects.get().expires_at == midnight

    def test_the_number_of_queries_per_message_is_small_and_constant(
        self, queued: Queued, now: datetime, django_assert_num_queries: Any
    ) -> None:
        for number in range(6):
            queued(subject_id=number)
        # Sweep 1; claim 3 and two savepoints; policy, templates 2. Per message: look again 2, link 1,
        # outcome 2, and the two savepoints that stand for commits here.
        with django_assert_num_queries(1 + 5 + 2 + 6 * (2 + 1 + 2 + 4)):
            dispatch(now=now, gateways={"email": Scripted()})


class TestTheLastLook:
    """What changed since it was queued counts."""

    @pytest.mark.parametrize(
        ("patient", "reason"),
        [
            ({"accepts_email": False}, "opted_out"),
            ({"email": ""}, "no_address"),
            ({"status": "deceased"}, "patient_deceased"),
            ({"status": "inactive"}, "patient_inactive"),
            ({"email_failed_at": datetime.fromisoformat("2027-01-01T00:00Z")}, "contact_failed"),
        ],
    )
    def test_no_longer_allowed(
        self, queued: Queued, now: datetime, patient: dict[str, Any], reason: str
    ) -> None:
        message = queued()
        Patient.objects.update(**patient)
        gateway = Scripted()
        assert dispatch(now=now, gateways={"email": gateway}).held == 1
        assert outcome(message) == ("suppressed", reason)
        assert attempts(message) == [(1, "not_sent", reason, False)]
        assert gateway.sent == []
        other_channel = Message.objects.filter(channel="sms", status="queued").exists()
        assert other_channel is not reason.startswith("patient_")
        assert WorkItem.objects.exists() is (reason == "patient_inactive")

    def test_texting_was_switched_off(self, queued: Queued, now: datetime, settings: Any) -> None:
        message = queued(channel="sms")
        settings.SMS_GATEWAY = "off"
        dispatch(now=now)
        assert outcome(message) == ("suppressed", "sms_off")

    def test_too_late_is_not_sent_and_somebody_calls(self, queued: Queued, now: datetime) -> None:
        message = queued()
        dispatch(now=message.not_after + timedelta(seconds=1), gateways={"email": Scripted()})
        assert outcome(message) == ("failed", "too_late")
        item = WorkItem.objects.get()
        assert item.key == "undelivered:appointment:7:day_before:1"
        assert item.summary == "A message was not delivered (day before, e-mail). Call the patient."

    def test_too_late_on_one_channel_needs_no_call_when_the_other_carried_it(
        self, queued: Queued, now: datetime
    ) -> None:
        email = queued()
        queued(channel="sms", patient=email.patient, status="sent")
        dispatch(now=email.not_after + timedelta(seconds=1), gateways={"email": Scripted()})
        assert outcome(email) == ("failed", "too_late")
        assert not WorkItem.objects.exists()

    def test_the_patients_night_is_left_alone(self, queued: Queued, now: datetime) -> None:
        night = datetime.fromisoformat("2027-01-04T20:00-07:00")
        message = queued(due_at=night - timedelta(minutes=1), not_after=night + timedelta(days=1))
        gateway = Scripted()
        dispatch(now=night, gateways={"email": gateway})
        assert outcome(message) == ("queued", "")
        assert message.due_at == datetime.fromisoformat("2027-01-05T09:00-07:00")
        assert attempts(message) == [(1, "not_sent", "quiet_hours", False)]
        dispatch(now=message.due_at, gateways={"email": gateway})
        assert outcome(message) == ("sent", "")

    def test_a_night_past_the_cut_off_is_too_late(self, queued: Queued) -> None:
        night = datetime.fromisoformat("2027-01-04T20:00-07:00")
        message = queued(due_at=night, not_after=night + timedelta(hours=2))
        dispatch(now=night, gateways={"email": Scripted()})
        assert outcome(message) == ("failed", "too_late")

    def test_the_night_is_the_patients_not_the_sites(self, queued: Queued, now: datetime) -> None:
        message = queued(
            patient=PatientFactory.create(timezone="Asia/Tokyo"), not_after=now + timedelta(days=1)
        )
        dispatch(now=now, gateways={"email": Scripted()})  # 02:00 there
        assert outcome(message) == ("queued", "")
        assert message.due_at == datetime.fromisoformat("2027-01-05T09:00+09:00")


class TestTemporaryFailures:
    """Backoff until the cut-off, then a person."""

    def test_back_in_the_queue_a_minute_later(self, queued: Queued, smtp: SmtpSink, now: datetime) -> None:
        message = queued()
        smtp.on_rcpt = lambda _address: "450 4.2.1 Busy"
        assert dispatch(now=now).retried == 1
        assert outcome(message) == ("queued", "")
        assert timedelta(seconds=45) <= message.due_at - now <= timedelta(seconds=60)
        assert message.planned_at == now
        smtp.on_rcpt = lambda _address: None
        assert dispatch(now=message.due_at).sent == 1
        assert attempts(message) == [(1, "temporary", "smtp_450", True), (2, "accepted", "", True)]

    def test_until_the_cut_off_then_a_person(self, queued: Queued, now: datetime) -> None:
        message = queued(not_after=now + timedelta(hours=1))
        moments = []
        while True:
            dispatch(
                now=message.due_at, gateways={"email": Scripted(GatewayError(Fault.TEMPORARY, "smtp_450"))}
            )
            message.refresh_from_db()
            if message.status != "queued":
                break
            moments.append(message.due_at)
        assert outcome(message) == ("failed", "smtp_450")
        assert moments[-1] == message.not_after - timedelta(seconds=30)
        assert len(moments) >= 5
        assert moments == sorted(moments)
        assert WorkItem.objects.get().kind == "undelivered_message"

    def test_a_gateway_that_is_away_is_asked_once_per_batch(self, queued: Queued, now: datetime) -> None:
        messages = [queued(subject_id=number) for number in range(5)]
        text = queued(channel="sms")
        email = Scripted(GatewayError(Fault.UNAVAILABLE, "smtp_connect_TimeoutError"))
        report = dispatch(now=now, gateways={"email": email, "sms": Scripted()})
        assert (len(email.sent), report.retried, report.sent) == (1, 5, 1)
        assert {outcome(message) for message in messages} == {("queued", "")}
        assert [attempts(message)[0][3] for message in messages] == [True, False, False, False, False]
        assert outcome(text) == ("sent", "")

    def test_a_server_that_dies_mid_batch_and_returns(
        self, queued: Queued, smtp: SmtpSink, now: datetime
    ) -> None:
        messages = [queued(subject_id=number) for number in range(5)]
        seen = []

        def die_on_the_third(sink: SmtpSink, _server: SMTP, _envelope: Envelope) -> str | None:
            seen.append(1)
            if len(seen) != 3:
                return None
            sink.die()
            return "421 never read"

        smtp.on_data = die_on_the_third
        report = dispatch(now=now)
        assert (report.sent, report.failed, report.retried) == (2, 1, 2)
        assert [outcome(message)[0] for message in messages] == [
            "sent",
            "sent",
            "uncertain",
            "queued",
            "queued",
        ]
        smtp.start()
        assert dispatch(now=now + timedelta(minutes=2)).sent == 2
        told = {each.to for each in smtp.received()}
        assert len(smtp.received()) == len(told)
        assert told == {message.patient.email for message in messages if message is not messages[2]}
        item = WorkItem.objects.get()
        assert (item.kind, item.key) == ("uncertain_message", f"uncertain:{messages[2].pk}")

    def test_a_slow_gateway_does_not_hold_the_rest_of_the_batch(
        self, queued: Queued, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        messages = [queued(subject_id=number) for number in range(3)]
        monkeypatch.setattr(dispatching, "BATCH_SECONDS", -1.0)
        report = dispatch(now=now, gateways={"email": Scripted()})
        assert (report.released, report.sent) == (3, 0)
        assert {outcome(message) for message in messages} == {("queued", "")}
        assert attempts(messages[0]) == [(1, "not_sent", "released", False)]
        assert messages[0].due_at == now


class TestPermanentFailures:
    """The contact is marked, the other channel counts, a person calls."""

    def test_a_dead_mailbox(self, queued: Queued, smtp: SmtpSink, now: datetime) -> None:
        message = queued()
        other = queued(
            kind="follow",
            patient=message.patient,
            due_at=now + timedelta(hours=1),
            not_after=now + timedelta(days=1),
        )
        smtp.on_rcpt = lambda _address: "550 5.1.1 No such user"
        dispatch(now=now)
        assert outcome(message) == ("failed", "smtp_550")
        message.patient.refresh_from_db()
        assert message.patient.email_failed_at == now
        assert message.patient.version == 2
        assert outcome(other) == ("suppressed", "contact_failed")
        texts = Message.objects.filter(channel="sms", status="queued").order_by("kind")
        assert [text.kind for text in texts] == ["day_before", "follow"]
        assert set(WorkItem.objects.values_list("kind", flat=True)) == {"bad_contact"}

    def test_a_refused_message_says_nothing_about_the_mailbox(
        self, queued: Queued, smtp: SmtpSink, now: datetime
    ) -> None:
        message = queued()
        smtp.on_data = lambda _sink, _server, _envelope: "554 5.6.0 Rejected"
        dispatch(now=now)
        assert outcome(message) == ("failed", "smtp_554")
        message.patient.refresh_from_db()
        assert message.patient.email_failed_at is None

    def test_a_person_who_told_the_provider_to_stop(
        self, queued: Queued, sms: SmsSink, now: datetime
    ) -> None:
        message = queued(channel="sms")
        other = queued(
            channel="sms",
            kind="follow",
            patient=message.patient,
            due_at=now + timedelta(hours=1),
            not_after=now + timedelta(days=1),
        )

        def stop(_form: object) -> None:
            raise Refused(HTTPStatus.BAD_REQUEST, 21610, "unsubscribed")

        sms.before = stop
        dispatch(now=now)
        assert outcome(message) == ("suppressed", "opted_out")
        assert outcome(other) == ("suppressed", "opted_out")
        message.patient.refresh_from_db()
        assert message.patient.accepts_sms is False
        consent = Consent.objects.get()
        assert (consent.channel, consent.purpose, consent.granted, consent.source) == (
            "sms",
            "care",
            False,
            "reply",
        )

    def test_an_address_given_meanwhile_is_not_blamed(self, queued: Queued, now: datetime) -> None:
        message = queued()

        def change_then_refuse() -> str:
            Patient.objects.filter(pk=message.patient_id).update(email="new@example.org")
            raise GatewayError(Fault.BAD_ADDRESS, "smtp_550")

        dispatch(now=now, gateways={"email": Scripted(change_then_refuse)})
        message.patient.refresh_from_db()
        assert message.patient.email_failed_at is None
        assert outcome(message) == ("failed", "smtp_550")

    def test_both_channels_failing_asks_for_one_call(self, queued: Queued, now: datetime) -> None:
        email = queued()
        queued(channel="sms", patient=email.patient)
        refused = GatewayError(Fault.REFUSED, "x")
        dispatch(now=now, gateways={"email": Scripted(refused), "sms": Scripted(refused)})
        assert [item.key for item in WorkItem.objects.all()] == ["undelivered:appointment:7:day_before:1"]


class TestPoison:
    """One bad row never stops the others."""

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"kind": "nothing_like_it"}, "no_template"),
            ({"context": {}}, "no_moment"),
            ({"context": {"start_at": "tomorrow"}}, "cannot_render"),
            (
                {"context": {"start_at": "2027-01-05T16:00:00+00:00", "timezone": "Mars/Base"}},
                "cannot_render",
            ),
            ({"context": {"start_at": "2027-01-05T16:00:00+00:00", "site": "Ketamine Clinic"}}, "revealing"),
        ],
    )
    def test_a_row_that_cannot_be_worded(
        self, queued: Queued, smtp: SmtpSink, now: datetime, changes: dict[str, Any], reason: str
    ) -> None:
        bad = queued(due_at=now - timedelta(hours=1), subject_id=1, **changes)
        good = queued()
        report = dispatch(now=now)
        assert (report.held, report.sent) == (1, 1)
        assert outcome(bad) == ("failed", reason)
        assert outcome(good) == ("sent", "")
        assert WorkItem.objects.get().kind == "undelivered_message"

    def test_a_template_that_tells_what_is_treated(self, queued: Queued, now: datetime) -> None:
        MessageTemplate.objects.create(
            kind="day_before", channel="email", language="en", version=2, subject="Hi", body="Your infusion"
        )
        message = queued()
        dispatch(now=now, gateways={"email": Scripted()})
        assert outcome(message) == ("failed", "revealing")

    def test_a_bug_in_a_gateway_is_an_unknown_outcome(self, queued: Queued, now: datetime) -> None:
        bad, good = queued(subject_id=1), queued()
        dispatch(now=now, gateways={"email": Scripted(ZeroDivisionError("secret"))})
        assert outcome(bad) == ("uncertain", "ZeroDivisionError")
        assert attempts(bad) == [(1, "unknown", "ZeroDivisionError", True)]
        assert outcome(good) == ("sent", "")


class TestWithdrawnWhileSending:
    """The ledger says what happened."""

    def cancel(self, message: Message, now: datetime) -> None:
        """The visit is cancelled."""
        outreach.reconcile(
            patient=message.patient,
            subject_kind="appointment",
            subject_id=7,
            plan_version=1,
            wanted=[],
            now=now,
            reason="cancelled",
        )

    def test_before_it_left(self, queued: Queued, now: datetime) -> None:
        first, message = queued(subject_id=1), queued()

        def cancel_the_second() -> str:
            self.cancel(message, now)
            return "ok"

        gateway = Scripted(cancel_the_second)
        dispatch(now=now, gateways={"email": gateway})
        assert outcome(first) == ("sent", "")
        assert outcome(message) == ("withdrawn", "cancelled")
        assert len(gateway.sent) == 1
        assert attempts(message) == [(1, "not_sent", "cancelled", False)]

    def test_after_it_left(self, queued: Queued, now: datetime) -> None:
        message = queued()

        def cancel_meanwhile() -> str:
            self.cancel(message, now)
            return "ok"

        dispatch(now=now, gateways={"email": Scripted(cancel_meanwhile)})
        assert outcome(message) == ("sent", "sent_before_withdrawal")
        assert attempts(message) == [(1, "accepted", "", True)]

    def test_a_failed_try_is_not_repeated(self, queued: Queued, now: datetime) -> None:
        message = queued()

        def cancel_and_fail() -> str:
            self.cancel(message, now)
            raise GatewayError(Fault.TEMPORARY, "smtp_450")

        dispatch(now=now, gateways={"email": Scripted(cancel_and_fail)})
        assert outcome(message) == ("withdrawn", "cancelled")
        assert attempts(message) == [(1, "temporary", "smtp_450", True)]

    def test_an_opt_out_meanwhile(self, queued: Queued, now: datetime) -> None:
        message = queued()

        def opt_out_and_fail() -> str:
            message.patient.accepts_email = False
            message.patient.save()
            outreach.contact_changed(patient=message.patient, now=now)
            raise GatewayError(Fault.TEMPORARY, "smtp_450")

        dispatch(now=now, gateways={"email": Scripted(opt_out_and_fail)})
        assert outcome(message) == ("suppressed", "opted_out")


def test_the_ledger_holds_neither_address_nor_words(queued: Queued, smtp: SmtpSink, now: datetime) -> None:
    message = queued()
    dispatch(now=now)
    message.refresh_from_db()
    stored = str([vars(message), *map(vars, Attempt.objects.all()), *map(vars, WorkItem.objects.all())])
    assert message.patient.email not in stored
    assert "Hello" not in stored
