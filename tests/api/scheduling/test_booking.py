"""Booking over HTTP: what succeeds, every refusal, and what is left behind after one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Message, Patient
from scheduling.models import Allocation, Appointment, Closure, Resource, VisitType
from tests.conftest import NOW, codes
from tests.factories import PatientFactory, ResourceFactory, SiteFactory, open_clinic, visit_type

pytestmark = pytest.mark.django_db

START = "2027-01-11T09:00:00-07:00"
INFUSION = "ketamine-mood"


@pytest.fixture
def patient(site: Site) -> Patient:
    return PatientFactory.create(site=site)


@pytest.fixture
def desk(site: Site, client_as: Callable[..., APIClient], clock: object) -> APIClient:
    open_clinic(site, chairs=2, nurses=1)
    return client_as("front_desk", site)


def body(site: Site, patient: Patient, start: str = START, **extra: Any) -> dict[str, Any]:
    return {"patient": patient.pk, "visit_type": INFUSION, "site": site.pk, "start": start, **extra}


def book(client: APIClient, *args: Any, **extra: Any) -> Any:
    return client.post("/api/v1/appointments/", body(*args, **extra))


def test_a_booking_holds_chair_and_nurse_and_queues_its_messages(
    desk: APIClient, site: Site, patient: Patient
) -> None:
    response = book(desk, site, patient, reason="first of six")
    assert response.status_code == 201, response.json()
    booked = response.json()
    assert booked["start"] == START
    assert booked["end"] == "2027-01-11T11:00:00-07:00"
    assert (booked["status"], booked["course"], booked["version"]) == ("booked", None, 1)
    assert response["ETag"] == '"1"'
    held = {
        (row["kind"], row["use"], row["start"][11:16], row["end"][11:16]) for row in booked["allocations"]
    }
    assert held == {
        ("chair", "exclusive", "09:00", "11:00"),
        ("nurse", "exclusive", "09:00", "09:15"),
        ("nurse", "exclusive", "10:30", "10:45"),
        ("nurse", "shared", "09:00", "10:45"),
    }
    queued = Message.objects.filter(subject_kind="appointment", subject_id=booked["id"], status="queued")
    assert set(queued.values_list("kind", "channel")) == {
        (kind, channel)
        for kind in ("confirmation", "preparation", "confirm_request", "day_before")
        for channel in ("email", "sms")
    }
    assert desk.get(f"/api/v1/appointments/{booked['id']}/").json() == booked


def test_reading_never_writes_and_lists_cost_the_same_however_long(
    desk: APIClient, site: Site, django_assert_num_queries: Callable[[int], Any]
) -> None:
    for hour in (9, 11, 13):
        start = f"2027-01-11T{hour:02}:00:00-07:00"
        assert book(desk, site, PatientFactory.create(site=site), start=start).status_code == 201
    for limit in (1, 3):
        with django_assert_num_queries(2):  # appointments and allocations; the user's roles are known
            page = desk.get(f"/api/v1/appointments/?site={site.pk}&limit={limit}").json()
        assert len(page["results"]) == limit


def test_the_same_chair_and_time_cannot_be_sold_twice(desk: APIClient, site: Site) -> None:
    assert book(desk, site, PatientFactory.create(site=site)).status_code == 201
    late = book(desk, site, PatientFactory.create(site=site))
    assert late.status_code == 409, "one nurse cannot put two patients on at once"
    problem = late.json()
    assert problem["code"] == "slot_taken"
    assert [slot["start"] for slot in problem["alternatives"]] == [
        "2027-01-11T08:45:00-07:00",
        "2027-01-11T09:15:00-07:00",
        "2027-01-11T08:30:00-07:00",
    ]
    for slot in problem["alternatives"][:1]:
        again = book(desk, site, PatientFactory.create(site=site), start=slot["start"])
        assert again.status_code == 201


@pytest.mark.parametrize("order", list(permutations("ABCD")))
def test_any_order_of_arrival_fits_what_a_nurse_may_watch(
    desk: APIClient, site: Site, order: tuple[str, ...]
) -> None:
    """A 9-10, B 10-11, C 9-11, D 9-11 on capacity 3: never more than three at once, so all fit."""
    for minutes in (60, 120):
        phases = [{"name": "rest", "minutes": minutes, "needs": [{"kind": "nurse", "use": "shared"}]}]
        VisitType.objects.create(
            code=f"rest-{minutes}",
            name=f"Rest {minutes}",
            discreet_name="visit",
            kind="follow_up",
            phases=phases,
        )
    visits = {"A": ("09:00", 60), "B": ("10:00", 60), "C": ("09:00", 120), "D": ("09:00", 120)}
    for number, name in enumerate(order):
        at, minutes = visits[name]
        wanted = body(site, PatientFactory.create(site=site), start=f"2027-01-11T{at}:00-07:00")
        response = desk.post("/api/v1/appointments/", {**wanted, "visit_type": f"rest-{minutes}"})
        assert response.status_code == 201, (number, response.json())
        if number == 1:
            _fragment(site)
    assert set(Allocation.objects.values_list("lane", flat=True)) <= {1, 2, 3}
    fifth = body(site, PatientFactory.create(site=site), start="2027-01-11T09:00:00-07:00")
    assert desk.post("/api/v1/appointments/", {**fifth, "visit_type": "rest-60"}).status_code == 409


def _fragment(site: Site) -> None:
    """Spread what is booked over different lanes, as unlucky cancellations would have."""
    rows = list(Allocation.objects.filter(resource__site=site).order_by("id"))
    for lane, row in enumerate(rows, start=2):
        row.lane = lane
    Allocation.objects.bulk_update(rows, ["lane"])


@pytest.mark.parametrize(
    ("start", "status", "code"),
    [
        ("2027-01-11T09:05:00-07:00", 422, "off_grid"),
        ("2027-01-11T09:00:30-07:00", 422, "off_grid"),
        ("2027-01-04T08:30:00-07:00", 422, "too_soon"),
        ("2026-01-04T09:00:00-07:00", 422, "too_soon"),
        ("2028-01-04T09:00:00-07:00", 422, "too_far"),
        ("2027-01-11T03:00:00-07:00", 422, "outside_hours"),
        ("2027-01-11T17:00:00-07:00", 422, "outside_hours"),
        ("2027-03-14T02:30:00-07:00", 422, "nonexistent_local_time"),
    ],
)
def test_starts_that_the_clinic_does_not_offer(
    desk: APIClient, site: Site, patient: Patient, start: str, status: int, code: str
) -> None:
    response = book(desk, site, patient, start=start)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not Appointment.objects.exists()


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"start": "2027-01-11T09:00:00"}, "/start", "offset_required"),
        ({"start": "tomorrow"}, "/start", "invalid"),
        ({"start": None}, "/start", "null"),
        ({"patient": 10**30}, "/patient", "does_not_exist"),
        ({"patient": "Ana"}, "/patient", "incorrect_type"),
        ({"patient": True}, "/patient", "incorrect_type"),
        ({"visit_type": "no-such-type"}, "/visit_type", "does_not_exist"),
        ({"visit_type": "a\u0000b"}, "/visit_type", "does_not_exist"),
        ({"site": 0}, "/site", "does_not_exist"),
        ({"resources": ["x"]}, "/resources/0", "invalid"),
        ({"resources": [10**30]}, "/resources/0", "max_value"),
        ({"resources": "chair"}, "/resources", "not_a_list"),
        ({"reason": "x" * 201}, "/reason", "max_length"),
        ({"reason": {"a": 1}}, "/reason", "invalid"),
    ],
)
def test_malformed_bookings_name_the_field(
    desk: APIClient, site: Site, patient: Patient, change: dict[str, Any], pointer: str, code: str
) -> None:
    response = desk.post("/api/v1/appointments/", {**body(site, patient), **change})
    assert response.status_code == 400, response.json()
    assert (pointer, code) in codes(response)


def test_another_sites_patient_or_site_does_not_exist_for_the_caller(desk: APIClient, site: Site) -> None:
    elsewhere = SiteFactory.create()
    stranger = PatientFactory.create(site=elsewhere)
    assert codes(book(desk, site, stranger)) == {("/patient", "does_not_exist")}
    here = PatientFactory.create(site=site)
    assert codes(book(desk, elsewhere, here)) == {("/site", "does_not_exist")}


def test_resources_can_be_named(desk: APIClient, site: Site, patient: Patient) -> None:
    last_chair = Resource.objects.filter(site=site, kind="chair").last()
    assert last_chair
    booked = book(desk, site, patient, resources=[last_chair.pk]).json()
    assert {row["resource"] for row in booked["allocations"] if row["kind"] == "chair"} == {last_chair.pk}
    other = PatientFactory.create(site=site)
    prescriber = Resource.objects.get(site=site, kind="prescriber")
    for named in ([prescriber.pk], [last_chair.pk, last_chair.pk + 1000]):
        refused = book(desk, site, other, start="2027-01-11T14:00:00-07:00", resources=named)
        assert (refused.status_code, refused.json()["code"]) == (422, "wrong_resource")


def test_a_patient_is_not_booked_twice_at_once(desk: APIClient, site: Site, patient: Patient) -> None:
    assert book(desk, site, patient).status_code == 201
    again = book(desk, site, patient, start="2027-01-11T10:00:00-07:00")
    assert (again.status_code, again.json()["code"]) == (409, "patient_busy")
    assert len(again.json()["alternatives"]) == 3


def test_closures_and_inactive_patients_are_refused(desk: APIClient, site: Site, patient: Patient) -> None:
    Closure.objects.create(
        site=site,
        start_at=datetime(2027, 1, 11, 7, tzinfo=UTC),
        end_at=datetime(2027, 1, 12, 7, tzinfo=UTC),
        reason="Burst pipe",
    )
    closed = book(desk, site, patient)
    assert (closed.status_code, closed.json()["code"]) == (422, "outside_hours")
    gone = PatientFactory.create(site=site, status="deceased")
    refused = book(desk, site, gone, start="2027-01-13T09:00:00-07:00")
    assert (refused.status_code, refused.json()["code"]) == (422, "patient_inactive")


def test_an_idempotency_key_books_once(desk: APIClient, site: Site, patient: Patient) -> None:
    headers = {"Idempotency-Key": "b3f2-1"}
    first = desk.post("/api/v1/appointments/", body(site, patient), headers=headers)
    again = desk.post("/api/v1/appointments/", body(site, patient), headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert (again["ETag"], again["Idempotency-Replayed"]) == (first["ETag"], "true")
    other = desk.post("/api/v1/appointments/", body(site, patient, reason="x"), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert Appointment.objects.count() == 1


def test_a_refusal_is_replayed_too(desk: APIClient, site: Site, patient: Patient) -> None:
    headers = {"Idempotency-Key": "b3f2-2"}
    night = body(site, patient, start="2027-01-11T03:00:00-07:00")
    first = desk.post("/api/v1/appointments/", night, headers=headers)
    again = desk.post("/api/v1/appointments/", night, headers=headers)
    assert (first.status_code, again.status_code) == (422, 422)
    assert again["Content-Type"] == "application/problem+json"
    assert first.json() == again.json()


@pytest.mark.parametrize("role", ["auditor"])
def test_roles_that_do_not_book(site: Site, role: str, client_as: Callable[..., APIClient]) -> None:
    client = client_as(role, site)
    assert client.get("/api/v1/appointments/").status_code == 403
    assert client.post("/api/v1/appointments/", {}).status_code == 403


def test_managers_read_the_schedule_but_do_not_book(
    site: Site, patient: Patient, desk: APIClient, client_as: Callable[..., APIClient]
) -> None:
    manager = client_as("manager", site)
    assert manager.get("/api/v1/appointments/").status_code == 200
    assert book(manager, site, patient).status_code == 403


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("?nonsense=1", "nonsense"),
        ("?limit=0", "limit"),
        ("?limit=201", "limit"),
        ("?limit=x", "limit"),
        ("?cursor=x", "cursor"),
        ("?site=x", "site"),
        ("?status=asleep", "status"),
        ("?start_after=2027-01-01T00:00:00", "start_after"),
        ("?site=1&site=2", "site"),
    ],
)
def test_unknown_or_bad_query_parameters_are_named(desk: APIClient, query: str, name: str) -> None:
    response = desk.get(f"/api/v1/appointments/{query}")
    assert response.status_code == 400
    assert f"/{name}" in {pointer for pointer, _code in codes(response)}


def test_pages_follow_each_other_without_gaps(desk: APIClient, site: Site) -> None:
    for day in range(5):
        start = (datetime.fromisoformat(START) + timedelta(days=day)).isoformat()
        assert book(desk, site, PatientFactory.create(site=site), start=start).status_code == 201
    seen: list[int] = []
    url = "/api/v1/appointments/?limit=2"
    while url:
        page = desk.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
    assert seen == list(Appointment.objects.order_by("start_at").values_list("pk", flat=True))


def test_availability_and_booking_agree(desk: APIClient, site: Site, patient: Patient) -> None:
    query: dict[str, Any] = {
        "visit_type": INFUSION,
        "site": site.pk,
        "start": "2027-01-11T00:00:00-07:00",
        "end": "2027-01-12T00:00:00-07:00",
    }
    found = desk.get("/api/v1/availability/", query).json()
    assert found["slots"][0] == {
        "start": "2027-01-11T08:00:00-07:00",
        "end": "2027-01-11T10:00:00-07:00",
        "site": site.pk,
    }
    assert found["slots"][-1]["start"] == "2027-01-11T16:00:00-07:00"
    assert found["reasons"] == []
    for slot in found["slots"]:
        assert book(desk, site, patient, start=slot["start"]).status_code == 201
        visit = Appointment.objects.latest("id")
        assert desk.post(f"/api/v1/appointments/{visit.pk}/cancel/", {}).status_code == 200


def test_no_slots_come_with_reasons(desk: APIClient, site: Site) -> None:
    Resource.objects.filter(site=site, kind="nurse").update(active=False)
    query: dict[str, Any] = {
        "visit_type": INFUSION,
        "site": site.pk,
        "start": START,
        "end": "2027-01-13T00:00:00-07:00",
    }
    found = desk.get("/api/v1/availability/", query).json()
    assert found["slots"] == []
    assert [(row["day"], row["kind"], row["code"]) for row in found["reasons"]] == [
        ("2027-01-11", "nurse", "no_resource"),
        ("2027-01-12", "nurse", "no_resource"),
    ]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"end": "2047-01-01T00:00:00Z"}, "/end", "range_too_long"),
        ({"end": "2020-01-01T00:00:00Z"}, "/end", "end_before_start"),
        ({"start": "2027-01-11"}, "/start", "invalid"),
        ({"visit_type": "nope"}, "/visit_type", "does_not_exist"),
        ({"site": "99999999999999999999"}, "/site", "incorrect_type"),
        ({"limit": "100000"}, "/limit", "max_value"),
        ({"color": "red"}, "/color", "unknown_parameter"),
    ],
)
def test_bad_searches_name_the_parameter(
    desk: APIClient, site: Site, change: dict[str, str], pointer: str, code: str
) -> None:
    query: dict[str, Any] = {"visit_type": INFUSION, "site": site.pk, "start": START, **change}
    response = desk.get("/api/v1/availability/", query)
    assert response.status_code == 400
    assert (pointer, code) in codes(response)


def test_a_search_costs_the_same_number_of_queries_however_large(
    desk: APIClient, site: Site, patient: Patient, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    for n in range(10):
        ResourceFactory.create(site=site, name=f"More {n}")
    query: dict[str, Any] = {
        "visit_type": INFUSION,
        "site": site.pk,
        "start": START,
        "end": "2027-03-11T09:00:00-07:00",
        "patient": patient.pk,
    }
    with django_assert_max_num_queries(9):
        desk.get("/api/v1/availability/", query)


def test_visit_types_without_resources_keep_the_sites_hours(
    desk: APIClient, site: Site, patient: Patient
) -> None:
    call = visit_type("follow-up")
    call.phases = [{"name": "call", "minutes": 20, "needs": []}]
    call.save()
    wanted = {**body(site, patient), "visit_type": "follow-up"}
    assert desk.post("/api/v1/appointments/", wanted).status_code == 201
    night = {**wanted, "start": "2027-01-11T22:00:00-07:00"}
    refused = desk.post("/api/v1/appointments/", night)
    assert (refused.status_code, refused.json()["code"]) == (422, "outside_hours")


def test_now_is_monday_in_denver() -> None:
    assert NOW.isoformat() == "2027-01-04T15:00:00+00:00"


def test_what_the_search_offers_can_be_booked_beside_a_closure(
    desk: APIClient, site: Site, patient: Patient
) -> None:
    """The nurse leaves at 10:45, when the visit of 09:00 needs only its chair, for turnover."""
    nurse = Resource.objects.get(site=site, kind="nurse")
    leaves = datetime(2027, 1, 11, 17, 45, tzinfo=UTC)
    Closure.objects.create(
        resource=nurse, start_at=leaves, end_at=leaves + timedelta(hours=2), reason="Training"
    )
    query: dict[str, Any] = {
        "visit_type": INFUSION,
        "site": site.pk,
        "start": START,
        "end": "2027-01-11T09:30:00-07:00",
    }
    offered = [slot["start"] for slot in desk.get("/api/v1/availability/", query).json()["slots"]]
    assert offered == [START]
    late = book(desk, site, patient, start="2027-01-11T09:15:00-07:00")
    assert (late.status_code, late.json()["code"]) == (422, "outside_hours")
    assert book(desk, site, patient).status_code == 201
