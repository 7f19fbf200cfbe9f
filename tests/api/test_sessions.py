"""Signing in and out over HTTP."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access import tokens
from clinic.access.models import SignIn, Site
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def credentials(site: Site, empty_cache: None) -> dict[str, str]:
    user = UserFactory.create(username="nora", roles={site: ["nurse"]})
    user.set_password("correct horse")
    user.save()
    return {"username": "nora", "password": "correct horse"}


def test_a_password_becomes_a_token_that_works_until_logout(credentials: dict[str, str], site: Site) -> None:
    client = APIClient()
    signed_in = client.post("/api/v1/auth/login/", credentials)
    assert signed_in.status_code == 200
    body = signed_in.json()
    assert body["user"]["roles"] == [{"site": site.pk, "role": "nurse"}]
    assert not SignIn.objects.filter(digest=body["token"].encode()).exists()

    client.credentials(HTTP_AUTHORIZATION=f"Token {body['token']}")
    assert client.post("/api/v1/auth/logout/").status_code == 204
    again = client.post("/api/v1/auth/logout/")
    assert again.status_code == 401
    assert again.json()["code"] == "not_authenticated"


def test_an_expired_token_is_refused(credentials: dict[str, str], site: Site) -> None:
    user = UserFactory.create(roles={site: ["nurse"]})
    long_ago = datetime.now(UTC) - timedelta(days=2)
    secret, _token = tokens.issue(user=user, lifetime=timedelta(days=1), wall=long_ago)
    client = APIClient(HTTP_AUTHORIZATION=f"Token {secret}")
    assert client.post("/api/v1/auth/logout/").status_code == 401


@pytest.mark.parametrize(
    "header", ["Token", "Token a b", "Token \xff\xfe", "Token ", "Basic x", "Token nope"]
)
def test_a_header_that_is_no_token_is_401(header: str, db: None) -> None:
    response = APIClient(HTTP_AUTHORIZATION=header).post("/api/v1/auth/logout/")
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"


def test_wrong_passwords_are_limited_per_name_and_successes_are_not(credentials: dict[str, str]) -> None:
    client = APIClient()
    for _ in range(8):
        assert client.post("/api/v1/auth/login/", credentials).status_code == 200
    wrong = {**credentials, "password": "wrong"}
    statuses = [client.post("/api/v1/auth/login/", wrong).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    locked = client.post("/api/v1/auth/login/", credentials)
    assert locked.status_code == 429
    assert int(locked["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        ('{"username": "' + "[" * 10 + '"}', "application/json", 400),
        ("[" * 100_000, "application/json", 400),
        ('{"username": "a\\u0000", "password": "b"}', "application/json", 400),
        ('{"username": NaN, "password": "b"}', "application/json", 400),
        ("username=a", "application/x-www-form-urlencoded", 415),
        (b"\xff\xfe", "application/json", 400),
    ],
)
def test_bodies_that_cannot_be_read_are_problems(
    body: str | bytes, content_type: str, status: int, db: None, client_as: Callable[..., APIClient]
) -> None:
    raw: Any = body  # generic() is typed for text, and sends bytes as they are
    response = APIClient().generic("POST", "/api/v1/auth/login/", raw, content_type=content_type)
    assert response.status_code == status
    problem = response.json()
    assert problem["status"] == status
    assert problem["request_id"] == response["X-Request-ID"]


def test_an_unknown_address_under_api_is_a_problem(db: None) -> None:
    response = APIClient().get("/api/v1/nothing/")
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"
