"""/holds/ over HTTP: a time is kept for ten minutes, used once, given back, or simply over."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Patient
from scheduling.models import Allocation, Appointment, Closure, Hold, HoldPolicy, Resource
from tests.conftest import NOW, codes
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type

START = "2027-01-11T09:00:00-07:00"
AT = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)


@pytest.fixture
def clinic(site: Site, clock: Callable[[datetime], None]) -> Site:
    """One chair, so that whoever has it has it alone."""
    open_clinic(site, chairs=1)
    return site


@pytest.fixture
def desk(clinic: Site, client_as: Callable[..., APIClient]) -> APIClient:
    return client_as("front_desk", clinic)


@pytest.fixture
def patient(clinic: Site) -> Patient:
    return PatientFactory.create(site=clinic)


def wish(site: Site, patient: Patient, /, **changes: Any) -> dict[str, Any]:
    return {
        "patient": patient.pk,
        "visit_type": "ketamine-mood",
        "site": site.pk,
        "start": START,
        **changes,
    }


def hold(desk: APIClient, site: Site, patient: Patient, /, **changes: Any) -> Any:
    return desk.post("/api/v1/holds/", wish(site, patient, **changes), format="json")


def book(desk: APIClient, site: Site, patient: Patient, /, **changes: Any) -> Any:
    return desk.post("/api/v1/appointments/", wish(site, patient, **changes), format="json")


def free(desk: APIClient, site: Site) -> bool:
    query = f"visit_type=ketamine-mood&site={site.pk}&start=2027-01-11T16:00:00Z&end=2027-01-11T16:01:00Z"
    return bool(desk.get(f"/api/v1/availability/?{query}").json()["slots"])


def test_a_hold_keeps_the_chair_the_nurse_and_the_patients_time(
    desk: APIClient, clinic: Site, patient: Patient
) -> None:
    reply = hold(desk, clinic, patient)
    assert reply.status_code == 201, reply.json()
    kept = reply.json()
    assert (kept["status"], kept["start"], kept["end"]) == ("held", START, "2027-01-11T11:00:00-07:00")
    assert datetime.fromisoformat(kept["expires_at"]) == NOW + timedelta(minutes=10)
    kinds = Resource.objects.filter(pk__in=kept["resources"]).values_list("kind", flat=True)
    assert sorted(kinds) == ["chair", "nurse"]
    assert reply["ETag"] == '"1"'
    assert desk.get(f"/api/v1/holds/{kept['id']}/").json() == kept

    assert not free(desk, clinic)
    taken = book(desk, clinic, PatientFactory.create(site=clinic))
    assert (taken.status_code, taken.json()["code"]) == (409, "slot_taken")
    assert taken.json()["alternatives"]
    Resource.objects.create(site=clinic, kind="chair", name="Second", capacity=1)
    Resource.objects.create(site=clinic, kind="nurse", name="Second", capacity=3)
    elsewhere = book(desk, clinic, patient, start="2027-01-11T10:00:00-07:00")
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (409, "patient_busy")
    twice = hold(desk, clinic, patient)
    assert (twice.status_code, twice.json()["code"]) == (409, "patient_busy")


def test_booking_with_a_hold_gives_exactly_what_was_held(
    desk: APIClient, clinic: Site, patient: Patient
) -> None:
    kept = hold(desk, clinic, patient).json()
    rows = {(row.resource_id, row.lane, row.start_at, row.end_at) for row in Allocation.objects.all()}
    booked = book(desk, clinic, patient, hold=kept["id"], reason="as agreed")
    assert booked.status_code == 201, booked.json()
    after = Allocation.objects.all()
    assert {(row.resource_id, row.lane, row.start_at, row.end_at) for row in after} == rows
    assert {row.appointment_id for row in after} == {booked.json()["id"]}
    assert booked.json()["end"] == kept["end"]
    shown = desk.get(f"/api/v1/holds/{kept['id']}/").json()
    assert (shown["status"], shown["appointment"], shown["resources"]) == ("used", booked.json()["id"], [])
    history = desk.get(f"/api/v1/appointments/{booked.json()['id']}/history/").json()["results"]
    assert [event["verb"] for event in history] == ["book"]
    again = book(desk, clinic, patient, hold=kept["id"])
    assert (again.status_code, again.json()["code"]) == (409, "hold_used")
    release = desk.post(f"/api/v1/holds/{kept['id']}/release/")
    assert (release.status_code, release.json()["code"]) == (409, "hold_used")


def test_an_expired_hold_is_in_nobodys_way_and_no_use(
    desk: APIClient, clinic: Site, patient: Patient, clock: Callable[[datetime], None]
) -> None:
    kept = hold(desk, clinic, patient).json()
    clock(NOW + timedelta(minutes=10) - timedelta(microseconds=1))
    assert not free(desk, clinic)
    clock(NOW + timedelta(minutes=10))
    assert free(desk, clinic)
    shown = desk.get(f"/api/v1/holds/{kept['id']}/").json()
    assert (shown["status"], shown["resources"]) == ("expired", [])
    late = book(desk, clinic, patient, hold=kept["id"])
    assert (late.status_code, late.json()["code"]) == (409, "hold_expired")
    assert book(desk, clinic, patient).status_code == 201  # the same patient, at the same time
    assert not Allocation.objects.filter(hold__isnull=False).exists()


def test_another_patient_takes_the_time_of_an_expired_hold(
    desk: APIClient, clinic: Site, patient: Patient, clock: Callable[[datetime], None]
) -> None:
    assert hold(desk, clinic, patient).status_code == 201
    clock(NOW + timedelta(minutes=11))
    assert hold(desk, clinic, PatientFactory.create(site=clinic)).status_code == 201
    clock(NOW + timedelta(minutes=30))
    assert book(desk, clinic, PatientFactory.create(site=clinic)).status_code == 201
    assert Appointment.objects.count() == 1


@pytest.mark.parametrize("way", ["release", "delete"])
def test_giving_it_back_frees_it_at_once(desk: APIClient, clinic: Site, patient: Patient, way: str) -> None:
    kept = hold(desk, clinic, patient).json()
    url = f"/api/v1/holds/{kept['id']}/"
    stale = desk.post(f"{url}release/", headers={"If-Match": '"7"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    reply = desk.post(f"{url}release/") if way == "release" else desk.delete(url)
    assert reply.status_code == (200 if way == "release" else 204)
    assert free(desk, clinic)
    assert desk.get(url).json()["status"] == "released"
    late = book(desk, clinic, patient, hold=kept["id"])
    assert (late.status_code, late.json()["code"]) == (409, "hold_released")
    assert desk.post(f"{url}release/").json()["version"] == 2  # again changes nothing
    assert book(desk, clinic, patient).status_code == 201


@pytest.mark.parametrize("field", ["patient", "visit_type", "start", "resources"])
def test_a_hold_is_good_for_what_it_was_made_for(
    desk: APIClient, clinic: Site, patient: Patient, field: str
) -> None:
    kept = hold(desk, clinic, patient).json()
    other: dict[str, Any] = {
        "patient": PatientFactory.create(site=clinic).pk,
        "visit_type": "follow-up",
        "start": "2027-01-11T09:15:00-07:00",
        "resources": [Resource.objects.create(site=clinic, kind="chair", name="Other", capacity=1).pk],
    }
    reply = book(desk, clinic, patient, hold=kept["id"], **{field: other[field]})
    assert (reply.status_code, reply.json()["code"]) == (422, "hold_mismatch")
    assert codes(reply) == {(f"/{field}", "hold_mismatch")}
    assert not Appointment.objects.exists()
    assert book(desk, clinic, patient, hold=kept["id"], resources=kept["resources"]).status_code == 201


def test_a_closure_that_came_meanwhile_wins(desk: APIClient, clinic: Site, patient: Patient) -> None:
    kept = hold(desk, clinic, patient).json()
    Closure.objects.create(site=clinic, start_at=AT, end_at=AT + timedelta(hours=1), reason="burst pipe")
    reply = book(desk, clinic, patient, hold=kept["id"])
    assert (reply.status_code, reply.json()["code"]) == (409, "slot_taken")
    assert Hold.objects.get().appointment_id is None


def test_a_hold_is_not_used_after_its_start(
    desk: APIClient, clinic: Site, patient: Patient, clock: Callable[[datetime], None]
) -> None:
    HoldPolicy.objects.create(site=clinic, minutes=60, source="this clinic", mark="D")
    clock(AT - timedelta(minutes=60))
    kept = hold(desk, clinic, patient).json()
    assert datetime.fromisoformat(kept["expires_at"]) == AT
    clock(AT - timedelta(minutes=1))  # the notice was kept when it was made
    assert book(desk, clinic, patient, hold=kept["id"]).status_code == 201


def test_a_visit_without_resources_still_keeps_the_patients_time(
    desk: APIClient, clinic: Site, patient: Patient, clock: Callable[[datetime], None]
) -> None:
    follow_up = visit_type("follow-up")
    follow_up.phases = [{"name": "call", "minutes": 20, "needs": []}]
    follow_up.save()
    kept = hold(desk, clinic, patient, visit_type="follow-up").json()
    assert kept["resources"] == []
    assert book(desk, clinic, patient).json()["code"] == "patient_busy"
    assert book(desk, clinic, patient, visit_type="follow-up", hold=kept["id"]).status_code == 201


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"start": "2027-01-11T09:07:00-07:00"}, 422, "off_grid"),
        ({"start": "2027-01-04T08:15:00-07:00"}, 422, "too_soon"),
        ({"start": "2027-12-04T08:15:00-07:00"}, 422, "too_far"),
        ({"start": "2027-01-11T03:00:00-07:00"}, 422, "outside_hours"),
        ({"start": "2027-03-14T02:30:00-07:00"}, 422, "nonexistent_local_time"),
        ({"start": "2027-01-11T09:00:00"}, 400, "invalid_request"),
        ({"visit_type": "no-such"}, 400, "invalid_request"),
        ({"patient": 0}, 400, "invalid_request"),
        ({"resources": [999999]}, 422, "wrong_resource"),
    ],
)
def test_what_cannot_be_booked_cannot_be_held(
    desk: APIClient, clinic: Site, patient: Patient, change: dict[str, Any], status: int, code: str
) -> None:
    reply = hold(desk, clinic, patient, **change)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert not Hold.objects.exists()


def test_holds_of_other_sites_are_not_there(
    desk: APIClient, clinic: Site, patient: Patient, client_as: Callable[..., APIClient]
) -> None:
    kept = hold(desk, clinic, patient).json()
    elsewhere = client_as("front_desk", SiteFactory.create())
    url = f"/api/v1/holds/{kept['id']}/"
    assert elsewhere.get(url).status_code == 404
    assert elsewhere.post(f"{url}release/").status_code == 404
    assert elsewhere.get("/api/v1/holds/").json()["results"] == []
    manager = client_as("manager", clinic)
    assert manager.get(url).status_code == 200
    assert manager.delete(url).status_code == 403
    assert hold(manager, clinic, patient).status_code == 403
    unseen = book(elsewhere, clinic, patient, hold=kept["id"])
    assert ("/hold", "does_not_exist") in codes(unseen)


def test_lists_narrow_and_cost_the_same_however_long(
    desk: APIClient, clinic: Site, patient: Patient, django_assert_num_queries: Callable[[int], Any]
) -> None:
    replies = [
        hold(desk, clinic, PatientFactory.create(site=clinic), start=f"2027-01-11T{hour:02}:00:00-07:00")
        for hour in (9, 11, 13)
    ]
    assert {reply.status_code for reply in replies} == {201}
    assert desk.delete(f"/api/v1/holds/{replies[-1].json()['id']}/").status_code == 204
    for limit in (1, 3):
        with django_assert_num_queries(2):  # holds and their allocations
            page = desk.get(f"/api/v1/holds/?site={clinic.pk}&limit={limit}").json()
        assert len(page["results"]) == limit
    assert len(desk.get("/api/v1/holds/?active=true").json()["results"]) == 2
    assert len(desk.get("/api/v1/holds/?active=false").json()["results"]) == 1
    assert desk.get("/api/v1/holds/?colour=red").status_code == 400


def test_a_capacity_is_not_lowered_under_an_active_hold_but_under_an_expired_one(
    desk: APIClient, clinic: Site, patient: Patient, client_as: Callable[..., APIClient], clock: Any
) -> None:
    nurse = Resource.objects.get(site=clinic, kind="nurse")
    Resource.objects.create(site=clinic, kind="chair", name="Second", capacity=1)
    assert book(desk, clinic, PatientFactory.create(site=clinic)).status_code == 201
    later = hold(desk, clinic, patient, start="2027-01-11T09:30:00-07:00")
    assert later.status_code == 201
    manager = client_as("manager", clinic)
    url = f"/api/v1/resources/{nurse.pk}/"
    etag = manager.get(url)["ETag"]
    lower = manager.patch(url, {"capacity": 1}, format="json", headers={"If-Match": etag})
    assert (lower.status_code, lower.json()["code"]) == (409, "capacity_in_use")
    clock(NOW + timedelta(minutes=10))
    lower = manager.patch(url, {"capacity": 1}, format="json", headers={"If-Match": etag})
    assert lower.status_code == 200, lower.json()
