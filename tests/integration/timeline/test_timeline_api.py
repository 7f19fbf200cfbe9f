"""GET /patients/{id}/timeline/: journeys A and C as one reply each, its bounds, and who may read it."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Assessment, FlagKind, Instrument, Patient, ScreeningFlag
from scheduling.models import Appointment, CheckIn, DoseEvent, FollowUp, Prescription
from scheduling.selectors import timeline as selector
from tests.conftest import codes
from tests.factories import PatientFactory, SiteFactory, UserFactory, visit_type
from tests.integration.assessments.answering import phq9
from tests.integration.timeline.responding import ana, anas_course, denver, fay

pytestmark = pytest.mark.django_db


@pytest.fixture
def nurse(site: Site, client_as: Callable[..., APIClient], clock: Callable[[datetime], None]) -> APIClient:
    clock(denver(6, 2))
    return client_as("nurse", site)


def get(client: APIClient, patient: Patient, query: str = "") -> dict[str, Any]:
    response = client.get(f"/api/v1/patients/{patient.pk}/timeline/{query}")
    assert response.status_code == 200, response.json()
    body: dict[str, Any] = response.json()
    return body


def test_journey_a(nurse: APIClient, site: Site) -> None:
    patient = ana(site)
    visits = anas_course(patient)
    phq9(patient, 9, at=denver(1, 22))
    found = get(nurse, patient, "?from=2027-01-01&to=2027-01-31")
    assert [(row["number"], row["planned_sessions"], row["status"]) for row in found["sessions"]] == [
        (number, 6, "completed") for number in range(1, 7)
    ]
    assert found["sessions"][0] == {
        "appointment": visits[0].pk,
        "start": "2027-01-04T09:00:00-07:00",
        "visit_type": "ketamine-mood",
        "status": "completed",
        "course": visits[0].course_id,
        "number": 1,
        "planned_sessions": 6,
        "prescription_note": "35 mg over 40 min (0.5 mg/kg)",
    }
    scores = [row for row in found["assessments"] if row["instrument"] == "PHQ-9"]
    assert [row["score"] for row in scores] == [21, 18, 15, 17, 13, 9, 9]
    assert scores[0]["change"] is None
    assert scores[-1]["change"] == {
        "from_baseline": -12,
        "percent": -57.1,
        "meaning": "response",
        "meets": ["response", "improved"],
        "baseline_score": 21,
        "baseline_rule": "before_treatment",
    }
    assert {row["instrument"] for row in found["alarms"]} <= {"PHQ-9", "ASQ"}
    assert found["alarms"]
    assert all(row["cleared_at"] for row in found["alarms"])
    # Doses from before the range are there: they say what is taken on its first day.
    assert [(row["dose_mg"], row["effective_on"], row["planned"]) for row in found["doses"]] == [
        (50.0, "2026-12-07", False),
        (100.0, "2026-12-21", True),
    ]
    assert found["follow_ups"][-1]["due_on"] == "2027-01-22"
    assert (found["from"], found["to"], found["truncated"]) == ("2027-01-01", "2027-01-31", [])


def test_journey_c_shows_both_sets_of_anchors(nurse: APIClient, site: Site) -> None:
    found = get(nurse, fay(site))
    assert [(row["kind"], row["ordered_on"], row["effective_on"]) for row in found["doses"]] == [
        ("start", "2027-03-01", "2027-03-01"),
        ("increase", "2027-03-01", "2027-03-08"),
        ("increase", "2027-04-05", "2027-04-06"),
    ]
    anchors = [(row["on"], row["dose_mg"], row["superseded"], row["in_force"]) for row in found["anchors"]]
    assert anchors == [
        ("2027-03-01", 37.5, 0, True),
        ("2027-03-08", 75.0, 4, True),  # REV42, MAX56, REV84, REM180 gave way
        ("2027-04-06", 112.5, 0, True),
    ]
    statuses = {(row["code"], row["due_on"]): row["status"] for row in found["check_ins"]}
    assert statuses["REV42", "2027-04-19"] == "superseded"
    assert statuses["REV42", "2027-05-18"] == "answered"
    meanings = {row["answered_at"][:10]: row["change"] for row in found["assessments"] if row["change"]}
    assert meanings["2027-05-18"]["meaning"] in {"response", "substantial"}
    [last] = [
        row
        for row in found["assessments"]
        if row["instrument"] == "PHQ-9" and row["answered_at"].startswith("2027-06-01")
    ]
    assert (last["score"], last["change"]["meaning"]) == (4, "remission")


def test_a_dose_that_was_overtaken_no_longer_stands(nurse: APIClient, site: Site) -> None:
    patient = fay(site)
    medicine = Prescription.objects.get(patient=patient)
    DoseEvent.objects.create(
        prescription=medicine, sequence=4, kind="stop", dose_mg=0, ordered_on=date(2027, 4, 6),
        effective_on=date(2027, 3, 5), recorded_at=denver(4, 6),
    )  # fmt: skip
    standing = {row["sequence"]: row["standing"] for row in get(nurse, patient)["doses"]}
    assert standing == {1: True, 2: False, 3: False, 4: True}


def test_narrowed_to_instruments(nurse: APIClient, site: Site) -> None:
    patient = ana(site)
    anas_course(patient)
    found = get(nurse, patient, "?instrument=ASQ,NRS")
    assert {row["instrument"] for row in found["assessments"]} == {"ASQ", "NRS"}
    assert {row["instrument"] for row in found["alarms"]} <= {"ASQ", "NRS"}
    assert len(found["sessions"]) == 6


def test_the_range_is_of_the_patients_days(nurse: APIClient, site: Site) -> None:
    patient = PatientFactory.create(site=site)
    phq9(patient, 10, at=datetime(2027, 1, 5, 6, 30, tzinfo=UTC))  # 23:30 on the 4th in Denver
    assert len(get(nurse, patient, "?from=2027-01-04&to=2027-01-04")["assessments"]) == 1
    assert get(nurse, patient, "?from=2027-01-05&to=2027-01-05")["assessments"] == []
    default = get(nurse, patient)
    assert (default["from"], default["to"]) == ("2025-06-02", "2028-06-01")


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("?from=2027-02-01&to=2027-01-31", "to", "end_before_start"),
        ("?from=2010-01-01&to=2027-01-31", "to", "range_too_long"),
        ("?from=yesterday", "from", "invalid"),
        ("?instrument=PHQ-10", "instrument", "unknown_choice"),
        ("?instrument=,", "instrument", "unknown_choice"),
    ],
)
def test_what_cannot_be_asked(nurse: APIClient, site: Site, query: str, pointer: str, code: str) -> None:
    patient = PatientFactory.create(site=site)
    response = nurse.get(f"/api/v1/patients/{patient.pk}/timeline/{query}")
    assert response.status_code == 400
    assert {(found.removeprefix("/"), said) for found, said in codes(response)} == {(pointer, code)}


def test_an_unknown_parameter_is_refused(nurse: APIClient, site: Site) -> None:
    patient = PatientFactory.create(site=site)
    assert nurse.get(f"/api/v1/patients/{patient.pk}/timeline/?since=2027-01-01").status_code == 400


@pytest.mark.usefixtures("clock")
def test_who_may_read_it(client_as: Callable[..., APIClient], site: Site) -> None:
    address = f"/api/v1/patients/{PatientFactory.create(site=site).pk}/timeline/"
    wanted = {"nurse": 200, "prescriber": 200, "front_desk": 403, "manager": 403, "auditor": 403}
    assert {role: client_as(role, site).get(address).status_code for role in wanted} == wanted
    elsewhere = SiteFactory.create()
    assert client_as("nurse", elsewhere).get(address).status_code == 404
    # A nurse elsewhere who works at the desk here reads no scores here.
    both = APIClient()
    both.force_authenticate(UserFactory.create(roles={elsewhere: ["nurse"], site: ["front_desk"]}))
    assert both.get(address).status_code == 403


def five_years(patient: Patient, *, each_days: int) -> None:
    """Visits, answers, check-ins, doses, flags and follow-ups, one of each every so many days."""
    first = datetime(2022, 6, 6, 16, tzinfo=UTC)
    moments = [first + timedelta(days=number) for number in range(0, 5 * 365, each_days)]
    instrument = Instrument.objects.get(code="PHQ-9", active=True)
    medicine = Prescription.objects.create(
        patient=patient, medication="sertraline", drug_class="ssri", dose_mg=50, first_dose_on=first.date(),
        created_at=first,
    )  # fmt: skip
    DoseEvent.objects.bulk_create(
        DoseEvent(
            prescription=medicine, sequence=number, kind="start" if number == 1 else "increase",
            dose_mg=number, ordered_on=moment.date(), effective_on=moment.date(), recorded_at=moment,
        )
        for number, moment in enumerate(moments, start=1)
    )  # fmt: skip
    Appointment.objects.bulk_create(
        Appointment(
            patient=patient, visit_type=visit_type("ketamine-mood"), site=patient.site, start_at=moment,
            end_at=moment + timedelta(hours=2), status="completed", created_at=moment, scheduled_at=moment,
        )
        for moment in moments
    )  # fmt: skip
    Assessment.objects.bulk_create(
        Assessment(
            patient=patient, instrument=instrument, code="PHQ-9", answers={}, answered_at=moment,
            complete=True, score=10, source="page", via="page", recorded_at=moment,
        )
        for moment in moments
    )  # fmt: skip
    CheckIn.objects.bulk_create(
        CheckIn(
            patient=patient, prescription=medicine, key=f"k{moment:%Y%m%d}", code="REV14", day=14,
            due_on=moment.date(), window_start_on=moment.date(), window_end_on=moment.date(),
            contact_on=moment.date(), status="missed", anchor_sequence=number, anchor_kind="increase",
            anchor_on=moment.date(), anchor_dose_mg=Decimal(50), explanation="day 14", created_at=moment,
        )
        for number, moment in enumerate(moments, start=1)
    )  # fmt: skip
    kind = FlagKind.objects.first()
    assert kind is not None
    ScreeningFlag.objects.bulk_create(
        ScreeningFlag(
            patient=patient, kind=kind, key=f"{moment:%Y%m%d}", severity="caution", value="x", source="x",
            origin="staff", raised_at=moment,
        )
        for moment in moments
    )  # fmt: skip
    FollowUp.objects.bulk_create(
        FollowUp(
            patient=patient, kind="call", due_on=moment.date(), due_at=moment, origin="staff",
            created_at=moment,
        )
        for moment in moments
    )  # fmt: skip


_MANY = ("doses", "sessions", "check_ins", "assessments", "flags", "follow_ups")


def test_five_years_cost_what_a_week_does(nurse: APIClient, site: Site) -> None:
    little, much = PatientFactory.create(site=site), PatientFactory.create(site=site)
    five_years(little, each_days=900)
    five_years(much, each_days=7)
    query = "?from=2022-01-01&to=2027-12-31"
    get(nurse, little)  # what one looks up about oneself is kept
    counts = {}
    for patient in (little, much):
        with CaptureQueriesContext(connection) as captured:
            found = get(nurse, patient, query)
        counts[patient.pk] = len(captured)
        assert {len(found[kind]) for kind in _MANY} == {3 if patient == little else 261}
    assert counts[little.pk] == counts[much.pk] == 8  # the patient, and seven kinds


def test_the_size_is_bounded_and_says_so(
    nurse: APIClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selector, "MOST_ROWS", 10)
    patient = PatientFactory.create(site=site)
    five_years(patient, each_days=60)
    found = get(nurse, patient, "?from=2022-01-01&to=2027-12-31")
    assert set(found["truncated"]) == set(_MANY)
    assert {len(found[kind]) for kind in _MANY} == {10}
    latest = max(row["due_on"] for row in found["follow_ups"])
    assert latest == FollowUp.objects.filter(patient=patient).latest("due_on").due_on.isoformat()
