"""Asking for a repair over HTTP, reading the proposal, accepting and discarding it, and every refusal."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Message, WorkItem
from scheduling.models import Allocation, Appointment, Repair, Resource
from scheduling.services import repair_runs
from tests.conftest import NOW, codes
from tests.factories import PatientFactory, ResourceFactory, SiteFactory, open_clinic

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

REPLAN = "/api/v1/appointments/replan/"
NINE = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)
MORNING = {"start": "2027-01-11T08:00:00-07:00", "end": "2027-01-11T12:00:00-07:00"}
Clients = Callable[..., APIClient]


@pytest.fixture
def desk(site: Site, client_as: Clients) -> APIClient:
    open_clinic(site, chairs=3, nurses=2)
    return client_as("front_desk", site)


def named(site: Site, name: str) -> Resource:
    return Resource.objects.get(site=site, name=name)


def book(client: APIClient, site: Site, start: datetime, *on: str, patient: int | None = None) -> int:
    body = {
        "patient": patient or PatientFactory.create(site=site).pk,
        "visit_type": "ketamine-mood",
        "site": site.pk,
        "start": start.isoformat(),
        "resources": [named(site, name).pk for name in on],
    }
    response = client.post("/api/v1/appointments/", body)
    assert response.status_code == 201, response.json()
    visit: int = response.json()["id"]
    return visit


def ask(client: APIClient, site: Site, **cause: Any) -> Any:
    return client.post(REPLAN, {"site": site.pk, "time_limit_seconds": 5, **cause})


def proposed(client: APIClient, site: Site, **cause: Any) -> dict[str, Any]:
    asked = ask(client, site, **cause)
    assert asked.status_code == 202, asked.json()
    assert repair_runs.run_next(now=NOW)
    found: dict[str, Any] = client.get(f"/api/v1/repairs/{asked.json()['id']}/").json()
    assert found["status"] == "proposed", found
    return found


def accept(client: APIClient, repair: dict[str, Any], **body: Any) -> Any:
    return client.post(f"/api/v1/repairs/{repair['id']}/accept/", body)


def outcomes(repair: dict[str, Any]) -> dict[int, str]:
    return {change["appointment"]: change["outcome"] for change in repair["changes"]}


def test_a_nurse_calls_in_sick_and_nobody_notices(desk: APIClient, site: Site, client_as: Clients) -> None:
    first = book(desk, site, NINE, "Chair 1", "Nurse 1")
    second = book(desk, site, NINE + timedelta(minutes=30), "Chair 2", "Nurse 1")
    later = book(desk, site, NINE + timedelta(hours=6), "Chair 1", "Nurse 1")
    desk.post(f"/api/v1/appointments/{first}/confirm/", {})
    nurse, colleague = named(site, "Nurse 1"), named(site, "Nurse 2")
    queued = set(Message.objects.filter(status="queued").values_list("pk", flat=True))

    closed = client_as("manager", site).post(
        "/api/v1/closures/", {"resource": nurse.pk, "reason": "Sick", **MORNING}
    )
    assert closed.json()["affected_appointments"] == [first, second]
    assert closed.json()["replan"] == {"site": site.pk, "closure": closed.json()["id"]}
    assert WorkItem.objects.filter(status="open", summary__contains="replan").count() == 2
    repair = proposed(desk, **{**closed.json()["replan"], "site": site})
    assert repair["optimal"] is True
    assert repair["figures"] == {
        "unplaced": 0,
        "patients_moved": 0,
        "confirmed_moved": 0,
        "to_another_day": 0,
        "minutes_shifted": 0,
        "resources_changed": 2,
    }
    chair = named(site, "Chair 1").pk
    change = next(each for each in repair["changes"] if each["appointment"] == first)
    assert change == {
        "appointment": first,
        "appointment_version": 2,
        "from": {"start": "2027-01-11T09:00:00-07:00", "resources": sorted([chair, nurse.pk])},
        "to": {"start": "2027-01-11T09:00:00-07:00", "resources": sorted([chair, colleague.pk])},
        "reason": "",
        "detail": "",
        "outcome": "",
        "outcome_code": "",
    }
    assert not Allocation.objects.filter(resource=colleague).exists(), "nothing moves before a person says so"

    done = accept(desk, repair).json()
    assert (done["status"], outcomes(done)) == ("accepted", {first: "reassigned", second: "reassigned"})
    assert (done["settled_by"], done["settled_at"]) == (desk.user.pk, "2027-01-04T08:00:00-07:00")  # type: ignore[attr-defined]
    assert Appointment.objects.get(pk=first).status == "confirmed"
    held = set(Allocation.objects.filter(appointment=first).values_list("resource", flat=True))
    assert held == {chair, colleague.pk}
    assert set(Message.objects.filter(status="queued").values_list("pk", flat=True)) == queued
    event = desk.get(f"/api/v1/appointments/{first}/history/").json()["results"][-1]
    assert (event["verb"], event["from_status"], event["to_status"]) == ("reassign", "confirmed", "confirmed")
    assert event["note"] == "Chair 1, Nurse 1 -> Chair 1, Nurse 2"
    assert set(WorkItem.objects.values_list("status", flat=True)) == {"resolved"}
    assert Appointment.objects.get(pk=later).version == 1


def test_a_confirmation_can_still_be_undone_after_a_reassignment(desk: APIClient, site: Site) -> None:
    visit = book(desk, site, NINE, "Chair 1", "Nurse 1")
    desk.post(f"/api/v1/appointments/{visit}/confirm/", {})
    repair = proposed(desk, site, resource=named(site, "Nurse 1").pk, **MORNING)
    assert outcomes(accept(desk, repair).json()) == {visit: "reassigned"}
    assert desk.post(f"/api/v1/appointments/{visit}/undo/", {}).json()["status"] == "booked"


def test_a_site_that_closes_moves_its_visits_and_tells_the_patients(
    desk: APIClient, site: Site, client_as: Clients
) -> None:
    visit = book(desk, site, NINE)
    closed = client_as("manager", site).post(
        "/api/v1/closures/", {"site": site.pk, "reason": "Snow", **MORNING}
    )
    repair = proposed(desk, site, closure=closed.json()["id"], horizon_days=3)
    [change] = repair["changes"]
    assert change["to"]["start"] == "2027-01-11T12:00:00-07:00"
    assert (repair["figures"]["patients_moved"], repair["figures"]["minutes_shifted"]) == (1, 180)
    done = accept(desk, repair).json()
    assert outcomes(done) == {visit: "moved"}
    moved = Appointment.objects.get(pk=visit)
    assert (moved.start_at, moved.plan_version, moved.status) == (NINE + timedelta(hours=3), 2, "booked")
    messages = Message.objects.filter(subject_kind="appointment", subject_id=visit, status="queued")
    assert set(messages.values_list("plan_version", flat=True)) == {2}
    assert WorkItem.objects.get(kind="closure_hit").status == "resolved"


def test_what_cannot_be_placed_is_said_and_its_work_item_stays(
    desk: APIClient, site: Site, client_as: Clients
) -> None:
    visit = book(desk, site, NINE)
    closed = client_as("manager", site).post(
        "/api/v1/closures/",
        {"site": site.pk, "reason": "Flood", "start": MORNING["start"], "end": "2027-01-12T00:00:00-07:00"},
    )
    repair = proposed(desk, site, closure=closed.json()["id"], horizon_days=0)
    [change] = repair["changes"]
    assert (change["to"], change["reason"], repair["figures"]["unplaced"]) == (None, "no_place", 1)
    assert change["detail"]
    done = accept(desk, repair).json()
    assert (done["status"], outcomes(done)) == ("accepted", {visit: ""})
    assert Appointment.objects.get(pk=visit).start_at == NINE
    assert WorkItem.objects.get(kind="closure_hit").status == "open"


def test_visits_that_have_begun_are_named_and_left_alone(desk: APIClient, site: Site, clock: Any) -> None:
    arrived = book(desk, site, NINE, "Chair 1", "Nurse 1")
    begun = book(desk, site, NINE + timedelta(minutes=15), "Chair 2", "Nurse 1")
    Appointment.objects.filter(pk=arrived).update(status="arrived")
    Appointment.objects.filter(pk=begun).update(status="in_progress")
    repair = proposed(desk, site, start=MORNING["start"], end=MORNING["end"])
    assert {change["appointment"]: change["reason"] for change in repair["changes"]} == {
        arrived: "patient_is_here",
        begun: "under_way",
    }


def test_accepting_a_part_and_then_the_rest(desk: APIClient, site: Site) -> None:
    visits = [book(desk, site, NINE + timedelta(hours=2 * n), "Chair 1", "Nurse 1") for n in range(2)]
    repair = proposed(
        desk,
        site,
        resource=named(site, "Nurse 1").pk,
        start=MORNING["start"],
        end="2027-01-11T18:00:00-07:00",
    )
    part = accept(desk, repair, appointments=[visits[1]]).json()
    assert (part["status"], outcomes(part)) == ("proposed", {visits[0]: "", visits[1]: "reassigned"})
    whole = accept(desk, repair).json()
    assert (whole["status"], outcomes(whole)) == ("accepted", dict.fromkeys(visits, "reassigned"))
    versions = list(Appointment.objects.order_by("pk").values_list("version", flat=True))
    again = accept(desk, repair)
    assert (again.status_code, again.json()) == (200, whole)
    assert list(Appointment.objects.order_by("pk").values_list("version", flat=True)) == versions
    refused = desk.post(f"/api/v1/repairs/{repair['id']}/discard/", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition")
    assert (refused.json()["state"], refused.json()["possible"]) == ("accepted", [])


def test_what_changed_meanwhile_is_reported_and_the_rest_is_done(desk: APIClient, site: Site) -> None:
    cancelled = book(desk, site, NINE, "Chair 1", "Nurse 1")
    confirmed = book(desk, site, NINE + timedelta(minutes=30), "Chair 2", "Nurse 1")
    untouched = book(desk, site, NINE + timedelta(minutes=60), "Chair 3", "Nurse 1")
    repair = proposed(desk, site, resource=named(site, "Nurse 1").pk, **MORNING)
    desk.post(f"/api/v1/appointments/{cancelled}/cancel/", {})
    desk.post(f"/api/v1/appointments/{confirmed}/confirm/", {})
    done = accept(desk, repair).json()
    assert outcomes(done) == {cancelled: "stale", confirmed: "stale", untouched: "reassigned"}
    stale = {each["outcome_code"] for each in done["changes"] if each["outcome"] == "stale"}
    assert stale <= {"stale_version", "invalid_transition"}
    assert Appointment.objects.get(pk=cancelled).status == "cancelled"


def test_a_new_place_that_is_gone_is_refused_and_the_rest_is_done(desk: APIClient, site: Site) -> None:
    first = book(desk, site, NINE, "Chair 1", "Nurse 1")
    second = book(desk, site, NINE + timedelta(hours=2), "Chair 1", "Nurse 1")
    repair = proposed(desk, site, resource=named(site, "Nurse 1").pk, **MORNING)
    taken = named(site, "Nurse 2")
    ResourceFactory.create(site=site, kind="nurse", name="Nurse 3")
    book(desk, site, NINE, "Chair 3", "Nurse 2")
    done = accept(desk, repair).json()
    assert outcomes(done) == {first: "refused", second: "reassigned"}
    assert (
        next(each for each in done["changes"] if each["appointment"] == first)["outcome_code"] == "slot_taken"
    )
    assert not Allocation.objects.filter(appointment=first, resource=taken).exists()


def test_the_same_key_accepts_once(desk: APIClient, site: Site) -> None:
    book(desk, site, NINE, "Chair 1", "Nurse 1")
    repair = proposed(desk, site, resource=named(site, "Nurse 1").pk, **MORNING)
    key = {"Idempotency-Key": "accept-1"}
    address = f"/api/v1/repairs/{repair['id']}/accept/"
    first, second = (desk.post(address, {}, headers=key) for _ in range(2))
    assert first.status_code == 200, first.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.json() == first.json()
    assert first.json()["status"] == "accepted"


def test_visits_whose_place_still_stands_stay_there(desk: APIClient, site: Site) -> None:
    fine = book(desk, site, NINE, "Chair 1", "Nurse 1")
    stranded = book(desk, site, NINE + timedelta(hours=2), "Chair 2", "Nurse 1")
    Resource.objects.filter(pk=named(site, "Chair 2").pk).update(active=False)
    repair = proposed(desk, site, appointments=[fine, stranded])
    assert repair["figures"]["resources_changed"] == 1
    assert outcomes(accept(desk, repair).json()) == {fine: "unchanged", stranded: "reassigned"}
    assert Appointment.objects.get(pk=fine).version == 1


def test_a_discarded_proposal_moves_nothing(desk: APIClient, site: Site) -> None:
    visit = book(desk, site, NINE, "Chair 1", "Nurse 1")
    repair = proposed(desk, site, resource=named(site, "Nurse 1").pk, **MORNING)
    address = f"/api/v1/repairs/{repair['id']}/discard/"
    assert desk.post(address, {}, headers={"If-Match": '"1"'}).status_code == 412
    assert desk.post(address, {}).json()["status"] == "discarded"
    assert desk.post(address, {}).json()["status"] == "discarded"
    refused = accept(desk, repair)
    assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition")
    assert Appointment.objects.get(pk=visit).version == 1


def test_nothing_hit_is_a_proposal_without_changes(desk: APIClient, site: Site) -> None:
    repair = proposed(desk, site, **MORNING)
    assert (repair["changes"], repair["optimal"]) == ([], True)
    assert accept(desk, repair).json()["status"] == "accepted"


def test_a_repair_that_is_not_computed_yet_can_be_discarded_only(desk: APIClient, site: Site) -> None:
    asked = ask(desk, site, **MORNING)
    assert (asked.status_code, asked.json()["status"], asked.json()["changes"]) == (202, "queued", [])
    assert asked.json()["start"] == MORNING["start"]
    refused = accept(desk, asked.json())
    assert (refused.status_code, refused.json()["possible"]) == (409, ["discard"])
    assert desk.post(f"/api/v1/repairs/{asked.json()['id']}/discard/", {}).status_code == 200
    assert not repair_runs.run_next(now=NOW)


def test_lists_cost_the_same_however_long(
    desk: APIClient, site: Site, django_assert_num_queries: Callable[[int], Any]
) -> None:
    book(desk, site, NINE, "Chair 1", "Nurse 1")
    made = [proposed(desk, site, **MORNING)["id"] for _ in range(3)]
    page: dict[str, Any] = {}
    for limit in (1, 3):
        with django_assert_num_queries(1):  # the user's roles are known
            page = desk.get(f"/api/v1/repairs/?site={site.pk}&limit={limit}").json()
        assert [each["id"] for each in page["results"]] == made[::-1][:limit]
    assert "changes" not in page["results"][0]
    assert desk.get("/api/v1/repairs/?status=accepted").json()["results"] == []


@pytest.mark.parametrize(
    ("cause", "status", "code"),
    [
        ({}, 422, "one_cause"),
        ({"start": MORNING["start"]}, 422, "one_cause"),
        ({**MORNING, "appointments": [1]}, 422, "one_cause"),
        ({"start": MORNING["end"], "end": MORNING["start"]}, 422, "not_after_start"),
        (
            {"start": "2027-03-14T02:30:00-07:00", "end": "2027-03-14T12:00:00-06:00"},
            422,
            "nonexistent_local_time",
        ),
        ({"appointments": [10**12]}, 422, "other_site"),
        ({**MORNING, "start": "2027-01-11T08:00:00"}, 400, "invalid_request"),
        ({**MORNING, "time_limit_seconds": 61}, 400, "invalid_request"),
        ({**MORNING, "horizon_days": 15}, 400, "invalid_request"),
        ({"appointments": list(range(1, 1000))}, 400, "invalid_request"),
        ({"appointments": "all"}, 400, "invalid_request"),
        ({"closure": 10**12}, 400, "invalid_request"),
    ],
)
def test_what_cannot_be_asked(
    desk: APIClient, site: Site, cause: dict[str, Any], status: int, code: str
) -> None:
    response = ask(desk, site, **cause)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not Repair.objects.exists()


def test_a_resource_needs_a_stretch_of_time(desk: APIClient, site: Site) -> None:
    assert ask(desk, site, resource=named(site, "Nurse 1").pk).json()["code"] == "one_cause"


def test_what_belongs_to_another_site(desk: APIClient, site: Site, client_as: Clients) -> None:
    elsewhere = SiteFactory.create()
    open_clinic(elsewhere)
    both = client_as("front_desk", site, elsewhere)
    theirs = named(elsewhere, "Nurse 1").pk
    refused = ask(both, site, resource=theirs, **MORNING)
    assert (refused.status_code, codes(refused)) == (422, {("/resource", "other_site")})
    closed = client_as("manager", elsewhere).post(
        "/api/v1/closures/", {"resource": theirs, "reason": "Sick", **MORNING}
    )
    refused = ask(both, site, closure=closed.json()["id"])
    assert (refused.status_code, codes(refused)) == (422, {("/closure", "other_site")})
    assert ask(desk, site, resource=theirs, **MORNING).status_code == 400, "nobody learns that it exists"
    hidden = ask(client_as("front_desk", elsewhere), elsewhere, **MORNING).json()["id"]
    assert desk.get(f"/api/v1/repairs/{hidden}/").status_code == 404
    assert desk.post(f"/api/v1/repairs/{hidden}/accept/", {}).status_code == 404
    assert desk.post(f"/api/v1/repairs/{hidden}/discard/", {}).status_code == 404


def test_a_site_has_few_unfinished_repairs(desk: APIClient, site: Site) -> None:
    for _ in range(5):
        assert ask(desk, site, **MORNING).status_code == 202
    refused = ask(desk, site, **MORNING)
    assert (refused.status_code, refused.json()["code"]) == (409, "repairs_waiting")


def test_accepting_what_was_not_proposed(desk: APIClient, site: Site) -> None:
    book(desk, site, NINE, "Chair 1", "Nurse 1")
    other = book(desk, site, NINE + timedelta(days=1))
    repair = proposed(desk, site, resource=named(site, "Nurse 1").pk, **MORNING)
    refused = accept(desk, repair, appointments=[other])
    assert (refused.status_code, codes(refused)) == (422, {("/appointments", "not_proposed")})


@pytest.mark.parametrize("role", ["manager", "auditor"])
def test_who_may_not_schedule_may_not_repair(
    site: Site, desk: APIClient, client_as: Clients, role: str
) -> None:
    repair = ask(desk, site, **MORNING).json()
    client = client_as(role, site)
    assert ask(client, site, **MORNING).status_code == 403
    assert accept(client, repair).status_code == 403
    assert client.get(f"/api/v1/repairs/{repair['id']}/").status_code == (200 if role == "manager" else 403)
