"""One effect per Idempotency-Key, whatever happens between the effect and the reply, on real connections."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event
from typing import Any

import pytest
import time_machine
from django.db import connections, transaction
from rest_framework.test import APIClient

from clinic.access.models import Site, User
from clinic.api.models import IdempotentReply
from patients.models import Message, Patient
from scheduling.models import Allocation, Appointment, FollowUp
from scheduling.services import appointments
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, UserFactory, open_clinic

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

BOOKINGS = "/api/v1/appointments/"
FOLLOW_UPS = "/api/v1/follow-ups/"
WAIT_SECONDS = 20


@pytest.fixture
def clinic(clock: Callable[[datetime], None]) -> Site:
    site = SiteFactory.create()
    open_clinic(site, chairs=3)
    return site


@pytest.fixture
def user(clinic: Site) -> User:
    made: User = UserFactory.create(roles={clinic: ["front_desk"]})
    return made


@pytest.fixture
def booking(clinic: Site) -> dict[str, Any]:
    patient = PatientFactory.create(site=clinic)
    return {
        "patient": patient.pk,
        "visit_type": "ketamine-mood",
        "site": clinic.pk,
        "start": "2027-01-11T09:00:00-07:00",
    }


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(User.objects.get(pk=user.pk))
    return client


def post(user: User, url: str, body: dict[str, Any], key: str = "key-1") -> Any:
    return client_of(user).post(url, body, HTTP_IDEMPOTENCY_KEY=key)


@contextmanager
def in_a_thread(job: Callable[[], Any]) -> Iterator[Any]:
    """The job's future; its connections are closed when it ends."""

    def run() -> Any:
        try:
            return job()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(run)


def test_while_the_first_runs_the_second_is_told_so_and_later_gets_the_same_reply(
    user: User, booking: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    booked, go_on = Event(), Event()
    real = appointments.book

    def slow(**given: Any) -> Appointment:
        done = real(**given)
        booked.set()
        assert go_on.wait(WAIT_SECONDS)
        return done

    monkeypatch.setattr(appointments, "book", slow)
    with in_a_thread(lambda: post(user, BOOKINGS, booking)) as first:
        assert booked.wait(WAIT_SECONDS)
        second = post(user, BOOKINGS, booking)
        go_on.set()
        assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_progress")
        assert first.result(WAIT_SECONDS).status_code == 201
    third = post(user, BOOKINGS, booking)
    assert (third.status_code, third["Idempotency-Replayed"]) == (201, "true")
    assert third.json() == first.result().json()
    assert Appointment.objects.count() == 1


def test_many_at_once_have_one_effect(user: User, booking: dict[str, Any]) -> None:
    racers = 8
    gate = Barrier(racers)

    def race(_number: int) -> str:
        client = client_of(user)
        gate.wait(WAIT_SECONDS)
        try:
            answer = client.post(BOOKINGS, booking, HTTP_IDEMPOTENCY_KEY="key-1")
        finally:
            connections.close_all()
        if answer.status_code == 201:
            return "replayed" if "Idempotency-Replayed" in answer else "done"
        return str(answer.json()["code"])

    with ThreadPoolExecutor(racers) as pool:
        outcomes = Counter(pool.map(race, range(racers)))
    assert outcomes["done"] == 1
    assert set(outcomes) <= {"done", "replayed", "idempotency_in_progress"}
    assert Appointment.objects.count() == 1
    assert IdempotentReply.objects.count() == 1


class Killed(BaseException):
    """The process ends here: nothing that catches Exception may see it."""


def test_a_crash_between_effect_and_reply_leaves_neither(
    user: User, booking: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = appointments.book

    def crashing(**given: Any) -> Appointment:
        real(**given)
        assert Allocation.objects.exists()
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(appointments, "book", crashing)
        with pytest.raises(Killed):
            post(user, BOOKINGS, booking)
    for model in (Appointment, Allocation, Message, IdempotentReply):
        assert not model._default_manager.exists(), model
    again = post(user, BOOKINGS, booking)
    assert again.status_code == 201
    assert "Idempotency-Replayed" not in again


def test_a_fault_of_ours_is_not_kept(
    user: User, booking: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = appointments.book

    def failing(**given: Any) -> Appointment:
        real(**given)
        raise RuntimeError("a fault of ours")

    client = APIClient(raise_request_exception=False)
    client.force_authenticate(user)
    with monkeypatch.context() as patch:
        patch.setattr(appointments, "book", failing)
        assert client.post(BOOKINGS, booking, HTTP_IDEMPOTENCY_KEY="key-1").status_code == 500
    assert not Appointment.objects.exists()
    assert post(user, BOOKINGS, booking).status_code == 201


def follow_up(patient: Patient) -> dict[str, Any]:
    return {"patient": patient.pk, "kind": "call", "due_on": "2027-01-11"}


@pytest.fixture
def patient(clinic: Site) -> Patient:
    made: Patient = PatientFactory.create(site=clinic)
    return made


def test_a_refusal_is_replayed_too(user: User, patient: Patient) -> None:
    body = {**follow_up(patient), "due_on": "2020-01-01"}
    first, second = (post(user, FOLLOW_UPS, body) for _ in range(2))
    assert first.status_code == second.status_code == 422
    assert second["Content-Type"] == "application/problem+json"
    assert second["Idempotency-Replayed"] == "true"
    assert second.json()["code"] == first.json()["code"]


def test_another_body_or_address_under_the_key_is_422(user: User, patient: Patient) -> None:
    assert post(user, FOLLOW_UPS, follow_up(patient)).status_code == 201
    for url, body in (
        (FOLLOW_UPS, {**follow_up(patient), "kind": "visit"}),
        (f"{FOLLOW_UPS}{FollowUp.objects.get().pk}/complete/", follow_up(patient)),
    ):
        refused = post(user, url, body)
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert FollowUp.objects.get().status == "due"


def test_the_order_of_members_does_not_make_another_body(user: User, patient: Patient) -> None:
    body = follow_up(patient)
    post(user, FOLLOW_UPS, body)
    backwards = dict(reversed(body.items()))
    assert post(user, FOLLOW_UPS, backwards)["Idempotency-Replayed"] == "true"


def test_keys_belong_to_their_user(clinic: Site, user: User, patient: Patient) -> None:
    other = UserFactory.create(roles={clinic: ["front_desk"]})
    for caller in (user, other):
        assert "Idempotency-Replayed" not in post(caller, FOLLOW_UPS, follow_up(patient))
    assert FollowUp.objects.count() == 2


def test_a_reply_is_kept_for_24_hours_of_real_time(
    user: User, patient: Patient, clock: Callable[[datetime], None]
) -> None:
    began = datetime(2026, 11, 1, 12, tzinfo=UTC)
    with time_machine.travel(began, tick=False):
        post(user, FOLLOW_UPS, follow_up(patient))
        clock(NOW + timedelta(days=3))  # the clinic's clock, which a demo turns, is not what counts
        assert post(user, FOLLOW_UPS, follow_up(patient))["Idempotency-Replayed"] == "true"
    with time_machine.travel(began + timedelta(hours=24), tick=False):
        assert post(user, FOLLOW_UPS, follow_up(patient))["Idempotency-Replayed"] == "true"
    with time_machine.travel(began + timedelta(hours=24, seconds=1), tick=False):
        assert "Idempotency-Replayed" not in post(user, FOLLOW_UPS, follow_up(patient))
    assert FollowUp.objects.count() == 2
    assert IdempotentReply.objects.count() == 1


def test_expired_replies_are_swept_without_waiting_for_whoever_has_them_locked(
    user: User, patient: Patient
) -> None:
    with time_machine.travel(datetime(2026, 11, 1, tzinfo=UTC), tick=False):
        for number in range(3):
            post(user, FOLLOW_UPS, follow_up(patient), key=f"old-{number}")
    locked, release = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            IdempotentReply.objects.select_for_update().get(key="old-1")
            locked.set()
            assert release.wait(WAIT_SECONDS)

    with in_a_thread(hold) as holder:
        assert locked.wait(WAIT_SECONDS)
        assert post(user, FOLLOW_UPS, follow_up(patient), key="new").status_code == 201
        release.set()
        holder.result(WAIT_SECONDS)
    assert set(IdempotentReply.objects.values_list("key", flat=True)) == {"old-1", "new"}


def test_a_reply_may_repeat_a_character_that_jsonb_cannot_hold(user: User, patient: Patient) -> None:
    body = {**follow_up(patient), "kind": "ca\x00ll\x00"}
    first, second = (post(user, FOLLOW_UPS, body) for _ in range(2))
    assert (first.status_code, second.status_code) == (400, 400)
    assert second["Idempotency-Replayed"] == "true"
