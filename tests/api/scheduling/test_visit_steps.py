"""Each step of a visit over HTTP: allowed, refused, undone, and what it does to resources and messages."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Message
from scheduling.domain.transitions import TRANSITIONS, Status, Verb
from scheduling.models import Allocation, Appointment, FollowUp, Resource
from tests.factories import PatientFactory, SiteFactory, open_clinic
from tests.factories.sessions import pass_discharge, pass_start_gates

pytestmark = pytest.mark.django_db

START = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)
WALK = {
    Status.BOOKED: [],
    Status.CONFIRMED: ["confirm"],
    Status.ARRIVED: ["check-in"],
    Status.IN_PROGRESS: ["check-in", "start"],
    Status.COMPLETED: ["check-in", "start", "complete"],
    Status.CANCELLED: ["cancel"],
    Status.NO_SHOW: ["no-show"],
}


@pytest.fixture
def nurse(site: Site, client_as: Callable[..., APIClient], clock: object) -> APIClient:
    open_clinic(site, chairs=1, nurses=1)
    return client_as("nurse", site)


@pytest.fixture
def visit(nurse: APIClient, site: Site) -> int:
    return new_visit(nurse, site)


def new_visit(client: APIClient, site: Site, start: datetime = START) -> int:
    body = {
        "patient": PatientFactory.create(site=site).pk,
        "visit_type": "ketamine-mood",
        "site": site.pk,
        "start": start.isoformat(),
    }
    response = client.post("/api/v1/appointments/", body)
    assert response.status_code == 201, response.json()
    visit: int = response.json()["id"]
    return visit


def act(
    client: APIClient, visit: int | str, action: str, body: dict[str, Any] | None = None, if_match: str = ""
) -> Any:
    headers = {"If-Match": if_match} if if_match else {}
    return client.post(f"/api/v1/appointments/{visit}/{action}/", body or {}, headers=headers)


def ready(visit: int, action: str, now: datetime) -> None:
    """What an infusion asks before this step is done."""
    if action == "start":
        pass_start_gates(visit, now=now)
    if action == "complete":
        pass_discharge(visit, now=now)


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("verb", list(Verb))
def test_every_step_from_every_state(
    nurse: APIClient, visit: int, clock: Callable[[datetime], None], status: Status, verb: Verb
) -> None:
    clock(START + timedelta(minutes=5))
    for action in WALK[status]:
        ready(visit, action, START + timedelta(minutes=5))
        assert act(nurse, visit, action).status_code == 200
    if verb in TRANSITIONS[status]:
        ready(visit, verb, START + timedelta(minutes=5))
    response = act(nurse, visit, verb.replace("_", "-"))
    if verb in TRANSITIONS[status]:
        assert (response.status_code, response.json()["status"]) == (200, TRANSITIONS[status][verb])
    else:
        problem = response.json()
        assert (response.status_code, problem["code"]) == (409, "invalid_transition")
        assert problem["state"] == status
        assert problem["possible"] == list(TRANSITIONS[status])
        assert nurse.get(f"/api/v1/appointments/{visit}/").json()["status"] == status


def test_cancelling_frees_everything_at_once_and_withdraws_what_is_unsent(
    nurse: APIClient, site: Site, visit: int
) -> None:
    assert act(nurse, visit, "cancel", {"reason": "flu"}).json()["allocations"] == []
    assert set(Message.objects.values_list("status", "reason")) == {("withdrawn", "cancelled")}
    new_visit(nurse, site)


def test_undo_within_a_quarter_of_an_hour_takes_the_time_back(
    nurse: APIClient, visit: int, clock: Callable[[datetime], None], now: datetime
) -> None:
    before = nurse.get(f"/api/v1/appointments/{visit}/").json()
    act(nurse, visit, "cancel")
    clock(now + timedelta(minutes=15))
    undone = act(nurse, visit, "undo").json()
    assert undone["status"] == "booked"
    key = ("resource", "use", "start", "end")
    assert sorted([row[k] for k in key] for row in undone["allocations"]) == sorted(
        [row[k] for k in key] for row in before["allocations"]
    )
    assert set(Message.objects.values_list("status", flat=True)) == {"queued"}
    again = act(nurse, visit, "undo")
    assert (again.status_code, again.json()["code"]) == (409, "invalid_transition")


def test_undo_is_refused_after_a_quarter_of_an_hour(
    nurse: APIClient, visit: int, clock: Callable[[datetime], None], now: datetime
) -> None:
    act(nurse, visit, "confirm")
    clock(now + timedelta(minutes=15, seconds=1))
    late = act(nurse, visit, "undo")
    assert (late.status_code, late.json()["code"]) == (409, "invalid_transition")


def test_undo_of_a_cancellation_loses_to_whoever_took_the_time(
    nurse: APIClient, site: Site, visit: int
) -> None:
    act(nurse, visit, "cancel")
    new_visit(nurse, site)
    undo = act(nurse, visit, "undo")
    assert (undo.status_code, undo.json()["code"]) == (409, "slot_taken")
    assert Appointment.objects.get(pk=visit).status == "cancelled"
    assert Allocation.objects.filter(appointment=visit, released_at=None).count() == 0


def test_undo_takes_steps_back_one_by_one(nurse: APIClient, visit: int, now: datetime) -> None:
    for action in ("confirm", "check-in", "start"):
        ready(visit, action, now)
        act(nurse, visit, action)
    assert [act(nurse, visit, "undo").json()["status"] for _ in range(3)] == [
        "arrived",
        "confirmed",
        "booked",
    ]
    assert act(nurse, visit, "undo").status_code == 409
    verbs = [row["verb"] for row in nurse.get(f"/api/v1/appointments/{visit}/history/").json()["results"]]
    assert verbs == ["book", "confirm", "check_in", "start", "undo", "undo", "undo"]


def test_nobody_misses_a_visit_that_has_not_begun(
    nurse: APIClient, visit: int, clock: Callable[[datetime], None]
) -> None:
    clock(START - timedelta(seconds=1))
    early = act(nurse, visit, "no-show")
    assert (early.status_code, early.json()["code"]) == (422, "too_early")
    clock(START)
    assert act(nurse, visit, "no-show").json()["status"] == "no_show"


def test_a_completed_infusion_is_followed_by_a_call_the_next_day(
    nurse: APIClient, visit: int, clock: Callable[[datetime], None]
) -> None:
    clock(START)
    for action in ("check-in", "start", "complete"):
        ready(visit, action, START)
        act(nurse, visit, action)
    call = FollowUp.objects.get(appointment=visit)
    assert (call.kind, call.due_on.isoformat(), call.status) == ("call", "2027-01-12", "due")
    act(nurse, visit, "undo")
    assert not FollowUp.objects.filter(appointment=visit, status="due").exists()


def test_confirming_stops_the_request_to_confirm(nurse: APIClient, visit: int) -> None:
    act(nurse, visit, "confirm")
    statuses = dict(Message.objects.filter(channel="sms").values_list("kind", "status"))
    assert statuses.pop("confirm_request") == "withdrawn"
    assert set(statuses.values()) == {"queued"}


def test_moving_keeps_the_id_and_replaces_what_was_planned(nurse: APIClient, site: Site, visit: int) -> None:
    act(nurse, visit, "confirm")
    moved = act(nurse, visit, "reschedule", {"start": "2027-01-13T13:00:00-07:00", "reason": "work"})
    assert moved.status_code == 200, moved.json()
    body = moved.json()
    assert (body["id"], body["start"], body["status"]) == (visit, "2027-01-13T13:00:00-07:00", "booked")
    assert {row["start"][:10] for row in body["allocations"]} == {"2027-01-13"}
    queued = Message.objects.filter(status="queued")
    assert set(queued.values_list("plan_version", flat=True)) == {2}
    assert set(Message.objects.filter(plan_version=1).values_list("status", flat=True)) == {"withdrawn"}
    event = nurse.get(f"/api/v1/appointments/{visit}/history/").json()["results"][-1]
    assert (event["verb"], event["moved_from"][:16], event["moved_to"][:16]) == (
        "reschedule",
        "2027-01-11T16:00",
        "2027-01-13T20:00",
    )
    new_visit(nurse, site)


def test_a_visit_can_move_onto_part_of_its_own_time(nurse: APIClient, visit: int) -> None:
    moved = act(nurse, visit, "reschedule", {"start": "2027-01-11T10:00:00-07:00"})
    assert (moved.status_code, moved.json()["start"]) == (200, "2027-01-11T10:00:00-07:00")


def test_a_move_onto_taken_time_changes_nothing(nurse: APIClient, site: Site, visit: int) -> None:
    new_visit(nurse, site, START + timedelta(days=1))
    before = nurse.get(f"/api/v1/appointments/{visit}/").json()
    refused = act(nurse, visit, "reschedule", {"start": (START + timedelta(days=1)).isoformat()})
    assert (refused.status_code, refused.json()["code"]) == (409, "slot_taken")
    assert len(refused.json()["alternatives"]) == 3
    assert nurse.get(f"/api/v1/appointments/{visit}/").json() == before


def test_a_move_to_where_it_is_and_a_move_after_arrival_are_refused(nurse: APIClient, visit: int) -> None:
    same = act(nurse, visit, "reschedule", {"start": START.isoformat()})
    assert (same.status_code, same.json()["code"]) == (422, "same_start")
    act(nurse, visit, "check-in")
    late = act(nurse, visit, "reschedule", {"start": "2027-01-13T13:00:00-07:00"})
    assert (late.status_code, late.json()["code"]) == (409, "invalid_transition")


def test_if_match_is_honoured(nurse: APIClient, visit: int) -> None:
    assert act(nurse, visit, "confirm", if_match='"7"').status_code == 412
    assert act(nurse, visit, "confirm", if_match="seven").status_code == 400
    done = act(nurse, visit, "confirm", if_match='"1"')
    assert (done.status_code, done["ETag"]) == (200, '"2"')
    stale = act(nurse, visit, "reschedule", {"start": "2027-01-13T13:00:00-07:00"}, if_match='"1"')
    assert (stale.status_code, stale.json()["current_version"]) == (412, 2)


def test_other_sites_visits_are_not_there(
    nurse: APIClient, visit: int, client_as: Callable[..., APIClient]
) -> None:
    stranger = client_as("prescriber", SiteFactory.create())
    assert stranger.get(f"/api/v1/appointments/{visit}/").status_code == 404
    assert stranger.get(f"/api/v1/appointments/{visit}/history/").status_code == 404
    for action in ("confirm", "cancel", "undo", "start"):
        assert act(stranger, visit, action).status_code == 404
    assert act(stranger, visit, "reschedule", {"start": "2027-01-13T13:00:00-07:00"}).status_code == 404


def test_the_front_desk_does_not_start_treatment(
    visit: int, site: Site, client_as: Callable[..., APIClient]
) -> None:
    desk = client_as("front_desk", site)
    assert act(desk, visit, "check-in").status_code == 200
    assert act(desk, visit, "start").status_code == 403


def test_unknown_visits_and_odd_ids_are_404(nurse: APIClient) -> None:
    for pk in ("0", "999999999999999999", "9" * 30, "x"):
        assert nurse.get(f"/api/v1/appointments/{pk}/").status_code == 404
        assert act(nurse, pk, "confirm").status_code == 404


def test_a_nurse_and_chair_named_for_a_move(nurse: APIClient, site: Site, visit: int) -> None:
    chair = Resource.objects.create(site=site, kind="chair", name="Window", capacity=1)
    moved = act(nurse, visit, "reschedule", {"start": START.isoformat(), "resources": [chair.pk]})
    assert moved.status_code == 200, moved.json()
    assert {row["resource"] for row in moved.json()["allocations"] if row["kind"] == "chair"} == {chair.pk}
