"""What every test shares. Real PostgreSQL and Redis always; the network is loopback only."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import cache
from pytest_socket import socket_allow_hosts
from rest_framework.test import APIClient

from clinic.access.actors import actor_of
from clinic.access.models import Site, User
from clinic.access.policy import Actor
from tests.factories import SiteFactory, UserFactory

NOW = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)
"""Monday 08:00 in Denver: the moment at which tests begin unless they say otherwise."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that commits must put the catalogue back, or those after it find an empty database."""
    for item in items:
        mark = item.get_closest_marker("django_db")
        if mark and mark.kwargs.get("transaction") and not mark.kwargs.get("serialized_rollback"):
            raise pytest.UsageError(
                f"{item.nodeid} commits: mark it django_db(transaction=True, serialized_rollback=True)"
            )


def pytest_runtest_setup() -> None:
    """Nothing may leave this machine."""
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture
def now() -> datetime:
    """The present of a test."""
    return NOW


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set the clinic's time for code that reads it (views, tasks): ``clock(instant)``; starts at NOW."""
    moment = NOW

    def turn(instant: datetime) -> None:
        nonlocal moment
        moment = instant

    monkeypatch.setattr("clinic.common.clock.now", lambda: moment)
    return turn


@pytest.fixture
def site(db: None) -> Site:
    """A clinic in Denver."""
    return SiteFactory.create()


@pytest.fixture
def empty_cache() -> Iterator[None]:
    """For tests of throttles: no counts before, none left behind."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def actor_at(db: None) -> Callable[..., Actor]:
    """``actor_at(site, "nurse")``: somebody with these roles there."""

    def make(site: Site, *roles: str) -> Actor:
        return actor_of(UserFactory.create(roles={site: roles}))

    return make


@pytest.fixture
def client_as(db: None) -> Callable[..., APIClient]:
    """``client_as("nurse", site)``: an API client signed in with this role at these sites."""

    def make(role: str, *sites: Site) -> APIClient:
        user: User = UserFactory.create(roles={site: [role] for site in sites})
        client = APIClient()
        client.force_authenticate(user)
        client.user = user  # type: ignore[attr-defined]
        return client

    return make


def codes(response: Any) -> set[tuple[str, str]]:
    """(pointer, code) of every field error in a problem document."""
    return {(error["pointer"], error["code"]) for error in response.json()["errors"]}
