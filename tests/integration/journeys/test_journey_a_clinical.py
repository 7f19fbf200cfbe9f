"""Journey A of DOMAIN section 6, answer by answer: Ana's scores, the alarm before session 4, and what she
has come to on 22 January."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from clinic.common import clock as clinic_clock
from patients.models import Patient, SafetyAlarm, WorkItem
from scheduling.models import WorkingHours
from tests.factories import PatientFactory, open_clinic
from tests.factories.sessions import pass_discharge, pass_start_gates
from tests.integration.journeys.tables import at
from tests.unit.assessments.shipped import answers as answers_to

pytestmark = pytest.mark.django_db

DAYS = ["2027-01-04", "2027-01-06", "2027-01-08", "2027-01-11", "2027-01-13", "2027-01-15"]
BEFORE = [(21, 0), (18, 0), (15, 0), (17, 2), (13, 0), (9, 0)]
"""PHQ-9 and its item 9, before each session."""
Moment = Callable[[datetime], None]


class Desk:
    """Ana's course, as a nurse and a prescriber work on it over HTTP."""

    def __init__(self, ana: Patient, nurse: APIClient, prescriber: APIClient, clock: Moment) -> None:
        self.ana, self.nurse, self.prescriber, self.clock = ana, nurse, prescriber, clock
        clock(at("2026-12-22T10:00"))
        starts = [{"start": at(f"{day}T09:00").isoformat()} for day in DAYS]
        course = {"patient": ana.pk, "site": ana.site_id, "template": "ketamine-mood-3-per-week"}
        booked = post(nurse, "courses/", {**course, "sessions": starts}, status=201)
        self.visits: list[int] = [each["appointment"] for each in booked["sessions"]]

    def answers(self, code: str, given: dict[str, int]) -> dict[str, Any]:
        body = {"patient": self.ana.pk, "instrument": code, "answers": given}
        found: dict[str, Any] = post(self.nurse, "assessments/", body, status=201)
        return found

    def phq9(self, total: int, item9: int) -> dict[str, Any]:
        return self.answers("PHQ-9", answers_to("PHQ-9", total, i9=item9))

    def arrives(self, number: int) -> dict[str, Any]:
        """She is there at ten to nine, and answers before the session."""
        self.clock(at(f"{DAYS[number]}T08:50"))
        post(self.nurse, f"appointments/{self.visits[number]}/check-in/")
        return self.phq9(*BEFORE[number])

    def is_ready(self, number: int) -> None:
        """What is asked before the start is done; the answers to the PHQ-9 are her own."""
        pass_start_gates(self.visits[number], now=clinic_clock.now())

    def infuses(self, number: int) -> None:
        self.is_ready(number)
        post(self.nurse, f"appointments/{self.visits[number]}/start/")
        self.clock(at(f"{DAYS[number]}T10:30"))
        pass_discharge(self.visits[number], now=at(f"{DAYS[number]}T10:30"))
        post(self.nurse, f"appointments/{self.visits[number]}/complete/")


def post(client: APIClient, path: str, body: dict[str, Any] | None = None, *, status: int = 200) -> Any:
    answer = client.post(f"/api/v1/{path}", body or {})
    assert answer.status_code == status, answer.json()
    return answer.json()


@pytest.fixture
def desk(site: Site, client_as: Callable[..., APIClient], clock: Moment) -> Desk:
    open_clinic(site)
    WorkingHours.objects.filter(site=site, weekday__gte=5).delete()
    ana = PatientFactory.create(site=site)
    return Desk(ana, client_as("nurse", site), client_as("prescriber", site), clock)


def until_session_4(desk: Desk) -> dict[str, Any]:
    """Three sessions, then the answers of 11 January."""
    for number in range(3):
        assert desk.arrives(number)["alerts"] == []
        desk.infuses(number)
    return desk.arrives(3)


def test_session_4_waits_until_a_prescriber_signs_off(desk: Desk) -> None:
    fourth = until_session_4(desk)
    assert (fourth["score"], fourth["band"]) == (17, "moderately_severe")
    [alert] = fourth["alerts"]
    assert (alert["kind"], alert["severity"], alert["items"]) == ("safety_alarm", "positive", ["9"])
    assert alert["watched"] is True
    item = WorkItem.objects.get(kind="safety_alarm")
    assert (item.severity, item.owner_role) == ("urgent", "nurse")
    assert item.due_at == at("2027-01-11T09:05")
    held = desk.nurse.post(f"/api/v1/appointments/{desk.visits[3]}/start/", {})
    assert (held.status_code, held.json()["code"]) == (409, "safety_hold")
    assert held.json()["alarms"] == [alert["safety_alarm"]]

    screen = desk.answers("ASQ", {"1": 1, "2": 0, "3": 0, "4": 0, "5": 0})
    assert screen["band"] == "positive"  # not acute
    plan = {"note": "Wish to be dead, no plan.", "plan": "Safety plan written, sister informed."}
    alarms = SafetyAlarm.objects.order_by("pk").values_list("pk", flat=True)
    assert len(alarms) == 2
    for alarm in alarms:
        desk.clock(at("2027-01-11T09:20"))
        post(desk.nurse, f"safety-alarms/{alarm}/acknowledge/")
        post(desk.prescriber, f"safety-alarms/{alarm}/resolve/", plan)
        still = desk.nurse.post(f"/api/v1/appointments/{desk.visits[3]}/start/", {})
        assert still.json()["code"] == "safety_hold"
    for alarm in alarms:
        post(desk.prescriber, f"safety-alarms/{alarm}/clear/")
    desk.infuses(3)
    assert list(SafetyAlarm.objects.values_list("plan", flat=True)) == [plan["plan"]] * 2


def test_nine_on_the_22nd_is_a_response_and_no_remission(desk: Desk) -> None:
    [alert] = until_session_4(desk)["alerts"]
    plan = {"note": "Spoken to.", "plan": "Plan.", "cleared_for_treatment": True}
    post(desk.prescriber, f"safety-alarms/{alert['safety_alarm']}/resolve/", plan)
    desk.infuses(3)
    for number in (4, 5):
        assert desk.arrives(number)["alerts"] == []
        desk.infuses(number)
    desk.clock(at("2027-01-22T10:00"))
    last = desk.phq9(9, 0)
    change = last["change"]
    assert (change["from_baseline"], change["percent"], change["meaning"]) == (-12, -57.1, "response")
    assert "remission" not in change["meets"]
    assert change["baseline"]["rule"] == "before_treatment"
    scores = desk.nurse.get(f"/api/v1/assessments/?patient={desk.ana.pk}&instrument=PHQ-9").json()["results"]
    assert [row["score"] for row in scores] == [9, *(score for score, _item in reversed(BEFORE))]
