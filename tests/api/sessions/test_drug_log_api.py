"""The Schedule III log over REST: a session's, a site's day, its table, and each role."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from scheduling.models import InfusionSession
from tests.conftest import NOW, codes
from tests.factories import SiteFactory
from tests.factories.treated import ordered, session_at


@pytest.fixture(autouse=True)
def _half_an_hour_in(clock: Callable[..., None]) -> None:
    clock(NOW + timedelta(minutes=45))


@pytest.fixture
def session(site: Site) -> InfusionSession:
    return session_at(site)


def below(session: InfusionSession, rest: str = "") -> str:
    return f"/api/v1/infusion-sessions/{session.pk}/drug-log/{rest}"


def log(client: APIClient, session: InfusionSession, kind: str, mg: object, **more: Any) -> Any:
    return client.post(below(session), {"kind": kind, "mg": mg, **more}, format="json")


def test_from_drawn_to_balanced(
    site: Site, session: InfusionSession, client_as: Callable[..., APIClient]
) -> None:
    nurse, other = client_as("nurse", site), client_as("prescriber", site)
    ordered(session, "35")
    drawn = log(nurse, session, "drawn", "50", lot="A1")
    assert drawn.status_code == 201, drawn.content
    assert (drawn.json()["mg"], drawn.json()["drug"], drawn["ETag"]) == ("50.00", "ketamine", '"2"')
    log(nurse, session, "given", "35.00")
    wasted = log(nurse, session, "wasted", "15").json()
    assert wasted["wants_witness"]
    path = below(session, f"{wasted['id']}/witness/")
    own = nurse.post(path, {}, format="json")
    assert (own.status_code, own.json()["code"]) == (403, "own_entry")
    seen = other.post(path, {}, format="json")
    assert (seen.status_code, seen.json()["wants_witness"]) == (200, False)
    shown = nurse.get(below(session)).json()
    assert shown["balances"] == [
        {
            "drug": "ketamine",
            "drawn_mg": "50.00",
            "given_mg": "35.00",
            "wasted_mg": "15.00",
            "left_mg": "0.00",
            "unwitnessed": 0,
            "settled": True,
        }
    ]
    assert (shown["ordered_mg"], shown["beyond_mg"], shown["settled"]) == ("35.00", "0.00", True)


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"kind": "drawn", "mg": "0"}, 400, {("/mg", "min_value")}),
        ({"kind": "drawn", "mg": "1.005"}, 400, {("/mg", "max_decimal_places")}),
        ({"kind": "lost", "mg": "1"}, 400, {("/kind", "invalid_choice")}),
        ({"kind": "given", "mg": "1"}, 422, {("/mg", "more_than_drawn")}),
        ({"kind": "drawn", "mg": "1", "at": "2027-01-04T15:45:01Z"}, 422, {("/at", "in_the_future")}),
    ],
)
def test_refusals(
    site: Site,
    session: InfusionSession,
    client_as: Callable[..., APIClient],
    body: dict[str, Any],
    status: int,
    expected: set[tuple[str, str]],
) -> None:
    answer = client_as("nurse", site).post(below(session), body, format="json")
    assert (answer.status_code, codes(answer)) == (status, expected)


def test_the_day_of_a_site_and_its_table(
    site: Site, session: InfusionSession, client_as: Callable[..., APIClient]
) -> None:
    nurse = client_as("nurse", site)
    wrong = log(nurse, session, "drawn", "500", lot="=A1", note="+1").json()
    nurse.post(below(session, f"{wrong['id']}/strike/"), {"reason": "50"}, format="json")
    log(nurse, session, "drawn", "50", lot="A1")
    query = {"site": str(site.pk), "date": "2027-01-04"}
    auditor = client_as("auditor", site)
    shown = auditor.get("/api/v1/drug-log/", query).json()
    assert [(line["running_mg"], line["entry"]["mg"]) for line in shown["lines"]] == [
        ("0.00", "500.00"),
        ("50.00", "50.00"),
    ]
    assert shown["lots"] == [{"drug": "ketamine", "lot": "A1", "drawn_mg": "50.00"}]
    assert shown["lines"][0]["mrn"] == session.appointment.patient.mrn
    table = auditor.get("/api/v1/drug-log/csv/", query)
    assert table["Content-Type"] == "text/csv; charset=utf-8"
    assert table["Content-Disposition"] == f'attachment; filename="drug-log-{site.pk}-2027-01-04.csv"'
    assert table["Cache-Control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(table.content.decode(), newline="")))
    assert [row["running_mg"] for row in rows] == ["0", "50.00"]
    assert (rows[0]["lot"], rows[0]["note"], rows[0]["struck_reason"]) == ("'=A1", "'+1", "50")
    assert rows[0]["recorded_by"] == nurse.user.username  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/api/v1/drug-log/", "/api/v1/drug-log/csv/"])
def test_the_day_asks_for_site_and_date(site: Site, client_as: Callable[..., APIClient], path: str) -> None:
    nurse = client_as("nurse", site)
    elsewhere = SiteFactory.create()
    assert codes(nurse.get(path)) == {("/site", "required"), ("/date", "required")}
    hidden = nurse.get(path, {"site": str(elsewhere.pk), "date": "2027-01-04"})
    assert (hidden.status_code, codes(hidden)) == (400, {("/site", "does_not_exist")})
    unknown = nurse.get(path, {"site": str(site.pk), "date": "2027-01-04", "page": "2"})
    assert unknown.status_code == 400
    for role in ("manager", "auditor", "prescriber"):
        assert (
            client_as(role, site).get(path, {"site": str(site.pk), "date": "2027-01-04"}).status_code == 200
        )


def test_who_reads_and_writes(
    site: Site, session: InfusionSession, client_as: Callable[..., APIClient]
) -> None:
    desk, manager = client_as("front_desk", site), client_as("manager", site)
    query = {"site": str(site.pk), "date": "2027-01-04"}
    for path in ("/api/v1/drug-log/", "/api/v1/drug-log/csv/"):
        assert desk.get(path, query).status_code == 403
    assert desk.get(below(session)).status_code == 403
    assert manager.get(below(session)).status_code == 200
    for client in (desk, manager, client_as("auditor", site)):
        assert log(client, session, "drawn", "50").status_code == 403
    other = client_as("nurse", SiteFactory.create())
    assert other.get(below(session)).status_code == 404
    assert log(other, session, "drawn", "50").status_code == 404


def test_reading_costs_the_same_for_a_long_log(
    site: Site, session: InfusionSession, client_as: Callable[..., APIClient], django_assert_num_queries: Any
) -> None:
    nurse = client_as("nurse", site)
    for count in (1, 4):
        for _ in range(count):
            log(nurse, session, "drawn", "1")
        with django_assert_num_queries(4):
            nurse.get(below(session))
        with django_assert_num_queries(2):
            nurse.get("/api/v1/drug-log/", {"site": str(site.pk), "date": "2027-01-04"})
