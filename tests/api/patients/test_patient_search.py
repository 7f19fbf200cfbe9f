"""POST /patients/search/: names however they are typed, phones in any format, nothing beyond your sites."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Patient
from tests.conftest import codes
from tests.factories import SiteFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

URL = "/api/v1/patients/search/"
PEOPLE: list[dict[str, Any]] = [
    {"first_name": "Ana", "last_name": "O'Neil-Peña", "phone": "+13035550123", "mrn": "A-77"},
    {"first_name": "Łukasz", "last_name": "Åkesson", "preferred_name": "Luke"},
    {"first_name": "María José", "last_name": "De la Cruz", "date_of_birth": "1991-02-03"},
    {"first_name": "Anabel", "last_name": "Smith-Jones", "phone": "+13035559123"},
    {"first_name": "Мария", "last_name": "Иванова"},
]


@pytest.fixture
def nurse(client_as: Callable[..., APIClient], site: Site) -> APIClient:
    """A nurse at a site with these people."""
    client = client_as("nurse", site)
    for person in PEOPLE:
        made = client.post("/api/v1/patients/", {"date_of_birth": "1980-05-17", "site": site.pk, **person})
        assert made.status_code == 201, made.json()
    return client


def found(client: APIClient, **criteria: Any) -> list[str]:
    response = client.post(URL, criteria)
    assert response.status_code == 200, response.json()
    assert response.json().keys() == {"results"}
    return [row["last_name"] for row in response.json()["results"]]


@pytest.mark.parametrize(
    ("query", "last_names"),
    [
        ("oneil pena", ["O'Neil-Peña"]),
        ("o neil", ["O'Neil-Peña"]),
        ("O'NEIL", ["O'Neil-Peña"]),
        ("o\u2019neil", ["O'Neil-Peña"]),
        ("oneilpena", ["O'Neil-Peña"]),
        ("Peña, Ana", ["O'Neil-Peña"]),
        ("ana", ["O'Neil-Peña", "Smith-Jones"]),
        ("ana sm", ["Smith-Jones"]),
        ("smithjones", ["Smith-Jones"]),
        ("lukasz", ["Åkesson"]),
        ("luke akes", ["Åkesson"]),
        ("delacruz", ["De la Cruz"]),
        ("de la cruz", ["De la Cruz"]),
        ("mariajose", ["De la Cruz"]),
        ("maria jose", ["De la Cruz"]),
        ("иван", ["Иванова"]),
        ("nobody", []),
        ("ana nobody", []),
        ("' | 'ana", ["O'Neil-Peña", "Smith-Jones"]),
        ("ana & !smith:*", ["Smith-Jones"]),
        ("\\", None),
    ],
)
def test_names_are_found_however_they_are_typed(
    nurse: APIClient, query: str, last_names: list[str] | None
) -> None:
    if last_names is None:
        refused = nurse.post(URL, {"query": query})
        assert (refused.status_code, codes(refused)) == (422, {("/query", "no_letters")})
    else:
        assert found(nurse, query=query) == last_names


@pytest.mark.parametrize(
    "phone",
    ["+13035550123", "(303) 555-0123", "303.555.0123", "1 303 555 0123", "0123", "550123", "555-0123"],
)
def test_phones_are_found_in_any_format_and_by_their_last_digits(nurse: APIClient, phone: str) -> None:
    assert found(nurse, phone=phone) == ["O'Neil-Peña"]


def test_what_several_share_finds_several_and_all_criteria_must_fit(nurse: APIClient) -> None:
    assert found(nurse, phone="9123") == ["Smith-Jones"]
    for written in (" a-77", "A 77", "a77", "A.77"):
        assert found(nurse, mrn=written) == ["O'Neil-Peña"]
    assert found(nurse, date_of_birth="1991-02-03") == ["De la Cruz"]
    assert found(nurse, date_of_birth="1991-02-03", query="ana") == []
    assert found(nurse, mrn="A-77", query="oneil", phone="0123", date_of_birth="1980-05-17") == [
        "O'Neil-Peña"
    ]


def test_a_renamed_patient_is_found_by_the_new_name(nurse: APIClient) -> None:
    patient = Patient.objects.get(mrn="A-77")
    nurse.patch(f"/api/v1/patients/{patient.pk}/", {"last_name": "Żuk"}, headers={"If-Match": '"1"'})
    assert found(nurse, query="zuk") == ["Żuk"]
    assert found(nurse, query="oneil") == []


def test_results_are_bounded_and_in_order(nurse: APIClient) -> None:
    assert found(nurse, date_of_birth="1980-05-17", limit=2) == ["Åkesson", "O'Neil-Peña"]
    for limit in (0, 51, "many"):
        assert nurse.post(URL, {"query": "ana", "limit": limit}).status_code == 400


def test_other_sites_are_not_searched(nurse: APIClient, client_as: Callable[..., APIClient]) -> None:
    stranger = client_as("nurse", SiteFactory.create())
    for criteria in ({"query": "oneil"}, {"phone": "0123"}, {"mrn": "A-77"}, {"date_of_birth": "1980-05-17"}):
        assert found(stranger, **criteria) == []


def test_the_shape_is_that_of_the_list(nurse: APIClient) -> None:
    listed = {row["id"]: row for row in nurse.get("/api/v1/patients/").json()["results"]}
    (one,) = nurse.post(URL, {"mrn": "A-77"}).json()["results"]
    assert one == listed[one["id"]]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({}, 400, "/"),
        ({"limit": 5}, 400, "/"),
        ({"query": ""}, 400, "/query"),
        ({"query": "x" * 161}, 400, "/query"),
        ({"query": "a b c d e f g h i"}, 422, "/query"),
        ({"query": "...'"}, 422, "/query"),
        ({"query": "a\x00"}, 400, "/query"),
        ({"query": ["ana"]}, 400, "/query"),
        ({"phone": "123"}, 422, "/phone"),
        ({"phone": "x" * 41}, 400, "/phone"),
        ({"date_of_birth": "05/17/1980"}, 400, "/date_of_birth"),
        ({"mrn": "x" * 33}, 400, "/mrn"),
    ],
)
def test_what_cannot_be_searched_for_is_named(
    nurse: APIClient, body: dict[str, Any], status: int, pointer: str
) -> None:
    refused = nurse.post(URL, body)
    assert refused.status_code == status, refused.json()
    assert {error["pointer"] for error in refused.json()["errors"]} == {pointer}


def test_nothing_is_searched_for_in_an_address(nurse: APIClient) -> None:
    assert nurse.post(f"{URL}?query=ana", {"query": "ana"}).status_code == 400
    assert nurse.get(URL).status_code == 405
