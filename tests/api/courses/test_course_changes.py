"""What becomes of a course: sessions lost or moved, the rest planned anew, more of them, an end."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Message, WorkItem
from scheduling.models import Allocation, Appointment, CourseTemplate
from tests.conftest import NOW
from tests.factories import PatientFactory

pytestmark = pytest.mark.django_db

MOOD = "ketamine-mood-3-per-week"
MORNINGS = [f"2027-01-{day:02}T09:00:00-07:00" for day in (11, 13, 15, 18, 20, 22)]
Act = Callable[..., Any]


@pytest.fixture
def course(book: Callable[..., Any]) -> dict[str, Any]:
    response = book(MOOD, MORNINGS)
    assert response.status_code == 201, response.json()
    shown: dict[str, Any] = response.json()
    return shown


@pytest.fixture
def act(desk: APIClient, course: dict[str, Any]) -> Act:
    """POST an action of the course: ``act("stop", reason="…")``."""

    def post(action: str, *, headers: dict[str, str] | None = None, **body: Any) -> Any:
        return desk.post(f"/api/v1/courses/{course['id']}/{action}/", body, headers=headers or {})

    return post


@pytest.fixture
def state(desk: APIClient, course: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    def read() -> dict[str, Any]:
        shown: dict[str, Any] = desk.get(f"/api/v1/courses/{course['id']}/").json()
        return shown

    return read


def sessions(*starts: str) -> list[dict[str, str]]:
    return [{"start": start} for start in starts]


def live(shown: dict[str, Any]) -> list[tuple[int, str]]:
    return [
        (each["number"], each["start"])
        for each in shown["sessions"]
        if each["status"] not in {"cancelled", "no_show"}
    ]


def step(desk: APIClient, course: dict[str, Any], index: int, action: str, **body: Any) -> Any:
    return desk.post(f"/api/v1/appointments/{course['sessions'][index]['appointment']}/{action}/", body)


def test_a_cancelled_session_is_owed_and_asks_until_it_is_undone(
    desk: APIClient, course: dict[str, Any], state: Callable[[], dict[str, Any]]
) -> None:
    assert step(desk, course, 2, "cancel", reason="ill").status_code == 200
    shown = state()
    assert shown["owed"] == 1
    assert [(gap["number"], gap["days"]) for gap in shown["drift"]] == [(3, 5)]
    item = WorkItem.objects.get(kind="course_gap")
    assert "session 3 is lost" in item.summary
    assert step(desk, course, 2, "undo").status_code == 200
    assert (state()["owed"], state()["drift"]) == (0, [])
    item.refresh_from_db()
    assert item.status == "resolved"


def test_a_move_within_the_gaps_asks_nobody(
    desk: APIClient, course: dict[str, Any], state: Callable[[], dict[str, Any]]
) -> None:
    assert step(desk, course, 5, "reschedule", start="2027-01-22T13:00:00-07:00").status_code == 200
    assert state()["drift"] == []
    assert not WorkItem.objects.filter(kind="course_gap").exists()


def test_a_move_out_of_range_stands_and_asks_once(
    desk: APIClient, course: dict[str, Any], state: Callable[[], dict[str, Any]]
) -> None:
    assert step(desk, course, 5, "reschedule", start="2027-01-27T09:00:00-07:00").status_code == 200
    assert [gap["number"] for gap in state()["drift"]] == [6]
    assert step(desk, course, 5, "reschedule", start="2027-01-28T09:00:00-07:00").status_code == 200
    item = WorkItem.objects.get(kind="course_gap")
    assert step(desk, course, 5, "reschedule", start="2027-01-22T10:00:00-07:00").status_code == 200
    item.refresh_from_db()
    assert item.status == "resolved"


def test_replan_moves_as_little_as_possible(
    desk: APIClient, course: dict[str, Any], act: Act, clock: Callable[[datetime], None]
) -> None:
    clock(datetime.fromisoformat(MORNINGS[2]) + timedelta(minutes=5))
    assert step(desk, course, 2, "no-show").status_code == 200
    for index in (0, 1):
        Appointment.objects.filter(pk=course["sessions"][index]["appointment"]).update(status="completed")
    before = {each["start"]: each["appointment"] for each in course["sessions"]}
    proposed = act("replan", limit=1).json()
    [best] = proposed["plans"]
    assert [each["number"] for each in best["sessions"]] == [3, 4, 5, 6]
    starts = [each["start"] for each in best["sessions"]]
    assert starts == [*MORNINGS[3:], "2027-01-25T09:00:00-07:00"], "sooner than two days is not allowed"
    done = act("replan", sessions=sessions(*starts), reason="missed one")
    assert done.status_code == 200, done.json()
    assert live(done.json()) == list(enumerate([*MORNINGS[:2], *starts], start=1))
    after = {each["start"]: each["appointment"] for each in done.json()["sessions"]}
    assert all(after[start] == before[start] for start in MORNINGS)
    assert done.json()["version"] == 2
    assert (done.json()["owed"], done.json()["sessions_planned"]) == (0, 6)


def test_replan_lets_sessions_take_each_others_time(course: dict[str, Any], act: Act) -> None:
    """Everything an hour later than the neighbours' old times would overlap them on the way."""
    moved = [f"2027-01-{day:02}T10:00:00-07:00" for day in (11, 13, 15, 18, 20, 22)]
    done = act("replan", sessions=sessions(*moved))
    assert done.status_code == 200, done.json()
    assert live(done.json()) == list(enumerate(moved, start=1))
    assert {each["appointment"] for each in done.json()["sessions"]} == {
        each["appointment"] for each in course["sessions"]
    }
    for visit in Appointment.objects.all():
        assert visit.plan_version == 2
        assert visit.events.filter(verb="reschedule").count() == 1
        waiting = Message.objects.filter(subject_id=visit.pk, status="queued")
        assert waiting.exists()
        assert not waiting.exclude(plan_version=2).exists()


def test_replan_to_fewer_sessions_cancels_the_others(course: dict[str, Any], act: Act) -> None:
    done = act("replan", sessions=sessions(*MORNINGS[:4]), reason="responds well")
    assert done.status_code == 200
    assert live(done.json()) == list(enumerate(MORNINGS[:4], start=1))
    assert [each["status"] for each in done.json()["sessions"]][-2:] == ["cancelled", "cancelled"]
    assert (done.json()["sessions_planned"], done.json()["owed"]) == (4, 0)
    assert Allocation.objects.filter(released_at=None).count() == 4 * 4


def test_a_failed_replan_leaves_everything(
    desk: APIClient, site: Site, course: dict[str, Any], act: Act, state: Callable[[], dict[str, Any]]
) -> None:
    other = desk.post(
        "/api/v1/appointments/",
        {
            "patient": PatientFactory.create(site=site).pk,
            "visit_type": "ketamine-mood",
            "site": site.pk,
            "start": "2027-01-22T14:00:00-07:00",
        },
    )
    assert other.status_code == 201
    before = state()
    wanted = [start.replace("T09", "T14") for start in MORNINGS]
    refused = act("replan", sessions=sessions(*wanted))
    assert (refused.status_code, refused.json()["code"]) == (409, "slot_taken")
    assert refused.json()["session"] == 6
    assert refused.json()["alternatives"]
    assert state() == before


def test_extending_goes_on_with_the_next_stage(course: dict[str, Any], act: Act) -> None:
    [best] = act("extend", count=4, limit=1).json()["plans"]
    starts = [each["start"] for each in best["sessions"]]
    assert [each["number"] for each in best["sessions"]] == [7, 8, 9, 10]
    assert [start[:10] for start in starts] == ["2027-01-29", "2027-02-05", "2027-02-19", "2027-03-05"]
    too_soon = act("extend", sessions=sessions("2027-01-25T09:00:00-07:00"))
    assert (too_soon.status_code, too_soon.json()["code"]) == (422, "gap_out_of_range")
    assert too_soon.json()["session"] == 7
    before_the_end = act("extend", sessions=sessions("2027-01-21T09:00:00-07:00"), override_reason="x")
    assert before_the_end.json()["code"] == "sessions_out_of_order"
    done = act("extend", sessions=sessions(*starts))
    assert done.status_code == 200, done.json()
    assert done.json()["sessions_planned"] == 10
    assert live(done.json()) == list(enumerate([*MORNINGS, *starts], start=1))
    assert done.json()["drift"] == []


def test_maintenance_widens_and_narrows(
    act: Act, course: dict[str, Any], state: Callable[[], dict[str, Any]]
) -> None:
    widened = act("maintenance", interval_days=21, reason="stable")
    assert widened.status_code == 200, widened.json()
    [best] = act("extend", count=2, limit=1).json()["plans"]
    assert [each["start"][:10] for each in best["sessions"]] == ["2027-02-12", "2027-03-05"]
    assert act("extend", sessions=[{"start": each["start"]} for each in best["sessions"]]).status_code == 200
    narrowed = act("maintenance", interval_days=7, tolerance_days=1)
    assert narrowed.status_code == 200
    assert [gap["number"] for gap in state()["drift"]] == [7, 8]
    assert WorkItem.objects.filter(kind="course_gap", status="open").count() == 1
    impossible = act("maintenance", interval_days=7, tolerance_days=7)
    assert (impossible.status_code, impossible.json()["code"]) == (422, "gaps_contradict")
    assert act("maintenance", interval_days=1).status_code == 400


def test_stopping_cancels_what_is_to_come_and_nothing_else(
    desk: APIClient, course: dict[str, Any], act: Act, clock: Callable[[datetime], None]
) -> None:
    clock(datetime.fromisoformat(MORNINGS[1]) + timedelta(minutes=5))
    assert step(desk, course, 1, "check-in").status_code == 200
    assert act("stop").status_code == 400, "a reason is needed"
    stopped = act("stop", reason="side effects")
    assert stopped.status_code == 200
    statuses = [each["status"] for each in stopped.json()["sessions"]]
    assert statuses == ["booked", "arrived", "cancelled", "cancelled", "cancelled", "cancelled"]
    assert (stopped.json()["status"], stopped.json()["possible"]) == ("stopped", [])
    future = [each["appointment"] for each in course["sessions"][2:]]
    assert not Message.objects.filter(subject_id__in=future, status="queued").exists()
    assert not Allocation.objects.filter(appointment__in=future, released_at=None).exists()
    for action, body in (
        ("stop", {"reason": "again"}),
        ("replan", {}),
        ("extend", {}),
        ("extend", {"sessions": sessions("2027-02-01T09:00:00-07:00"), "override_reason": "x"}),
        ("maintenance", {"interval_days": 14}),
    ):
        refused = act(action, **body)
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (409, "invalid_transition"), action
        assert (problem["state"], problem["possible"]) == ("stopped", [])


def test_if_match_is_honoured(act: Act) -> None:
    stale = act("replan", headers={"If-Match": '"7"'}, sessions=sessions(*MORNINGS[:5]))
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    for action, body in (("stop", {"reason": "x"}), ("maintenance", {"interval_days": 14})):
        assert act(action, headers={"If-Match": '"7"'}, **body).status_code == 412
    assert act("stop", headers={"If-Match": '"1"'}, reason="x").status_code == 200


def test_every_decision_is_in_the_history(desk: APIClient, course: dict[str, Any], act: Act) -> None:
    act("maintenance", interval_days=14, reason="stable")
    act("replan", sessions=sessions(*MORNINGS[:5]), reason="responds")
    act("stop", reason="done")
    events = desk.get(f"/api/v1/courses/{course['id']}/history/").json()["results"]
    assert [(each["verb"], each["reason"]) for each in events] == [
        ("book", ""),
        ("maintenance", "stable"),
        ("replan", "responds"),
        ("stop", "done"),
    ]


def test_what_was_held_is_not_planned_again(
    desk: APIClient, course: dict[str, Any], act: Act, clock: Callable[[datetime], None]
) -> None:
    clock(datetime.fromisoformat(MORNINGS[-1]) + timedelta(days=1))
    Appointment.objects.filter(course=course["id"]).update(status="completed")
    refused = act("replan")
    assert (refused.status_code, refused.json()["code"]) == (422, "nothing_left_to_plan")
    overdue = act("extend", count=1, limit=1)
    assert overdue.json()["plans"]


def test_a_dormant_course_goes_on_though_its_gap_is_over(
    course: dict[str, Any], act: Act, clock: Callable[[datetime], None]
) -> None:
    clock(NOW + timedelta(days=80))
    Appointment.objects.filter(course=course["id"]).update(status="completed")
    [best] = act("extend", count=2, limit=1).json()["plans"]
    assert best["sessions"][0]["start"] < "2027-03-30"
    done = act("extend", sessions=[{"start": each["start"]} for each in best["sessions"]])
    assert done.status_code == 200, done.json()
    assert [gap["number"] for gap in done.json()["drift"]] == [7]


def test_a_template_changed_later_leaves_the_course_as_it_was(
    course: dict[str, Any], state: Callable[[], dict[str, Any]]
) -> None:
    template = CourseTemplate.objects.get(code=MOOD)
    template.stages[0].update(min_gap_days=7, max_gap_days=7, ideal_gap_days=7)
    template.save()
    assert state()["drift"] == []
