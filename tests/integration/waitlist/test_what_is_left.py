"""What else is free: the rest of a freed time, what a hold kept; and offers for what staff book otherwise."""

from datetime import datetime, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common.errors import Conflict
from patients.models import Message, Patient
from scheduling.due import Waitlist
from scheduling.models import Appointment, FreedSlot, Hold, Offer, WaitlistEntry
from scheduling.services import appointments, calendars, freed, holds, offers, visit_steps
from tests.integration.waitlist.conftest import DAY_BEFORE, START, Wait, book, cancel, hold, tick, use

pytestmark = pytest.mark.django_db

SOON = DAY_BEFORE + timedelta(minutes=1)
LATER = SOON + timedelta(minutes=1)
TWO_HOURS = timedelta(hours=2)


def accept(entry: WaitlistEntry, *, now: datetime = SOON) -> Offer:
    offer = Offer.objects.filter(entry=entry).latest("pk")
    return offers.accept(actor=SYSTEM, now=now, offer_id=offer.pk)


def told(patient: Patient) -> list[tuple[str, str]]:
    rows = Message.objects.filter(patient=patient, subject_kind="offer", channel="sms").order_by("pk")
    return list(rows.values_list("kind", "status"))


def offered(entry: WaitlistEntry) -> list[tuple[str, datetime]]:
    return list(Offer.objects.filter(entry=entry).order_by("pk").values_list("status", "start_at"))


def test_a_long_visit_that_is_lost_serves_as_many_as_fit_in_its_time(ben: Appointment, wait: Wait) -> None:
    """345 minutes of a chair are two visits of 120 and the beginning of a third one."""
    entries = [wait() for _ in range(3)]
    cancel(ben)
    tick(DAY_BEFORE)
    accept(entries[1])
    tick(LATER)
    lost = [("superseded", START), ("offered", START + TWO_HOURS)]
    assert offered(entries[0]) == offered(entries[2]) == lost
    accept(entries[2], now=LATER)
    last = LATER + timedelta(minutes=1)
    tick(last)
    assert offered(entries[0]) == [
        ("superseded", START),
        ("superseded", START + TWO_HOURS),
        ("offered", START + 2 * TWO_HOURS),
    ]
    accept(entries[0], now=last)
    tick(last)
    visits = Appointment.objects.filter(status="booked").order_by("start_at")
    assert list(visits.values_list("patient_id", "start_at")) == [
        (entries[1].patient_id, START),
        (entries[2].patient_id, START + TWO_HOURS),
        (entries[0].patient_id, START + 2 * TWO_HOURS),
    ]
    slots = FreedSlot.objects.order_by("pk")
    assert [slot.rest_of for slot in slots] == [None, *[slots[0]] * 3]
    assert [slot.status for slot in slots] == ["taken", "taken", "taken", "closed"]
    assert Waitlist().next_due_at() is None


def test_an_offer_that_ends_after_the_freed_time_is_taken_back_too(
    ben: Appointment, clinic: Site, wait: Wait
) -> None:
    """13:00 to 15:00 is on offer, freed was until 14:45, and staff book from 14:45."""
    entry = wait(earliest_time=time(13))
    cancel(ben)
    tick(DAY_BEFORE)
    assert offered(entry) == [("offered", START + 2 * TWO_HOURS)]
    book(clinic, now=SOON, start=ben.end_at)
    assert Waitlist().next_due_at() == SOON
    tick(SOON)
    assert offered(entry) == [("superseded", START + 2 * TWO_HOURS)]


def test_who_said_no_or_nothing_is_not_asked_again_about_the_rest(ben: Appointment, wait: Wait) -> None:
    takes, refuses, silent = wait(), wait(), wait()
    cancel(ben)
    tick(DAY_BEFORE)
    offers.decline(actor=SYSTEM, now=SOON, offer_id=Offer.objects.get(entry=refuses).pk)
    Offer.objects.filter(entry=silent).update(expires_at=SOON)
    tick(SOON)
    accept(takes)
    tick(LATER)
    assert [status for status, _start in offered(refuses) + offered(silent)] == ["declined", "expired"]


def test_the_rest_goes_back_with_the_visit_that_is_brought_back(ben: Appointment, wait: Wait) -> None:
    """The winner cancels and the lost visit is brought back: nothing of it is on offer any more."""
    first, second = wait(), wait()
    cancel(ben)
    tick(DAY_BEFORE)
    taken = accept(first)
    tick(SOON)
    assert offered(second)[-1] == ("offered", START + TWO_HOURS)
    assert taken.appointment is not None
    cancel(taken.appointment, now=LATER)
    visit_steps.undo(actor=SYSTEM, now=LATER, appointment_id=ben.pk)
    tick(LATER)
    assert not Offer.objects.filter(status="offered").exists()
    assert told(second.patient)[-1] == ("waitlist_gone", "queued")


def test_a_hold_given_back_is_offered_but_not_to_the_patient_it_was_for(clinic: Site, wait: Wait) -> None:
    entry, own = wait(), wait()
    kept = hold(clinic, own.patient)
    assert Waitlist().next_due_at() == kept.expires_at
    holds.release(actor=SYSTEM, now=SOON, hold_id=kept.pk)
    holds.release(actor=SYSTEM, now=SOON, hold_id=kept.pk)
    slot = FreedSlot.objects.get()
    assert (slot.cause, slot.hold, slot.start_at, slot.end_at) == (
        "hold_released",
        kept,
        START,
        START + TWO_HOURS,
    )
    assert Waitlist().next_due_at() == SOON
    tick(SOON)
    assert (offered(entry), offered(own)) == ([("offered", START)], [])
    tick(kept.expires_at)
    assert FreedSlot.objects.count() == 1


def test_a_hold_that_ends_by_the_clock_is_noticed_once(clinic: Site, wait: Wait) -> None:
    entry = wait()
    kept = hold(clinic)
    over = kept.expires_at
    assert holds.notice_expired(now=over - timedelta(seconds=1), limit=10) == 0
    assert [holds.notice_expired(now=over, limit=10) for _ in range(3)] == [1, 0, 0]
    slot = FreedSlot.objects.get()
    assert (slot.cause, slot.resource_ids) == (
        "hold_expired",
        sorted(set(kept.allocations.values_list("resource_id", flat=True))),
    )
    assert Waitlist().next_due_at() == over
    tick(over)
    assert offered(entry) == [("offered", START)]
    kept.refresh_from_db()
    assert kept.status_at(over) == Hold.Status.EXPIRED
    assert kept.ended_at is None


def test_a_hold_that_became_a_visit_or_whose_time_is_over_frees_nothing(clinic: Site, wait: Wait) -> None:
    wait()
    kept = hold(clinic)
    use(kept, now=SOON)
    assert holds.notice_expired(now=kept.expires_at, limit=10) == 0
    past = hold(clinic, code="consultation")
    assert holds.notice_expired(now=past.end_at, limit=10) == 1
    assert not FreedSlot.objects.exists()
    assert Waitlist().next_due_at() is None


def test_of_an_expired_hold_that_somebody_took_some_of_the_rest_is_offered(clinic: Site, wait: Wait) -> None:
    """A booking clears away what an expired hold had; the tick comes later and offers what is free of it."""
    entry = wait()
    kept = hold(clinic, code="ketamine-pain")
    book(clinic, now=kept.expires_at)
    holds.notice_expired(now=kept.expires_at, limit=10)
    tick(kept.expires_at)
    assert offered(entry) == [("offered", START + TWO_HOURS)]


def test_many_holds_are_noticed_with_as_many_queries_as_one(clinic: Site) -> None:
    costs = []
    for count in (1, 5):
        for _ in range(count):
            hold(clinic).allocations.all().delete()
        over = Hold.objects.latest("pk").expires_at
        with CaptureQueriesContext(connection) as caught:
            assert holds.notice_expired(now=over, limit=10) == count
        costs.append(len(caught))
    assert costs[0] == costs[1]


def test_a_time_on_offer_that_staff_book_is_taken_back_and_its_patients_told(
    ben: Appointment, clinic: Site, wait: Wait
) -> None:
    first, second = wait(), wait()
    cancel(ben)
    tick(DAY_BEFORE)
    before = Waitlist().next_due_at()
    book(clinic, now=SOON, code="ketamine-pain")
    assert before == DAY_BEFORE + timedelta(minutes=30)
    assert Waitlist().next_due_at() == SOON, "written by the booking itself, whatever happens to its wake-up"
    with pytest.raises(Conflict) as late:
        accept(first, now=SOON)
    assert late.value.code == "offer_gone"
    tick(SOON)
    for entry in (first, second):
        assert offered(entry) == [("superseded", START)]
        assert told(entry.patient) == [("waitlist_offer", "withdrawn"), ("waitlist_gone", "queued")]


def test_a_time_on_offer_that_closes_is_taken_back_and_its_patient_told(
    ben: Appointment, clinic: Site, wait: Wait
) -> None:
    entry = wait()
    cancel(ben)
    tick(DAY_BEFORE)
    assert offered(entry) == [("offered", START)]
    calendars.add_closure(
        actor=SYSTEM, now=SOON, start=START, end=START + TWO_HOURS, reason="Water", site_id=clinic.pk
    )
    tick(SOON)
    assert offered(entry)[0] == ("superseded", START)
    assert ("waitlist_gone", "queued") in told(entry.patient)


def test_who_lost_a_start_to_staff_is_offered_the_next_one(
    ben: Appointment, clinic: Site, wait: Wait
) -> None:
    entry = wait()
    cancel(ben)
    tick(DAY_BEFORE)
    book(clinic, now=SOON)
    tick(SOON)
    tick(LATER)
    assert offered(entry) == [("superseded", START), ("offered", START + TWO_HOURS)]
    assert accept(entry, now=LATER).appointment is not None


def test_a_move_a_hold_and_another_chair_touch_what_is_on_offer_too(
    ben: Appointment, clinic: Site, wait: Wait
) -> None:
    wait()
    elsewhere = book(clinic, now=SOON, start=START + timedelta(days=1))
    cancel(ben)
    tick(SOON)
    before = FreedSlot.objects.get()
    appointments.reschedule(actor=SYSTEM, now=LATER, appointment_id=elsewhere.pk, start=START)
    moved = FreedSlot.objects.get(pk=before.pk)
    assert (moved.next_action_at, moved.version) == (LATER, before.version + 1)
    tick(LATER)
    assert not Offer.objects.filter(status="offered", slot=before).exists()


def test_a_booking_pays_one_query_for_the_waiting_list(ben: Appointment, clinic: Site, wait: Wait) -> None:
    """None of what is freed elsewhere, or is settled, costs it more."""
    wait()
    cancel(ben)
    tick(DAY_BEFORE)
    visit = book(clinic, now=SOON, start=START + timedelta(days=1))
    with CaptureQueriesContext(connection) as caught:
        freed.taken([visit], now=SOON)
    assert len(caught) == 1
    assert "freedslot" in caught[0]["sql"]
