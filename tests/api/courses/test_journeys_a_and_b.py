"""The dates of journeys A and B (DOMAIN section 6): planned, booked, lost and planned anew."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Message, WorkItem
from scheduling.models import Appointment, Closure
from tests.integration.journeys.steps import attend

pytestmark = pytest.mark.django_db

Plan = Callable[..., dict[str, Any]]
Book = Callable[..., Any]

ANA = [f"2027-01-{day:02}T09:00" for day in (4, 6, 8, 11, 13, 15)]
BEN = [f"2027-02-{day:02}T08:30" for day in (1, 2, 3, 4, 5, 8, 9, 10, 11, 12)]


def starts(sessions: list[dict[str, Any]]) -> list[str]:
    return [session["start"][:16] for session in sessions]


def live(course: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in course["sessions"] if each["status"] not in {"cancelled", "no_show"}]


def sessions_of(plan: dict[str, Any]) -> list[str]:
    return [session["start"] for session in plan["sessions"]]


def test_anas_course_is_planned_and_booked_as_the_journey_has_it(
    plan: Plan, book: Book, close: Callable[[str], Closure]
) -> None:
    close("2027-01-18")
    best = plan("ketamine-mood-3-per-week", "2027-01-04", preferred="09:00")["plans"][0]
    assert starts(best["sessions"]) == ANA
    assert [session["number"] for session in best["sessions"]] == [1, 2, 3, 4, 5, 6]
    booked = book("ketamine-mood-3-per-week", sessions_of(best))
    assert booked.status_code == 201, booked.json()
    course = booked.json()
    assert starts(course["sessions"]) == ANA
    assert [gap["days"] for gap in course["gaps"]] == [2, 2, 3, 2, 2]
    assert (course["drift"], course["owed"], course["status"]) == ([], 0, "active")
    told = Message.objects.filter(subject_kind="course", subject_id=course["id"])
    assert set(told.values_list("kind", "channel")) == {
        ("course_confirmation", "email"),
        ("course_confirmation", "sms"),
    }
    for session in course["sessions"]:
        about = Message.objects.filter(subject_kind="appointment", subject_id=session["appointment"])
        assert not about.filter(kind="confirmation").exists(), "one message confirms them all"
        if session["number"] > 1:
            assert not about.filter(kind="preparation").exists(), "only the first visit gets the preparation"


def test_bens_course_and_its_tenth_day_past_presidents_day(
    plan: Plan,
    book: Book,
    desk: APIClient,
    site: Site,
    client_as: Callable[..., APIClient],
    clock: Callable[[datetime], None],
    close: Callable[[str], Closure],
) -> None:
    close("2027-02-15")
    best = plan("ketamine-pain-10-weekdays", "2027-02-01", preferred="08:30")["plans"][0]
    assert starts(best["sessions"]) == BEN
    course = book("ketamine-pain-10-weekdays", sessions_of(best)).json()
    lost = course["sessions"][5]
    nurse = client_as("nurse", site)
    clock(datetime.fromisoformat(lost["start"]) + timedelta(minutes=30))
    for session in course["sessions"][:5]:
        attend(nurse, session["appointment"])
    missed = desk.post(f"/api/v1/appointments/{lost['appointment']}/no-show/", {})
    assert missed.status_code == 200, missed.json()
    item = WorkItem.objects.get(kind="course_gap")
    assert (item.status, item.owner_role) == ("open", "front_desk")
    address = f"/api/v1/courses/{course['id']}/"
    state = desk.get(address).json()
    assert state["owed"] == 1
    [drift] = state["drift"]
    assert (drift["number"], drift["days"], drift["max_gap_days"]) == (6, 2, 1)
    proposed = desk.post(f"{address}replan/", {"limit": 1}).json()["plans"][0]
    rest = [*BEN[6:], "2027-02-16T08:30"]
    assert starts(proposed["sessions"]) == rest
    assert [session["number"] for session in proposed["sessions"]] == [6, 7, 8, 9, 10]
    kept = {session["appointment"] for session in course["sessions"][6:]}
    done = desk.post(
        f"{address}replan/", {"sessions": [{"start": at} for at in sessions_of(proposed)], "reason": "missed"}
    )
    assert done.status_code == 200, done.json()
    assert starts(live(done.json())) == BEN[:5] + rest
    assert [each["number"] for each in live(done.json())] == list(range(1, 11))
    assert kept < {each["appointment"] for each in live(done.json())}
    item.refresh_from_db()
    assert item.status == "resolved"
    tenth = live(done.json())[-1]["appointment"]
    waiting = Message.objects.filter(subject_kind="appointment", status="queued")
    assert waiting.filter(subject_id=tenth).exists()
    assert not waiting.filter(subject_id=lost["appointment"]).exists()
    assert Appointment.objects.get(pk=kept.pop()).events.count() == 1, "what stays is not touched"


def test_the_sixth_day_moved_past_the_holiday_drifts_and_asks(
    plan: Plan, book: Book, desk: APIClient, close: Callable[[str], Closure]
) -> None:
    close("2027-02-15")
    best = plan("ketamine-pain-10-weekdays", "2027-02-01", preferred="08:30")["plans"][0]
    course = book("ketamine-pain-10-weekdays", sessions_of(best)).json()
    moved = course["sessions"][5]["appointment"]
    response = desk.post(f"/api/v1/appointments/{moved}/reschedule/", {"start": "2027-02-16T08:30:00-07:00"})
    assert response.status_code == 200
    assert (response.json()["course"], response.json()["session_number"]) == (course["id"], 10)
    state = desk.get(f"/api/v1/courses/{course['id']}/").json()
    assert starts(state["sessions"]) == [*BEN[:5], *BEN[6:], "2027-02-16T08:30"]
    assert state["gaps"][-1]["days"] == 1, "Friday to Tuesday is one open day past the holiday"
    assert [gap["number"] for gap in state["drift"]] == [6]
    assert state["owed"] == 0


def test_a_course_keeps_its_hour_when_the_clocks_change(plan: Plan, book: Book) -> None:
    """America/Denver moves to daylight saving time on 2027-03-14."""
    best = plan("ketamine-mood-3-per-week", "2027-03-08", preferred="09:00")["plans"][0]
    days = [(each["start"][:16], each["start"][-6:]) for each in best["sessions"]]
    assert days == [
        (f"2027-03-{day:02}T09:00", "-07:00" if day < 14 else "-06:00") for day in (8, 10, 12, 15, 17, 19)
    ]
    booked = book("ketamine-mood-3-per-week", sessions_of(best))
    assert booked.status_code == 201
    assert [gap["days"] for gap in booked.json()["gaps"]] == [2, 2, 3, 2, 2]
