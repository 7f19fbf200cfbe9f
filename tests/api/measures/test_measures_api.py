"""/measures/ as a front-end uses it: values, age, who may read, what is refused, and the CSV."""

import csv
import io
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from scheduling.domain.measures import CATALOGUE
from scheduling.models import MeasureDay
from tests.conftest import NOW, codes
from tests.factories import SiteFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

URL = "/api/v1/measures/"
TODAY = date(2027, 1, 4)
DAY = timedelta(days=1)


def counted(site: Site, day: date, numerator: int, denominator: int, **fields: Any) -> None:
    plain = {"measure": "no_show", "visit_type": "ketamine-mood", "computed_at": NOW - timedelta(minutes=12)}
    MeasureDay.objects.create(
        site=site, day=day, numerator=numerator, denominator=denominator, **(plain | fields)
    )


@pytest.fixture
def manager(site: Site, client_as: Callable[..., APIClient]) -> APIClient:
    return client_as("manager", site)


def measure(answer: Any, code: str = "no_show") -> Any:
    assert answer.status_code == 200, answer.content
    return {each["code"]: each for each in answer.json()["measures"]}[code]


def test_definitions_values_and_age(manager: APIClient, site: Site) -> None:
    counted(site, TODAY, 1, 4)
    counted(site, TODAY - DAY, 0, 16)
    counted(site, TODAY - DAY, 3, 10, visit_type="consultation")
    counted(site, TODAY - 2 * DAY, 5, 10)  # before the period
    counted(site, TODAY, 0, 600, measure="chair_utilisation", visit_type="")
    answer = manager.get(URL, {"site": str(site.pk), "start": "2027-01-03", "end": "2027-01-05"})
    body = answer.json()
    assert [each["code"] for each in body["measures"]] == list(CATALOGUE)
    assert all(each["definition"] and each["numerator_counts"] for each in body["measures"])
    assert body["computed_at"] == body["oldest_computed_at"] == "2027-01-04T14:48:00Z"
    assert (body["sites"], body["start"], body["end"]) == ([site.pk], "2027-01-03", "2027-01-05")
    found = measure(answer)
    assert found["total"] == {"numerator": 4, "denominator": 30, "value": 13.3}
    assert found["before"] == {"numerator": 5, "denominator": 10, "value": 50.0}
    assert found["by_visit_type"] == [
        {"visit_type": "consultation", "numerator": 3, "denominator": 10, "value": 30.0},
        {"visit_type": "ketamine-mood", "numerator": 1, "denominator": 20, "value": 5.0},
    ]
    assert [(step["start"], step["end"], step["value"]) for step in found["series"]] == [
        ("2027-01-03", "2027-01-04", 11.5),
        ("2027-01-04", "2027-01-05", 25.0),
    ]
    assert measure(answer, "response")["total"] == {"numerator": 0, "denominator": 0, "value": None}


def test_the_last_thirty_days_of_all_ones_sites(site: Site, client_as: Callable[..., APIClient]) -> None:
    second, elsewhere = SiteFactory.create(), SiteFactory.create()
    for each in (site, second, elsewhere):
        counted(each, TODAY, 1, 2)
    answer = client_as("manager", site, second).get(URL)
    assert (answer.json()["start"], answer.json()["end"]) == ("2026-12-06", "2027-01-05")
    assert answer.json()["sites"] == [site.pk, second.pk]
    assert measure(answer)["total"] == {"numerator": 2, "denominator": 4, "value": 50.0}


@pytest.mark.parametrize(("group", "points"), [("day", 61), ("week", 10), ("month", 3)])
def test_along_days_weeks_and_months(manager: APIClient, site: Site, group: str, points: int) -> None:
    counted(site, TODAY, 1, 2)
    answer = manager.get(URL, {"start": "2026-11-15", "end": "2027-01-15", "group": group})
    series = measure(answer)["series"]
    assert len(series) == points
    assert sum(step["numerator"] for step in series) == 1
    assert {step["value"] for step in series} == {None, 50.0}


def test_another_site_is_not_there(manager: APIClient) -> None:
    elsewhere = SiteFactory.create()
    counted(elsewhere, TODAY, 1, 2)
    answer = manager.get(URL, {"site": elsewhere.pk})
    assert answer.status_code == 400
    assert codes(answer) == {("/site", "does_not_exist")}
    assert measure(manager.get(URL))["total"]["denominator"] == 0


@pytest.mark.parametrize("role", ["front_desk", "nurse", "prescriber", "auditor"])
def test_only_managers(role: str, site: Site, client_as: Callable[..., APIClient]) -> None:
    client = client_as(role, site)
    assert client.get(URL).status_code == 403
    assert client.get(f"{URL}no_show/csv/").status_code == 403


def test_a_manager_of_one_site_who_is_a_nurse_at_another(site: Site) -> None:
    other = SiteFactory.create()
    for each in (site, other):
        counted(each, TODAY, 1, 2)
    client = APIClient()
    client.force_authenticate(UserFactory.create(roles={site: ["manager"], other: ["nurse"]}))
    assert client.get(URL, {"site": other.pk}).status_code == 403
    assert measure(client.get(URL))["total"]["denominator"] == 2


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"visits": "1"}, ("/visits", "unknown_parameter")),
        ({"group": "year"}, ("/group", "invalid_choice")),
        ({"start": "yesterday"}, ("/start", "invalid")),
        ({"start": "2027-01-05", "end": "2027-01-05"}, ("/end", "end_before_start")),
        ({"start": "2020-01-01", "end": "2027-01-05"}, ("/end", "range_too_long")),
        ({"site": "x"}, ("/site", "incorrect_type")),
    ],
)
@pytest.mark.parametrize("where", ["", "no_show/csv/"])
def test_what_is_refused(
    manager: APIClient, where: str, asked: dict[str, str], fault: tuple[str, str]
) -> None:
    answer = manager.get(URL + where, asked)
    assert answer.status_code == 400
    assert codes(answer) == {fault}


def test_csv_is_dates_and_numbers(manager: APIClient, site: Site) -> None:
    site.name = '=HYPERLINK("http://example.org")'
    site.save()
    counted(site, TODAY, 1, 3)
    counted(site, TODAY - 8 * DAY, 0, 5)
    asked = {"site": str(site.pk), "start": "2026-12-21", "end": "2027-01-05", "group": "week"}
    answer = manager.get(f"{URL}no_show/csv/", asked)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="no_show_2026-12-21_2027-01-05.csv"'
    table = list(csv.reader(io.StringIO(answer.content.decode())))
    assert table == [
        ["first_day", "last_day", "percent", "numerator", "denominator"],
        ["2026-12-21", "2026-12-27", "0.0", "0", "5"],
        ["2026-12-28", "2027-01-03", "", "0", "0"],
        ["2027-01-04", "2027-01-04", "33.3", "1", "3"],
    ]
    assert all(cell == "" or cell[0].isalnum() for row in table for cell in row)


def test_a_measure_that_is_not_there(manager: APIClient) -> None:
    answer = manager.get(f"{URL}profit/csv/")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
