"""/visit-types/ over HTTP."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from scheduling.models import Allocation, VisitType
from tests.conftest import codes
from tests.factories import ResourceFactory, visit_type
from tests.factories.bookings import booked

pytestmark = pytest.mark.django_db
URL = "/api/v1/visit-types/"
CHAIR = {"kind": "chair", "use": "exclusive"}
BODY = {
    "code": "booster",
    "name": "Booster",
    "discreet_name": "appointment",
    "kind": "infusion",
    "phases": [
        {"name": "set-up", "minutes": 10, "needs": [CHAIR]},
        {"name": "rest", "minutes": 20, "needs": []},
    ],
}
Clients = Callable[..., APIClient]


@pytest.fixture
def manager(client_as: Clients, site: Site) -> APIClient:
    return client_as("manager", site)


def patch(client: APIClient, visit: VisitType, **changes: Any) -> Any:
    return client.patch(f"{URL}{visit.pk}/", changes, headers={"If-Match": "*"})


def test_a_visit_type_with_its_defaults(manager: APIClient) -> None:
    added = manager.post(URL, BODY)
    assert added.status_code == 201, added.json()
    assert added.json() == {
        "id": added.json()["id"],
        **BODY,
        "start_grid_minutes": 15,
        "min_notice_minutes": 0,
        "horizon_days": 365,
        "active": True,
        "version": 1,
    }
    assert manager.get(f"{URL}{added.json()['id']}/").json() == added.json()


def test_the_catalogue_is_readable_by_staff_and_written_by_managers(client_as: Clients, site: Site) -> None:
    for role in ("front_desk", "nurse", "prescriber", "auditor"):
        client = client_as(role, site)
        listed = client.get(URL).json()["results"]
        assert {row["code"] for row in listed} >= {"ketamine-mood", "ketamine-pain", "esketamine"}
        assert client.post(URL, BODY).status_code == 403
        assert patch(client, visit_type(), name="x").status_code == 403
    assert client_as("nurse").get(URL).status_code == 403


def test_what_the_catalogue_ships_can_be_sent_back(manager: APIClient) -> None:
    for row in manager.get(URL).json()["results"]:
        address, match = f"{URL}{row['id']}/", {"If-Match": f'"{row["version"]}"'}
        assert manager.patch(address, row, headers=match).json() == row


def test_new_phases_leave_what_is_booked_alone(manager: APIClient, site: Site, now: datetime) -> None:
    chair = ResourceFactory.create(site=site)
    visit = booked(site, now + timedelta(days=1), on={chair: 0})
    before = list(Allocation.objects.values())
    changed = patch(manager, visit_type(), phases=BODY["phases"])
    assert (changed.status_code, changed.json()["phases"]) == (200, BODY["phases"])
    assert list(Allocation.objects.values()) == before
    end = visit.end_at
    visit.refresh_from_db()
    assert visit.end_at == end


def test_every_fault_of_the_phases_has_its_pointer(manager: APIClient) -> None:
    phases = [
        {"name": "", "minutes": 0, "needs": [{"kind": "table", "use": "exclusive"}]},
        {"minutes": 5, "needs": [CHAIR, CHAIR, {"kind": "nurse"}]},
        "rest",
        {"name": "x", "minutes": 10**30, "needs": None},
    ]
    refused = manager.post(URL, {**BODY, "phases": phases, "horizon_days": 0})
    assert refused.status_code == 400
    assert codes(refused) == {
        ("/phases/0/name", "invalid_name"),
        ("/phases/0/minutes", "out_of_range"),
        ("/phases/0/needs/0/kind", "unknown_kind"),
        ("/phases/1/name", "required"),
        ("/phases/1/needs/1", "duplicate"),
        ("/phases/1/needs/2/use", "required"),
        ("/phases/2", "not_an_object"),
        ("/phases/3/minutes", "out_of_range"),
        ("/phases/3/needs", "not_a_list"),
        ("/horizon_days", "min_value"),
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"phases": []}, ("/phases", "out_of_range")),
        ({"phases": {}}, ("/phases", "not_a_list")),
        ({"phases": None}, ("/phases", "null")),
        ({"phases": "long"}, ("/phases", "not_a_list")),
        ({"phases": [{"name": "x", "minutes": 1000}] * 2}, ("/phases", "visit_too_long")),
        ({"phases": [{"name": "x", "minutes": 1, "colour": "red"}]}, ("/phases/0", "unknown_field")),
        ({"code": "Not a code"}, ("/code", "invalid")),
        ({"code": "x" * 51}, ("/code", "max_length")),
        ({"code": None}, ("/code", "null")),
        ({"kind": "surgery"}, ("/kind", "invalid_choice")),
        ({"start_grid_minutes": 7}, ("/start_grid_minutes", "invalid_choice")),
        ({"start_grid_minutes": 0}, ("/start_grid_minutes", "invalid_choice")),
        ({"start_grid_minutes": "often"}, ("/start_grid_minutes", "invalid")),
        ({"start_grid_minutes": None}, ("/start_grid_minutes", "null")),
        ({"min_notice_minutes": -1}, ("/min_notice_minutes", "min_value")),
        ({"min_notice_minutes": 10**12}, ("/min_notice_minutes", "max_value")),
        ({"horizon_days": 731}, ("/horizon_days", "max_value")),
        ({"horizon_days": 0}, ("/horizon_days", "min_value")),
        ({"active": 7}, ("/active", "invalid")),
        ({"discreet_name": "x" * 41}, ("/discreet_name", "max_length")),
    ],
)
def test_every_wrong_field_is_named(
    manager: APIClient, change: dict[str, Any], expected: tuple[str, str]
) -> None:
    refused = manager.post(URL, {**BODY, **change})
    assert refused.status_code == 400, refused.json()
    assert codes(refused) == {expected}


def test_missing_fields_are_named(manager: APIClient) -> None:
    assert codes(manager.post(URL, {})) == {(f"/{name}", "required") for name in BODY}


def test_rules_that_span_fields(manager: APIClient) -> None:
    refused = manager.post(URL, {**BODY, "horizon_days": 1, "min_notice_minutes": 1440})
    assert (refused.status_code, codes(refused)) == (422, {("/min_notice_minutes", "notice_beyond_horizon")})
    refused = patch(manager, visit_type(), min_notice_minutes=180 * 1440)
    assert (refused.status_code, codes(refused)) == (422, {("/min_notice_minutes", "notice_beyond_horizon")})
    assert visit_type().min_notice_minutes == 60
    refused = patch(manager, visit_type(), discreet_name="Ketamine visit")
    assert (refused.status_code, codes(refused)) == (422, {("/discreet_name", "revealing_name")})


def test_the_code_is_unique_and_stays(manager: APIClient) -> None:
    taken = manager.post(URL, {**BODY, "code": "esketamine"})
    assert (taken.status_code, codes(taken)) == (409, {("/code", "code_taken")})
    assert codes(patch(manager, visit_type(), code="other")) == {("/code", "immutable")}
    repeated = patch(manager, visit_type(), code="ketamine-mood", name="Mood")
    assert (repeated.status_code, repeated.json()["name"]) == (200, "Mood")


def test_versions_guard_changes(manager: APIClient) -> None:
    address = f"{URL}{visit_type().pk}/"
    assert manager.patch(address, {"active": False}).status_code == 428
    changed = manager.patch(address, {"active": False}, headers={"If-Match": '"1"'})
    assert (changed["ETag"], changed.json()["active"]) == ('"2"', False)
    assert manager.patch(address, {"active": True}, headers={"If-Match": '"1"'}).status_code == 412
    assert manager.delete(address).status_code == 405


def test_filters(manager: APIClient) -> None:
    patch(manager, visit_type("esketamine"), active=False)

    def found(query: str) -> set[str]:
        return {row["code"] for row in manager.get(f"{URL}?{query}").json()["results"]}

    assert found("kind=infusion") == {"ketamine-mood", "ketamine-pain"}
    assert found("active=false") == {"esketamine"}
    assert "esketamine" not in found("active=true")
    for query in ("kind=surgery", "active=0", "code=esketamine"):
        assert manager.get(f"{URL}?{query}").status_code == 400


def test_the_list_takes_one_query(
    manager: APIClient, django_assert_num_queries: Callable[[int], Any]
) -> None:
    manager.get(URL)
    for limit in (1, 5):
        with django_assert_num_queries(1):
            assert len(manager.get(f"{URL}?limit={limit}").json()["results"]) == limit
