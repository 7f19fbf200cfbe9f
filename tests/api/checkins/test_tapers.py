"""A stop by a taper: one order, its lower doses, and check-ins for withdrawal after each."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from scheduling.models import DoseEvent, Prescription
from tests.api.checkins.conftest import on
from tests.conftest import codes

pytestmark = pytest.mark.django_db
TAPER = [{"dose_mg": 37.5, "effective_on": on(1, 12)}, {"dose_mg": 12.5, "effective_on": on(1, 19)}]


@pytest.fixture
def url(prescriber: APIClient, sertraline: dict[str, Any]) -> str:
    made = prescriber.post("/api/v1/prescriptions/", sertraline).json()
    return f"/api/v1/prescriptions/{made['id']}/"


def test_the_doses_go_down_and_then_it_ends(prescriber: APIClient, url: str) -> None:
    response = prescriber.post(f"{url}stop/", {"effective_on": on(1, 26), "taper": TAPER})
    assert response.status_code == 200, response.json()
    rows = DoseEvent.objects.order_by("sequence")
    assert [(row.kind, float(row.dose_mg), f"{row.effective_on}", row.planned) for row in rows] == [
        ("start", 50.0, on(1, 5), False),
        ("decrease", 37.5, on(1, 12), False),
        ("decrease", 12.5, on(1, 19), True),
        ("stop", 0.0, on(1, 26), False),
    ]
    planned = [row for row in response.json()["check_ins"] if row["code"] == "TAPER"]
    assert {row["anchor_on"] for row in planned} == {on(1, 12), on(1, 19), on(1, 26)}
    assert [row["due_on"] for row in planned if row["anchor_on"] == on(1, 26)] == [
        on(1, 29), on(2, 2), on(2, 9), on(2, 23),
    ]  # fmt: skip
    assert Prescription.objects.get().status == "active"  # it ends on the 26th


@pytest.mark.parametrize(
    ("taper", "code", "pointer"),
    [
        ([{"dose_mg": 75, "effective_on": on(1, 12)}], "taper_not_lower", "/taper/0/dose_mg"),
        ([TAPER[0], {"dose_mg": 40, "effective_on": on(1, 19)}], "taper_not_lower", "/taper/1/dose_mg"),
        ([{"dose_mg": 25, "effective_on": on(1, 26)}], "taper_after_stop", "/taper/0/effective_on"),
        (
            [TAPER[0], {"dose_mg": 12.5, "effective_on": on(1, 27)}],
            "taper_after_stop",
            "/taper/1/effective_on",
        ),
        ([TAPER[1], TAPER[0]], "step_before_first_dose", "/taper/1/effective_on"),
        ([{"dose_mg": 0, "effective_on": on(1, 12)}], "dose_not_positive", "/taper/0/dose_mg"),
        ([TAPER[0], {"dose_mg": 0, "effective_on": on(1, 19)}], "dose_not_positive", "/taper/1/dose_mg"),
        ([{"dose_mg": 50, "effective_on": on(1, 12)}], "same_dose", "/taper/0/dose_mg"),
        ([{"dose_mg": 25, "effective_on": on(1, 4)}], "change_before_start", "/taper/0/effective_on"),
    ],
)
def test_what_is_no_taper_is_refused(
    prescriber: APIClient, url: str, taper: list[dict[str, Any]], code: str, pointer: str
) -> None:
    response = prescriber.post(f"{url}stop/", {"effective_on": on(1, 26), "taper": taper})
    assert (response.status_code, codes(response)) == (422, {(pointer, code)})
    assert DoseEvent.objects.count() == 1
