"""Journey A of DOMAIN section 6 over REST alone: from Ana's registration to her answers of 22 January."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from tests.integration.journeys.rest import Clinic

pytestmark = pytest.mark.django_db

DAYS = ["2027-01-04", "2027-01-06", "2027-01-08", "2027-01-11", "2027-01-13", "2027-01-15"]
PHQ9 = [(21, 0), (18, 0), (15, 0), (17, 2), (13, 0), (9, 0)]
START_GATES = [
    "consent",
    "identity",
    "escort",
    "driving",
    "fasting",
    "weight",
    "vitals",
    "rescreen",
    "mood",
]


@pytest.fixture
def clinic(site: Site, client_as: Callable[..., APIClient], clock: Callable[[datetime], None]) -> Clinic:
    made = Clinic(site, client_as, clock)
    made.turn("2026-12-22T10:00")
    closed = {"site": site.pk, "start": "2027-01-18T00:00:00-07:00", "end": "2027-01-19T00:00:00-07:00"}
    made.post("manager", "closures/", {**closed, "reason": "Martin Luther King Day"}, status=201)
    return made


def register(clinic: Clinic) -> int:
    ana = clinic.post(
        "front_desk",
        "patients/",
        {
            "first_name": "Ana",
            "last_name": "Reyes",
            "date_of_birth": "1980-05-17",
            "sex": "female",
            "site": clinic.site.pk,
            "email": "ana@example.org",
            "phone": "+13035550147",
        },
        status=201,
    )
    patient: int = ana["id"]
    order = {
        "patient": patient,
        "medication": "Sertraline",
        "drug_class": "ssri",
        "dose_mg": "50",
        "first_dose_on": "2026-12-07",
        "indication": "depression",
    }
    clinic.post("prescriber", "prescriptions/", order, status=201)
    return patient


def book_course(clinic: Clinic, patient: int) -> list[int]:
    asked = {"patient": patient, "site": clinic.site.pk, "template": "ketamine-mood-3-per-week"}
    wishes = {"start_on": "2027-01-04", "preferences": {"preferred_hour": "09:00"}}
    plan = clinic.post("front_desk", "courses/plan/", {**asked, **wishes})["plans"][0]["sessions"]
    sessions = [{"start": each["start"]} for each in plan]
    course = clinic.post("front_desk", "courses/", {**asked, "sessions": sessions}, status=201)
    assert [each["start"][:16] for each in course["sessions"]] == [f"{day}T09:00" for day in DAYS]
    return [each["appointment"] for each in course["sessions"]]


def vitals_items(clinic: Clinic) -> list[tuple[str, str, str]]:
    found = clinic.get("prescriber", f"work-items/?site={clinic.site.pk}")["results"]
    return sorted(
        (row["kind"], row["severity"], row["status"]) for row in found if row["kind"].startswith("vital")
    )


def sign_off(clinic: Clinic, patient: int, answers: dict[str, Any]) -> None:
    """ASQ positive, not acute; the clinician writes the plan, and a prescriber clears the infusion."""
    [alert] = answers["alerts"]
    assert (alert["kind"], alert["severity"], alert["items"]) == ("safety_alarm", "positive", ["9"])
    asq = {"1": 1, "2": 0, "3": 0, "4": 0, "5": 0}
    screen = clinic.post(
        "nurse", "assessments/", {"patient": patient, "instrument": "ASQ", "answers": asq}, status=201
    )
    assert screen["band"] == "positive"
    plan = {
        "note": "Wish to be dead, no plan.",
        "plan": "Safety plan written.",
        "cleared_for_treatment": True,
    }
    for alarm in (alert["safety_alarm"], screen["alerts"][0]["safety_alarm"]):
        clinic.post("nurse", f"safety-alarms/{alarm}/acknowledge/")
        clinic.post("prescriber", f"safety-alarms/{alarm}/resolve/", plan)


def session(clinic: Clinic, patient: int, visit: int, number: int) -> None:
    day = DAYS[number]
    clinic.turn(f"{day}T08:40")
    clinic.step("front_desk", visit, "check-in")
    # Consent carries over from the first session; everything else is asked each time.
    assert clinic.open_gates(visit) == (START_GATES if number == 0 else START_GATES[1:])
    answers = clinic.phq9(patient, *PHQ9[number])
    clinic.ready(visit, weight_kg="70.0")
    if number == 3:
        held = clinic.step("nurse", visit, "start", status=409)
        assert held["code"] == "safety_hold"
        assert answers["alerts"][0]["safety_alarm"] in held["alarms"]
        sign_off(clinic, patient, answers)
    clinic.turn(f"{day}T09:00")
    assert clinic.step("nurse", visit, "start")["status"] == "in_progress"
    now = clinic.get("nurse", f"infusion-sessions/{visit}/")
    dose = now["dose"]
    assert (now["stage"], dose["mg"], dose["minutes"], dose["mg_per_h"]) == ("infusing", "35.00", 40, "52.50")
    for minute in (10, 20):
        clinic.turn(f"{day}T09:{minute}")
        assert clinic.measure(visit, "139/86")["level"] == ""
    clinic.turn(f"{day}T09:30")
    if number == 3:
        reading = clinic.measure(visit, "172/104")
        assert reading["level"] == "review"
        assert vitals_items(clinic) == [("vital_review", "routine", "open")]
        path = f"infusion-sessions/{visit}/vitals/{reading['id']}/acknowledge/"
        clinic.post("nurse", path, {"note": "seen"}, status=403)
        clinic.post("prescriber", path, {"note": "No symptoms. Go on, measure again."})
        assert vitals_items(clinic) == [("vital_review", "routine", "resolved")]
    else:
        clinic.measure(visit, "138/84")
    clinic.turn(f"{day}T09:40")
    clinic.measure(visit, "140/88")
    clinic.post("nurse", f"infusion-sessions/{visit}/end/")
    clinic.log_drug(visit, drawn="50", given="35", wasted="15")
    clinic.turn(f"{day}T10:00")
    assert clinic.measure(visit, "138/86")["level"] == ""
    assert [gate["gate"] for gate in clinic.step("nurse", visit, "complete", status=409)["open"]] == [
        "aldrete",
        "oriented",
        "gait",
        "escort_present",
        "driving_advice",
    ]
    clinic.turn(f"{day}T10:20")
    clinic.measure(visit, "132/82")
    clinic.go_home(visit)


def test_journey_a_over_rest(clinic: Clinic) -> None:
    patient = register(clinic)
    visits = book_course(clinic, patient)
    for number, visit in enumerate(visits):
        session(clinic, patient, visit, number)

    # A call the day after each session at noon, and none of them on the closed 18th.
    owed = clinic.get("front_desk", f"follow-ups/?patient={patient}&kind=call")["results"]
    assert sorted({row["due_on"] for row in owed}) == [
        "2027-01-05",
        "2027-01-07",
        "2027-01-11",
        "2027-01-12",
        "2027-01-14",
        "2027-01-19",
    ]
    assert {row["due_time"] for row in owed} == {"12:00"}

    log = clinic.get("nurse", f"drug-log/?site={clinic.site.pk}&date=2027-01-11")
    assert [(line["entry"]["kind"], line["entry"]["mg"]) for line in log["lines"]] == [
        ("drawn", "50.00"),
        ("given", "35.00"),
        ("wasted", "15.00"),
    ]
    assert log["unwitnessed"] == 0

    # The front desk sees that the visit is done, and nothing of what was measured or given.
    seen = clinic.get("front_desk", f"infusion-sessions/{visits[3]}/")
    assert seen["stage"] == "done"
    assert {"dose", "weight_kg", "readings"}.isdisjoint(seen)
    assert {gate["name"] for gate in seen["gates"] if gate["clinical"]} == {"Clinical check"}
    clinic.get("front_desk", f"infusion-sessions/{visits[3]}/vitals/", status=403)

    clinic.turn("2027-01-22T10:00")
    last = clinic.phq9(patient, 9, 0)
    assert (last["change"]["percent"], last["change"]["meaning"]) == (-57.1, "response")
    assert "remission" not in last["change"]["meets"]

    told = [step["verb"] for step in clinic.get("nurse", f"appointments/{visits[3]}/history/")["results"]]
    assert told == ["book", "check_in", "start", "end", "discharge", "complete"]
