"""/working-hours/ over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from scheduling.models import WorkingHours
from tests.conftest import codes
from tests.factories import ResourceFactory, SiteFactory

pytestmark = pytest.mark.django_db
URL = "/api/v1/working-hours/"
BODY = {"weekday": 0, "start": "08:00", "end": "17:00"}
Clients = Callable[..., APIClient]


@pytest.fixture
def manager(client_as: Clients, site: Site) -> APIClient:
    return client_as("manager", site)


def test_hours_of_a_site_and_of_a_resource(manager: APIClient, site: Site) -> None:
    of_site = manager.post(URL, {**BODY, "site": site.pk})
    assert of_site.status_code == 201, of_site.json()
    assert of_site.json() == {
        "id": of_site.json()["id"],
        "site": site.pk,
        "resource": None,
        **BODY,
        "valid_from": None,
        "valid_until": None,
        "version": 1,
    }
    chair = ResourceFactory.create(site=site)
    season = {"valid_from": "2027-01-01", "valid_until": "2027-01-01"}
    night = {"weekday": 6, "start": "22:00", "end": "06:00"}
    of_chair = manager.post(URL, {"resource": chair.pk, "site": None, **night, **season})
    assert of_chair.status_code == 201
    assert manager.get(f"{URL}{of_chair.json()['id']}/").json() == of_chair.json()
    assert {**of_chair.json(), **night, **season, "resource": chair.pk, "site": None} == of_chair.json()


def test_rows_may_overlap_and_last_a_whole_day(manager: APIClient, site: Site) -> None:
    for start, end in (("08:00", "12:00"), ("10:00", "17:00"), ("00:00", "00:00")):
        body = {**BODY, "site": site.pk, "start": start, "end": end}
        assert manager.post(URL, body).status_code == 201
    assert WorkingHours.objects.count() == 3


def test_exactly_one_owner(manager: APIClient, site: Site) -> None:
    chair = ResourceFactory.create(site=site)
    for owners, pointer in (
        ({}, "/site"),
        ({"site": None, "resource": None}, "/site"),
        ({"site": site.pk, "resource": chair.pk}, "/resource"),
    ):
        refused = manager.post(URL, {**BODY, **owners})
        assert (refused.status_code, codes(refused)) == (422, {(pointer, "one_owner")})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"weekday": 9}, ("/weekday", "max_value")),
        ({"weekday": -1}, ("/weekday", "min_value")),
        ({"weekday": "Monday"}, ("/weekday", "invalid")),
        ({"weekday": None}, ("/weekday", "null")),
        ({"weekday": 10**50}, ("/weekday", "max_value")),
        ({"start": "8:00"}, ("/start", "invalid")),
        ({"start": "24:00"}, ("/start", "invalid")),
        ({"start": "08:00:00"}, ("/start", "invalid")),
        ({"start": "08:00Z"}, ("/start", "invalid")),
        ({"start": 800}, ("/start", "invalid")),
        ({"end": None}, ("/end", "null")),
        ({"end": "\u0660\u0668:\u0660\u0660"}, ("/end", "invalid")),
        ({"valid_from": "99999-01-01"}, ("/valid_from", "invalid")),
        ({"valid_from": "2027-02-30"}, ("/valid_from", "invalid")),
        ({"valid_from": "2027-W01-1"}, ("/valid_from", "invalid")),
        ({"valid_from": "1899-12-31"}, ("/valid_from", "out_of_range")),
        ({"valid_until": "2201-01-01"}, ("/valid_until", "out_of_range")),
        ({"valid_until": 2027}, ("/valid_until", "invalid")),
        ({"resource": "x"}, ("/resource", "incorrect_type")),
        ({"resource": 10**25}, ("/resource", "does_not_exist")),
    ],
)
def test_every_wrong_field_is_named(
    manager: APIClient, site: Site, change: dict[str, Any], expected: tuple[str, str]
) -> None:
    refused = manager.post(URL, {**BODY, "site": site.pk, **change})
    assert refused.status_code == 400, refused.json()
    assert codes(refused) == {expected}


def test_validity_has_an_order(manager: APIClient, site: Site) -> None:
    dates = {"valid_from": "2027-02-02", "valid_until": "2027-02-01"}
    refused = manager.post(URL, {**BODY, "site": site.pk, **dates})
    assert (refused.status_code, codes(refused)) == (422, {("/valid_until", "not_after_start")})
    hours = manager.post(URL, {**BODY, "site": site.pk, "valid_from": "2027-02-02"}).json()
    address = f"{URL}{hours['id']}/"
    refused = manager.patch(address, {"valid_until": "2027-02-01"}, headers={"If-Match": "*"})
    assert (refused.status_code, codes(refused)) == (422, {("/valid_until", "not_after_start")})
    cleared = manager.patch(
        address, {"valid_from": None, "valid_until": "2027-02-01"}, headers={"If-Match": "*"}
    )
    assert (cleared.status_code, cleared.json()["valid_from"]) == (200, None)


def test_the_owner_is_chosen_at_creation(client_as: Clients, site: Site) -> None:
    other = SiteFactory.create()
    manager, chair = client_as("manager", site, other), ResourceFactory.create(site=site)
    hours = manager.post(URL, {**BODY, "site": site.pk}).json()
    address, match = f"{URL}{hours['id']}/", {"If-Match": "*"}
    repeated = manager.patch(address, {"site": site.pk, "resource": None, "weekday": 4}, headers=match)
    assert (repeated.status_code, repeated.json()["weekday"]) == (200, 4)
    for change, expected in (
        ({"site": other.pk}, {("/site", "immutable")}),
        ({"site": None}, {("/site", "immutable")}),
        ({"resource": chair.pk, "weekday": 8}, {("/resource", "immutable"), ("/weekday", "max_value")}),
    ):
        assert codes(manager.patch(address, change, headers=match)) == expected


def test_versions_guard_changes_and_removal(manager: APIClient, site: Site) -> None:
    address = f"{URL}{manager.post(URL, {**BODY, 'site': site.pk}).json()['id']}/"
    assert manager.patch(address, {"weekday": 1}).status_code == 428
    assert manager.patch(address, {"weekday": 1}, headers={"If-Match": '"1"'})["ETag"] == '"2"'
    assert manager.patch(address, {"weekday": 2}, headers={"If-Match": '"1"'}).status_code == 412
    assert manager.delete(address, headers={"If-Match": '"1"'}).status_code == 412
    assert manager.delete(address).status_code == 204
    assert manager.delete(address).status_code == 404


def test_staff_read_and_managers_write(client_as: Clients, manager: APIClient, site: Site) -> None:
    hours = manager.post(URL, {**BODY, "site": site.pk}).json()
    address = f"{URL}{hours['id']}/"
    for role in ("front_desk", "nurse", "prescriber", "auditor"):
        client = client_as(role, site)
        assert client.get(URL).json()["results"] == [hours]
        assert client.post(URL, {**BODY, "site": site.pk}).status_code == 403
        assert client.patch(address, {"weekday": 1}, headers={"If-Match": "*"}).status_code == 403
        assert client.delete(address).status_code == 403
    assert WorkingHours.objects.count() == 1


def test_other_sites_do_not_exist(client_as: Clients, manager: APIClient, site: Site) -> None:
    chair = ResourceFactory.create(site=site)
    rows = [manager.post(URL, {**BODY, **o}).json() for o in ({"site": site.pk}, {"resource": chair.pk})]
    stranger = client_as("manager", SiteFactory.create())
    assert stranger.get(URL).json()["results"] == []
    for row in rows:
        address = f"{URL}{row['id']}/"
        assert stranger.get(address).status_code == 404
        assert stranger.patch(address, {"weekday": 1}, headers={"If-Match": "*"}).status_code == 404
        assert stranger.delete(address).status_code == 404
    for owner in ({"site": site.pk}, {"resource": chair.pk}):
        refused = stranger.post(URL, {**BODY, **owner})
        assert (refused.status_code, codes(refused)) == (400, {(f"/{next(iter(owner))}", "does_not_exist")})


def test_filters(client_as: Clients, site: Site) -> None:
    other = SiteFactory.create()
    manager, chair = client_as("manager", site, other), ResourceFactory.create(site=site)
    of_site, of_chair, elsewhere = (
        manager.post(URL, {**BODY, **row}).json()["id"]
        for row in ({"site": site.pk}, {"resource": chair.pk, "weekday": 3}, {"site": other.pk})
    )

    def ids(query: str) -> list[int]:
        return [row["id"] for row in manager.get(f"{URL}?{query}").json()["results"]]

    assert ids(f"site={site.pk}") == [of_site, of_chair]
    assert ids(f"site={other.pk}") == [elsewhere]
    assert ids(f"resource={chair.pk}") == ids("weekday=3") == [of_chair]
    assert ids("weekday=0") == [of_site, elsewhere]


@pytest.mark.parametrize(
    "query", ["weekday=7", "weekday=x", "weekday=-1", "resource=x", "site=1e9", "start=08:00"]
)
def test_queries_that_make_no_sense_are_400(manager: APIClient, query: str) -> None:
    refused = manager.get(f"{URL}?{query}")
    assert refused.status_code == 400
    assert {pointer for pointer, _code in codes(refused)} == {"/" + query.split("=", 1)[0]}


def test_the_list_takes_one_query(
    manager: APIClient, site: Site, django_assert_num_queries: Callable[[int], Any]
) -> None:
    chair = ResourceFactory.create(site=site)
    for weekday in range(7):
        manager.post(URL, {**BODY, "weekday": weekday, "resource": chair.pk})
    for limit in (1, 7):
        with django_assert_num_queries(1):
            assert len(manager.get(f"{URL}?limit={limit}").json()["results"]) == limit
