"""Two say yes at once: exactly one gets the time, the other is told. Journey B of DOMAIN section 6."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Consent, Message, Patient
from patients.services import consents
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, FreedSlot, Offer
from scheduling.services import appointments, offers, visit_steps, waitlist
from tests.factories import PatientFactory, visit_type
from tests.factories.racing import race
from tests.integration.waitlist.conftest import DAY_BEFORE, START, Wait, book, cancel, tick

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

BOOKED = datetime(2027, 1, 28, 16, 0, tzinfo=UTC)


def yes(offer: Offer, *, now: datetime) -> Callable[[], object]:
    return partial(offers.accept, actor=SYSTEM, now=now, offer_id=offer.pk)


def kinds(patient: Patient) -> set[tuple[str, str]]:
    rows = Message.objects.filter(patient=patient, subject_kind="offer")
    return set(rows.values_list("kind", "status"))


def test_ben_does_not_come_and_his_chair_goes_to_one_who_waits(clinic: Site, wait: Wait) -> None:
    ben = PatientFactory.create(site=clinic, first_name="Ben")
    visit = appointments.book(
        actor=SYSTEM,
        now=BOOKED,
        patient_id=ben.pk,
        visit_type=visit_type("ketamine-pain"),
        site=clinic,
        start=START - timedelta(minutes=30),
    )
    # They keep the fast on the days they wait for, and live near: two hours are enough.
    ready = {"notice_minutes": 120}
    first, second = wait(**ready), wait(**ready)
    ate, alone, stopped = wait(), wait(**ready, has_escort=False), wait(**ready)
    consents.record(
        actor=SYSTEM,
        now=BOOKED,
        patient_id=stopped.patient_id,
        channel="sms",
        granted=False,
        source=Consent.Source.REPLY,
    )
    Patient.objects.filter(pk=stopped.patient_id).update(email="", accepts_email=False)
    reminders = Message.objects.filter(patient=ben, subject_kind="appointment")
    reminders.filter(kind="day_before").update(due_at=START + timedelta(hours=1))
    assert reminders.filter(status="queued").exists()

    visit_steps.step(actor=SYSTEM, now=START, appointment_id=visit.pk, verb=Verb.NO_SHOW)
    assert not reminders.filter(status="queued").exists()
    assert set(reminders.values_list("status", flat=True)) == {"withdrawn"}
    tick(START)
    asked = {offer.patient_id: offer for offer in Offer.objects.all()}
    assert set(asked) == {first.patient_id, second.patient_id}
    assert {offer.start_at for offer in asked.values()} == {START + timedelta(hours=2)}
    for left_out in (ate, alone, stopped):
        assert kinds(left_out.patient) == set()

    now = START + timedelta(minutes=5)
    outcomes = race([yes(offer, now=now) for offer in asked.values()])
    assert Counter(outcomes) == {"ok": 1, "offer_gone": 1}
    winner, loser = (
        [asked[entry.patient_id] for entry in (first, second)]
        if dict(zip(asked, outcomes, strict=True))[first.patient_id] == "ok"
        else [asked[entry.patient_id] for entry in (second, first)]
    )
    booked = Appointment.objects.filter(start_at=START + timedelta(hours=2)).get()
    assert booked.patient_id == winner.patient_id
    assert kinds(loser.patient) == {("waitlist_offer", "withdrawn"), ("waitlist_gone", "queued")}
    assert kinds(winner.patient) == {("waitlist_offer", "withdrawn")}
    assert FreedSlot.objects.get(rest_of=None).status == "taken"


def test_of_many_who_say_yes_at_once_exactly_one_is_booked(clinic: Site, wait: Wait) -> None:
    visit = book(clinic, now=BOOKED)
    entries = [wait() for _ in range(8)]
    cancel(visit)
    tick(DAY_BEFORE)
    outcomes = Counter(race([yes(offer, now=DAY_BEFORE) for offer in Offer.objects.all()]))
    assert outcomes == {"ok": 1, "offer_gone": 7}
    assert Counter(Offer.objects.values_list("status", flat=True)) == {"accepted": 1, "superseded": 7}
    told = Message.objects.filter(kind="waitlist_gone", channel="sms", status="queued")
    assert told.count() == len(entries) - 1
    assert Appointment.objects.exclude(status="cancelled").count() == 1


def test_one_yes_sent_many_times_books_once(clinic: Site, wait: Wait) -> None:
    visit = book(clinic, now=BOOKED)
    wait()
    cancel(visit)
    tick(DAY_BEFORE)
    outcomes = Counter(race([yes(Offer.objects.get(), now=DAY_BEFORE) for _ in range(6)]))
    assert outcomes == {"ok": 1, "invalid_transition": 5}


def test_ticks_running_at_once_offer_once(clinic: Site, wait: Wait) -> None:
    visit = book(clinic, now=BOOKED)
    for _ in range(5):
        wait()
    cancel(visit)
    job = partial(offers.offer_freed_slots, now=DAY_BEFORE, limit=10)
    assert set(race([job] * 6)) == {"ok"}
    tick(DAY_BEFORE)
    assert Counter(Offer.objects.values_list("status", flat=True)) == {"offered": 5}
    assert Message.objects.filter(kind="waitlist_offer", channel="sms").count() == 5


def test_a_yes_a_no_a_booking_and_the_tick_together_leave_one_visit(clinic: Site, wait: Wait) -> None:
    visit = book(clinic, now=BOOKED)
    entries = [wait() for _ in range(4)]
    cancel(visit)
    tick(DAY_BEFORE)
    first, second, third, _fourth = Offer.objects.order_by("pk")
    now = DAY_BEFORE + timedelta(minutes=1)
    outcomes = race(
        [
            yes(first, now=now),
            yes(second, now=now),
            partial(offers.decline, actor=SYSTEM, now=now, offer_id=third.pk),
            partial(waitlist.cancel, actor=SYSTEM, now=now, entry_id=entries[3].pk),
            partial(book, clinic, now=now),
            partial(offers.offer_freed_slots, now=now, limit=10),
        ]
    )
    assert Counter(outcomes[0:2] + outcomes[4:5])["ok"] == 1
    assert set(outcomes) <= {"ok", "offer_gone", "slot_taken"}
    tick(now)
    live = Appointment.objects.exclude(status="cancelled").get()
    assert live.start_at == START
    assert not Offer.objects.filter(status="offered").exists()
    assert not FreedSlot.objects.filter(next_action_at__lte=now).exists()
