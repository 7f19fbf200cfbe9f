"""The waiting list in the admin: who waits, what was offered, answers by phone, and times kept."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Patient
from scheduling.models import Appointment, FreedSlot, Hold, HoldPolicy, Offer, WaitlistEntry
from scheduling.services import holds
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type
from tests.integration.admin.furnished import course_of
from tests.integration.admin.pages import said, stamp, version, words

NEW = "admin:scheduling_waitlistentry_new"


@pytest.fixture
def patient(site: Site) -> Patient:
    """Somebody who waits, at a site that is open."""
    open_clinic(site)
    return PatientFactory.create(site=site, first_name="Ana", last_name="Reyes")


def wishes(patient: Patient, **more: Any) -> dict[str, Any]:
    """What the form asks."""
    days = {"earliest": "2027-01-05", "latest": "2027-01-15", "weekdays": ["0", "1"]}
    return {"site": patient.site_id, "visit_type": visit_type().pk, "has_escort": "on", **days, **more}


def address(name: str, pk: int) -> str:
    """A page by its name."""
    return reverse(f"admin:scheduling_{name}", args=[pk])


def offered(patient: Patient) -> Offer:
    """A freed hour tomorrow at 10, offered to the patient and to somebody else."""
    start = NOW + timedelta(days=1, hours=2)
    at = {"start_at": start, "end_at": start + timedelta(minutes=120)}
    slot = FreedSlot.objects.create(
        site=patient.site, cause="cancelled", freed_at=NOW, next_action_at=NOW, **at
    )
    made = []
    for each in (patient, PatientFactory.create(site=patient.site)):
        entry = WaitlistEntry.objects.create(
            patient=each,
            site=patient.site,
            visit_type=visit_type(),
            earliest_at=NOW,
            latest_at=NOW + timedelta(days=9),
            created_at=NOW,
        )
        until = NOW + timedelta(hours=1)
        made.append(
            Offer.objects.create(slot=slot, entry=entry, patient=each, offered_at=NOW, expires_at=until, **at)
        )
    return made[0]


def test_add_change_and_take_off(patient: Patient, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", patient.site)
    where = f"{reverse(NEW)}?patient={patient.pk}"
    assert "Who is it for?" in words(client.get(reverse(NEW)))
    done = client.post(where, wishes(patient, notice_hours="2", latest_time="14:00"), follow=True)
    entry = WaitlistEntry.objects.get()
    assert said(done) == ["On the waiting list. What becomes free is offered by itself."]
    assert (entry.weekdays, entry.notice_minutes, entry.has_escort) == ([0, 1], 120, True)
    assert "Tue, Jan 5, 2027 to Fri, Jan 15, 2027; Mon, Tue; until 14:00" in words(done)
    record = words(client.get(reverse("admin:patients_patient_record", args=[patient.pk])))
    assert "Waiting list" in record
    assert "until 14:00" in record

    page = address("waitlistentry_wishes", entry.pk)
    shown = version(client.get(page))
    client.post(page, {**wishes(patient), "weekdays": ["4"], "version": shown})
    entry.refresh_from_db()
    assert (entry.weekdays, entry.latest_time) == ([4], None)
    stale = client.post(page, {**wishes(patient), "version": shown})
    assert "changed" in words(stale)
    entry.refresh_from_db()
    assert entry.weekdays == [4]

    shown = version(client.get(address("waitlistentry_change", entry.pk)))
    gone = client.post(address("waitlistentry_cancel", entry.pk), {"version": shown}, follow=True)
    assert said(gone) == ["Taken off the waiting list."]
    entry.refresh_from_db()
    assert entry.status == "cancelled"
    again = client.post(address("waitlistentry_cancel", entry.pk), {"version": "3"}, follow=True)
    assert said(again) == ["This entry is cancelled. Make a new one if the patient still waits."]


def test_wait_for_a_session_of_a_course(patient: Patient, staff: Callable[..., Client]) -> None:
    course = course_of(patient)
    where = f"{reverse(NEW)}?patient={patient.pk}"
    client = staff("nurse", patient.site)
    both = client.post(where, wishes(patient, course=course.pk))
    assert "Give either a visit type or a course." in words(both)
    client.post(where, wishes(patient, visit_type="", course=course.pk))
    assert WaitlistEntry.objects.get().course == course


@pytest.mark.parametrize(
    ("given", "said_there"),
    [
        ({"earliest": "2026-12-01", "latest": "2026-12-02"}, "This time is over. Choose a later one."),
        ({"earliest": "2027-01-09", "latest": "2027-01-05"}, "Latest must be after earliest."),
        ({"latest": "2029-01-05"}, "Choose a day within 400 days."),
        ({"earliest_time": "14:00", "latest_time": "09:00"}, "The latest time must not be before"),
        ({"priority": "12"}, "less than or equal to 9"),
    ],
)
def test_what_cannot_be_waited_for(
    given: dict[str, str], said_there: str, patient: Patient, staff: Callable[..., Client]
) -> None:
    client = staff("front_desk", patient.site)
    refused = client.post(f"{reverse(NEW)}?patient={patient.pk}", wishes(patient, **given))
    assert said_there in words(refused)
    assert not WaitlistEntry.objects.exists()


def test_yes_by_phone_books_and_takes_back_the_others(patient: Patient, staff: Callable[..., Client]) -> None:
    client, offer = staff("front_desk", patient.site), offered(patient)
    page = address("freedslot_change", offer.slot_id)
    assert "Said yes by phone" in words(client.get(page))
    done = client.post(address("freedslot_accept", offer.pk), {"version": offer.version}, follow=True)
    assert said(done) == ["Booked. The others are told that it is gone."]
    assert Appointment.objects.get().patient == patient
    assert "gone to somebody else" in words(done)
    other = Offer.objects.exclude(pk=offer.pk).get()
    late = client.post(address("freedslot_accept", other.pk), {"version": other.version}, follow=True)
    assert said(late) == ["Someone else has this time. The patient stays on the waitlist for the next one."]
    assert "Reyes, Ana" in words(client.get(reverse("admin:scheduling_freedslot_changelist")))


def test_no_by_phone_leaves_them_waiting(patient: Patient, staff: Callable[..., Client]) -> None:
    client, offer = staff("front_desk", patient.site), offered(patient)
    done = client.post(address("freedslot_decline", offer.pk), {"version": offer.version}, follow=True)
    assert said(done) == ["Written down. They stay on the list; the next one is asked."]
    offer.refresh_from_db()
    assert (offer.status, offer.entry.status) == ("declined", "active")


def test_an_answer_that_comes_too_late(
    patient: Patient, staff: Callable[..., Client], clock: Callable[..., None]
) -> None:
    client, offer = staff("front_desk", patient.site), offered(patient)
    clock(NOW + timedelta(hours=2))
    assert "Said yes by phone" not in words(client.get(address("freedslot_change", offer.slot_id)))
    late = client.post(address("freedslot_accept", offer.pk), {"version": offer.version}, follow=True)
    assert said(late) == ["This offer has expired. If the time is still free, book it as any other visit."]
    assert not Appointment.objects.exists()


def test_managers_see_offers_and_answer_none(patient: Patient, staff: Callable[..., Client]) -> None:
    client, offer = staff("manager", patient.site), offered(patient)
    assert "Said yes by phone" not in words(client.get(address("freedslot_change", offer.slot_id)))
    answer = client.post(address("freedslot_accept", offer.pk), {"version": offer.version})
    assert answer.status_code == 403


def test_lists_narrow_by_who_still_waits(
    patient: Patient, staff: Callable[..., Client], clock: Callable[..., None]
) -> None:
    offered(patient)
    client = staff("front_desk", patient.site)
    where = reverse("admin:scheduling_waitlistentry_changelist")
    assert client.get(where, {"waiting": "yes"}).context["cl"].result_count == 2
    clock(NOW + timedelta(days=30))
    assert client.get(where, {"waiting": "yes"}).context["cl"].result_count == 0
    shown = client.get(where, {"waiting": "over"})
    assert shown.context["cl"].result_count == 2
    assert "time is over" in words(shown)


def test_a_hold_shows_what_is_left_and_is_given_back(
    patient: Patient, staff: Callable[..., Client], clock: Callable[..., None]
) -> None:
    kept = holds.hold(
        actor=SYSTEM,
        now=NOW,
        patient_id=patient.pk,
        visit_type=visit_type(),
        site=patient.site,
        start=NOW + timedelta(days=1, hours=2),
    )
    client = staff("front_desk", patient.site)
    clock(NOW + timedelta(minutes=4))
    where = reverse("admin:scheduling_hold_changelist")
    assert "6 minutes, until 8:10 AM MST" in words(client.get(where, {"kept": "now"}))
    stale = client.post(address("hold_release", kept.pk), {"version": "9"}, follow=True)
    assert Hold.objects.get().ended_at is None
    assert said(stale)
    done = client.post(address("hold_release", kept.pk), {"version": kept.version}, follow=True)
    assert said(done) == ["Given back; the time is free for others."]
    assert "Give the time back" not in words(done)
    assert client.get(where, {"kept": "now"}).context["cl"].result_count == 0
    assert client.get(where, {"kept": "over"}).context["cl"].result_count == 1


def test_rules_of_a_site(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    add = reverse("admin:scheduling_holdpolicy_add")
    given = {"site": site.pk, "minutes": "15", "source": "our own", "mark": "D"}
    assert client.post(add, {**given, "minutes": "90"}).status_code == 200
    assert client.post(add, {**given, "site": SiteFactory.create().pk}).status_code == 200
    assert not HoldPolicy.objects.filter(site__isnull=False).exists()
    assert client.post(add, given).status_code == 302
    own = HoldPolicy.objects.get(site=site)
    page = address("holdpolicy_change", own.pk)
    shown = stamp(client.get(page))
    client.post(page, {**given, "minutes": "20", "stamp": shown})
    own.refresh_from_db()
    assert own.minutes == 20
    client.post(page, {**given, "minutes": "30", "stamp": shown})
    own.refresh_from_db()
    assert own.minutes == 20
