"""Templates over HTTP: what ships, and what managers change."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from tests.conftest import codes

pytestmark = pytest.mark.django_db
URL = "/api/v1/course-templates/"


@pytest.fixture
def manager(site: Site, client_as: Callable[..., APIClient], clock: object) -> APIClient:
    return client_as("manager", site)


def body(**changes: Any) -> dict[str, Any]:
    return {
        "code": "weekly",
        "name": "Weekly",
        "visit_type": "ketamine-mood",
        "sessions": 4,
        "min_gap_days": 6,
        "max_gap_days": 8,
        **changes,
    }


def test_the_catalogue_is_there_for_all_staff(site: Site, client_as: Callable[..., APIClient]) -> None:
    rows = client_as("front_desk", site).get(URL).json()["results"]
    shown = {row["code"]: row for row in rows}
    pain = shown["ketamine-pain-10-weekdays"]
    assert (pain["sessions"], pain["min_gap_days"], pain["max_gap_days"]) == (10, 1, 1)
    assert (pain["gap_unit"], pain["allowed_weekdays"]) == ("open_days", [0, 1, 2, 3, 4])
    assert pain["then"][-1]["sessions"] is None
    assert all(stage["source"] and stage["mark"] for stage in pain["then"])
    assert {"esketamine", "ketamine-mood-3-per-week", "ketamine-mood-2-per-week"} < set(shown)


def test_managers_add_and_change(manager: APIClient) -> None:
    made = manager.post(URL, body(then=[{"sessions": None, "min_gap_days": 12, "max_gap_days": 16}]))
    assert made.status_code == 201, made.json()
    address = f"{URL}{made.json()['id']}/"
    assert made.json()["then"][0]["ideal_gap_days"] == 12
    assert manager.patch(address, {"sessions": 5}).status_code == 428
    changed = manager.patch(
        address, {"sessions": 5, "max_gap_days": 9, "allowed_weekdays": [4, 0]}, headers={"If-Match": '"1"'}
    )
    assert changed.status_code == 200, changed.json()
    shown = changed.json()
    assert (shown["sessions"], shown["min_gap_days"], shown["max_gap_days"]) == (5, 6, 9)
    assert (shown["allowed_weekdays"], shown["version"]) == ([0, 4], 2)
    assert len(shown["then"]) == 1
    assert manager.patch(address, {"name": "x"}, headers={"If-Match": '"1"'}).status_code == 412
    taken = manager.post(URL, body())
    assert (taken.status_code, taken.json()["code"]) == (409, "code_taken")


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"min_gap_days": 9}, "/max_gap_days", "gaps_contradict"),
        ({"ideal_gap_days": 20}, "/ideal_gap_days", "gaps_contradict"),
        ({"sessions": 1000}, "/sessions", "max_value"),
        ({"allowed_weekdays": [9]}, "/allowed_weekdays/0", "max_value"),
        (
            {"then": [{"sessions": 2, "min_gap_days": 5, "max_gap_days": 4}]},
            "/then/0/max_gap_days",
            "gaps_contradict",
        ),
        (
            {
                "then": [
                    {"sessions": None, "min_gap_days": 5, "max_gap_days": 6},
                    {"sessions": 1, "min_gap_days": 5, "max_gap_days": 6},
                ]
            },
            "/then/0/sessions",
            "required",
        ),
    ],
)
def test_templates_that_contradict_themselves_name_the_field(
    manager: APIClient, changes: dict[str, Any], pointer: str, code: str
) -> None:
    response = manager.post(URL, body(**changes))
    assert response.status_code == 400, response.json()
    assert (pointer, code) in codes(response)


def test_others_only_read(site: Site, client_as: Callable[..., APIClient]) -> None:
    for role in ("front_desk", "nurse", "prescriber"):
        assert client_as(role, site).post(URL, body()).status_code == 403
