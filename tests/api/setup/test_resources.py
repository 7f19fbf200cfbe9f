"""/resources/ over HTTP."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import WorkItem
from scheduling.models import Resource
from tests.conftest import codes
from tests.factories import ResourceFactory, SiteFactory
from tests.factories.bookings import booked

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
URL = "/api/v1/resources/"
Clients = Callable[..., APIClient]


@pytest.fixture
def manager(client_as: Clients, site: Site) -> APIClient:
    return client_as("manager", site)


def patch(client: APIClient, resource: Resource, **changes: Any) -> Any:
    return client.patch(f"{URL}{resource.pk}/", changes, headers={"If-Match": "*"})


@pytest.mark.parametrize(
    ("kind", "capacity"), [("chair", 1), ("nurse", 3), ("prescriber", 1), ("pump", 1), ("room", 1)]
)
def test_capacity_has_a_default_per_kind(manager: APIClient, site: Site, kind: str, capacity: int) -> None:
    added = manager.post(URL, {"site": site.pk, "kind": kind, "name": "One"})
    assert added.status_code == 201, added.json()
    body = added.json()
    assert body == {
        "id": body["id"],
        "site": site.pk,
        "kind": kind,
        "name": "One",
        "capacity": capacity,
        "active": True,
        "version": 1,
    }
    assert manager.get(f"{URL}{body['id']}/").json() == body


def test_a_capacity_given_counts(manager: APIClient, site: Site) -> None:
    added = manager.post(URL, {"site": site.pk, "kind": "nurse", "name": "Ines", "capacity": 1})
    assert added.json()["capacity"] == 1


def test_staff_read_and_managers_write(client_as: Clients, site: Site) -> None:
    chair = ResourceFactory.create(site=site)
    for role in ("front_desk", "nurse", "prescriber", "auditor"):
        client = client_as(role, site)
        assert [row["id"] for row in client.get(URL).json()["results"]] == [chair.pk]
        assert client.post(URL, {"site": site.pk, "kind": "chair", "name": "x"}).status_code == 403
        assert patch(client, chair, name="x").status_code == 403
    assert client_as("service", site).get(URL).status_code == 403


def test_other_sites_do_not_exist(manager: APIClient, site: Site) -> None:
    foreign = ResourceFactory.create()
    assert manager.get(f"{URL}{foreign.pk}/").status_code == 404
    assert patch(manager, foreign, name="x").status_code == 404
    unseen = manager.post(URL, {"site": foreign.site_id, "kind": "chair", "name": "x"})
    unknown = manager.post(URL, {"site": 10**15, "kind": "chair", "name": "x"})
    assert unseen.status_code == unknown.status_code == 400
    assert unseen.json()["errors"] == unknown.json()["errors"]
    assert codes(unseen) == {("/site", "does_not_exist")}


def test_a_manager_of_another_site_who_works_here_may_not_write_here(client_as: Clients, site: Site) -> None:
    client = client_as("manager", SiteFactory.create())
    client.user.memberships.create(site=site, role="nurse")  # type: ignore[attr-defined]
    chair = ResourceFactory.create(site=site)
    assert client.get(f"{URL}{chair.pk}/").status_code == 200
    assert client.post(URL, {"site": site.pk, "kind": "chair", "name": "x"}).status_code == 403
    assert patch(client, chair, name="x").status_code == 403


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"site": None}, ("/site", "null")),
        ({"site": "1"}, ("/site", "incorrect_type")),
        ({"site": True}, ("/site", "incorrect_type")),
        ({"site": 1.0}, ("/site", "incorrect_type")),
        ({"site": 10**40}, ("/site", "does_not_exist")),
        ({"site": -1}, ("/site", "does_not_exist")),
        ({"site": [1]}, ("/site", "incorrect_type")),
        ({"kind": "table"}, ("/kind", "invalid_choice")),
        ({"kind": []}, ("/kind", "invalid_choice")),
        ({"kind": None}, ("/kind", "null")),
        ({"name": " "}, ("/name", "blank")),
        ({"name": "x" * 81}, ("/name", "max_length")),
        ({"capacity": 0}, ("/capacity", "min_value")),
        ({"capacity": 21}, ("/capacity", "max_value")),
        ({"capacity": 10**30}, ("/capacity", "max_value")),
        ({"capacity": "many"}, ("/capacity", "invalid")),
        ({"capacity": 1.5}, ("/capacity", "invalid")),
        ({"capacity": None}, ("/capacity", "null")),
        ({"active": None}, ("/active", "null")),
    ],
)
def test_every_wrong_field_is_named(
    manager: APIClient, site: Site, change: dict[str, Any], expected: tuple[str, str]
) -> None:
    body = {"site": site.pk, "kind": "chair", "name": "One", **change}
    refused = manager.post(URL, body)
    assert refused.status_code == 400, refused.json()
    assert codes(refused) == {expected}


@pytest.mark.parametrize("field", ["name", "kind", "site", "capacity", "active"])
def test_half_a_character_is_refused(manager: APIClient, site: Site, field: str) -> None:
    body = json.dumps({"site": site.pk, "kind": "chair", "name": "One", field: "\ud800"})
    refused = manager.generic("POST", URL, body, content_type="application/json")
    assert refused.status_code == 400
    assert {pointer for pointer, _code in codes(refused)} == {f"/{field}"}


def test_all_faults_come_at_once(manager: APIClient) -> None:
    refused = manager.post(URL, {"site": 0, "kind": 3, "capacity": -2})
    assert {pointer for pointer, _code in codes(refused)} == {"/site", "/kind", "/name", "/capacity"}


def test_names_are_unique_per_site_and_kind(manager: APIClient, site: Site) -> None:
    chair = ResourceFactory.create(site=site, name="One")
    taken = manager.post(URL, {"site": site.pk, "kind": "chair", "name": "One"})
    assert (taken.status_code, codes(taken)) == (409, {("/name", "name_taken")})
    pump = ResourceFactory.create(site=site, kind="pump", name="One")
    clash = patch(manager, pump, kind="chair")
    assert (clash.status_code, clash.json()["code"]) == (409, "name_taken")
    chair.refresh_from_db()
    assert chair.version == 1


def test_the_site_is_chosen_at_creation(client_as: Clients, site: Site) -> None:
    other = SiteFactory.create()
    client, chair = client_as("manager", site, other), ResourceFactory.create(site=site)
    assert codes(patch(client, chair, site=other.pk)) == {("/site", "immutable")}
    assert patch(client, chair, site=site.pk, name="New").json()["name"] == "New"
    assert codes(patch(client, chair, site=None)) == {("/site", "null")}


def test_versions_guard_changes(manager: APIClient, site: Site) -> None:
    address = f"{URL}{ResourceFactory.create(site=site).pk}/"
    assert manager.patch(address, {"name": "A"}).status_code == 428
    first = manager.patch(address, {"name": "A"}, headers={"If-Match": '"1"'})
    assert (first.json()["version"], first["ETag"]) == (2, '"2"')
    assert manager.patch(address, {"name": "B"}, headers={"If-Match": '"1"'}).status_code == 412
    assert manager.patch(address, {"name": "B"}, headers={"If-Match": "soon"}).status_code == 400


def test_the_kind_is_fixed_by_bookings(manager: APIClient, site: Site, now: datetime) -> None:
    room = ResourceFactory.create(site=site, kind="room")
    assert patch(manager, room, kind="chair").status_code == 200
    booked(site, now - timedelta(days=9), on={room: 0}, status="completed")
    fixed = patch(manager, room, kind="room")
    assert (fixed.status_code, fixed.json()["code"]) == (409, "resource_kind_fixed")
    assert codes(fixed) == {("/kind", "resource_kind_fixed")}


def test_out_of_service_lists_what_is_booked_and_asks_somebody(
    manager: APIClient, site: Site, now: datetime
) -> None:
    nurse, other = (ResourceFactory.create(site=site, kind="nurse") for _ in range(2))
    soon = booked(site, now + timedelta(hours=23), on={nurse: 1})
    later = booked(site, now + timedelta(days=3), on={nurse: 1}, status="confirmed")
    booked(site, now - timedelta(days=3), on={nurse: 1}, status="completed")
    booked(site, now + timedelta(days=4), on={nurse: 1}, status="cancelled")
    booked(site, now + timedelta(days=5), on={other: 1})
    released = booked(site, now + timedelta(days=6), on={nurse: 1})
    released.allocations.update(released_at=now)

    reply = patch(manager, nurse, active=False)
    assert (reply.status_code, reply.json()["active"]) == (200, False)
    assert reply.json()["affected_appointments"] == [soon.pk, later.pk]
    items = WorkItem.objects.order_by("id").values_list(
        "key", "kind", "severity", "owner_role", "patient", "site"
    )
    assert set(items) == {
        (
            f"resource:{nurse.pk}:appointment:{soon.pk}",
            "resource_gone",
            "urgent",
            "front_desk",
            soon.patient_id,
            site.pk,
        ),
        (
            f"resource:{nurse.pk}:appointment:{later.pk}",
            "resource_gone",
            "routine",
            "front_desk",
            later.patient_id,
            site.pk,
        ),
    }
    soon.refresh_from_db()
    assert soon.status == "booked"

    again = patch(manager, nurse, active=False)
    assert again.json()["affected_appointments"] == []
    assert WorkItem.objects.count() == 2


def test_back_in_service_resolves_what_was_asked(manager: APIClient, site: Site, now: datetime) -> None:
    chair = ResourceFactory.create(site=site)
    booked(site, now + timedelta(days=1), on={chair: 0})
    patch(manager, chair, active=False)
    assert patch(manager, chair, active=True).json()["affected_appointments"] == []
    assert WorkItem.objects.get().status == "resolved"


def test_the_list_takes_one_query(
    manager: APIClient, site: Site, django_assert_num_queries: Callable[[int], Any]
) -> None:
    ResourceFactory.create_batch(12, site=site)
    manager.get(URL)
    for limit in (1, 12):
        with django_assert_num_queries(1):
            assert len(manager.get(f"{URL}?limit={limit}").json()["results"]) == limit


def test_filters(manager: APIClient, site: Site) -> None:
    chair = ResourceFactory.create(site=site)
    pump = ResourceFactory.create(site=site, kind="pump", active=False)
    foreign = ResourceFactory.create()

    def ids(query: str) -> list[int]:
        return [row["id"] for row in manager.get(f"{URL}?{query}").json()["results"]]

    assert ids(f"site={site.pk}") == [chair.pk, pump.pk]
    assert ids(f"site={foreign.site_id}") == ids("site=999999999") == ids(f"site={2**63 - 1}") == []
    assert ids("kind=pump") == ids("active=false") == [pump.pk]
    assert ids("kind=chair&active=true") == [chair.pk]


@pytest.mark.parametrize(
    "query",
    [
        "site=x",
        "site=1.5",
        "site=-1",
        "site=1e5",
        "site=99999999999999999999999",
        "kind=table",
        "active=1",
        "name=x",
        "limit=0",
        "limit=9999999",
        "cursor=%00",
        "cursor=cD1ub3RhbnVtYmVy",
        "cursor=cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
    ],
)
def test_queries_that_make_no_sense_are_400(manager: APIClient, query: str) -> None:
    refused = manager.get(f"{URL}?{query}")
    if query.startswith("cursor=cD05"):  # a cursor beyond every id: an empty page is fine too
        assert refused.status_code in {200, 400}
        return
    assert refused.status_code == 400, refused.json()
    assert {pointer for pointer, _code in codes(refused)} == {"/" + query.split("=", 1)[0]}


def test_nothing_is_deleted(manager: APIClient, site: Site) -> None:
    chair = ResourceFactory.create(site=site)
    assert manager.delete(f"{URL}{chair.pk}/").status_code == 405


def test_a_key_adds_once(manager: APIClient, site: Site) -> None:
    body, key = {"site": site.pk, "kind": "chair", "name": "One"}, {"Idempotency-Key": "abc"}
    first, second = (manager.post(URL, body, headers=key) for _ in range(2))
    assert first.json() == second.json()
    assert Resource.objects.count() == 1
