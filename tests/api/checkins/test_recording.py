"""Recording answers over HTTP, and what the list can be narrowed by."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from patients.models import Message, Patient, WorkItem
from scheduling.models import CheckIn
from tests.api.checkins.conftest import denver, on
from tests.conftest import codes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_on_weekdays")]

URL = "/api/v1/check-ins/"


@pytest.fixture
def rows(prescriber: APIClient, sertraline: dict[str, Any]) -> list[dict[str, Any]]:
    response = prescriber.post("/api/v1/prescriptions/", sertraline)
    assert response.status_code == 201, response.json()
    found: list[dict[str, Any]] = response.json()["check_ins"]
    return found


def record(client: APIClient, row: dict[str, Any], body: dict[str, Any] | None = None, **headers: str) -> Any:
    return client.post(f"{URL}{row['id']}/record/", body or {}, headers=headers)


def test_an_answer_before_the_message_withdraws_it(
    nurse: APIClient, rows: list[dict[str, Any]], clock: Callable[[datetime], None]
) -> None:
    clock(denver(1, 11, 15))
    response = record(nurse, rows[0], {"note": "Sleeps better."})
    assert response.status_code == 200, response.json()
    answered = response.json()
    assert (answered["status"], answered["answered_on"]) == ("answered", on(1, 11))
    assert answered["note"] == "Sleeps better."
    assert response.headers["ETag"] == f'"{answered["version"]}"'
    sent = Message.objects.filter(subject_id=rows[0]["id"])
    assert set(sent.values_list("status", "reason")) == {("withdrawn", "answered")}


def test_an_answer_after_the_message_withdraws_the_reminder_only(
    nurse: APIClient, rows: list[dict[str, Any]], tick: Callable[[datetime], None]
) -> None:
    Message.objects.filter(subject_id=rows[0]["id"], kind="check_in").update(status="delivered")
    tick(denver(1, 12, 10))
    assert nurse.get(f"{URL}{rows[0]['id']}/").json()["status"] == "sent"
    record(nurse, rows[0])
    left = Message.objects.filter(subject_id=rows[0]["id"], channel="email").order_by("due_at")
    assert list(left.values_list("kind", "status")) == [
        ("check_in", "delivered"),
        ("check_in_reminder", "withdrawn"),
    ]


def test_it_counts_as_sent_from_the_asking_hour(
    nurse: APIClient, rows: list[dict[str, Any]], tick: Callable[[datetime], None]
) -> None:
    tick(denver(1, 12, 9, 59))
    assert CheckIn.objects.get(pk=rows[0]["id"]).status == "planned"
    tick(denver(1, 12, 10))
    assert CheckIn.objects.get(pk=rows[0]["id"]).status == "sent"
    messages = Message.objects.filter(subject_id=rows[0]["id"], channel="email")
    assert set(messages.values_list("status", flat=True)) == {"queued"}


def test_a_check_in_nobody_must_answer_is_missed_without_a_work_item(
    rows: list[dict[str, Any]], tick: Callable[[datetime], None], ana: Patient
) -> None:
    tick(denver(1, 15, 23, 59))
    assert CheckIn.objects.get(pk=rows[0]["id"]).status == "sent"
    tick(denver(1, 16, 0, 0))
    assert CheckIn.objects.get(pk=rows[0]["id"]).status == "missed"
    assert not WorkItem.objects.filter(patient=ana, kind__startswith="check_in").exists()


def test_an_answer_given_in_time_is_recorded_late_and_closes_the_item(
    nurse: APIClient, rows: list[dict[str, Any]], tick: Callable[[datetime], None], ana: Patient
) -> None:
    CheckIn.objects.filter(pk=rows[0]["id"]).update(mandatory=True)
    tick(denver(1, 16, 8))
    [item] = WorkItem.objects.filter(patient=ana, kind="check_in_missed")
    outside = record(nurse, rows[0])
    assert (outside.status_code, outside.json()["code"]) == (422, "outside_window")
    assert codes(outside) == {("/answered_on", "outside_window")}
    inside = record(nurse, rows[0], {"answered_on": on(1, 14)})
    assert (inside.status_code, inside.json()["status"]) == (200, "answered")
    item.refresh_from_db()
    assert item.status == "resolved"


@pytest.mark.parametrize(
    ("answered_on", "code"), [(on(1, 14), "answered_in_the_future"), (on(1, 10), "outside_window")]
)
def test_a_day_that_cannot_be_is_refused(
    nurse: APIClient,
    rows: list[dict[str, Any]],
    clock: Callable[[datetime], None],
    answered_on: str,
    code: str,
) -> None:
    clock(denver(1, 13))
    response = record(nurse, rows[0], {"answered_on": answered_on})
    assert (response.status_code, codes(response)) == (422, {("/answered_on", code)})
    assert CheckIn.objects.get(pk=rows[0]["id"]).status == "planned"


def test_once_recorded_it_stays(
    nurse: APIClient, rows: list[dict[str, Any]], clock: Callable[[datetime], None]
) -> None:
    clock(denver(1, 12))
    record(nurse, rows[0])
    again = record(nurse, rows[0])
    assert (again.status_code, again.json()["code"]) == (409, "invalid_transition")
    assert (again.json()["state"], again.json()["possible"]) == ("answered", [])


def test_what_a_change_replaced_is_not_recorded(
    prescriber: APIClient, nurse: APIClient, rows: list[dict[str, Any]]
) -> None:
    stop = f"/api/v1/prescriptions/{rows[0]['prescription']}/stop/"
    assert prescriber.post(stop, {"effective_on": on(1, 5)}).status_code == 200
    response = record(nurse, rows[0])
    assert (response.status_code, response.json()["state"]) == (409, "superseded")


def test_an_old_version_is_refused(
    nurse: APIClient, rows: list[dict[str, Any]], tick: Callable[[datetime], None]
) -> None:
    tick(denver(1, 12, 10))
    stale = record(nurse, rows[0], None, **{"If-Match": f'"{rows[0]["version"]}"'})
    assert stale.status_code == 412


def test_a_staff_contact_on_a_closed_day_moves_inside_its_window(
    prescriber: APIClient, ana: Patient, sertraline: dict[str, Any], tick: Callable[[datetime], None]
) -> None:
    """Due on Saturday the 16th, window the 15th to the 17th: the clinic calls on Friday."""
    Patient.objects.filter(pk=ana.pk).update(date_of_birth=date(2004, 1, 1))
    body = {**sertraline, "first_dose_on": on(1, 9)}
    safe = prescriber.post("/api/v1/prescriptions/", body).json()["check_ins"][0]
    assert (safe["code"], safe["due_on"], safe["contact_on"]) == ("SAFE7", on(1, 16), on(1, 15))
    tick(denver(1, 15, 0, 0))
    [item] = WorkItem.objects.filter(patient=ana)
    assert item.kind == "check_in_contact"


def test_nobody_calls_after_a_death(
    rows: list[dict[str, Any]], ana: Patient, tick: Callable[[datetime], None]
) -> None:
    Patient.objects.filter(pk=ana.pk).update(status="deceased")
    tick(denver(1, 12, 10))
    assert set(CheckIn.objects.values_list("status", flat=True)) == {"cancelled"}
    assert not Message.objects.filter(patient=ana, status="queued").exists()
    assert not WorkItem.objects.filter(patient=ana).exists()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("code=REV14", {"REV14"}),
        (f"due_before={on(1, 19)}", {"ONSET7"}),
        (f"due_after={on(3, 30)}", {"REV84", "REM180"}),
        ("mandatory=true", set()),
        ("status=superseded", set()),
        ("status=planned&code=MAX56", {"MAX56"}),
    ],
)
def test_the_list_is_narrowed(
    nurse: APIClient, rows: list[dict[str, Any]], query: str, expected: set[str]
) -> None:
    assert {row["code"] for row in nurse.get(f"{URL}?{query}").json()["results"]} == expected


def test_the_list_by_patient_and_prescription(
    nurse: APIClient, rows: list[dict[str, Any]], ana: Patient
) -> None:
    for query in (f"patient={ana.pk}", f"prescription={rows[0]['prescription']}", f"site={ana.site_id}"):
        assert len(nurse.get(f"{URL}?{query}").json()["results"]) == len(rows)
    assert nurse.get(f"{URL}?patient={ana.pk + 1}").json()["results"] == []


@pytest.mark.parametrize(
    "query", ["colour=red", "due_before=soon", "mandatory=maybe", "patient=x", "status=x"]
)
def test_an_unknown_filter_is_refused(nurse: APIClient, query: str) -> None:
    assert nurse.get(f"{URL}?{query}").status_code == 400
