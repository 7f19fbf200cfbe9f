"""What texts from patients do: once, whoever shares the number, and never without somebody reading them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from clinic.access.models import Site
from clinic.access.policy import Actor
from patients.models import Consent, InboundMessage, Message, Patient, WorkItem
from patients.services import text_commands
from scheduling.models import Appointment
from tests.factories import PatientFactory, SiteFactory
from tests.factories.bookings import booked
from tests.factories.racing import at_once
from tests.integration.hooks.conftest import INBOUND, OURS, post, sid

pytestmark = pytest.mark.django_db
Texts = Callable[..., HttpResponse]
Sent = Callable[..., Message]


def answers() -> list[str]:
    """The kinds of our answers so far."""
    return list(Message.objects.filter(subject_kind="reply").order_by("id").values_list("kind", flat=True))


def items() -> list[str]:
    """The kinds of what waits for a person."""
    return sorted(WorkItem.objects.exclude(status="resolved").values_list("kind", flat=True))


def outcome() -> str:
    """What the latest text led to."""
    latest = InboundMessage.objects.first()
    assert latest is not None
    return latest.outcome


@pytest.fixture
def asked(site: Site, sent: Sent, now: datetime) -> Callable[..., Appointment]:
    """``asked(patient=…)``: a booked visit in two days that the patient was texted about."""

    def make(**changes: Any) -> Appointment:
        kind = changes.pop("kind", "confirm_request")
        start = changes.pop("start", now + timedelta(days=2))
        visit = booked(site, start, on={}, **changes)
        sent(
            patient=visit.patient, kind=kind, subject_id=visit.pk, plan_version=visit.plan_version,
            attempt={"handed_over_at": now - timedelta(hours=1)},
        )  # fmt: skip
        return visit

    return make


def status_of(visit: Appointment) -> str:
    """As stored."""
    visit.refresh_from_db()
    return visit.status


def test_c_confirms_the_visit_and_says_so(asked: Callable[..., Appointment], texts: Texts) -> None:
    visit = asked()
    answer = texts(visit.patient.phone, "C.")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/xml; charset=utf-8")
    assert b"<Message>" not in answer.content
    assert (status_of(visit), answers(), items(), outcome()) == (
        "confirmed", ["reply_confirmed"], [], "confirmed",
    )  # fmt: skip
    event = visit.events.get()
    assert (event.verb, event.via, event.by_id) == ("confirm", "reply", None)
    reply = Message.objects.get(kind="reply_confirmed")
    text = InboundMessage.objects.get()
    assert (reply.patient_id, reply.subject_id, reply.in_reply_to_id) == (visit.patient_id, text.pk, text.pk)
    assert reply.context["start_at"] == visit.start_at.isoformat()
    assert (text.intent, text.patient_id, text.body) == ("confirm", visit.patient_id, "C.")


def test_a_webhook_that_comes_again_does_nothing_twice(
    asked: Callable[..., Appointment], texts: Texts
) -> None:
    visit = asked()
    first = texts(visit.patient.phone, "C", MessageSid=sid(9))
    again = texts(visit.patient.phone, "C", MessageSid=sid(9))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert (answers(), visit.events.count()) == (["reply_confirmed"], 1)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("body", ["C", "STOP", "hello?"])
def test_a_webhook_that_comes_twice_at_once_does_nothing_twice(
    body: str, asked: Callable[..., Appointment], now: datetime
) -> None:
    visit = asked()
    form = {"MessageSid": sid(5), "From": visit.patient.phone, "To": OURS, "Body": body}
    came = at_once([lambda: post(INBOUND, form).status_code for _ in range(4)])
    assert came == [200] * 4
    assert (InboundMessage.objects.count(), len(answers())) == (1, 1)
    assert Consent.objects.filter(patient=visit.patient).count() == (body == "STOP")
    assert WorkItem.objects.filter(kind="text_to_read").count() == (body == "hello?")


def test_c_again_is_harmless(asked: Callable[..., Appointment], texts: Texts) -> None:
    visit = asked(status="confirmed")
    texts(visit.patient.phone, "C")
    assert (answers(), outcome(), visit.events.count(), items()) == (
        ["reply_confirmed"], "confirmed_before", 0, [],
    )  # fmt: skip


@pytest.mark.parametrize("changes", [{"status": "cancelled"}, {"status": "completed"}, {"start": -1}])
def test_c_for_a_visit_that_is_over_goes_to_a_person(
    changes: dict[str, Any], asked: Callable[..., Appointment], texts: Texts, now: datetime
) -> None:
    if "start" in changes:
        changes = {"start": now - timedelta(hours=1)}
    visit = asked(**changes)
    before = visit.status
    texts(visit.patient.phone, "C")
    assert (status_of(visit), answers(), items()) == (before, ["reply_received"], ["unclear_reply"])


def test_a_late_c_does_not_confirm_the_new_time(asked: Callable[..., Appointment], texts: Texts) -> None:
    visit = asked()
    Appointment.objects.filter(pk=visit.pk).update(plan_version=2)
    texts(visit.patient.phone, "C")
    assert (status_of(visit), answers(), items()) == ("booked", ["reply_received"], ["unclear_reply"])


def test_r_opens_a_work_item_once_and_answers_with_a_link(
    asked: Callable[..., Appointment], texts: Texts
) -> None:
    visit = asked()
    texts(visit.patient.phone, "R")
    texts(visit.patient.phone, "reschedule please")
    assert (status_of(visit), answers(), items()) == (
        "booked", ["reply_move", "reply_move"], ["asks_to_move"],
    )  # fmt: skip
    context = Message.objects.filter(kind="reply_move")[0].context
    assert (context["link_kind"], context["link_id"]) == ("appointment", str(visit.pk))
    item = WorkItem.objects.get()
    assert (item.owner_role, item.severity, item.patient_id) == ("front_desk", "routine", visit.patient_id)


def test_r_shortly_before_the_visit_is_urgent(
    asked: Callable[..., Appointment], texts: Texts, now: datetime
) -> None:
    visit = asked(start=now + timedelta(hours=20))
    texts(visit.patient.phone, "R")
    item = WorkItem.objects.get()
    assert (item.severity, item.due_at) == ("urgent", now + timedelta(hours=1))


def test_the_visit_asked_about_last_is_meant(
    asked: Callable[..., Appointment], texts: Texts, sent: Sent, now: datetime
) -> None:
    later = asked(start=now + timedelta(days=9), kind="confirmation")
    nearer = booked(later.site, now + timedelta(days=3), on={}, patient=later.patient)
    sent(patient=later.patient, kind="confirm_request", subject_id=nearer.pk)
    texts(later.patient.phone, "C")
    assert (status_of(nearer), status_of(later)) == ("confirmed", "booked")


def test_a_yes_to_something_else_confirms_nothing(
    asked: Callable[..., Appointment], texts: Texts, sent: Sent
) -> None:
    visit = asked()
    sent(patient=visit.patient, kind="waitlist_offer", subject_kind="offer")
    texts(visit.patient.phone, "yes")
    assert (status_of(visit), items()) == ("booked", ["text_to_read"])
    texts(visit.patient.phone, "C")
    assert status_of(visit) == "confirmed"


def test_on_a_shared_number_c_is_for_the_only_one_who_is_awaited(
    asked: Callable[..., Appointment], texts: Texts
) -> None:
    visit = asked(patient=PatientFactory.create(phone="+13035554444"))
    asked(patient=PatientFactory.create(phone="+13035554444"), status="confirmed")
    texts("+13035554444", "C")
    assert (status_of(visit), outcome()) == ("confirmed", "confirmed")


@pytest.mark.parametrize("body", ["C", "R"])
def test_on_a_shared_number_nothing_is_guessed(
    body: str, asked: Callable[..., Appointment], texts: Texts
) -> None:
    visits = [asked(patient=PatientFactory.create(phone="+13035554444")) for _ in range(2)]
    texts("+13035554444", body)
    assert [status_of(visit) for visit in visits] == ["booked", "booked"]
    assert (answers(), items(), outcome()) == (["reply_help"], ["unclear_reply"], "unclear")
    assert (WorkItem.objects.get().patient_id, InboundMessage.objects.get().patient_id) == (None, None)


def accepting(*people: Patient) -> list[bool]:
    """Who may be texted."""
    for patient in people:
        patient.refresh_from_db()
    return [patient.accepts_sms for patient in people]


def test_stop_counts_for_everybody_at_the_number_and_is_confirmed_once(texts: Texts, sent: Sent) -> None:
    people = [
        PatientFactory.create(site=SiteFactory.create(), phone="+13035554444", email="", accepts_email=False)
        for _ in range(2)
    ]
    other = PatientFactory.create()
    waiting = sent(patient=people[1], status="queued", attempt={"handed_over_at": None})
    Message.objects.filter(pk=waiting.pk).update(not_after=waiting.due_at + timedelta(days=1))
    texts("+13035554444", "Stop!")
    assert (accepting(*people, other), answers()) == ([False, False, True], ["reply_stopped"])
    waiting.refresh_from_db()
    assert (waiting.status, waiting.reason) == ("suppressed", "opted_out")
    assert {(c.granted, c.source, c.recorded_by_id) for c in Consent.objects.all()} == {
        (False, "reply", None)
    }
    texts("+13035554444", "STOP")
    texts("+13035554444", "C")
    assert (answers(), Consent.objects.count()) == (["reply_stopped"], 2)


def test_start_takes_back_what_a_text_had_stopped_and_nothing_else(texts: Texts, now: datetime) -> None:
    by_text, by_staff = (PatientFactory.create(phone="+13035554444") for _ in range(2))
    Patient.objects.filter(pk=by_staff.pk).update(accepts_sms=False)
    Consent.objects.create(
        patient=by_staff, channel="sms", granted=False, source="staff", recorded_at=now - timedelta(days=9)
    )
    texts("+13035554444", "STOP")
    texts("+13035554444", "Yes")
    assert accepting(by_text, by_staff) == [True, False]
    assert (answers(), items()) == (["reply_stopped", "reply_started"], ["wants_texts_again"])
    assert WorkItem.objects.get().patient_id == by_staff.pk


def test_the_provider_has_answered_already(texts: Texts) -> None:
    patient = PatientFactory.create()
    texts(patient.phone, "STOP", OptOutType="STOP")
    assert (accepting(patient), answers()) == ([False], [])
    texts(patient.phone, "START", OptOutType="START")
    texts(patient.phone, "HELP", OptOutType="HELP")
    assert (accepting(patient), answers()) == ([True], [])


def test_help_is_answered_also_after_stop_and_to_strangers(texts: Texts, site: Site) -> None:
    patient = PatientFactory.create(site=site, language="es")
    texts(patient.phone, "HELP")
    assert answers() == ["reply_help"]
    texts(patient.phone, "STOP")
    after_stop = texts(patient.phone, "ayuda", MessageSid=sid(70)).content.decode()
    assert "<Message>Cedar Street Office: C confirma la cita" in after_stop
    assert texts(patient.phone, "ayuda", MessageSid=sid(70)).content.decode() == after_stop
    stranger = texts("+13035550000", "Help!").content.decode()
    assert "<Message>Cedar Street Office: C confirms a visit" in stranger
    assert "C confirma la cita" in texts("+13035550000", "AYUDA").content.decode()


@pytest.mark.parametrize("sender", ["+13035550000", "12345", "", "ACME", "+1" + "0" * 40])
@pytest.mark.parametrize("body", ["C", "STOP", "who is this?"])
def test_a_number_of_nobody_is_read_by_somebody_and_not_answered(
    sender: str, body: str, texts: Texts, site: Site
) -> None:
    PatientFactory.create(site=SiteFactory.create())
    assert b"<Message>" not in texts(sender, body).content
    item = WorkItem.objects.get()
    assert (item.kind, item.site_id, item.patient_id) == ("text_from_unknown_number", site.pk, None)
    assert answers() == []


def test_the_site_of_strangers_can_be_chosen(texts: Texts, site: Site, settings: Any) -> None:
    other = SiteFactory.create(name="Elm Street")
    settings.DEFAULT_SITE = "Elm Street"
    texts("+13035550000", "hello")
    assert WorkItem.objects.get().site_id == other.pk


def test_free_text_is_read_by_the_front_desk_and_quoted_nowhere(texts: Texts, now: datetime) -> None:
    patient = PatientFactory.create()
    texts(patient.phone, "My knee hurts\x00 since Monday, can you cancel?")
    texts(patient.phone, "and my back")
    item = WorkItem.objects.get()
    assert (item.kind, item.severity, item.owner_role) == ("text_to_read", "routine", "front_desk")
    assert (item.due_at, item.patient_id) == (now + timedelta(hours=4), patient.pk)
    assert "knee" not in item.summary
    assert "no more messages" in item.summary
    assert answers() == ["reply_received"]
    assert InboundMessage.objects.last().body == "My knee hurts since Monday, can you cancel?"  # type: ignore[union-attr]


def test_free_text_is_acknowledged_again_after_a_while(
    texts: Texts, now: datetime, clock: Callable[[datetime], None]
) -> None:
    patient = PatientFactory.create()
    texts(patient.phone, "hello")
    clock(now + timedelta(hours=3, minutes=59))
    texts(patient.phone, "hello?")
    assert answers() == ["reply_received"]
    clock(now + timedelta(hours=8))
    texts(patient.phone, "anybody?")
    assert answers() == ["reply_received"] * 2


@pytest.mark.parametrize(
    "body", ["I want to die", "no puedo más", "stop texting me i'm going to kill myself", "help me"]
)
def test_words_of_crisis_reach_a_nurse_within_15_minutes(body: str, texts: Texts, now: datetime) -> None:
    patient = PatientFactory.create()
    texts(patient.phone, body)
    item = WorkItem.objects.get(kind="crisis_text")
    assert (item.severity, item.owner_role, item.patient_id) == ("urgent", "nurse", patient.pk)
    assert item.due_at == now + timedelta(minutes=15)
    texts(patient.phone, body)
    assert WorkItem.objects.filter(kind="crisis_text").count() == 2


def test_a_crisis_of_a_stranger_is_urgent_too(texts: Texts, site: Site) -> None:
    texts("+13035550000", "I can't go on")
    assert items() == ["crisis_text"]


def test_a_text_whose_effect_fails_reaches_a_person_and_loses_nothing(
    asked: Callable[..., Appointment],
    texts: Texts,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    visit = asked()

    class Broken:
        def asked(self, *_arguments: object, **_named: object) -> list[object]:
            raise RuntimeError(visit.patient.phone)

    monkeypatch.setattr(text_commands, "_visits", Broken)
    assert texts(visit.patient.phone, "C").status_code == 200
    assert (outcome(), items(), answers()) == ("not_processed", ["text_not_processed"], [])
    assert InboundMessage.objects.get().intent == "confirm"
    assert visit.patient.phone not in caplog.text


def test_a_closed_record_is_not_answered(texts: Texts) -> None:
    patient = PatientFactory.create(status="inactive")
    texts(patient.phone, "hello")
    assert (answers(), items()) == ([], ["text_to_read"])


def test_a_text_without_a_proper_id_is_refused(now: datetime) -> None:
    assert post(INBOUND, {"From": OURS, "Body": "STOP"}).status_code == 400
    assert post(INBOUND, {"MessageSid": "x' or 1=1", "From": OURS, "Body": "STOP"}).status_code == 400
    assert InboundMessage.objects.count() == 0


def test_a_get_changes_nothing(now: datetime) -> None:
    assert Client().get(INBOUND).status_code == 405


def test_each_text_can_be_read_where_its_work_item_is(
    texts: Texts, site: Site, actor_at: Callable[..., Actor]
) -> None:
    """Also the texts of a shared and of an unknown number; nobody else reads them."""
    elsewhere, third = SiteFactory.create(), SiteFactory.create()
    PatientFactory.create(site=elsewhere, phone="+13035554444")
    PatientFactory.create(site=third, phone="+13035554444")
    own = PatientFactory.create(site=elsewhere)
    for sender, body in (("+13035554444", "shared"), ("+13035550000", "unknown"), (own.phone, "own")):
        texts(sender, body)

    def reads(where: Site, role: str = "front_desk") -> set[str]:
        seen = InboundMessage.objects.visible_to(actor_at(where, role))
        return set(seen.values_list("body", flat=True))

    assert reads(site) == {"unknown"}
    assert reads(elsewhere) == {"shared", "own"}
    assert reads(third) == {"shared"}
    assert reads(site, "auditor") == set()
