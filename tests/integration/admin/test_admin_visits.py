"""Booking and the steps of a visit, done in the admin as a front desk does them."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.access.models import Site
from patients.models import Message, Patient
from scheduling.models import Appointment, AppointmentEvent, Closure
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type
from tests.factories.bookings import booked
from tests.factories.sessions import pass_start_gates
from tests.integration.admin.pages import said, version, words

BOOK = "admin:scheduling_appointment_book"
DENVER_TEN = "2027-01-05T10:00:00-07:00"


@pytest.fixture
def patient(site: Site) -> Patient:
    """Somebody to book for, at a site that is open."""
    open_clinic(site)
    return PatientFactory.create(site=site, first_name="Ana", last_name="Reyes")


def asked(patient: Patient, **more: Any) -> dict[str, Any]:
    """What the booking page asks for."""
    kind = more.pop("visit_type", visit_type())
    return {
        "patient": patient.pk,
        "visit_type": kind.pk,
        "site": patient.site_id,
        "from_day": "2027-01-04",
        **more,
    }


def page_of(visit: Appointment) -> str:
    """The page of a visit."""
    return reverse("admin:scheduling_appointment_change", args=[visit.pk])


def step(client: Client, visit: Appointment, verb: str, **more: Any) -> Any:
    """Press a button of the visit's page."""
    shown = version(client.get(page_of(visit)))
    url = reverse("admin:scheduling_appointment_step", args=[visit.pk])
    return client.post(url, {"verb": verb, "version": shown, **more}, follow=True)


def test_book_from_a_search_to_a_booked_visit_with_its_messages(
    patient: Patient, staff: Callable[..., Client]
) -> None:
    client = staff("front_desk", patient.site)
    found = client.post(reverse(BOOK), {"find": "reyes"})
    assert f'href="?patient={patient.pk}"' in found.content.decode()

    offered = client.get(reverse(BOOK), asked(patient))
    assert DENVER_TEN in re.findall(r'name="start" value="([^"]+)"', offered.content.decode())
    assert "Tue, Jan 5, 2027 MST" in words(offered)

    done = client.post(reverse(BOOK), asked(patient, start=DENVER_TEN, reason="first visit"), follow=True)
    visit = Appointment.objects.get()
    assert visit.start_at == datetime.fromisoformat(DENVER_TEN)
    assert said(done) == ["Booked for Tue, Jan 5, 2027, 10:00 AM MST."]
    event = AppointmentEvent.objects.get(appointment=visit)
    assert (event.by, event.reason) == (client.user, "first visit")  # type: ignore[attr-defined]
    shown = words(done)
    assert "Confirmation" in shown
    assert Message.objects.filter(subject_id=visit.pk, status="queued").exists()
    assert all(row.resource.name in shown for row in visit.allocations.select_related("resource"))


def test_cancel_withdraws_and_undo_brings_back(patient: Patient, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", patient.site)
    client.post(reverse(BOOK), asked(patient, start=DENVER_TEN))
    visit = Appointment.objects.get()

    gone = step(client, visit, "cancel", reason="ill")
    assert said(gone) == ["The visit is now cancelled."]
    assert set(Message.objects.values_list("status", flat=True)) <= {"withdrawn", "suppressed", "queued"}
    assert "ill" in words(gone)
    assert not visit.allocations.filter(released_at=None).exists()
    assert 'name="verb"' not in gone.content.decode()

    back = client.post(
        reverse("admin:scheduling_appointment_undo", args=[visit.pk]), {"version": version(gone)}, follow=True
    )
    assert said(back) == ["Taken back: the visit is booked again."]
    assert visit.allocations.filter(released_at=None).exists()


def test_the_page_offers_exactly_what_is_possible(
    patient: Patient, staff: Callable[..., Client], clock: Callable[[datetime], None]
) -> None:
    visit = booked(patient.site, NOW + timedelta(hours=2), on={}, patient=patient)
    desk, nurse, manager = (staff(role, patient.site) for role in ("front_desk", "nurse", "manager"))

    def offered(client: Client) -> list[str]:
        return re.findall(r'name="verb" value="(\w+)"', client.get(page_of(visit)).content.decode())

    assert offered(desk) == ["confirm", "check_in", "cancel"]
    assert offered(manager) == []
    clock(NOW + timedelta(hours=2))
    assert offered(desk) == ["confirm", "check_in", "no_show", "cancel"]
    step(desk, visit, "check_in")
    assert offered(desk) == ["cancel"]
    assert offered(nurse) == ["start", "cancel"]
    pass_start_gates(visit, now=NOW + timedelta(hours=2))
    step(nurse, visit, "start")
    assert offered(desk) == []
    assert offered(nurse) == ["complete"]


def test_a_role_that_may_not_take_a_step_is_refused(patient: Patient, staff: Callable[..., Client]) -> None:
    visit = booked(patient.site, NOW + timedelta(hours=2), on={}, patient=patient, status="arrived")
    url = reverse("admin:scheduling_appointment_step", args=[visit.pk])
    for role, verb in (("front_desk", "start"), ("manager", "cancel")):
        assert staff(role, patient.site).post(url, {"verb": verb, "version": "1"}).status_code == 403
    visit.refresh_from_db()
    assert visit.status == "arrived"


def test_a_step_that_is_over_says_what_is_possible(patient: Patient, staff: Callable[..., Client]) -> None:
    client = staff("nurse", patient.site)
    visit = booked(patient.site, NOW + timedelta(hours=2), on={}, patient=patient)
    refused = step(client, visit, "complete")
    now_possible = "Possible now: confirm, check in, cancel, no show."
    assert said(refused) == [f"Complete is not possible: the appointment is booked. {now_possible}"]


def test_a_page_left_open_changes_nothing(patient: Patient, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", patient.site)
    visit = booked(patient.site, NOW + timedelta(hours=2), on={}, patient=patient)
    stale = version(client.get(page_of(visit)))
    step(client, visit, "confirm")
    url = reverse("admin:scheduling_appointment_step", args=[visit.pk])
    for left_open in (stale, "", "many"):
        refused = client.post(url, {"verb": "cancel", "version": left_open}, follow=True)
        assert "again" in " ".join(said(refused))
    visit.refresh_from_db()
    assert visit.status == "confirmed"


def test_move_keeps_the_visit_and_says_where_it_went(patient: Patient, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", patient.site)
    client.post(reverse(BOOK), asked(patient, start=DENVER_TEN))
    visit = Appointment.objects.get()
    url = reverse("admin:scheduling_appointment_move", args=[visit.pk])
    picker = client.get(url)
    later = "2027-01-06T14:30:00-07:00"
    assert later in picker.content.decode()
    moved = client.post(url, {"start": later, "version": version(picker), "reason": "work"}, follow=True)
    assert said(moved) == ["Moved to Wed, Jan 6, 2027, 2:30 PM MST."]
    visit.refresh_from_db()
    assert visit.start_at == datetime.fromisoformat(later)


def test_a_taken_time_shows_the_sentence_and_the_nearest_others_as_buttons(
    site: Site, staff: Callable[..., Client]
) -> None:
    open_clinic(site, chairs=1)
    first, second = PatientFactory.create(site=site), PatientFactory.create(site=site)
    client = staff("front_desk", site)
    client.post(reverse(BOOK), asked(first, start=DENVER_TEN))
    refused = client.post(reverse(BOOK), asked(second, start=DENVER_TEN))
    assert refused.status_code == 409
    assert "Every chair is booked. Choose another time." in words(refused)
    nearest = [each["slot"].value for each in refused.context["alternatives"]]
    assert len(nearest) == 3
    assert client.post(reverse(BOOK), asked(second, start=nearest[0])).status_code == 302
    assert Appointment.objects.get(patient=second).start_at == datetime.fromisoformat(nearest[0])


@pytest.mark.parametrize("start", ["", "tomorrow", "2027-01-05T10:00:00", "2027-13-05T10:00:00-07:00"])
def test_a_start_that_was_not_offered_books_nothing(
    start: str, patient: Patient, staff: Callable[..., Client]
) -> None:
    refused = staff("front_desk", patient.site).post(reverse(BOOK), asked(patient, start=start))
    assert refused.status_code == 409
    assert "Choose one of the times offered." in words(refused)
    assert not Appointment.objects.exists()


@pytest.mark.parametrize("given", ["abc", "-1", "99999999999999999999", "0", "1e3"])
def test_bad_ids_in_the_address_are_not_found(
    given: str, patient: Patient, staff: Callable[..., Client]
) -> None:
    client = staff("front_desk", patient.site)
    assert client.get(reverse(BOOK), {"patient": given}).status_code == 404
    bad = client.get(reverse(BOOK), asked(patient) | {"site": given})
    assert bad.status_code == 200
    assert "offer" not in bad.context


def test_days_without_a_time_say_why(patient: Patient, staff: Callable[..., Client]) -> None:
    Closure.objects.create(
        site=patient.site, start_at=NOW - timedelta(days=1), end_at=NOW + timedelta(days=20), reason="Works"
    )
    shown = words(staff("front_desk", patient.site).get(reverse(BOOK), asked(patient)))
    assert "Nothing is free in these days." in shown
    assert "No chair works then." in shown


def test_nobody_books_for_a_patient_who_is_not_active(patient: Patient, staff: Callable[..., Client]) -> None:
    Patient.objects.update(status="inactive")
    refused = staff("front_desk", patient.site).post(reverse(BOOK), asked(patient, start=DENVER_TEN))
    assert "This patient is not active. Make the record active before booking." in words(refused)


def test_times_are_those_of_each_site_and_name_the_zone(staff: Callable[..., Client]) -> None:
    west, east = SiteFactory.create(), SiteFactory.create(timezone="America/New_York")
    for place in (west, east):
        booked(place, NOW + timedelta(hours=2), on={})
    shown = words(staff("front_desk", west, east).get(reverse("admin:scheduling_appointment_changelist")))
    assert "Mon, Jan 4, 2027, 10:00 AM MST" in shown
    assert "Mon, Jan 4, 2027, 12:00 PM EST" in shown


def test_today_is_counted_at_each_site(
    staff: Callable[..., Client], clock: Callable[[datetime], None]
) -> None:
    west, east = SiteFactory.create(), SiteFactory.create(timezone="America/New_York")
    late = datetime.fromisoformat("2027-01-04T23:30:00-07:00")  # already Tuesday in New York
    visits = {place.pk: booked(place, late, on={}) for place in (west, east)}
    clock(datetime.fromisoformat("2027-01-04T22:00:00-07:00"))  # still Monday in Denver
    client = staff("front_desk", west, east)
    listed = client.get(reverse("admin:scheduling_appointment_changelist"), {"day": "today"}).context["cl"]
    assert {row.pk for row in listed.result_list} == {visit.pk for visit in visits.values()}
    clock(datetime.fromisoformat("2027-01-04T12:00:00-07:00"))
    listed = client.get(reverse("admin:scheduling_appointment_changelist"), {"day": "today"}).context["cl"]
    assert {row.pk for row in listed.result_list} == {visits[west.pk].pk}


def test_steps_are_never_taken_by_following_a_link(patient: Patient, staff: Callable[..., Client]) -> None:
    client = staff("nurse", patient.site)
    visit = booked(patient.site, NOW + timedelta(hours=2), on={}, patient=patient)
    for name in ("step", "undo"):
        url = reverse(f"admin:scheduling_appointment_{name}", args=[visit.pk])
        assert client.get(url, {"verb": "cancel", "version": "1"}).status_code == 405
    assert client.post(page_of(visit), {"status": "completed"}).status_code == 405


def test_a_forged_post_is_refused(patient: Patient, staff: Callable[..., Client]) -> None:
    user = staff("front_desk", patient.site).user  # type: ignore[attr-defined]
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post(reverse(BOOK), asked(patient, start=DENVER_TEN)).status_code == 403
    assert not Appointment.objects.exists()
