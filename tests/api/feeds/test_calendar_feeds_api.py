"""Making, replacing and revoking the addresses of calendar feeds, and who may."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from clinic.api.models import IdempotentReply
from scheduling.models import CalendarFeed, Resource
from tests.conftest import codes
from tests.factories import ResourceFactory, SiteFactory

FEEDS = "/api/v1/calendar-feeds/"


@pytest.fixture(autouse=True)
def at_eight(clock: Callable[[datetime], None]) -> None:
    """Monday morning."""


@pytest.fixture
def chair(site: Site) -> Resource:
    made: Resource = ResourceFactory.create(site=site)
    return made


def path_of(feed: dict[str, Any]) -> str:
    address: str = feed["address"]
    return address[address.index("/feeds/") :]


def opens(feed: dict[str, Any]) -> int:
    return APIClient().get(path_of(feed)).status_code


@pytest.mark.parametrize("role", ["front_desk", "nurse", "prescriber", "manager"])
def test_staff_make_their_own(role: str, site: Site, client_as: Callable[..., Any]) -> None:
    client = client_as(role, site)
    answer = client.post(FEEDS, {})
    assert answer.status_code == 201
    feed = answer.json()
    assert (feed["user"], feed["resource"]) == (client.user.pk, None)
    assert opens(feed) == 200
    stored = CalendarFeed.objects.get()
    token = path_of(feed).removeprefix("/feeds/").removesuffix(".ics")
    assert len(token) == 43
    assert token not in str(vars(stored))
    shown = client.get(f"{FEEDS}{feed['id']}/")
    assert "address" not in shown.json()
    assert shown.json()["last_used_at"] == "2027-01-04T15:00:00Z"


def test_an_auditor_has_no_visits(site: Site, client_as: Callable[..., APIClient]) -> None:
    assert client_as("auditor", site).post(FEEDS, {}).status_code == 403


@pytest.mark.parametrize(
    ("role", "status"), [("manager", 201), ("front_desk", 403), ("nurse", 403), ("prescriber", 403)]
)
def test_managers_make_those_of_resources(
    role: str, status: int, site: Site, chair: Resource, client_as: Callable[..., APIClient]
) -> None:
    answer = client_as(role, site).post(FEEDS, {"resource": chair.pk})
    assert answer.status_code == status
    assert CalendarFeed.objects.count() == (1 if status == 201 else 0)


def test_a_resource_elsewhere_does_not_exist(chair: Resource, client_as: Callable[..., APIClient]) -> None:
    answer = client_as("manager", SiteFactory.create()).post(FEEDS, {"resource": chair.pk})
    assert answer.status_code == 400
    assert codes(answer) == {("/resource", "does_not_exist")}


def test_who_sees_which(site: Site, chair: Resource, client_as: Callable[..., APIClient]) -> None:
    nurse, other, manager = (client_as(role, site) for role in ("nurse", "nurse", "manager"))
    elsewhere = client_as("manager", SiteFactory.create())
    mine = nurse.post(FEEDS, {}).json()["id"]
    chairs = manager.post(FEEDS, {"resource": chair.pk}).json()["id"]

    def seen(client: APIClient) -> set[int]:
        return {feed["id"] for feed in client.get(FEEDS).json()["results"]}

    assert [seen(client) for client in (nurse, other, manager, elsewhere)] == [
        {mine, chairs},
        {chairs},
        {mine, chairs},
        set(),
    ]
    for step in ("rotate", "revoke"):
        assert nurse.post(f"{FEEDS}{chairs}/{step}/").status_code == 403
    for client in (other, elsewhere):
        for path in (f"{mine}/rotate/", f"{mine}/revoke/"):
            assert client.post(f"{FEEDS}{path}").status_code == 404


def test_a_new_address_ends_the_old_one(site: Site, client_as: Callable[..., APIClient]) -> None:
    nurse = client_as("nurse", site)
    old = nurse.post(FEEDS, {}).json()
    new = nurse.post(f"{FEEDS}{old['id']}/rotate/", HTTP_IF_MATCH='"1"').json()
    assert (new["id"], new["version"]) == (old["id"], 2)
    assert (opens(old), opens(new)) == (404, 200)
    assert nurse.post(f"{FEEDS}{old['id']}/rotate/", HTTP_IF_MATCH='"1"').status_code == 412


def test_a_manager_takes_a_feed_back_but_never_gets_its_address(
    site: Site, client_as: Callable[..., APIClient]
) -> None:
    feed = client_as("nurse", site).post(FEEDS, {}).json()
    manager = client_as("manager", site)
    assert manager.post(f"{FEEDS}{feed['id']}/rotate/").status_code == 403
    assert opens(feed) == 200
    revoked = manager.post(f"{FEEDS}{feed['id']}/revoke/")
    assert revoked.json()["revoked_at"] == "2027-01-04T15:00:00Z"
    assert opens(feed) == 404
    for step in ("revoke", "rotate"):
        again = manager.post(f"{FEEDS}{feed['id']}/{step}/")
        assert (again.status_code, again.json()["code"]) == (409, "feed_revoked")


def test_a_repeated_request_makes_one_feed_and_keeps_no_address(
    site: Site, client_as: Callable[..., APIClient]
) -> None:
    nurse = client_as("nurse", site)
    first, second = (nurse.post(FEEDS, {}, HTTP_IDEMPOTENCY_KEY="one-feed") for _ in range(2))
    assert second["Idempotency-Replayed"] == "true"
    assert CalendarFeed.objects.count() == 1
    assert "address" not in second.json()
    token = path_of(first.json()).removeprefix("/feeds/").removesuffix(".ics")
    assert token not in str(IdempotentReply.objects.get().body)
    assert {**second.json(), "address": first.json()["address"]} == first.json()
