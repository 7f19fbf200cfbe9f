"""The admin's page of one patient's response: the chart's data, the tables that say the same, who sees it."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic.access.models import Site
from patients.models import Patient
from tests.factories import PatientFactory, SiteFactory
from tests.integration.admin.conftest import staff
from tests.integration.assessments.answering import phq9
from tests.integration.timeline.responding import ana, anas_course, denver, fay
from tests.integration.timeline.test_timeline_api import five_years

__all__ = ["staff"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def nurse(site: Site, staff: Callable[..., Client], clock: Callable[[datetime], None]) -> Client:
    clock(denver(6, 2))
    return staff("nurse", site)


def address(patient: Patient) -> str:
    return reverse("admin:scheduling_followup_response", args=[patient.pk])


def page(client: Client, patient: Patient, **query: Any) -> str:
    response = client.get(address(patient), query)
    assert response.status_code == 200
    return unescape(response.content.decode())


def chart_of(client: Client, patient: Patient, **query: Any) -> dict[str, Any]:
    """Each line of the chart by its name."""
    response = client.get(address(patient), query)
    found = re.search(r'data-value="([^"]+)"', response.content.decode())
    assert found is not None
    data: dict[str, Any] = json.loads(unescape(found[1]))
    return {**data, "lines": {each["label"]: each for each in data["datasets"]}}


def points(line: dict[str, Any]) -> list[tuple[str, float]]:
    return [(point["x"], point["y"]) for point in line["data"]]


def test_scores_sessions_and_doses_share_one_axis_of_days(nurse: Client, site: Site) -> None:
    patient = ana(site)
    anas_course(patient)
    found = chart_of(nurse, patient)
    lines = found["lines"]
    assert list(lines) == ["PHQ-9", "NRS", "Infusion session", "sertraline, mg a day"]
    days = [f"Jan {day}, 2027" for day in (4, 6, 8, 11, 13, 15)]
    assert points(lines["PHQ-9"]) == list(zip(days, [21, 18, 15, 17, 13, 9], strict=True))
    assert [day for day, _height in points(lines["Infusion session"])] == days
    assert points(lines["sertraline, mg a day"]) == [
        ("Dec 7, 2026", 50.0), ("Dec 21, 2026", 100.0), (found["labels"][-1], 100.0),
    ]  # fmt: skip
    labels = found["labels"]
    assert labels.index("Jan 15, 2027") - labels.index("Jan 4, 2027") == 11  # a label for every day
    assert {line["xAxisID"] for line in lines.values()} == {"time"}


def test_lines_differ_by_more_than_colour(nurse: Client, site: Site) -> None:
    patient = ana(site)
    anas_course(patient)
    lines = chart_of(nurse, patient)["lines"].values()
    assert len({line["pointStyle"] for line in lines}) == len(lines)


def test_as_percent_of_the_own_baseline(nurse: Client, site: Site) -> None:
    patient = ana(site)
    anas_course(patient)
    lines = chart_of(nurse, patient, score="PHQ-9", unit="percent")["lines"]
    assert [value for _day, value in points(lines["PHQ-9"])] == [0, -14.3, -28.6, -19.0, -38.1, -57.1]
    assert "NRS" not in lines


def test_the_tables_have_every_number(nurse: Client, site: Site) -> None:
    patient = ana(site)
    anas_course(patient)
    phq9(patient, 9, at=denver(1, 22))
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page(nurse, patient)))
    assert "57.1 % below the baseline of 21: response" in text
    assert "-12 from 21 (-57.1 %)" in text
    assert "Session 6 of 6" in text
    assert "35 mg over 40 min (0.5 mg/kg)" in text
    assert "Increase: 100 mg a day" in text
    assert "sertraline 100 mg" in text
    assert "Fri, Jan 22, 2027" in text


def test_the_record_shows_every_anchor_and_what_gave_way(nurse: Client, site: Site) -> None:
    text = page(nurse, fay(site))
    assert "Days that check-ins count from" in text
    for day in ("Mon, Mar 1, 2027", "Mon, Mar 8, 2027", "Tue, Apr 6, 2027"):
        assert day in text
    assert "Day 42 after first dose of 75 mg on 8 March 2027" in text
    assert "remission" in text


def test_the_chart_is_for_the_eyes_and_described_beside(nurse: Client, site: Site) -> None:
    patient = ana(site)
    anas_course(patient)
    assert re.search(r'class="onset-canvas" aria-hidden="true"', page(nurse, patient))
    assert "<figcaption>" in page(nurse, patient)


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2027-02-01", "until": "2027-01-01"},
        {"since": "nonsense"},
        {"score": "PHQ-10"},
        {"unit": "miles"},
        {"since": "1900-01-01", "until": "2200-01-01"},
    ],
)
def test_what_cannot_be_shown_is_said_and_the_rest_is_shown(
    nurse: Client, site: Site, query: dict[str, str]
) -> None:
    patient = PatientFactory.create(site=site)
    phq9(patient, 12, at=denver(5, 3))
    response = nurse.get(address(patient), query)
    assert response.status_code == 200
    assert response.context["form"].errors
    assert "12, moderate" in response.content.decode()


def test_nobody_answered_yet(nurse: Client, site: Site) -> None:
    text = page(nurse, PatientFactory.create(site=site))
    assert "No score in this range of dates" in text
    assert "data-value" not in text


@pytest.mark.usefixtures("clock")
def test_who_sees_it_and_the_links_to_it(site: Site, staff: Callable[..., Client]) -> None:
    patient = PatientFactory.create(site=site)
    wanted = {"nurse": 200, "prescriber": 200, "front_desk": 403, "manager": 403, "auditor": 403}
    clients = {role: staff(role, site) for role in wanted}
    assert {role: client.get(address(patient)).status_code for role, client in clients.items()} == wanted
    assert staff("nurse", SiteFactory.create()).get(address(patient)).status_code == 404
    record = reverse("admin:patients_patient_record", args=[patient.pk])
    before = reverse("admin:patients_screeningflag_before", args=[patient.pk])
    for origin in (record, before):
        assert address(patient) in clients["nurse"].get(origin).content.decode()
    assert address(patient) not in clients["front_desk"].get(record).content.decode()


def test_five_years_cost_what_a_week_does(nurse: Client, site: Site) -> None:
    little, much = PatientFactory.create(site=site), PatientFactory.create(site=site)
    five_years(little, each_days=900)
    five_years(much, each_days=21)
    counts = []
    for patient in (little, much):
        with CaptureQueriesContext(connection) as captured:
            page(nurse, patient, since="2022-01-01", until="2027-12-31")
        counts.append(len(captured))
    assert counts[0] == counts[1]
