"""Courses in the admin: planned side by side, booked by one click, and changed by their own verbs."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Patient, WorkItem
from scheduling.models import Appointment, Course, CourseTemplate
from scheduling.services import course_changes
from tests.conftest import NOW
from tests.factories import PatientFactory, open_clinic, visit_type
from tests.factories.bookings import booked
from tests.integration.admin.furnished import course_of
from tests.integration.admin.pages import said, stamp, version, words

PLAN = "admin:scheduling_course_plan"
OVERVIEW = "admin:scheduling_course_changelist"


@pytest.fixture
def patient(site: Site) -> Patient:
    """Somebody to plan for, at a site that is open."""
    open_clinic(site)
    return PatientFactory.create(site=site, first_name="Ana", last_name="Reyes")


def question(patient: Patient, **more: Any) -> str:
    """The address of plans for six ketamine sessions."""
    template = CourseTemplate.objects.get(code="ketamine-mood-3-per-week")
    asked = {
        "template": template.pk,
        "site": patient.site_id,
        "start_on": "2027-01-05",
        "preferred_hour": "09:00",
    }
    pairs = {"patient": patient.pk, **asked, **more}
    return f"{reverse(PLAN)}?" + "&".join(f"{name}={value}" for name, value in pairs.items())


def plans(response: Any) -> list[str]:
    """What the buttons of the page stand for."""
    return re.findall(r'name="starts"[^>]*value="([^"]+)"', response.content.decode())


def page(course: Course, name: str = "change") -> str:
    """A page of a course."""
    return reverse(f"admin:scheduling_course_{name}", args=[course.pk])


@pytest.fixture
def course(patient: Patient, staff: Callable[..., Client]) -> Course:
    """Six sessions, booked as the front desk does it."""
    client = staff("front_desk", patient.site)
    address = question(patient)
    client.post(address, {"starts": plans(client.get(address))[0]})
    return Course.objects.get()


def test_plans_stand_side_by_side_and_one_click_books_what_was_shown(
    patient: Patient, staff: Callable[..., Client]
) -> None:
    client = staff("front_desk", patient.site)
    found = client.post(reverse(PLAN), {"find": "reyes"})
    assert f'href="?patient={patient.pk}"' in found.content.decode()

    shown = client.get(question(patient))
    offered = plans(shown)
    assert len(offered) == 3
    assert "Plan 1" in words(shown)
    assert "Fits 100 of 100" in words(shown)

    done = client.post(question(patient), {"starts": offered[1]}, follow=True)
    course = Course.objects.get()
    starts = [datetime.fromisoformat(start) for start in offered[1].split()]
    assert [each.start_at for each in course.sessions.order_by("start_at")] == starts
    assert said(done) == ["The course is booked. Every session is below."]
    assert "0 of 6 sessions held" in words(done)
    record = client.get(reverse("admin:patients_patient_record", args=[patient.pk]))
    assert "Ketamine, mood: six in two weeks" in words(record)


def test_a_taken_session_is_named_and_its_alternatives_book_the_rest_of_the_plan(
    patient: Patient, site: Site, staff: Callable[..., Client]
) -> None:
    client = staff("front_desk", site)
    address = question(patient)
    wanted = plans(client.get(address))[0]
    third = datetime.fromisoformat(wanted.split()[2])
    booked(site, third, on={}, minutes=60, patient=patient)

    refused = client.post(address, {"starts": wanted})
    assert refused.status_code == 409
    assert "Session 3" in words(refused)
    assert not Course.objects.exists()
    other = plans(refused)[0].split()
    assert [n for n in range(6) if other[n] != wanted.split()[n]] == [2]

    client.post(address, {"starts": " ".join(other)})
    assert Course.objects.get().sessions.count() == 6


def test_without_a_plan_the_page_says_why(patient: Patient, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", patient.site)
    shown = client.get(question(patient, weekdays=6))
    assert plans(shown) == []
    assert "No plan is possible" in words(shown)
    assert "This weekday is not one of those asked for or allowed." in words(shown)
    crossed = client.get(question(patient, earliest="15:00", latest="09:00"))
    assert "The latest start is before the earliest." in words(crossed)


@pytest.mark.parametrize("starts", ["", "yesterday", "2027-01-05T09:00", "2027-01-05T09:00:00-07:00 x"])
def test_what_no_button_said_books_nothing(
    starts: str, patient: Patient, staff: Callable[..., Client]
) -> None:
    refused = staff("front_desk", patient.site).post(question(patient), {"starts": starts})
    assert refused.status_code == 409
    assert "Choose one of the plans offered." in words(refused)
    assert not Appointment.objects.exists()


def test_add_sessions(course: Course, staff: Callable[..., Client]) -> None:
    client = staff("nurse", course.site)
    shown = client.get(page(course, "extend"), {"count": "2"})
    given = {"starts": plans(shown)[0], "version": version(shown), "reason": "doing well"}
    done = client.post(f"{page(course, 'extend')}?count=2", given, follow=True)
    assert said(done) == ["The sessions are booked."]
    course.refresh_from_db()
    assert (course.sessions_planned, course.sessions.count()) == (8, 8)
    assert "doing well" in words(done)


def test_the_rest_is_planned_anew_and_what_stays_is_marked(
    course: Course, staff: Callable[..., Client], clock: Callable[..., None]
) -> None:
    client = staff("front_desk", course.site)
    before = list(course.sessions.order_by("start_at").values_list("start_at", flat=True))
    shown = client.get(page(course, "replan"), {"start_on": "2027-01-12"})
    assert "Booked now" in words(shown)
    given = {"starts": plans(shown)[0], "version": version(shown)}
    address = f"{page(course, 'replan')}?start_on=2027-01-12"
    done = client.post(address, given, follow=True)
    assert said(done) == ["The rest of the course is planned anew; messages follow."]
    after = list(course.sessions.order_by("start_at").values_list("start_at", flat=True))
    assert after != before
    assert len(after) == 6

    stale = client.post(address, given)
    assert stale.status_code == 409
    assert course.sessions.count() == 6


def test_stop_cancels_what_is_to_come_and_needs_a_reason(
    course: Course, staff: Callable[..., Client]
) -> None:
    client = staff("front_desk", course.site)
    shown = version(client.get(page(course, "stop")))
    assert "This field is required." in words(
        client.post(page(course, "stop"), {"version": shown, "reason": ""})
    )
    done = client.post(page(course, "stop"), {"version": shown, "reason": "moved away"}, follow=True)
    assert said(done) == ["Done: stop the course."]
    assert set(course.sessions.values_list("status", flat=True)) == {"cancelled"}
    assert "Plan the rest anew" not in words(done)

    again = client.get(page(course, "replan"))
    assert "This course is stopped. Book a new one if treatment goes on." in words(again)


def test_the_interval_after_the_series(course: Course, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", course.site)
    shown = version(client.get(page(course, "interval")))
    wrong = client.post(
        page(course, "interval"), {"version": shown, "interval_days": "10", "tolerance_days": "10"}
    )
    assert "The tolerance must be shorter than the interval." in words(wrong)
    done = client.post(page(course, "interval"), {"version": shown, "interval_days": "21"}, follow=True)
    assert "every 18 to 24 days, aiming at 21" in words(done)


def test_a_lost_session_flags_the_course_until_somebody_deals_with_it(
    course: Course, staff: Callable[..., Client]
) -> None:
    client = staff("front_desk", course.site)
    lost = course.sessions.order_by("start_at")[2]
    step = reverse("admin:scheduling_appointment_step", args=[lost.pk])
    client.post(step, {"verb": "cancel", "version": lost.version, "reason": "ill"})
    assert client.get(reverse(OVERVIEW), {"drift": "yes"}).context["cl"].result_count == 1
    shown = client.get(page(course))
    assert "1 session lost and not yet planned again." in words(shown)
    assert "out of range" in words(shown)
    assert WorkItem.objects.get(kind="course_gap").summary in words(shown)

    again = client.get(page(course, "replan"))
    client.post(page(course, "replan"), {"starts": plans(again)[0], "version": version(again)})
    assert client.get(reverse(OVERVIEW), {"drift": "no"}).context["cl"].result_count == 1
    assert "out of range" not in words(client.get(page(course)))


def test_a_stale_page_changes_nothing(course: Course, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", course.site)
    shown = version(client.get(page(course, "stop")))
    course_changes.set_maintenance(actor=SYSTEM, now=NOW, course_id=course.pk, interval_days=14)
    client.post(page(course, "stop"), {"version": shown, "reason": "late click"})
    course.refresh_from_db()
    assert course.status == "active"


def test_managers_read_and_change_nothing(course: Course, staff: Callable[..., Client]) -> None:
    client = staff("manager", course.site)
    shown = words(client.get(page(course)))
    assert "Add sessions" not in shown
    assert "Move session" not in shown
    assert client.post(page(course, "stop"), {"version": "1", "reason": "x"}).status_code == 403
    assert course.sessions.filter(status="booked").count() == 6


def test_the_page_counts_what_was_held(patient: Patient, staff: Callable[..., Client]) -> None:
    course = course_of(patient)
    start = NOW - timedelta(days=3)
    booked(patient.site, start, on={}, patient=patient, course=course, session_number=1, status="completed")
    assert "1 of 6 sessions held" in words(staff("nurse", patient.site).get(page(course)))


# --- templates -----------------------------------------------------------------------------------
def stage(at: int, **given: Any) -> dict[str, Any]:
    """One row of the table."""
    row = {
        "name": "series",
        "sessions": 3,
        "min_gap_days": 2,
        "max_gap_days": 3,
        "gap_unit": "days",
        "mark": "D",
    }
    return {f"stages-{at}-{name}": value for name, value in {**row, **given}.items()}


def test_a_template_is_added_and_changed(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    later = stage(1, name="monthly", sessions="", min_gap_days=21, max_gap_days=35, ideal_gap_days=28)
    details = {
        "name": "Three",
        "visit_type": visit_type().pk,
        "active": "on",
        "source": "our own",
        "mark": "K",
    }
    given = {"code": "three", **details, **stage(0), **later, "allowed_weekdays": ["0", "2"]}
    added = client.post(reverse("admin:scheduling_coursetemplate_add"), given)
    assert added.status_code == 302
    template = CourseTemplate.objects.get(code="three")
    assert [each["sessions"] for each in template.stages] == [3, None]
    assert (template.allowed_weekdays, template.mark) == ([0, 2], "K")
    listed = words(client.get(reverse("admin:scheduling_coursetemplate_changelist")))
    assert "3 sessions, 2 to 3 days apart" in listed
    assert "for as long as it helps, every 21 to 35 days, aiming at 28" in listed

    address = reverse("admin:scheduling_coursetemplate_change", args=[template.pk])
    shown = stamp(client.get(address))
    changed = {**given, "stamp": shown, **stage(0, max_gap_days=4)}
    assert client.post(address, changed).status_code == 302
    template.refresh_from_db()
    assert (template.stages[0]["max_gap_days"], template.version) == (4, 2)
    stale = client.post(address, {**changed, **stage(0, max_gap_days=5)})
    assert stale.status_code == 200
    template.refresh_from_db()
    assert template.stages[0]["max_gap_days"] == 4


def test_what_is_wrong_with_a_template_is_said(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    given = {"code": "three", "name": "Three", "visit_type": visit_type().pk, "mark": "D"}
    address = reverse("admin:scheduling_coursetemplate_add")
    crossed = client.post(address, {**given, **stage(0, min_gap_days=5, max_gap_days=2)})
    assert "Stage 1, longest gap: is less than the shortest gap." in words(crossed)
    words_for = client.post(address, {**given, **stage(0, sessions="many")})
    assert "Stage 1, sessions: must be a whole number from 1 to 60." in words(words_for)
    empty = client.post(address, given)
    assert "Write 1 to 20 stages, a row for each." in words(empty)
    taken = client.post(address, {**given, **stage(0), "code": "esketamine"})
    assert "Another course template has this code. Choose another one." in words(taken)
    assert not CourseTemplate.objects.filter(code="three").exists()


def test_readers_see_the_stages_as_words(site: Site, staff: Callable[..., Client]) -> None:
    template = CourseTemplate.objects.get(code="ketamine-pain-10-weekdays")
    address = reverse("admin:scheduling_coursetemplate_change", args=[template.pk])
    shown = words(staff("nurse", site).get(address))
    assert "series, ten consecutive weekdays: 10 sessions, 1 open day apart" in shown
    assert "Mon, Tue, Wed, Thu, Fri" in shown
