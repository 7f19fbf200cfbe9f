"""Weight and dose over HTTP: units in names, amounts as text, and who may."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from scheduling.models import Appointment, DoseProtocol
from tests.factories import SiteFactory, open_clinic
from tests.factories.infusions import NINE, arrived_infusion, booked_infusion

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana(site: Site, clock: Callable[..., None]) -> Appointment:
    open_clinic(site, chairs=1, nurses=1)
    visit = arrived_infusion(site)
    clock(NINE - timedelta(minutes=5))
    return visit


def at(visit: Appointment, action: str) -> str:
    return f"/api/v1/infusion-sessions/{visit.pk}/{action}/"


def test_from_the_weight_to_a_dose(ana: Appointment, site: Site, client_as: Callable[..., APIClient]) -> None:
    nurse = client_as("nurse", site)
    empty = nurse.get(at(ana, "dose")).json()
    assert (empty["weight_kg"], empty["calculated"], empty["orders"]) == (None, None, [])

    weighed = nurse.post(at(ana, "weight"), {"weight_kg": "70"})

    assert weighed.status_code == 200, weighed.json()
    body = weighed.json()
    assert (body["effect"], body["weight_kg"], body["weighed_at"]) == (
        "proposed",
        "70.0",
        "2027-01-11T15:55:00Z",
    )
    assert body["calculated"] == {
        "calculated_mg": "35.00",
        "capped_by": None,
        "mg": "35.00",
        "mg_per_h": "52.50",
        "minutes": 40,
    }
    (order,) = body["orders"]
    assert {name: order[name] for name in ("mg", "mg_per_h", "minutes", "weight_kg", "calculated_mg")} == {
        "mg": "35.00",
        "mg_per_h": "52.50",
        "minutes": 40,
        "weight_kg": "70.0",
        "calculated_mg": "35.00",
    }
    assert (order["protocol_read"]["basis"], order["protocol_read"]["amount"]) == ("mg_per_kg", "0.500")
    assert weighed["ETag"] == f'"{body["version"]}"'
    assert nurse.get(at(ana, "dose")).json()["orders"] == body["orders"]


def test_another_duration_shows_what_it_collides_with(
    ana: Appointment, site: Site, client_as: Callable[..., APIClient]
) -> None:
    nurse = client_as("nurse", site)
    nurse.post(at(ana, "weight"), {"weight_kg": "70"})
    after = booked_infusion(site, start=NINE + timedelta(hours=2))
    refused = nurse.post(at(ana, "dose"), {"minutes": 60})
    assert (refused.status_code, refused.json()["code"]) == (409, "duration_collides")
    assert {row["appointment"] for row in refused.json()["collisions"]} == {after.pk}
    assert after.patient.last_name not in refused.text
    shorter = nurse.post(at(ana, "dose"), {"minutes": 38})
    assert (shorter.status_code, shorter.json()["code"]) == (403, "prescriber_needed")
    done = client_as("prescriber", site).post(at(ana, "dose"), {"minutes": 38, "reason": "Pressed for time."})
    assert done.status_code == 200, done.json()
    assert (done.json()["infusion_minutes"], done.json()["orders"][-1]["mg_per_h"]) == (38, "55.26")


def test_if_match_is_honoured(ana: Appointment, site: Site, client_as: Callable[..., APIClient]) -> None:
    nurse = client_as("nurse", site)
    etag = nurse.post(at(ana, "weight"), {"weight_kg": "70"})["ETag"]
    assert nurse.post(at(ana, "dose"), {}, headers={"If-Match": etag}).status_code == 200
    stale = nurse.post(at(ana, "dose"), {}, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"weight_kg": "19.9"}, "/weight_kg"),
        ({"weight_kg": "70.25"}, "/weight_kg"),
        ({"weight_kg": "NaN"}, "/weight_kg"),
        ({}, "/weight_kg"),
    ],
)
def test_a_weight_that_is_none(
    ana: Appointment, site: Site, client_as: Callable[..., APIClient], body: dict[str, str], pointer: str
) -> None:
    refused = client_as("nurse", site).post(at(ana, "weight"), body)
    assert refused.status_code == 400
    assert {error["pointer"] for error in refused.json()["errors"]} == {pointer}


def test_who_sees_doses(ana: Appointment, site: Site, client_as: Callable[..., APIClient]) -> None:
    for role in ("front_desk", "manager", "auditor"):
        someone = client_as(role, site)
        assert someone.get(at(ana, "dose")).status_code == 403
        assert someone.post(at(ana, "weight"), {"weight_kg": "70"}).status_code == 403
    elsewhere = client_as("nurse", SiteFactory.create())
    assert elsewhere.get(at(ana, "dose")).status_code == 404
    assert elsewhere.post(at(ana, "dose"), {"minutes": 50}).status_code == 404


def test_protocols_are_read_by_everyone_in_the_clinic(
    site: Site, client_as: Callable[..., APIClient]
) -> None:
    desk = client_as("front_desk", site)
    rows = desk.get("/api/v1/dose-protocols/").json()["results"]
    pain = next(row for row in rows if row["basis"] == "mg_per_kg_h")
    assert (pain["amount"], pain["max_mg_per_h"], pain["max_mg"]) == ("0.350", "25.00", "100.00")
    assert desk.get(f"/api/v1/dose-protocols/{pain['id']}/").json() == pain
    only = desk.get(f"/api/v1/dose-protocols/?visit_type={pain['visit_type']}").json()["results"]
    assert only == [pain]
    assert DoseProtocol.objects.count() == len(rows)
