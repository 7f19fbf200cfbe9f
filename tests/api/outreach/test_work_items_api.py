"""/work-items/: lists, and the three steps."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import WorkItem
from tests.conftest import NOW, codes
from tests.factories import PatientFactory, SiteFactory, UserFactory

pytestmark = pytest.mark.django_db
URL = "/api/v1/work-items/"
DUE = datetime(2027, 1, 5, 16, 0, tzinfo=UTC)


@pytest.fixture
def item(site: Site) -> Callable[..., WorkItem]:
    """An open item of the site."""

    def make(**changes: Any) -> WorkItem:
        fields: dict[str, Any] = {
            "kind": "unreachable",
            "key": f"k{WorkItem.objects.count()}",
            "site": site,
            "summary": "Call the patient.",
            "owner_role": "front_desk",
            "opened_at": DUE - timedelta(days=1),
            "due_at": DUE,
        }
        return WorkItem.objects.create(**fields | changes)

    return make


@pytest.fixture
def desk(client_as: Callable[..., APIClient], site: Site) -> APIClient:
    """Front desk of the site."""
    return client_as("front_desk", site)


def listed(client: APIClient, **query: Any) -> list[int]:
    """The ids on the first page."""
    reply = client.get(URL, query)
    assert reply.status_code == 200, reply.content
    return [row["id"] for row in reply.json()["results"]]


def test_one_item(desk: APIClient, item: Callable[..., WorkItem], site: Site) -> None:
    made = item(patient=PatientFactory.create(site=site))
    reply = desk.get(f"{URL}{made.pk}/")
    assert reply.headers["ETag"] == '"1"'
    assert reply.json() == {
        "id": made.pk,
        "kind": "unreachable",
        "severity": "routine",
        "site": site.pk,
        "patient": made.patient_id,
        "summary": "Call the patient.",
        "owner_role": "front_desk",
        "assigned_to": None,
        "status": "open",
        "opened_at": "2027-01-04T16:00:00Z",
        "due_at": "2027-01-05T16:00:00Z",
        "acknowledged_at": None,
        "acknowledged_by": None,
        "resolved_at": None,
        "resolved_by": None,
        "note": "",
        "version": 1,
    }


def test_the_first_due_first(desk: APIClient, item: Callable[..., WorkItem]) -> None:
    later, sooner = item(due_at=DUE + timedelta(hours=1)), item()
    assert listed(desk) == [sooner.pk, later.pk]


@pytest.mark.parametrize(
    ("query", "other"),
    [
        ({"status": "open"}, {"status": "resolved"}),
        ({"severity": "routine"}, {"severity": "urgent"}),
        ({"kind": "unreachable"}, {"kind": "bad_contact"}),
        ({"owner_role": "front_desk"}, {"owner_role": "nurse"}),
    ],
)
def test_filters(
    desk: APIClient, item: Callable[..., WorkItem], query: dict[str, str], other: dict[str, str]
) -> None:
    wanted = item()
    item(**other)
    assert listed(desk, **query) == [wanted.pk]


def test_filters_by_site_patient_and_person(
    client_as: Callable[..., APIClient], item: Callable[..., WorkItem], site: Site
) -> None:
    elsewhere = SiteFactory.create()
    desk = client_as("front_desk", site, elsewhere)
    nurse = UserFactory.create(roles={site: ["nurse"]})
    patient = PatientFactory.create(site=site)
    plain, theirs = item(), item(site=elsewhere)
    given, about = item(assigned_to=nurse), item(patient=patient)
    assert set(listed(desk, site=site.pk)) == {plain.pk, given.pk, about.pk}
    assert listed(desk, site=elsewhere.pk) == [theirs.pk]
    assert listed(desk, assigned_to=nurse.pk) == [given.pk]
    assert listed(desk, patient=patient.pk) == [about.pk]


def test_seen_given_and_done(
    desk: APIClient, item: Callable[..., WorkItem], site: Site, clock: Callable[[datetime], None]
) -> None:
    made = item()
    nurse = UserFactory.create(roles={site: ["nurse"]})
    reply = desk.post(f"{URL}{made.pk}/acknowledge/")
    assert (reply.status_code, reply.json()["status"], reply.headers["ETag"]) == (200, "acknowledged", '"2"')
    assert reply.json()["acknowledged_at"] == NOW.isoformat().replace("+00:00", "Z")
    reply = desk.post(f"{URL}{made.pk}/assign/", {"assigned_to": nurse.pk}, headers={"If-Match": '"2"'})
    assert (reply.status_code, reply.json()["assigned_to"]) == (200, nurse.pk)
    reply = desk.post(f"{URL}{made.pk}/resolve/", {"note": "Called."})
    assert (reply.status_code, reply.json()["status"], reply.json()["note"]) == (200, "resolved", "Called.")
    reply = desk.post(f"{URL}{made.pk}/resolve/", {"note": "Again."})
    assert reply.status_code == 409
    assert {name: reply.json()[name] for name in ("code", "state", "possible")} == {
        "code": "invalid_transition",
        "state": "resolved",
        "possible": [],
    }


@pytest.mark.parametrize(
    ("verb", "body", "fault"),
    [
        ("resolve", {}, ("/note", "required")),
        ("resolve", {"note": "  "}, ("/note", "blank")),
        ("resolve", {"note": "x" * 2001}, ("/note", "max_length")),
        ("assign", {}, ("/assigned_to", "required")),
        ("assign", {"assigned_to": "ana"}, ("/assigned_to", "invalid")),
        ("assign", {"assigned_to": 0}, ("/assigned_to", "min_value")),
        ("assign", {"assigned_to": 2**63}, ("/assigned_to", "max_value")),
    ],
)
def test_bad_bodies_are_named(
    desk: APIClient, item: Callable[..., WorkItem], verb: str, body: dict[str, Any], fault: tuple[str, str]
) -> None:
    made = item()
    reply = desk.post(f"{URL}{made.pk}/{verb}/", body)
    assert reply.status_code == 400
    assert codes(reply) == {fault}
    made.refresh_from_db()
    assert made.version == 1


def test_somebody_who_does_not_work_here(desk: APIClient, item: Callable[..., WorkItem]) -> None:
    reply = desk.post(f"{URL}{item().pk}/assign/", {"assigned_to": 999_999})
    assert reply.status_code == 422
    assert codes(reply) == {("/assigned_to", "not_staff_here")}


def test_if_match_is_honoured(desk: APIClient, item: Callable[..., WorkItem]) -> None:
    made = item()
    reply = desk.post(f"{URL}{made.pk}/acknowledge/", headers={"If-Match": '"9"'})
    assert (reply.status_code, reply.json()["code"]) == (412, "stale_version")


def test_other_sites(client_as: Callable[..., APIClient], item: Callable[..., WorkItem]) -> None:
    made = item()
    stranger = client_as("manager", SiteFactory.create())
    assert listed(stranger) == []
    assert stranger.get(f"{URL}{made.pk}/").status_code == 404
    for verb, body in (("acknowledge", {}), ("assign", {"assigned_to": 1}), ("resolve", {"note": "x"})):
        assert stranger.post(f"{URL}{made.pk}/{verb}/", body).status_code == 404


def test_an_auditor_neither_reads_nor_acts(
    client_as: Callable[..., APIClient], item: Callable[..., WorkItem], site: Site
) -> None:
    auditor = client_as("auditor", site)
    assert auditor.get(URL).status_code == 403
    assert auditor.post(f"{URL}{item().pk}/acknowledge/").status_code == 403


def test_the_number_of_queries_is_constant(
    desk: APIClient, item: Callable[..., WorkItem], site: Site, django_assert_num_queries: Any
) -> None:
    for _number in range(30):
        item(patient=PatientFactory.create(site=site))
    listed(desk)
    with django_assert_num_queries(1):
        assert len(listed(desk)) == 30
