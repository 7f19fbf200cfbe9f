"""People with passwords and authenticator apps, and their browsers."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.test import Client

from clinic.access.models import Site, User
from tests.factories import UserFactory

PASSWORD = "correct horse battery"
SECRET = base64.b32encode(b"twenty bytes of test").decode()
MOMENT = datetime(2026, 11, 23, 9, 0, 15, tzinfo=UTC)
"""In the middle of a step of 30 seconds, by the machine's clock."""
LOGIN = "/account/login/"
API_LOGIN = "/api/v1/auth/login/"


def code(at: datetime, *, secret: str = SECRET) -> str:
    """What an authenticator app shows then."""
    return str(totp.format_hotp_value(totp.hotp_value(secret, int(at.timestamp()) // 30)))


@pytest.fixture
def wall() -> Any:
    """The machine's clock stands at MOMENT; shift it."""
    with time_machine.travel(MOMENT, tick=False) as travelled:
        yield travelled


@pytest.fixture
def person(site: Site) -> Callable[..., User]:
    """``person("nurse", app=True)``: with a password, and an authenticator app if asked for."""

    def make(*roles: str, app: bool = False, username: str = "nora", **more: Any) -> User:
        user: User = UserFactory.create(username=username, roles={site: roles}, **more)
        user.set_password(PASSWORD)
        user.save()
        if app:
            Authenticator.objects.create(user=user, type="totp", data={"secret": SECRET})
        return user

    return make


@pytest.fixture
def sign_in() -> Callable[..., Client]:
    """A browser that signs in as everybody does; with ``otp`` when it is asked for one."""

    def make(username: str = "nora", *, otp: str = "", password: str = PASSWORD) -> Client:
        client = Client()
        answer = client.post(LOGIN, {"login": username, "password": password})
        if otp:
            assert answer["Location"] == "/account/second-factor/code/"
            client.post("/account/second-factor/code/", {"code": otp})
        return client

    return make


def is_in(client: Client) -> bool:
    """Whether the admin opens."""
    return client.get("/admin/").status_code == 200
