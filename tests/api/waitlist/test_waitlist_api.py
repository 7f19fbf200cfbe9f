"""/waitlist/ and /offers/ over HTTP, with the task doing what the tick does."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Message, Patient
from scheduling.models import Course, CourseTemplate, Offer, WaitlistEntry
from scheduling.tasks import offer_freed_slots
from tests.conftest import codes
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type

START = "2027-02-08T09:00:00-07:00"
AT = datetime(2027, 2, 8, 16, 0, tzinfo=UTC)
MORNING = AT - timedelta(days=3)


@pytest.fixture
def clinic(site: Site, clock: Callable[[datetime], None]) -> Site:
    clock(MORNING)
    open_clinic(site, chairs=1)
    return site


@pytest.fixture
def desk(clinic: Site, client_as: Callable[..., APIClient]) -> APIClient:
    return client_as("front_desk", clinic)


@pytest.fixture
def patient(clinic: Site) -> Patient:
    return PatientFactory.create(site=clinic)


def add(desk: APIClient, site: Site, patient: Patient, /, **changes: Any) -> Any:
    body = {
        "patient": patient.pk,
        "visit_type": "ketamine-mood",
        "site": site.pk,
        "earliest": "2027-02-08",
        "latest": "2027-02-19",
        **changes,
    }
    return desk.post("/api/v1/waitlist/", {k: v for k, v in body.items() if v is not ...}, format="json")


def free_a_chair(desk: APIClient, site: Site) -> None:
    booked = desk.post(
        "/api/v1/appointments/",
        {
            "patient": PatientFactory.create(site=site).pk,
            "visit_type": "ketamine-mood",
            "site": site.pk,
            "start": START,
        },
        format="json",
    )
    assert booked.status_code == 201, booked.json()
    assert desk.post(f"/api/v1/appointments/{booked.json()['id']}/cancel/").status_code == 200
    offer_freed_slots()


def test_an_entry_reads_dates_on_the_sites_calendar(desk: APIClient, clinic: Site, patient: Patient) -> None:
    reply = add(desk, clinic, patient, weekdays=[2, 0, 2], earliest_time="08:30", notice_minutes=120)
    assert reply.status_code == 201, reply.json()
    entry = reply.json()
    assert (entry["earliest"], entry["latest"]) == (
        "2027-02-08T00:00:00-07:00",
        "2027-02-20T00:00:00-07:00",
    )
    assert (entry["weekdays"], entry["earliest_time"], entry["latest_time"]) == ([0, 2], "08:30", None)
    assert (entry["status"], entry["priority"], entry["has_escort"]) == ("active", 0, True)
    assert (entry["notice_minutes"], entry["course"], entry["version"]) == (120, None, 1)
    assert reply["ETag"] == '"1"'
    assert desk.get(f"/api/v1/waitlist/{entry['id']}/").json() == entry
    instants = add(desk, clinic, patient, earliest=START, latest="2027-02-08T12:00:00-07:00").json()
    assert (instants["earliest"], instants["latest"]) == (START, "2027-02-08T12:00:00-07:00")


@pytest.mark.parametrize(
    ("change", "status", "pointer", "code"),
    [
        ({"earliest": "2027-02-30"}, 400, "/earliest", "invalid"),
        ({"earliest": "2027-02-08T09:00:00"}, 400, "/earliest", "offset_required"),
        ({"earliest": 7}, 400, "/earliest", "invalid"),
        ({"earliest": ...}, 400, "/earliest", "required"),
        ({"latest": "2199-01-01"}, 422, "/latest", "range_too_long"),
        ({"latest": "2027-02-01"}, 422, "/latest", "not_after_start"),
        ({"earliest": "2027-01-01", "latest": "2027-02-04"}, 422, "/latest", "window_over"),
        ({"weekdays": [7]}, 400, "/weekdays/0", "max_value"),
        ({"weekdays": [0] * 8}, 400, "/weekdays", "max_length"),
        ({"earliest_time": "9:00"}, 400, "/earliest_time", "invalid"),
        ({"earliest_time": "12:00", "latest_time": "09:00"}, 422, "/latest_time", "not_after_start"),
        ({"priority": 10}, 400, "/priority", "max_value"),
        ({"notice_minutes": -1}, 400, "/notice_minutes", "min_value"),
        ({"visit_type": "no-such"}, 400, "/visit_type", "does_not_exist"),
        ({"visit_type": ...}, 422, "/visit_type", "visit_type_or_course"),
        ({"course": 99}, 400, "/course", "does_not_exist"),
        ({"patient": 2**70}, 400, "/patient", "does_not_exist"),
    ],
)
def test_what_cannot_be_waited_for_is_refused_by_name(
    desk: APIClient,
    clinic: Site,
    patient: Patient,
    change: dict[str, Any],
    status: int,
    pointer: str,
    code: str,
) -> None:
    reply = add(desk, clinic, patient, **change)
    assert reply.status_code == status, reply.json()
    assert (pointer, code) in codes(reply)
    assert not WaitlistEntry.objects.exists()


def test_a_skipped_local_time_is_not_guessed(desk: APIClient, clinic: Site, patient: Patient) -> None:
    reply = add(desk, clinic, patient, earliest="2027-03-14T02:30:00-07:00", latest="2027-03-20")
    assert (reply.status_code, reply.json()["code"]) == (422, "nonexistent_local_time")


def test_who_may_not_wait(desk: APIClient, clinic: Site) -> None:
    gone = PatientFactory.create(site=clinic, status="inactive")
    assert add(desk, clinic, gone).json()["code"] == "patient_inactive"
    call = visit_type("follow-up")
    call.phases = [{"name": "call", "minutes": 20, "needs": []}]
    call.save()
    reply = add(desk, clinic, PatientFactory.create(site=clinic), visit_type="follow-up")
    assert (reply.status_code, reply.json()["code"]) == (422, "nothing_to_wait_for")


def course(site: Site, patient: Patient) -> Course:
    template = CourseTemplate.objects.filter(visit_type=visit_type()).order_by("pk")[0]
    return Course.objects.create(
        patient=patient,
        template=template,
        template_version=1,
        visit_type=template.visit_type,
        site=site,
        stages=template.stages,
        sessions_planned=2,
        created_at=MORNING,
    )


def test_a_lost_session_of_a_course_comes_back_where_its_gaps_allow(
    desk: APIClient, clinic: Site, patient: Patient
) -> None:
    theirs = course(clinic, patient)
    other = add(desk, clinic, PatientFactory.create(site=clinic), visit_type=..., course=theirs.pk)
    assert (other.status_code, other.json()["code"]) == (422, "other_patients_course")
    both = add(desk, clinic, patient, course=theirs.pk)
    assert both.json()["code"] == "visit_type_or_course"
    reply = add(desk, clinic, patient, visit_type=..., course=theirs.pk)
    assert reply.status_code == 201, reply.json()
    assert (reply.json()["course"], reply.json()["visit_type"]) == (theirs.pk, theirs.visit_type_id)
    free_a_chair(desk, clinic)
    offer = Offer.objects.get()
    taken = desk.post(f"/api/v1/offers/{offer.pk}/accept/")
    assert taken.status_code == 200, taken.json()
    [session] = theirs.sessions.all()
    assert (session.pk, session.session_number) == (taken.json()["appointment"], 1)

    again = add(desk, clinic, patient, visit_type=..., course=theirs.pk)
    assert again.status_code == 201
    cancelled = desk.post(f"/api/v1/appointments/{session.pk}/cancel/")
    assert cancelled.status_code == 200
    free_a_chair(desk, clinic)  # 2027-02-08 again: nothing beside it, so it fits
    assert Offer.objects.filter(entry=again.json()["id"]).exists()


def test_changing_needs_if_match_and_counts_versions(desk: APIClient, clinic: Site, patient: Patient) -> None:
    entry = add(desk, clinic, patient).json()
    url = f"/api/v1/waitlist/{entry['id']}/"
    assert desk.patch(url, {"priority": 3}, format="json").status_code == 428
    changed = desk.patch(
        url, {"priority": 3, "latest": "2027-02-10"}, format="json", headers={"If-Match": '"1"'}
    )
    assert changed.status_code == 200, changed.json()
    assert (changed.json()["priority"], changed.json()["latest"], changed.json()["version"]) == (
        3,
        "2027-02-11T00:00:00-07:00",
        2,
    )
    stale = desk.patch(url, {"priority": 4}, format="json", headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    wrong = desk.patch(url, {"latest": "2027-02-01"}, format="json", headers={"If-Match": '"2"'})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "not_after_start")
    cancelled = desk.post(f"{url}cancel/", headers={"If-Match": '"2"'})
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    for reply in (
        desk.post(f"{url}cancel/"),
        desk.patch(url, {"priority": 4}, format="json", headers={"If-Match": '"3"'}),
    ):
        assert (reply.status_code, reply.json()["code"]) == (409, "invalid_transition")
        assert reply.json()["state"] == "cancelled"


def test_staff_accept_for_one_and_the_other_hears_that_it_is_gone(
    desk: APIClient, clinic: Site, patient: Patient
) -> None:
    add(desk, clinic, patient)
    other = PatientFactory.create(site=clinic)
    add(desk, clinic, other)
    free_a_chair(desk, clinic)
    listed = desk.get(f"/api/v1/offers/?site={clinic.pk}&status=offered").json()["results"]
    offers = {offer["patient"]: offer for offer in listed}
    assert set(offers) == {patient.pk, other.pk}
    mine = offers[patient.pk]
    assert (mine["start"], mine["status"], mine["appointment"]) == (START, "offered", None)
    assert mine["expires_at"] == "2027-02-05T09:30:00-07:00"
    assert desk.get(f"/api/v1/offers/{mine['id']}/").json() == mine

    stale = desk.post(f"/api/v1/offers/{mine['id']}/accept/", headers={"If-Match": '"9"'})
    assert stale.status_code == 412
    taken = desk.post(f"/api/v1/offers/{mine['id']}/accept/")
    assert taken.status_code == 200, taken.json()
    visit = desk.get(f"/api/v1/appointments/{taken.json()['appointment']}/").json()
    assert (visit["patient"], visit["start"], visit["status"]) == (patient.pk, START, "booked")
    gone = desk.post(f"/api/v1/offers/{offers[other.pk]['id']}/accept/")
    assert (gone.status_code, gone.json()["code"]) == (409, "offer_gone")
    again = desk.post(f"/api/v1/offers/{mine['id']}/decline/")
    assert (again.status_code, again.json()["code"]) == (409, "invalid_transition")
    assert Message.objects.filter(patient=other, kind="waitlist_gone", status="queued").count() == 2
    entry = desk.get("/api/v1/waitlist/?status=booked").json()["results"]
    assert [each["appointment"] for each in entry] == [visit["id"]]
    assert len(desk.get("/api/v1/waitlist/?waiting=true").json()["results"]) == 1
    assert len(desk.get("/api/v1/waitlist/?waiting=false").json()["results"]) == 1


def test_an_answer_may_be_no_or_too_late(
    desk: APIClient, clinic: Site, patient: Patient, clock: Callable[[datetime], None]
) -> None:
    other = PatientFactory.create(site=clinic)
    for each in (patient, other):
        add(desk, clinic, each)
    free_a_chair(desk, clinic)
    first, second = Offer.objects.order_by("pk")
    declined = desk.post(f"/api/v1/offers/{first.pk}/decline/")
    assert (declined.status_code, declined.json()["status"]) == (200, "declined")
    assert declined.json()["answered_at"] is not None
    clock(MORNING + timedelta(minutes=30))
    assert desk.get(f"/api/v1/offers/{second.pk}/").json()["status"] == "expired"
    for wanted, found in (("expired", 1), ("offered", 0), ("declined", 1)):
        assert len(desk.get(f"/api/v1/offers/?status={wanted}").json()["results"]) == found
    for verb in ("accept", "decline"):
        late = desk.post(f"/api/v1/offers/{second.pk}/{verb}/")
        assert (late.status_code, late.json()["code"]) == (409, "offer_expired")
    offer_freed_slots()
    second.refresh_from_db()
    assert second.status == "expired"


def test_an_accepted_offer_replays_under_its_key(desk: APIClient, clinic: Site, patient: Patient) -> None:
    add(desk, clinic, patient)
    free_a_chair(desk, clinic)
    url = f"/api/v1/offers/{Offer.objects.get().pk}/accept/"
    first, second = (desk.post(url, headers={"Idempotency-Key": "yes-1"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert second["Idempotency-Replayed"] == "true"


def test_other_sites_and_readers(
    desk: APIClient, clinic: Site, patient: Patient, client_as: Callable[..., APIClient]
) -> None:
    entry = add(desk, clinic, patient).json()
    free_a_chair(desk, clinic)
    offer = Offer.objects.get()
    elsewhere, manager = client_as("front_desk", SiteFactory.create()), client_as("manager", clinic)
    for url in (f"/api/v1/waitlist/{entry['id']}/", f"/api/v1/offers/{offer.pk}/"):
        assert elsewhere.get(url).status_code == 404
        assert manager.get(url).status_code == 200
    for url in (f"/api/v1/waitlist/{entry['id']}/cancel/", f"/api/v1/offers/{offer.pk}/accept/"):
        assert elsewhere.post(url).status_code == 404
        assert manager.post(url).status_code == 403
    patch = elsewhere.patch(
        f"/api/v1/waitlist/{entry['id']}/", {"priority": 1}, format="json", headers={"If-Match": '"1"'}
    )
    assert patch.status_code == 404
    assert add(manager, clinic, patient).status_code == 403
    assert elsewhere.get("/api/v1/offers/").json()["results"] == []
    assert desk.get("/api/v1/offers/?colour=red").status_code == 400


def test_lists_cost_the_same_however_long(
    desk: APIClient, clinic: Site, django_assert_num_queries: Callable[[int], Any]
) -> None:
    for _ in range(3):
        add(desk, clinic, PatientFactory.create(site=clinic))
    free_a_chair(desk, clinic)
    for route in ("waitlist", "offers"):
        for limit in (1, 3):
            with django_assert_num_queries(1):
                page = desk.get(f"/api/v1/{route}/?limit={limit}").json()
            assert len(page["results"]) == limit
