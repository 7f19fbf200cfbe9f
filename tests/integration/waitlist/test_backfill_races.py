"""A freed time is wanted from several sides at the same moment: it goes to one, and nobody waits in vain."""

from collections import Counter
from datetime import timedelta
from functools import partial

import pytest

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Message
from scheduling.models import Appointment, FreedSlot, Offer
from scheduling.services import holds, offers
from tests.factories.racing import race
from tests.integration.waitlist.conftest import DAY_BEFORE, START, Wait, book, cancel, hold, tick, use

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

SOON = DAY_BEFORE + timedelta(minutes=1)


def standing() -> list[Appointment]:
    return list(Appointment.objects.filter(status="booked"))


@pytest.mark.parametrize("_again", range(4))
def test_a_yes_against_a_booking_by_staff(ben: Appointment, clinic: Site, wait: Wait, _again: int) -> None:
    entry = wait()
    cancel(ben)
    tick(DAY_BEFORE)
    booking = partial(book, clinic, now=SOON)
    yes = partial(offers.accept, actor=SYSTEM, now=SOON, offer_id=Offer.objects.get().pk)
    said, booked = race([yes, booking])
    assert (said, booked) in {("ok", "slot_taken"), ("offer_gone", "ok")}
    tick(SOON)
    assert [visit.start_at for visit in standing()] == [START]
    gone = Message.objects.filter(patient=entry.patient, kind="waitlist_gone", channel="sms")
    assert gone.exists() is (said == "offer_gone")
    # Whoever lost the start may still be offered the next one; nothing is left waiting to be looked at.
    assert Offer.objects.filter(status="offered", start_at=START).count() == 0
    assert not FreedSlot.objects.filter(next_action_at__lte=SOON).exists()


@pytest.mark.parametrize("_again", range(4))
def test_a_booking_against_the_tick_that_offers_it(
    ben: Appointment, clinic: Site, wait: Wait, _again: int
) -> None:
    """The offer was weighed before the booking, and is written after it or before: it never stands."""
    wait()
    cancel(ben)
    booking = partial(book, clinic, now=DAY_BEFORE, code="ketamine-pain")
    assert race([booking, partial(offers.offer_freed_slots, now=DAY_BEFORE, limit=5)]) == ["ok", "ok"]
    tick(DAY_BEFORE)
    assert not Offer.objects.filter(status="offered").exists()
    assert FreedSlot.objects.get().status == "closed"


@pytest.mark.parametrize("_again", range(4))
def test_a_yes_against_its_own_deadline(ben: Appointment, wait: Wait, _again: int) -> None:
    """The yes came in time by its clock, the tick is a moment ahead: one of them has it."""
    wait()
    cancel(ben)
    tick(DAY_BEFORE)
    offer = Offer.objects.get()
    said, ticked = race(
        [
            partial(
                offers.accept,
                actor=SYSTEM,
                now=offer.expires_at - timedelta(seconds=1),
                offer_id=offer.pk,
            ),
            partial(offers.offer_freed_slots, now=offer.expires_at, limit=5),
        ]
    )
    assert ticked == "ok"
    offer.refresh_from_db()
    assert (said, offer.status, len(standing())) in {("ok", "accepted", 1), ("offer_expired", "expired", 0)}


@pytest.mark.parametrize("_again", range(4))
def test_a_release_against_a_booking_by_hold(clinic: Site, wait: Wait, _again: int) -> None:
    entry = wait()
    kept = hold(clinic)
    released, booked = race(
        [
            partial(holds.release, actor=SYSTEM, now=SOON, hold_id=kept.pk),
            partial(use, kept, now=SOON),
        ]
    )
    assert (released, booked) in {("ok", "hold_released"), ("hold_used", "ok")}
    tick(SOON)
    freed = released == "ok"
    assert FreedSlot.objects.filter(hold=kept).count() == freed
    assert Offer.objects.filter(entry=entry, status="offered").count() == freed
    assert len(standing()) == (not freed)


def test_ticks_that_notice_together_notice_each_hold_once(clinic: Site, wait: Wait) -> None:
    wait()
    kept = hold(clinic)
    job = partial(holds.notice_expired, now=kept.expires_at, limit=5)
    assert race([job] * 6) == ["ok"] * 6
    job()
    assert FreedSlot.objects.filter(hold=kept).count() == 1


def test_bookings_around_many_freed_times_never_lock_each_other_out(clinic: Site, wait: Wait) -> None:
    """Each booking touches all of the freed times, in one order."""
    for _ in range(3):
        kept = hold(clinic)
        holds.release(actor=SYSTEM, now=SOON, hold_id=kept.pk)
    assert FreedSlot.objects.filter(status="open").count() == 3
    jobs = [partial(book, clinic, now=SOON) for _ in range(8)]
    assert Counter(race(jobs)) == {"ok": 1, "slot_taken": 7}
