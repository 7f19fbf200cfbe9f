"""GET /messages/: the ledger, by site, filtered, without addresses or words."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Attempt, Message, Patient
from tests.conftest import codes
from tests.factories import PatientFactory, SiteFactory

pytestmark = pytest.mark.django_db
URL = "/api/v1/messages/"
DUE = datetime(2027, 1, 5, 16, 0, tzinfo=UTC)


@pytest.fixture
def patient(site: Site) -> Patient:
    """Of the site."""
    return PatientFactory.create(site=site)


@pytest.fixture
def message(patient: Patient) -> Callable[..., Message]:
    """A sent message with one attempt."""

    def make(**changes: Any) -> Message:
        fields: dict[str, Any] = {
            "patient": patient,
            "subject_kind": "appointment",
            "subject_id": 7,
            "kind": "day_before",
            "channel": "email",
            "context": {"phone": "+13035550100"},
            "planned_at": DUE,
            "due_at": DUE,
            "not_after": DUE + timedelta(hours=12),
            "created_at": DUE - timedelta(days=3),
            "status": "sent",
            "finished_at": DUE,
        }
        made = Message.objects.create(**fields | changes)
        Attempt.objects.create(
            message=made,
            number=1,
            started_at=DUE,
            handed_over_at=DUE,
            ended_at=DUE,
            outcome="accepted",
            provider_id="x",
        )
        return made

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


def test_one_message_with_its_story(desk: APIClient, message: Callable[..., Message]) -> None:
    made = message()
    reply = desk.get(f"{URL}{made.pk}/")
    assert reply.status_code == 200
    assert reply.json() == {
        "id": made.pk,
        "patient": made.patient_id,
        "subject": {"kind": "appointment", "id": 7},
        "kind": "day_before",
        "channel": "email",
        "plan_version": 1,
        "planned_at": "2027-01-05T16:00:00Z",
        "due_at": "2027-01-05T16:00:00Z",
        "not_after": "2027-01-06T04:00:00Z",
        "status": "sent",
        "reason": "",
        "created_at": "2027-01-02T16:00:00Z",
        "finished_at": "2027-01-05T16:00:00Z",
        "attempts": [
            {
                "number": 1,
                "started_at": "2027-01-05T16:00:00Z",
                "handed_over_at": "2027-01-05T16:00:00Z",
                "ended_at": "2027-01-05T16:00:00Z",
                "outcome": "accepted",
                "error": "",
                "provider_id": "x",
            }
        ],
    }


def test_the_newest_first(desk: APIClient, message: Callable[..., Message]) -> None:
    made = [message(subject_id=number).pk for number in range(3)]
    assert listed(desk) == made[::-1]


@pytest.mark.parametrize(
    ("query", "other"),
    [
        ({"status": "sent"}, {"status": "failed"}),
        ({"kind": "day_before"}, {"kind": "confirmation"}),
        ({"channel": "email"}, {"channel": "sms"}),
        ({"due_after": "2027-01-05T09:00:00-07:00"}, {"due_at": DUE - timedelta(seconds=1)}),
        ({"due_before": "2027-01-05T16:00:01Z"}, {"due_at": DUE + timedelta(seconds=1)}),
        ({"subject_kind": "appointment", "subject_id": 7}, {"subject_id": 8}),
    ],
)
def test_filters(
    desk: APIClient, message: Callable[..., Message], query: dict[str, Any], other: dict[str, Any]
) -> None:
    wanted = message()
    message(**{"subject_id": 9} | other)
    assert listed(desk, **query) == [wanted.pk]


def test_by_patient(desk: APIClient, message: Callable[..., Message], site: Site) -> None:
    wanted = message()
    other = message(patient=PatientFactory.create(site=site), subject_id=8)
    assert listed(desk, patient=wanted.patient_id) == [wanted.pk]
    assert listed(desk, patient=other.patient_id) == [other.pk]
    assert listed(desk, patient=10**12) == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"due_after": "2027-01-05T09:00:00"}, "/due_after"),
        ({"status": "lost"}, "/status"),
        ({"channel": "fax"}, "/channel"),
        ({"patient": "ana"}, "/patient"),
        ({"to": "ana@example.org"}, "/to"),
    ],
)
def test_bad_filters_are_named(desk: APIClient, query: dict[str, str], pointer: str) -> None:
    reply = desk.get(URL, query)
    assert reply.status_code == 400
    assert pointer in {where for where, _code in codes(reply)}


def test_other_sites_messages_are_not_there(
    client_as: Callable[..., APIClient], message: Callable[..., Message]
) -> None:
    made = message()
    stranger = client_as("front_desk", SiteFactory.create())
    assert listed(stranger) == []
    assert stranger.get(f"{URL}{made.pk}/").status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nobody_changes_the_ledger(desk: APIClient, message: Callable[..., Message], method: str) -> None:
    made = message()
    assert getattr(desk, method)(f"{URL}{made.pk}/").status_code == 405


def test_an_auditor_does_not_read_it(client_as: Callable[..., APIClient], site: Site) -> None:
    assert client_as("auditor", site).get(URL).status_code == 403


def test_the_number_of_queries_is_constant(
    desk: APIClient, message: Callable[..., Message], django_assert_num_queries: Any
) -> None:
    for number in range(30):
        message(subject_id=number)
    listed(desk)
    with django_assert_num_queries(2):
        assert len(listed(desk)) == 30


def test_neither_addresses_nor_words_are_shown(desk: APIClient, message: Callable[..., Message]) -> None:
    made = message()
    shown = desk.get(URL).content.decode()
    assert made.patient.email not in shown
    assert made.patient.phone not in shown
    assert "context" not in shown
