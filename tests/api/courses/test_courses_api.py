"""Courses over HTTP: plans and reasons, every refusal, and what is left behind after one."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Message, Patient
from scheduling.models import Allocation, Appointment, Closure, Course, CourseTemplate, Resource, WorkingHours
from tests.conftest import codes
from tests.factories import PatientFactory, SiteFactory

pytestmark = pytest.mark.django_db

Plan = Callable[..., dict[str, Any]]
Book = Callable[..., Any]
MOOD = "ketamine-mood-3-per-week"
PAIN = "ketamine-pain-10-weekdays"
MORNINGS = [f"2027-01-{day:02}T09:00:00-07:00" for day in (11, 13, 15, 18, 20, 22)]


def take(site: Site, start: str) -> None:
    """Somebody else has both chairs' nurse at this time."""
    from tests.factories.bookings import booked  # noqa: PLC0415

    nurse = Resource.objects.get(site=site, kind="nurse")
    booked(site, datetime.fromisoformat(start), on={nurse: 0}, minutes=15)


def test_a_plan_knows_its_template_by_id_too_and_books_nothing(plan: Plan) -> None:
    by_code = plan(MOOD, "2027-01-11")
    by_id = plan(CourseTemplate.objects.get(code=MOOD).pk, "2027-01-11")
    assert by_code == by_id
    assert by_code["plans"][0]["points"] == 4, "one weekend makes one gap a day longer"
    assert by_code["plans"][0]["cost"] == {"time_of_day": 0, "beginning": 0, "gaps": 4, "nurse": 0}
    assert 90 < by_code["plans"][0]["score"] < 100
    assert not Appointment.objects.exists()
    assert not Course.objects.exists()


def test_plans_are_ranked_and_different(plan: Plan) -> None:
    answer = plan(MOOD, "2027-01-11", preferred="09:00", limit=4)
    scores = [each["score"] for each in answer["plans"]]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)
    starts = [frozenset(session["start"] for session in each["sessions"]) for each in answer["plans"]]
    assert len(set(starts)) == 4
    assert answer["reasons"] == []


def test_preferences_are_kept(plan: Plan) -> None:
    answer = plan(
        MOOD,
        "2027-01-11",
        preferences={"weekdays": [0, 2, 4], "earliest": "13:00", "latest": 15, "same_nurse": True},
        sessions=3,
    )
    best = answer["plans"][0]
    moments = [datetime.fromisoformat(session["start"]) for session in best["sessions"]]
    assert {moment.weekday() for moment in moments} <= {0, 2, 4}
    assert all(13 <= moment.hour + moment.minute / 60 <= 15 for moment in moments)
    assert best["nurse"] == Resource.objects.get(kind="nurse").pk


@pytest.mark.parametrize(
    ("preferences", "code"),
    [({"weekdays": [0]}, "weekday"), ({"earliest": "17:00"}, "time_of_day")],
)
def test_without_a_plan_there_are_reasons(plan: Plan, preferences: dict[str, Any], code: str) -> None:
    answer = plan(MOOD, "2027-01-11", preferences=preferences)
    assert answer["plans"] == []
    assert code in {reason["code"] for reason in answer["reasons"]}
    assert all(reason["first"] <= reason["day"] <= reason["last"] for reason in answer["reasons"])


def test_reasons_name_the_session_the_days_and_the_kind(plan: Plan, site: Site) -> None:
    """The nurse is away for the whole second week: session 4 would have to be there."""
    plan_before = plan(MOOD, "2027-01-11", start_by="2027-01-11")
    assert plan_before["plans"]
    nurse = Resource.objects.get(site=site, kind="nurse")
    Closure.objects.create(
        resource=nurse,
        start_at=datetime.fromisoformat("2027-01-18T00:00:00-07:00"),
        end_at=datetime.fromisoformat("2027-01-25T00:00:00-07:00"),
        reason="Leave",
    )
    answer = plan(MOOD, "2027-01-11", start_by="2027-01-11")
    assert answer["plans"] == []
    assert {reason["session"] for reason in answer["reasons"]} == {4}
    assert ("2027-01-18", "nurse", "closed") in {
        (reason["day"], reason["kind"], reason["code"]) for reason in answer["reasons"]
    }


def test_ten_open_days_are_found_across_a_long_closure(plan: Plan, site: Site) -> None:
    """Closed for ten weeks after the third day: the fourth is the next open one."""
    Closure.objects.create(
        site=site,
        start_at=datetime.fromisoformat("2027-01-14T00:00:00-07:00"),
        end_at=datetime.fromisoformat("2027-03-25T00:00:00-06:00"),
        reason="Rebuilding",
    )
    best = plan(PAIN, "2027-01-11", start_by="2027-01-11")["plans"][0]
    days = [session["start"][:10] for session in best["sessions"]]
    assert days[2:5] == ["2027-01-13", "2027-03-25", "2027-03-26"]
    assert len(days) == 10


def test_a_range_beyond_the_horizon_has_reasons_and_bounded_work(plan: Plan) -> None:
    answer = plan("ketamine-mood-2-per-week", "2027-06-01", sessions=60)
    assert answer["plans"] == []
    assert answer["reasons"][0]["code"] in {"horizon", "weekday", "too_far"}
    assert len(answer["reasons"]) <= 31


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"sessions": 1000}, "/sessions", "max_value"),
        ({"sessions": 0}, "/sessions", "min_value"),
        ({"limit": 11}, "/limit", "max_value"),
        ({"start_on": "2026-12-31"}, "/start_on", "in_the_past"),
        ({"start_on": "2027-02-30"}, "/start_on", "invalid"),
        ({"start_on": "9999-12-31"}, "/start_on", "out_of_range"),
        ({"start_by": "2027-01-10"}, "/start_by", "end_before_start"),
        ({"start_by": "2029-01-10"}, "/start_by", "range_too_long"),
        ({"template": "nonsense"}, "/template", "does_not_exist"),
        ({"preferences": {"weekdays": [7]}}, "/preferences/weekdays/0", "max_value"),
        ({"preferences": {"weekdays": []}}, "/preferences/weekdays", "min_length"),
        ({"preferences": {"earliest": "25:00"}}, "/preferences/earliest", "invalid"),
        (
            {"preferences": {"earliest": "12:00", "latest": "09:00"}},
            "/preferences/latest",
            "earliest_after_latest",
        ),
    ],
)
def test_malformed_plans_name_the_field(
    desk: APIClient, site: Site, patient: Patient, change: dict[str, Any], pointer: str, code: str
) -> None:
    body = {"patient": patient.pk, "template": MOOD, "site": site.pk, "start_on": "2027-01-11", **change}
    response = desk.post("/api/v1/courses/plan/", body)
    assert response.status_code == 400, response.json()
    assert (pointer, code) in codes(response)


def test_weekdays_that_exclude_each_other(desk: APIClient, site: Site, patient: Patient) -> None:
    response = desk.post(
        "/api/v1/courses/plan/",
        {
            "patient": patient.pk,
            "template": PAIN,
            "site": site.pk,
            "start_on": "2027-01-11",
            "preferences": {"weekdays": [5, 6]},
        },
    )
    assert (response.status_code, response.json()["code"]) == (422, "no_weekday_left")


@pytest.mark.parametrize(
    ("starts", "code", "session"),
    [
        (["2027-01-11T09:00:00-07:00", "2027-01-12T09:00:00-07:00"], "gap_out_of_range", 2),
        (["2027-01-11T09:00:00-07:00", "2027-01-13T09:00:00-07:00", "2027-01-19T09:00:00-07:00"],
         "gap_out_of_range", 3),
        (["2027-01-13T09:00:00-07:00", "2027-01-11T09:00:00-07:00"], "sessions_out_of_order", 2),
        (["2027-01-11T09:00:00-07:00", "2027-01-11T09:00:00-07:00"], "sessions_out_of_order", 2),
        (["2027-01-11T09:00:00-07:00", "2027-01-13T09:05:00-07:00"], "off_grid", 2),
        (["2027-01-13T03:00:00-07:00"], "outside_hours", 1),
        (["2027-01-16T09:00:00-07:00"], "outside_hours", 1),
        (["2026-12-01T09:00:00-07:00"], "too_soon", 1),
    ],
)  # fmt: skip
def test_courses_that_break_a_rule_name_the_session(
    book: Book, starts: list[str], code: str, session: int
) -> None:
    response = book(MOOD, starts)
    problem = response.json()
    assert (response.status_code, problem["code"], problem["session"]) == (422, code, session)
    assert f"Session {session}" in problem["detail"]
    assert not Course.objects.exists()
    assert not Appointment.objects.exists()


def test_a_gap_out_of_range_says_what_is_meant_and_may_be_accepted(book: Book, desk: APIClient) -> None:
    starts = ["2027-01-11T09:00:00-07:00", "2027-01-18T09:00:00-07:00"]
    refused = book(MOOD, starts).json()
    assert (refused["gap_days"], refused["min_gap_days"], refused["max_gap_days"]) == (7, 2, 3)
    accepted = book(MOOD, starts, override_reason="travels")
    assert accepted.status_code == 201
    assert [gap["number"] for gap in accepted.json()["drift"]] == [2]
    [event] = desk.get(f"/api/v1/courses/{accepted.json()['id']}/history/").json()["results"]
    assert (event["verb"], event["override_reason"]) == ("book", "travels")


def test_a_weekday_that_the_course_is_not_given_on(book: Book, site: Site) -> None:
    WorkingHours.objects.create(site=site, weekday=5, start="08:00", end="18:00")
    response = book(PAIN, ["2027-01-16T08:30:00-07:00"])
    assert (response.status_code, response.json()["code"]) == (422, "weekday_not_allowed")
    assert book(PAIN, ["2027-01-16T08:30:00-07:00"], override_reason="agreed").status_code == 201


@pytest.mark.parametrize(
    ("sessions", "pointer", "code"),
    [
        ([], "/sessions", "min_length"),
        ([{"start": MORNINGS[0]}] * 1000, "/sessions", "max_length"),
        ([{"start": "2027-01-11T09:00:00"}], "/sessions/0/start", "offset_required"),
        ([{"start": MORNINGS[0]}, {}], "/sessions/1/start", "required"),
        ("soon", "/sessions", "not_a_list"),
        ([7], "/sessions/0", "invalid"),
    ],
)
def test_malformed_courses_name_the_field(
    desk: APIClient, site: Site, patient: Patient, sessions: Any, pointer: str, code: str
) -> None:
    body = {"patient": patient.pk, "template": MOOD, "site": site.pk, "sessions": sessions}
    response = desk.post("/api/v1/courses/", body)
    assert response.status_code == 400, response.json()
    assert (pointer, code) in codes(response)


def test_a_taken_session_is_named_with_alternatives_that_keep_the_gaps(book: Book, site: Site) -> None:
    take(site, MORNINGS[2])
    response = book(MOOD, MORNINGS)
    problem = response.json()
    assert (response.status_code, problem["code"], problem["session"]) == (409, "slot_taken", 3)
    assert len(problem["alternatives"]) == 3
    for slot in problem["alternatives"]:
        assert slot["start"][:10] == "2027-01-15", "no other open day keeps both gaps"
    assert not Appointment.objects.filter(course__isnull=False).exists()
    assert not Course.objects.exists()
    assert not Message.objects.exists()
    mended = [*MORNINGS[:2], problem["alternatives"][0]["start"], *MORNINGS[3:]]
    assert book(MOOD, mended).status_code == 201


def test_the_patients_other_visits_are_seen(book: Book, site: Site, patient: Patient) -> None:
    from tests.factories.bookings import booked  # noqa: PLC0415

    booked(site, datetime.fromisoformat(MORNINGS[1]), on={}, patient=patient)
    response = book(MOOD, MORNINGS)
    assert (response.status_code, response.json()["code"]) == (409, "patient_busy")
    assert response.json()["session"] == 2


def test_inactive_templates_and_patients_are_refused(
    book: Book, desk: APIClient, site: Site, patient: Patient
) -> None:
    Patient.objects.filter(pk=patient.pk).update(status="deceased")
    assert book(MOOD, MORNINGS).json()["code"] == "patient_inactive"
    Patient.objects.filter(pk=patient.pk).update(status="active")
    CourseTemplate.objects.filter(code=MOOD).update(active=False)
    assert book(MOOD, MORNINGS).json()["code"] == "inactive"
    assert not Course.objects.exists()


def test_an_idempotency_key_books_a_course_once(desk: APIClient, site: Site, patient: Patient) -> None:
    body = {
        "patient": patient.pk,
        "template": MOOD,
        "site": site.pk,
        "sessions": [{"start": start} for start in MORNINGS],
    }
    headers = {"Idempotency-Key": "course-1"}
    first = desk.post("/api/v1/courses/", body, headers=headers)
    again = desk.post("/api/v1/courses/", body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert Course.objects.count() == 1


def test_one_nurse_for_the_whole_course_if_asked(book: Book, site: Site) -> None:
    for n in range(3):
        Resource.objects.create(site=site, kind="nurse", name=f"More {n}", capacity=3)
    first = Resource.objects.filter(site=site, kind="nurse").order_by("id")[0]
    Closure.objects.create(
        resource=first,
        start_at=datetime.fromisoformat("2027-01-18T00:00:00-07:00"),
        end_at=datetime.fromisoformat("2027-01-19T00:00:00-07:00"),
        reason="Course",
    )
    assert book(MOOD, MORNINGS, same_nurse=True).status_code == 201
    nurses = Allocation.objects.filter(resource__kind="nurse").values_list("resource_id", flat=True)
    assert len(set(nurses)) == 1
    assert first.pk not in nurses


def test_a_session_is_booked_beside_a_closure_of_what_it_no_longer_needs(book: Book, site: Site) -> None:
    """The nurse leaves at 10:45, when the session of 09:00 needs only its chair, for turnover."""
    Closure.objects.create(
        resource=Resource.objects.get(site=site, kind="nurse"),
        start_at=datetime.fromisoformat("2027-01-13T10:45:00-07:00"),
        end_at=datetime.fromisoformat("2027-01-13T12:00:00-07:00"),
        reason="Training",
    )
    assert book(MOOD, MORNINGS).status_code == 201


def test_the_note_is_for_those_who_read_prescriptions(
    book: Book, desk: APIClient, site: Site, client_as: Callable[..., APIClient]
) -> None:
    course = book(MOOD, MORNINGS, prescription_note="35 mg over 40 min")
    assert "prescription_note" not in course.json()
    address = f"/api/v1/courses/{course.json()['id']}/"
    assert client_as("nurse", site).get(address).json()["prescription_note"] == "35 mg over 40 min"
    assert "prescription_note" not in desk.get("/api/v1/courses/").json()["results"][0]


def test_other_sites_and_roles(
    book: Book, site: Site, patient: Patient, client_as: Callable[..., APIClient]
) -> None:
    course = book(MOOD, MORNINGS).json()
    address = f"/api/v1/courses/{course['id']}/"
    starts = {"sessions": [{"start": start} for start in MORNINGS]}
    stranger = client_as("front_desk", SiteFactory.create())
    assert stranger.get(address).status_code == 404
    assert stranger.get("/api/v1/courses/").json()["results"] == []
    for action, body in (
        ("replan", starts),
        ("replan", {}),
        ("extend", starts),
        ("extend", {}),
        ("stop", {"reason": "x"}),
        ("maintenance", {"interval_days": 14}),
    ):
        assert stranger.post(f"{address}{action}/", body).status_code == 404, action
    manager = client_as("manager", site)
    assert manager.get(address).status_code == 200
    for action in ("replan", "extend", "stop", "maintenance"):
        assert manager.post(f"{address}{action}/", {}).status_code == 403
    auditor = client_as("auditor", site)
    assert auditor.get(address).status_code == 403
    assert auditor.post("/api/v1/courses/plan/", {}).status_code == 403
    foreign = PatientFactory.create(site=SiteFactory.create())
    refused = client_as("front_desk", site).post(
        "/api/v1/courses/",
        {"patient": foreign.pk, "template": MOOD, "site": site.pk, **starts},
    )
    assert codes(refused) == {("/patient", "does_not_exist")}


def test_queries_do_not_grow(
    book: Book,
    desk: APIClient,
    site: Site,
    patient: Patient,
    django_assert_max_num_queries: Callable[[int], Any],
) -> None:
    course = book(MOOD, MORNINGS).json()
    for days in (14, 28):
        later = [(datetime.fromisoformat(start) + timedelta(days=days)).isoformat() for start in MORNINGS]
        assert book(MOOD, later).status_code == 201
    with django_assert_max_num_queries(2):
        assert len(desk.get("/api/v1/courses/").json()["results"]) == 3
    with django_assert_max_num_queries(2):
        desk.get(f"/api/v1/courses/{course['id']}/")
    for sessions in (2, 20):
        with django_assert_max_num_queries(9):
            desk.post(
                "/api/v1/courses/plan/",
                {
                    "patient": patient.pk,
                    "template": MOOD,
                    "site": site.pk,
                    "start_on": "2027-01-11",
                    "sessions": sessions,
                },
            )


def test_an_appointment_knows_its_course(book: Book, desk: APIClient) -> None:
    course = book(MOOD, MORNINGS).json()
    visit = desk.get(f"/api/v1/appointments/{course['sessions'][3]['appointment']}/").json()
    assert (visit["course"], visit["session_number"]) == (course["id"], 4)
