"""/sites/ over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Membership, Site
from tests.conftest import codes
from tests.factories import SiteFactory

pytestmark = pytest.mark.django_db
URL = "/api/v1/sites/"
BODY = {
    "name": "Elm Street",
    "discreet_name": "Elm Office",
    "timezone": "America/New_York",
    "phone": "+12125550100",
    "address": "1 Elm Street",
}
Clients = Callable[..., APIClient]


def test_staff_see_their_own_sites_only(client_as: Clients, site: Site) -> None:
    other = SiteFactory.create()
    client = client_as("auditor", site)
    listed = client.get(URL).json()
    assert [row["id"] for row in listed["results"]] == [site.pk]
    assert set(listed) == {"next", "previous", "results"}
    assert client.get(f"{URL}{site.pk}/").json() == {
        "id": site.pk,
        "name": site.name,
        "discreet_name": "Cedar Street Office",
        "timezone": "America/Denver",
        "phone": "+13035550100",
        "address": "",
        "active": True,
        "version": 1,
    }
    assert client.get(f"{URL}{other.pk}/").status_code == 404


def test_whoever_opens_a_site_manages_it(client_as: Clients, site: Site) -> None:
    client = client_as("manager", site)
    opened = client.post(URL, BODY)
    assert opened.status_code == 201, opened.json()
    assert {**BODY, "active": True, "version": 1, "id": opened.json()["id"]} == opened.json()
    membership = Membership.objects.get(site_id=opened.json()["id"])
    assert (membership.user, membership.role) == (client.user, "manager")  # type: ignore[attr-defined]


def test_only_managers_write(client_as: Clients, site: Site) -> None:
    for role in ("front_desk", "nurse", "prescriber", "auditor"):
        client = client_as(role, site)
        assert client.post(URL, BODY).status_code == 403
        changed = client.patch(f"{URL}{site.pk}/", {"name": "Mine"}, headers={"If-Match": '"1"'})
        assert (changed.status_code, changed.json()["code"]) == (403, "forbidden")
    assert Site.objects.get().name == site.name


def test_a_manager_elsewhere_may_look_but_not_change(client_as: Clients, site: Site) -> None:
    other, unseen = SiteFactory.create(), SiteFactory.create()
    client = client_as("manager", other)
    Membership.objects.create(user=client.user, site=site, role="nurse")  # type: ignore[attr-defined]
    assert client.get(f"{URL}{site.pk}/").status_code == 200
    for address, status in ((site.pk, 403), (unseen.pk, 404), (10**17, 404)):
        changed = client.patch(f"{URL}{address}/", {"name": "Mine"}, headers={"If-Match": "*"})
        assert changed.status_code == status


def test_a_change_counts_versions_and_repeats_nothing(client_as: Clients, site: Site) -> None:
    client, address = client_as("manager", site), f"{URL}{site.pk}/"
    etag = client.get(address)["ETag"]
    changed = client.patch(address, {"phone": "", "active": False}, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["phone"], changed.json()["active"]) == (200, "", False)
    assert (changed.json()["version"], changed["ETag"]) == (2, '"2"')
    stale = client.patch(address, {"phone": ""}, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    assert client.patch(address, {"phone": ""}).status_code == 428
    same = client.patch(address, {"phone": ""}, headers={"If-Match": '"2"'})
    assert same.json()["version"] == 2


def test_names_are_taken_once(client_as: Clients, site: Site) -> None:
    client = client_as("manager", site)
    taken = client.post(URL, {**BODY, "name": site.name})
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    assert codes(taken) == {("/name", "name_taken")}
    opened = client.post(URL, BODY)
    clash = client.patch(f"{URL}{site.pk}/", {"name": BODY["name"]}, headers={"If-Match": '"1"'})
    assert (opened.status_code, clash.status_code, clash.json()["code"]) == (201, 409, "name_taken")


@pytest.mark.parametrize("name", ["Denver Ketamine", "The PAIN office", "Psychiatry West", "Infusion Center"])
def test_a_name_for_messages_reveals_nothing(client_as: Clients, site: Site, name: str) -> None:
    refused = client_as("manager", site).post(URL, {**BODY, "discreet_name": name})
    assert refused.status_code == 422
    assert codes(refused) == {("/discreet_name", "revealing_name")}


def test_neutral_names_are_not_mistaken(client_as: Clients, site: Site) -> None:
    opened = client_as("manager", site).post(URL, {**BODY, "discreet_name": "Spain Painter Environmental"})
    assert opened.status_code == 201


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": None}, {("/name", "null")}),
        ({"name": ""}, {("/name", "blank")}),
        (
            {"name": "x" * 121, "discreet_name": "x" * 41},
            {("/name", "max_length"), ("/discreet_name", "max_length")},
        ),
        ({"name": "a\u0000b"}, {("/name", "null_characters_not_allowed")}),
        ({"name": {"a": 1}, "address": []}, {("/name", "invalid"), ("/address", "invalid")}),
        ({"timezone": "Mars/Olympus"}, {("/timezone", "unknown_timezone")}),
        ({"timezone": "../etc/passwd"}, {("/timezone", "unknown_timezone")}),
        ({"timezone": 7}, {("/timezone", "unknown_timezone")}),
        ({"phone": "call us"}, {("/phone", "invalid")}),
        ({"active": "perhaps"}, {("/active", "invalid")}),
    ],
)
def test_every_wrong_field_is_named(
    client_as: Clients, site: Site, change: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    refused = client_as("manager", site).post(URL, {**BODY, **change})
    assert refused.status_code == 400, refused.json()
    assert codes(refused) == expected


def test_missing_fields_are_named(client_as: Clients, site: Site) -> None:
    refused = client_as("manager", site).post(URL, {})
    assert codes(refused) == {(f"/{name}", "required") for name in ("name", "discreet_name", "timezone")}


def test_the_list_takes_one_query(
    client_as: Clients, site: Site, django_assert_num_queries: Callable[[int], Any]
) -> None:
    client = client_as("manager", site, *(SiteFactory.create() for _ in range(12)))
    client.get(URL)  # the caller's roles are read once
    for limit in (1, 13):
        with django_assert_num_queries(1):
            assert len(client.get(f"{URL}?limit={limit}").json()["results"]) == limit


@pytest.mark.parametrize("query", ["active=maybe", "active=1", "name=x", "active=true&active=false"])
def test_filters_are_strict(client_as: Clients, site: Site, query: str) -> None:
    assert client_as("manager", site).get(f"{URL}?{query}").status_code == 400


def test_filter_by_activity(client_as: Clients, site: Site) -> None:
    closed = SiteFactory.create(active=False)
    client = client_as("manager", site, closed)
    assert [row["id"] for row in client.get(f"{URL}?active=false").json()["results"]] == [closed.pk]
    assert [row["id"] for row in client.get(f"{URL}?active=true").json()["results"]] == [site.pk]


def test_sites_are_not_deleted(client_as: Clients, site: Site) -> None:
    client = client_as("manager", site)
    assert client.delete(f"{URL}{site.pk}/").status_code == 405
    assert client.put(f"{URL}{site.pk}/", BODY).status_code == 405
