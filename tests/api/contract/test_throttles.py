"""Too many requests are told when to come back; without the store of counts, people keep working."""

import copy
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings as configured
from rest_framework.test import APIClient

from clinic.access.models import User
from clinic.api.throttles import UserThrottle
from clinic.embedded.ports import free_port
from tests.api.contract.routes import TABLED
from tests.api.contract.seed import Clinic
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

LOGIN = "/api/v1/auth/login/"
PASSWORD = "correct horse battery"
LONGEST_WITHOUT_REDIS = 2.0
"""Seconds for one request: it gives up on Redis and goes on."""


@pytest.fixture
def person(db: None, empty_cache: None) -> User:
    user: User = UserFactory.create(username="nora")
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def without_redis(settings: Any) -> None:
    """The cache points at a port that nobody listens on."""
    caches = copy.deepcopy(configured.CACHES)
    caches["default"]["LOCATION"] = f"redis://127.0.0.1:{free_port()}/0"
    settings.CACHES = caches


def test_too_many_requests_are_429_until_retry_after(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UserThrottle, "rate", "3/min", raising=False)
    desk, nurse = clinic.client("front_desk"), clinic.client("nurse")
    with time_machine.travel(datetime.now(UTC), tick=False) as travelled:
        assert [desk.get("/api/v1/sites/").status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = desk.get("/api/v1/sites/")
        assert refused["Content-Type"] == "application/problem+json"
        assert refused.json()["code"] == "throttled"
        wait = int(refused["Retry-After"])
        assert 1 <= wait <= 60
        assert nurse.get("/api/v1/sites/").status_code == 200
        travelled.shift(timedelta(seconds=wait - 1))
        assert desk.get("/api/v1/sites/").status_code == 429
        travelled.shift(timedelta(seconds=1))
        assert desk.get("/api/v1/sites/").status_code == 200


def test_a_throttled_post_under_a_key_is_not_stored(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UserThrottle, "rate", "1/min", raising=False)
    desk = clinic.client("front_desk")
    body = {"patient": clinic.patient.pk, "kind": "call", "due_on": "2027-01-11"}
    with time_machine.travel(datetime.now(UTC), tick=False) as travelled:
        desk.get("/api/v1/sites/")
        refused = desk.post("/api/v1/follow-ups/", body, HTTP_IDEMPOTENCY_KEY="key-1")
        assert refused.status_code == 429
        travelled.shift(timedelta(seconds=int(refused["Retry-After"])))
        done = desk.post("/api/v1/follow-ups/", body, HTTP_IDEMPOTENCY_KEY="key-1")
    assert done.status_code == 201
    assert "Idempotency-Replayed" not in done


def test_wrong_passwords_are_429_until_retry_after(person: User) -> None:
    client = APIClient()
    for _ in range(configured.SIGN_IN_TRIES):
        assert client.post(LOGIN, {"username": "nora", "password": "no"}).status_code == 401
    locked = client.post(LOGIN, {"username": "nora", "password": PASSWORD})
    assert (locked.status_code, locked.json()["code"]) == (429, "throttled")
    assert 0 < int(locked["Retry-After"]) <= configured.SIGN_IN_WINDOW_SECONDS
    other = client.post(LOGIN, {"username": "olga", "password": "no"})
    assert other.status_code == 401


def test_without_redis_people_still_sign_in(person: User, without_redis: None) -> None:
    client = APIClient()
    began = time.monotonic()
    assert client.post(LOGIN, {"username": "nora", "password": "no"}).status_code == 401
    signed_in = client.post(LOGIN, {"username": "nora", "password": PASSWORD})
    assert signed_in.status_code == 200
    assert time.monotonic() - began < 2 * LONGEST_WITHOUT_REDIS
    client.credentials(HTTP_AUTHORIZATION=f"Token {signed_in.json()['token']}")
    assert client.post("/api/v1/auth/logout/").status_code == 204


def test_without_redis_every_list_is_served(clinic: Clinic, without_redis: None) -> None:
    admin = clinic.client("admin")
    slow = {}
    for route in TABLED:
        if route.method != "GET" or route.asks_which:
            continue
        began = time.monotonic()
        status = admin.get(route.path(clinic.ids())).status_code
        if status != 200 or time.monotonic() - began > LONGEST_WITHOUT_REDIS:
            slow[str(route)] = status
    assert slow == {}


def test_without_redis_a_booking_is_made(clinic: Clinic, without_redis: None) -> None:
    body = {
        "patient": clinic.patient.pk,
        "visit_type": "ketamine-mood",
        "site": clinic.site.pk,
        "start": "2027-01-13T09:00:00-07:00",
    }
    answer = clinic.client("front_desk").post("/api/v1/appointments/", body, HTTP_IDEMPOTENCY_KEY="key-1")
    assert answer.status_code == 201


def test_readiness_says_that_redis_is_down(db: None, without_redis: None) -> None:
    answer = APIClient().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["redis"].startswith("down")
