"""From a freed time to an answer, in the services, on real rows."""

from contextlib import suppress
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common.errors import Conflict
from patients.models import Consent, ContactPolicy, Message, Patient, WorkItem
from patients.services import consents
from scheduling.domain.transitions import Verb
from scheduling.due import Waitlist
from scheduling.models import Appointment, Closure, FreedSlot, Offer, Resource, WaitlistEntry
from scheduling.selectors import waitlist as selector
from scheduling.services import appointments, calendars, offers, visit_steps, waitlist
from tests.factories import PatientFactory, visit_type
from tests.integration.waitlist.conftest import DAY_BEFORE, START, Wait, cancel, tick

pytestmark = pytest.mark.django_db

SOON = DAY_BEFORE + timedelta(minutes=1)
HALF_AN_HOUR = timedelta(minutes=30)


def statuses() -> dict[int, str]:
    return dict(Offer.objects.values_list("patient_id", "status"))


def messages(patient: Patient) -> set[tuple[str, str]]:
    rows = Message.objects.filter(patient=patient, subject_kind="offer")
    return set(rows.values_list("kind", "status"))


def accept(entry: WaitlistEntry, *, now: datetime = SOON) -> Offer:
    offer = Offer.objects.filter(entry=entry).latest("pk")
    return offers.accept(actor=SYSTEM, now=now, offer_id=offer.pk)


def test_all_who_fit_are_asked_at_once_and_the_first_yes_gets_it(ben: Appointment, wait: Wait) -> None:
    first, second = wait(), wait()
    cancel(ben)
    tick(DAY_BEFORE)
    offer = Offer.objects.get(entry=first)
    assert (offer.start_at, offer.end_at) == (START, START + timedelta(hours=2))
    assert offer.expires_at == DAY_BEFORE + HALF_AN_HOUR
    assert messages(first.patient) == {("waitlist_offer", "queued")}

    taken = accept(second)
    visit = taken.appointment
    assert visit is not None
    assert (visit.patient_id, visit.start_at, visit.status) == (second.patient_id, START, "booked")
    freed = set(ben.allocations.filter(resource__kind="chair").values_list("resource_id", flat=True))
    assert (
        set(visit.allocations.filter(resource__kind="chair").values_list("resource_id", flat=True)) == freed
    )
    assert statuses() == {first.patient_id: "superseded", second.patient_id: "accepted"}
    assert messages(first.patient) == {("waitlist_offer", "withdrawn"), ("waitlist_gone", "queued")}
    assert messages(second.patient) == {("waitlist_offer", "withdrawn")}
    assert Message.objects.filter(patient=second.patient, kind="confirmation", status="queued").exists()
    second.refresh_from_db()
    assert (second.status, second.appointment_id) == ("booked", visit.pk)
    first.refresh_from_db()
    assert first.status == "active"

    with pytest.raises(Conflict) as late:
        accept(first)
    assert late.value.code == "offer_gone"
    assert Appointment.objects.filter(start_at=START).exclude(status="cancelled").get() == visit
    assert Offer.objects.count() == 2


def test_one_after_another_each_has_until_the_deadline(
    ben: Appointment, wait: Wait, one_by_one: None
) -> None:
    third, first, second = wait(), wait(priority=9), wait(priority=5)
    cancel(ben)
    tick(DAY_BEFORE)
    assert statuses() == {first.patient_id: "offered"}
    assert Waitlist().next_due_at() == DAY_BEFORE + HALF_AN_HOUR

    tick(DAY_BEFORE + HALF_AN_HOUR - timedelta(seconds=1))
    assert statuses() == {first.patient_id: "offered"}
    with pytest.raises(Conflict) as late:
        accept(first, now=DAY_BEFORE + HALF_AN_HOUR)
    assert late.value.code == "offer_expired"

    at = DAY_BEFORE + HALF_AN_HOUR
    tick(at)
    assert statuses() == {first.patient_id: "expired", second.patient_id: "offered"}
    assert messages(first.patient) == {("waitlist_offer", "withdrawn")}

    declined = Offer.objects.get(entry=second)
    offers.decline(actor=SYSTEM, now=at, offer_id=declined.pk)
    assert Waitlist().next_due_at() == at
    tick(at)
    assert statuses() == {
        first.patient_id: "expired",
        second.patient_id: "declined",
        third.patient_id: "offered",
    }
    tick(at + HALF_AN_HOUR)
    slot = FreedSlot.objects.get()
    assert (slot.status, slot.next_action_at, Waitlist().next_due_at()) == ("closed", None, None)
    assert set(WaitlistEntry.objects.values_list("status", flat=True)) == {"active"}


def test_nobody_is_offered_a_time_twice_nor_two_times_at_once(
    ben: Appointment, clinic: Site, wait: Wait, one_by_one: None
) -> None:
    entry = wait()
    wait(entry.patient, earliest_at=START - timedelta(days=1))
    other = appointments.book(
        actor=SYSTEM,
        now=DAY_BEFORE,
        patient_id=PatientFactory.create(site=clinic).pk,
        visit_type=visit_type(),
        site=clinic,
        start=START + timedelta(hours=6),
    )
    cancel(ben)
    cancel(other)
    tick(DAY_BEFORE)
    assert Offer.objects.count() == 1
    second_slot = FreedSlot.objects.get(appointment=other)
    assert second_slot.next_action_at == DAY_BEFORE + HALF_AN_HOUR
    tick(DAY_BEFORE + HALF_AN_HOUR)
    assert list(Offer.objects.order_by("pk").values_list("slot__appointment", "status")) == [
        (ben.pk, "expired"),
        (other.pk, "offered"),
    ]
    offer = Offer.objects.latest("pk")
    with pytest.raises(IntegrityError, match="offer_once"), transaction.atomic():
        Offer.objects.create(
            slot=offer.slot,
            entry=offer.entry,
            patient=offer.patient,
            start_at=offer.start_at,
            end_at=offer.end_at,
            offered_at=SOON,
            expires_at=SOON + HALF_AN_HOUR,
            status="expired",
        )


def test_a_process_that_dies_after_freeing_loses_nothing(ben: Appointment, wait: Wait) -> None:
    entry = wait()
    cancel(ben)  # nobody is told: no worker, no broker, nothing but the row
    assert not Offer.objects.exists()
    assert Waitlist().next_due_at() == DAY_BEFORE
    tick(DAY_BEFORE + timedelta(minutes=5))
    assert statuses() == {entry.patient_id: "offered"}


def test_a_tick_that_dies_half_way_is_done_again_whole(
    ben: Appointment, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [wait(), wait()]
    cancel(ben)
    told: list[int] = []

    def dying(offer: Offer, **_kwargs: Any) -> None:
        told.append(offer.pk)
        if len(told) == 2:
            raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("scheduling.services.offer_messages.offered", dying)
        with suppress(RuntimeError):
            tick(DAY_BEFORE)
    assert len(told) == 2
    assert not Offer.objects.exists()
    tick(SOON)
    assert set(statuses()) == {entry.patient_id for entry in entries}


def test_a_cancelled_visit_that_is_brought_back_takes_its_offers_back(ben: Appointment, wait: Wait) -> None:
    entry = wait()
    cancel(ben)
    tick(DAY_BEFORE)
    visit_steps.undo(actor=SYSTEM, now=SOON, appointment_id=ben.pk)
    assert Waitlist().next_due_at() == SOON
    tick(SOON)
    assert statuses() == {entry.patient_id: "superseded"}
    assert ("waitlist_gone", "queued") in messages(entry.patient)
    assert FreedSlot.objects.get().status == "closed"


def test_a_time_booked_otherwise_is_gone_for_those_who_were_asked(
    ben: Appointment, clinic: Site, wait: Wait
) -> None:
    first, second = wait(), wait()
    cancel(ben)
    tick(DAY_BEFORE)
    appointments.book(
        actor=SYSTEM,
        now=SOON,
        patient_id=PatientFactory.create(site=clinic).pk,
        visit_type=visit_type(),
        site=clinic,
        start=START,
    )
    with pytest.raises(Conflict) as late:
        accept(first)
    assert late.value.code == "offer_gone"
    tick(SOON)
    assert statuses() == {first.patient_id: "superseded", second.patient_id: "superseded"}
    assert ("waitlist_gone", "queued") in messages(second.patient)


def test_moving_a_visit_away_and_taking_a_closure_back_free_time_too(
    ben: Appointment, clinic: Site, wait: Wait
) -> None:
    entry = wait()
    appointments.reschedule(
        actor=SYSTEM, now=DAY_BEFORE, appointment_id=ben.pk, start=START + timedelta(days=1)
    )
    tick(DAY_BEFORE)
    assert list(FreedSlot.objects.values_list("cause", "start_at")) == [("rescheduled", START)]
    offer = Offer.objects.get(entry=entry)
    assert offer.start_at == START
    offers.decline(actor=SYSTEM, now=SOON, offer_id=offer.pk)

    chair = Resource.objects.get(site=clinic, kind="chair")
    closure = calendars.add_closure(
        actor=SYSTEM,
        now=SOON,
        resource_id=chair.pk,
        start=START + timedelta(days=2),
        end=START + timedelta(days=4),
        reason="repair",
    )
    calendars.remove_closure(actor=SYSTEM, now=SOON, closure_id=closure.pk)
    reopened = FreedSlot.objects.filter(cause="reopened").order_by("start_at")
    assert [slot.start_at for slot in reopened] == [START + timedelta(days=2), START + timedelta(days=3)]
    tick(SOON)
    assert Offer.objects.filter(entry=entry, status="offered").get().start_at >= START + timedelta(days=2)


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({}, True),
        ({"visit_type": "ketamine-pain"}, True),
        ({"weekdays": [1, 2]}, False),
        ({"weekdays": [0]}, True),
        ({"earliest_time": time(13)}, True),
        ({"latest_time": time(8)}, False),
        ({"has_escort": False}, False),
        ({"has_escort": False, "visit_type": "consultation"}, False),
        ({"notice_minutes": 24 * 60}, True),
        ({"notice_minutes": 30 * 60}, False),
        ({"latest_at": START}, False),
        ({"earliest_at": START + timedelta(hours=7)}, False),
        ({"status": "cancelled"}, False),
    ],
)
def test_who_fits(ben: Appointment, wait: Wait, fields: dict[str, Any], asked: bool) -> None:
    """The chair is free from 09:00 to 14:45; a consultation needs none of what was freed but staff."""
    if "visit_type" in fields:
        fields = {**fields, "visit_type": visit_type(fields["visit_type"])}
    wait(**fields)
    cancel(ben)
    tick(DAY_BEFORE)
    assert Offer.objects.exists() is asked


def test_a_visit_that_does_not_fit_the_freed_time_is_not_offered_it(
    ben: Appointment, clinic: Site, wait: Wait
) -> None:
    """After 10:00 something else is in the chair: two hours are too long, and so is the whole day."""
    cancel(ben)
    appointments.book(
        actor=SYSTEM,
        now=DAY_BEFORE,
        patient_id=PatientFactory.create(site=clinic).pk,
        visit_type=visit_type("ketamine-pain"),
        site=clinic,
        start=START + timedelta(hours=1),
    )
    wait()
    wait(visit_type=visit_type("ketamine-pain"))
    tick(DAY_BEFORE)
    assert not Offer.objects.exists()
    assert FreedSlot.objects.get().status == "closed"


def test_a_patient_who_is_elsewhere_then_is_not_asked_but_offered_what_is_left(
    ben: Appointment, clinic: Site, wait: Wait
) -> None:
    for kind, capacity in (("chair", 1), ("nurse", 3)):
        Resource.objects.create(site=clinic, kind=kind, name="Second", capacity=capacity)
    entry = wait()
    appointments.book(
        actor=SYSTEM,
        now=DAY_BEFORE,
        patient_id=entry.patient_id,
        visit_type=visit_type(),
        site=clinic,
        start=START,
    )
    cancel(ben)
    tick(DAY_BEFORE)
    assert Offer.objects.get().start_at == START + timedelta(hours=2)


@pytest.mark.parametrize("with_email", [False, True])
def test_who_texted_stop_is_never_offered_a_time(ben: Appointment, wait: Wait, with_email: bool) -> None:
    entry = wait()
    patient = entry.patient
    if not with_email:
        patient.email, patient.accepts_email = "", False
        patient.save()
    consents.record(
        actor=SYSTEM,
        now=DAY_BEFORE - timedelta(days=1),
        patient_id=patient.pk,
        channel="sms",
        granted=False,
        source=Consent.Source.REPLY,
    )
    cancel(ben)
    tick(DAY_BEFORE)
    assert not Offer.objects.exists()
    assert messages(patient) == set()
    assert not WorkItem.objects.filter(patient=patient).exists()


def test_who_never_wanted_texts_is_asked_by_mail(ben: Appointment, wait: Wait) -> None:
    entry = wait(PatientFactory.create(site=ben.site, accepts_sms=False))
    cancel(ben)
    tick(DAY_BEFORE)
    rows = Message.objects.filter(patient=entry.patient, subject_kind="offer")
    assert set(rows.values_list("channel", "status")) == {("email", "queued"), ("sms", "suppressed")}


def test_a_stop_between_the_weighing_and_the_offer_counts(ben: Appointment, wait: Wait) -> None:
    entry = wait(PatientFactory.create(site=ben.site, email="", accepts_email=False))
    cancel(ben)
    slot = FreedSlot.objects.select_related("site", "appointment").get()
    policy = selector.policy_of(slot.site_id)
    weighed = selector.weigh(slot, policy, now=DAY_BEFORE)
    assert weighed.entries[0][1].start == START
    Patient.objects.filter(pk=entry.patient_id).update(accepts_sms=False)
    offers._advance(slot=slot, policy=policy, weighed=weighed, now=DAY_BEFORE)
    assert not Offer.objects.exists()
    tick(DAY_BEFORE)
    assert FreedSlot.objects.get().status == "closed"


def test_nobody_is_woken_they_are_asked_in_the_morning(ben: Appointment, wait: Wait) -> None:
    night = START - timedelta(hours=11)  # 22:00
    wait(notice_minutes=120)
    cancel(ben, now=night)
    tick(night)
    assert not Offer.objects.exists()
    assert Waitlist().next_due_at() == START  # 09:00, the end of the quiet hours
    tick(START)
    assert Offer.objects.get().start_at == START + timedelta(hours=2)
    assert not ContactPolicy.objects.exclude(site=None).exists()


def test_somebody_who_leaves_the_list_makes_room_for_the_next(
    ben: Appointment, wait: Wait, one_by_one: None
) -> None:
    first, second = wait(priority=9), wait()
    cancel(ben)
    tick(DAY_BEFORE)
    waitlist.cancel(actor=SYSTEM, now=SOON, entry_id=first.pk)
    assert statuses() == {first.patient_id: "superseded"}
    assert messages(first.patient) == {("waitlist_offer", "withdrawn")}
    tick(SOON)
    assert statuses()[second.patient_id] == "offered"


def test_weighing_costs_the_same_however_many_wait(ben: Appointment, wait: Wait) -> None:
    cancel(ben)
    slot = FreedSlot.objects.select_related("site", "appointment").get()
    policy = selector.policy_of(slot.site_id)
    costs = []
    for _ in range(2):
        for _ in range(3):
            wait()
        with CaptureQueriesContext(connection) as caught:
            selector.weigh(slot, policy, now=DAY_BEFORE)
        costs.append(len(caught))
    assert costs[0] == costs[1]


def test_nothing_is_freed_by_a_visit_that_is_over_or_held_nothing(ben: Appointment, clinic: Site) -> None:
    visit_steps.step(actor=SYSTEM, now=START + timedelta(hours=9), appointment_id=ben.pk, verb=Verb.NO_SHOW)
    follow_up = visit_type("follow-up")
    follow_up.phases = [{"name": "call", "minutes": 20, "needs": []}]
    follow_up.save()
    call = appointments.book(
        actor=SYSTEM,
        now=DAY_BEFORE,
        patient_id=PatientFactory.create(site=clinic).pk,
        visit_type=follow_up,
        site=clinic,
        start=START,
    )
    cancel(call)
    assert not FreedSlot.objects.exists()
    assert not Closure.objects.exists()
