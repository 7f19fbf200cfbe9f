"""One message confirms all sessions of a course; what changes later is told on its own; and a visit that the
patient was told of is not cancelled in silence."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from icalendar import Calendar
from rest_framework.test import APIClient

from patients.gateways.base import Outgoing
from patients.models import Message, PatientLink
from patients.services.dispatch import dispatch
from scheduling.models import Appointment
from tests.conftest import NOW

pytestmark = pytest.mark.django_db

MOOD = "ketamine-mood-3-per-week"
MORNINGS = [f"2027-01-{day:02}T09:00:00-07:00" for day in (11, 13, 15, 18, 20, 22)]
MORNING = NOW + timedelta(hours=2)
"""10:00 in Denver: nobody sleeps."""


class Post:
    """A gateway that keeps what it gets."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    def send(self, outgoing: Outgoing) -> str:
        """Accepted."""
        self.sent.append(outgoing)
        return outgoing.reference

    def close(self) -> None:
        """Nothing to let go of."""


@pytest.fixture
def post() -> Post:
    """The patient's e-mails."""
    return Post()


@pytest.fixture
def send(post: Post) -> Callable[[], list[Outgoing]]:
    """Send what is due in the morning; the e-mails."""

    def run() -> list[Outgoing]:
        post.sent.clear()
        dispatch(now=MORNING, gateways={"email": post, "sms": Post()})
        return [email for email in post.sent if not email.subject.startswith("Before your first")]

    return run


@pytest.fixture
def course(book: Callable[..., Any], settings: Any) -> dict[str, Any]:
    """Six sessions, just booked."""
    settings.SMS_GATEWAY = "twilio"
    shown: dict[str, Any] = book(MOOD, MORNINGS).json()
    return shown


def confirmations() -> list[tuple[str, int, str, int, str]]:
    """Subject, version, channel, how many visits it lists, status."""
    rows = Message.objects.filter(kind__in=("confirmation", "course_confirmation"))
    return [
        (
            row.subject_kind,
            row.plan_version,
            row.channel,
            len(row.context.get("visits", "").splitlines()),
            row.status,
        )
        for row in rows.order_by("subject_kind", "subject_id", "plan_version", "channel")
    ]


def move(desk: APIClient, visit: int, start: str) -> None:
    """Move one session."""
    response = desk.post(f"/api/v1/appointments/{visit}/reschedule/", {"start": start})
    assert response.status_code == 200, response.json()


def events(outgoing: Outgoing) -> tuple[str, list[tuple[str, int]]]:
    """Method, and (UID, SEQUENCE) of each event of the calendar file."""
    [attachment] = outgoing.attachments
    calendar = Calendar.from_ical(attachment.content)
    rows = [
        (str(event["uid"]).partition("@")[0], event.decoded("sequence")) for event in calendar.walk("VEVENT")
    ]
    return str(calendar["method"]), rows


def test_one_message_confirms_all_sessions(
    course: dict[str, Any], send: Callable[[], list[Outgoing]]
) -> None:
    assert confirmations() == [
        ("course", 1, "email", 6, "queued"),
        ("course", 1, "sms", 6, "queued"),
    ]
    [email] = send()
    assert email.subject == "Your appointments from Monday, January 11"
    listed = [line for line in email.body.splitlines() if line.startswith("- ")]
    assert (len(listed), listed[-1]) == (6, "- Friday, January 22 at 9:00 AM")
    method, rows = events(email)
    assert method == "PUBLISH"
    assert rows == [(f"appointment-{each['appointment']}", 1) for each in course["sessions"]]
    link = PatientLink.objects.get(message__channel="email", message__kind="course_confirmation")
    last = Appointment.objects.order_by("start_at").last()
    assert last is not None
    assert (link.subject_kind, link.subject_id, link.expires_at) == ("course", course["id"], last.end_at)


def test_while_unsent_it_follows_every_change(course: dict[str, Any], desk: APIClient) -> None:
    visit = course["sessions"][5]["appointment"]
    move(desk, visit, "2027-01-22T11:00:00-07:00")
    assert confirmations() == [("course", 1, "email", 6, "queued"), ("course", 1, "sms", 6, "queued")]
    [line] = [
        line
        for line in Message.objects.filter(subject_kind="course")[0].context["visits"].splitlines()
        if line.startswith(f"{visit} 2 ")
    ]
    assert "2027-01-22T18:00:00" in line
    desk.post(f"/api/v1/courses/{course['id']}/stop/", {"reason": "side effects"})
    assert {status for *_rest, status in confirmations()} == {"withdrawn"}
    assert not Message.objects.filter(kind="cancellation").exists()  # nobody had been told


def test_a_session_moved_later_is_confirmed_by_its_own_message(
    course: dict[str, Any], desk: APIClient, send: Callable[[], list[Outgoing]]
) -> None:
    send()
    visit = course["sessions"][5]["appointment"]
    move(desk, visit, "2027-01-22T11:00:00-07:00")
    mine = Message.objects.filter(kind="confirmation").values_list("subject_id", "plan_version")
    assert set(mine) == {(visit, 2)}
    [email] = send()
    assert events(email) == ("PUBLISH", [(f"appointment-{visit}", 2)])


def test_a_course_planned_anew_is_confirmed_anew(
    course: dict[str, Any], desk: APIClient, send: Callable[[], list[Outgoing]]
) -> None:
    send()
    later = [start.replace("T09", "T13") for start in MORNINGS]
    response = desk.post(
        f"/api/v1/courses/{course['id']}/replan/", {"sessions": [{"start": start} for start in later]}
    )
    assert response.status_code == 200, response.json()
    assert not Message.objects.filter(kind="confirmation").exists()
    assert [row[:4] for row in confirmations() if row[4] == "queued"] == [
        ("course", 2, "email", 6),
        ("course", 2, "sms", 6),
    ]
    [email] = send()
    assert events(email)[1] == [(f"appointment-{each['appointment']}", 2) for each in course["sessions"]]


def test_who_was_told_is_told_of_the_cancellation(
    course: dict[str, Any], desk: APIClient, send: Callable[[], list[Outgoing]], post: Post
) -> None:
    send()
    visit = course["sessions"][5]["appointment"]
    assert desk.post(f"/api/v1/appointments/{visit}/cancel/", {}).status_code == 200
    rows = Message.objects.filter(kind="cancellation").order_by("channel")
    assert [(row.channel, row.subject_id, row.planned_at) for row in rows] == [
        ("email", visit, NOW + timedelta(minutes=15)),
        ("sms", visit, NOW + timedelta(minutes=15)),
    ]
    [email] = send()
    assert email.subject == "Your appointment on Friday, January 22 is cancelled"
    assert events(email) == ("CANCEL", [(f"appointment-{visit}", 2)])


def test_a_cancellation_taken_back_is_not_told(
    course: dict[str, Any], desk: APIClient, send: Callable[[], list[Outgoing]]
) -> None:
    send()
    visit = course["sessions"][5]["appointment"]
    desk.post(f"/api/v1/appointments/{visit}/cancel/", {})
    assert desk.post(f"/api/v1/appointments/{visit}/undo/", {}).status_code == 200
    assert set(Message.objects.filter(kind="cancellation").values_list("status", flat=True)) == {"withdrawn"}
    assert send() == []


def stop(desk: APIClient, course: dict[str, Any]) -> None:
    """The course ends."""
    response = desk.post(f"/api/v1/courses/{course['id']}/stop/", {"reason": "side effects"})
    assert response.status_code == 200, response.json()


def test_a_course_that_is_stopped_is_told_in_one_message(
    course: dict[str, Any], desk: APIClient, send: Callable[[], list[Outgoing]]
) -> None:
    send()
    move(desk, course["sessions"][5]["appointment"], "2027-01-22T11:00:00-07:00")
    stop(desk, course)
    rows = Message.objects.filter(kind__in=("cancellation", "course_cancellation")).order_by("channel")
    assert [(row.kind, row.channel, row.planned_at) for row in rows] == [
        ("course_cancellation", "email", NOW + timedelta(minutes=15)),
        ("course_cancellation", "sms", NOW + timedelta(minutes=15)),
    ]
    [email] = send()
    assert email.subject == "Your appointments from Monday, January 11 are cancelled"
    listed = [line for line in email.body.splitlines() if line.startswith("- ")]
    assert (len(listed), listed[-1]) == (6, "- Friday, January 22 at 11:00 AM")
    visits = [each["appointment"] for each in course["sessions"]]
    later = [2, 2, 2, 2, 2, 3]
    assert events(email) == (
        "CANCEL",
        [(f"appointment-{visit}", sequence) for visit, sequence in zip(visits, later, strict=True)],
    )
    waiting = Message.objects.filter(status__in=Message.UNFINISHED).values_list("kind", flat=True)
    assert set(waiting) <= {"course_cancellation"}, "nothing else about the course comes any more"


def test_a_session_taken_back_leaves_that_message_and_is_cancelled_on_its_own(
    course: dict[str, Any], desk: APIClient, send: Callable[[], list[Outgoing]]
) -> None:
    send()
    stop(desk, course)
    first = course["sessions"][0]["appointment"]
    assert desk.post(f"/api/v1/appointments/{first}/undo/", {}).status_code == 200
    told = Message.objects.get(kind="course_cancellation", channel="email", status="queued").context
    assert len(told["visits"].splitlines()) == 5
    assert told["start_at"].startswith("2027-01-13")
    assert desk.post(f"/api/v1/appointments/{first}/cancel/", {}).status_code == 200
    own = Message.objects.filter(kind="cancellation", status="queued").values_list("subject_id", flat=True)
    assert set(own) == {first}
    assert {email.subject for email in send()} == {
        "Your appointment on Monday, January 11 is cancelled",
        "Your appointments from Wednesday, January 13 are cancelled",
    }


def test_the_last_session_left_is_told_of_by_its_own_message(
    course: dict[str, Any], desk: APIClient, send: Callable[[], list[Outgoing]]
) -> None:
    send()
    for session in course["sessions"][:5]:
        desk.post(f"/api/v1/appointments/{session['appointment']}/cancel/", {})
    stop(desk, course)
    kinds = Message.objects.filter(kind__contains="cancellation").values_list("kind", "subject_id")
    assert set(kinds) == {("cancellation", each["appointment"]) for each in course["sessions"]}


def test_a_text_that_still_waits_to_confirm_is_withdrawn_with_the_course(
    course: dict[str, Any], desk: APIClient, send: Callable[[], list[Outgoing]]
) -> None:
    text = Message.objects.filter(kind="course_confirmation", channel="sms")
    text.update(due_at=MORNING + timedelta(hours=3))  # held back: the patient had a text today
    send()
    stop(desk, course)
    assert text.get().status == "withdrawn"
