"""How long a sign-in lasts: fifteen idle minutes, twelve hours, by the machine's clock."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from clinic.access.models import SignIn, User
from tests.conftest import NOW
from tests.integration.sign_in.conftest import API_LOGIN, PASSWORD, is_in

pytestmark = pytest.mark.django_db
POLL = {"X-Onset-Poll": "1"}
IDLE = timedelta(minutes=15)


@pytest.fixture(autouse=True)
def _as_in_production(settings: Any) -> None:
    settings.IDLE_MINUTES = 15


@pytest.fixture
def desk(person: Callable[..., User], sign_in: Callable[..., Client], wall: Any) -> Client:
    """A browser at the front desk."""
    person("front_desk")
    return sign_in()


@pytest.fixture
def program(person: Callable[..., User], wall: Any) -> APIClient:
    """A program with a token."""
    person("front_desk")
    token = APIClient().post(API_LOGIN, {"username": "nora", "password": PASSWORD}).json()["token"]
    return APIClient(HTTP_AUTHORIZATION=f"Token {token}")


def test_a_browser_stays_while_somebody_is_active(desk: Client, wall: Any) -> None:
    for _ in range(4):
        wall.shift(IDLE - timedelta(seconds=30))
        assert is_in(desk)
    wall.shift(IDLE + timedelta(seconds=1))
    answer = desk.get("/admin/patients/patient/?site=1")
    assert answer["Location"] == "/admin/login/?next=/admin/patients/patient/%3Fsite%3D1"
    page = desk.get(answer["Location"], follow=True).content.decode()
    assert "You were signed out." in page
    assert 'name="next" value="/admin/patients/patient/?site=1"' in page
    assert not SignIn.objects.filter(door="browser", last_used_at__gte=NOW).exists()


def test_signing_in_again_comes_back_to_the_page(desk: Client, wall: Any) -> None:
    wall.shift(IDLE)
    back = {"login": "nora", "password": PASSWORD, "next": "/admin/patients/patient/"}
    assert desk.post("/account/login/", back)["Location"] == "/admin/patients/patient/"
    away = {**back, "next": "https://example.org/"}
    assert Client().post("/account/login/", away)["Location"] == "/admin/"


def test_what_a_page_asks_by_itself_is_no_activity(desk: Client, wall: Any) -> None:
    for _ in range(14):
        wall.shift(timedelta(minutes=1))
        assert desk.get("/admin/", headers=POLL).status_code == 200
    assert desk.get("/account/idle/").json()["seconds"] == 60
    assert desk.post("/account/stay/").status_code == 204
    assert desk.get("/account/idle/").json()["seconds"] == 15 * 60
    wall.shift(IDLE)
    assert desk.get("/account/idle/").status_code == 302


def test_twelve_hours_are_the_longest(desk: Client, wall: Any) -> None:
    for _ in range(12 * 6 - 1):
        wall.shift(timedelta(minutes=10))
        assert desk.get("/account/sign-ins/").status_code == 200
    wall.shift(timedelta(minutes=10))
    assert not is_in(desk)


def test_a_token_ends_alike(program: APIClient, wall: Any) -> None:
    for _ in range(3):
        wall.shift(IDLE - timedelta(seconds=30))
        assert program.get("/api/v1/sites/").status_code == 200
    wall.shift(IDLE - timedelta(seconds=30))
    assert program.get("/api/v1/sites/", headers=POLL).status_code == 200
    wall.shift(timedelta(seconds=31))
    ended = program.get("/api/v1/sites/")
    assert (ended.status_code, ended.json()["code"]) == (401, "not_authenticated")


def test_turning_the_clinics_clock_ends_nothing(
    program: APIClient, desk_client: Client, clock: Callable[..., None]
) -> None:
    clock(NOW + timedelta(days=30))
    assert program.get("/api/v1/sites/").status_code == 200
    assert is_in(desk_client)


@pytest.fixture
def desk_client(program: APIClient, sign_in: Callable[..., Client]) -> Client:
    """The same person in a browser."""
    return sign_in()


def test_a_session_over_the_api_ends_too(desk: Client, wall: Any) -> None:
    assert desk.get("/api/v1/sites/").status_code == 200
    wall.shift(IDLE)
    assert desk.get("/api/v1/sites/").status_code == 401


def test_the_script_is_told_when(desk: Client, settings: Any) -> None:
    assert "onset/idle.js?seconds=900&amp;" in desk.get("/admin/").content.decode()
    assert "seconds=" not in Client().get("/account/login/").content.decode()
