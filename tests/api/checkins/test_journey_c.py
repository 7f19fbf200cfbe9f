"""Journey C (DOMAIN section 6), date for date: Fay, 24, nerve injury and depression, venlafaxine."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Message, Patient, WorkItem
from scheduling.due import CheckIns
from tests.api.checkins.conftest import denver, on
from tests.factories import PatientFactory
from tests.unit.assessments.shipped import answers as answers_to

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_on_weekdays")]

OLD_EFFICACY = [("REV42", on(4, 19)), ("MAX56", on(5, 3)), ("REV84", on(5, 31)), ("REM180", on(9, 4))]
NEW_SET = [
    ("SAFE7", on(4, 13)),
    ("REV14", on(4, 20)),
    ("REV28", on(5, 4)),
    ("REV42", on(5, 18)),
    ("MAX56", on(6, 1)),
    ("REV84", on(6, 29)),
    ("REM180", on(10, 3)),
]


@pytest.fixture
def fay(site: Site) -> Patient:
    return PatientFactory.create(site=site, first_name="Fay", date_of_birth=date(2002, 6, 15))


def said(phq9: int, pain: int) -> dict[str, dict[str, int]]:
    """No to every question of the ASQ, and so much in the others."""
    return {
        "ASQ": dict.fromkeys("1234", 0),
        "PHQ-9": answers_to("PHQ-9", phq9, i9=0),
        "GAD-7": answers_to("GAD-7", 7),
        "NRS": {"1": pain},
    }


class Journey:
    """The desk of a clinic that follows one prescription."""

    def __init__(
        self, prescriber: APIClient, nurse: APIClient, tick: Callable[[datetime], None], patient: Patient
    ) -> None:
        self.prescriber, self.nurse, self.tick, self.patient = prescriber, nurse, tick, patient
        tick(denver(3, 1))
        for name, given in said(14, 7).items():
            body = {"patient": patient.pk, "instrument": name, "answers": given}
            assert nurse.post("/api/v1/assessments/", body).status_code == 201
        response = prescriber.post(
            "/api/v1/prescriptions/",
            {
                "patient": patient.pk,
                "medication": "venlafaxine",
                "drug_class": "snri",
                "dose_mg": 37.5,
                "first_dose_on": on(3, 1),
                "planned_steps": [{"dose_mg": 75, "effective_on": on(3, 8)}],
                "indication": "Nerve injury and depression",
            },
        )
        assert response.status_code == 201, response.json()
        self.created: dict[str, Any] = response.json()
        self.url = f"/api/v1/prescriptions/{self.created['id']}/"

    def rows(self, *statuses: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.nurse.get(f"{self.url}check-ins/").json()["results"]
        return [row for row in rows if not statuses or row["status"] in statuses]

    def listed(self, *statuses: str) -> list[tuple[str, str]]:
        return [(row["code"], row["due_on"]) for row in self.rows(*statuses)]

    def find(self, code: str, due_on: str) -> dict[str, Any]:
        [row] = [row for row in self.rows() if (row["code"], row["due_on"]) == (code, due_on)]
        return row

    def record(self, code: str, due_on: str, *, phq9: int = 13, pain: int = 6) -> dict[str, Any]:
        """What Fay says on the phone, to all that the contact asks."""
        row = self.find(code, due_on)
        asked = {
            *row["asks"],
            *(ask for each in self.rows() if each["merged_into"] == row["id"] for ask in each["asks"]),
        }
        answers = {name: given for name, given in said(phq9, pain).items() if name in asked}
        response = self.nurse.post(
            f"/api/v1/check-ins/{row['id']}/record/", {"note": "by phone", "answers": answers}
        )
        assert response.status_code == 200, response.json()
        found: dict[str, Any] = response.json()
        assert {each["instrument"] for each in found["assessments"]} == asked
        return found

    def items(self, **fields: str) -> list[WorkItem]:
        """But for the review of 5 April, which is its own test."""
        rows = WorkItem.objects.filter(patient=self.patient, **fields).order_by("id")
        return list(rows.exclude(kind="review_efficacy") if "kind" not in fields else rows)

    def queued(self) -> list[tuple[str, str, datetime]]:
        rows = Message.objects.filter(patient=self.patient, status="queued", channel="email")
        return [(self.code_of(row), row.kind, row.due_at) for row in rows.order_by("due_at")]

    def code_of(self, message: Message) -> str:
        assert message.subject_kind == "check_in"
        [row] = [row for row in self.rows() if row["id"] == message.subject_id]
        return f"{row['code']} {row['due_on']}"

    def until_increase(self) -> None:
        for month, day, code in ((3, 8, "SAFE7"), (3, 15, "SAFE7"), (3, 22, "REV14")):
            self.tick(denver(month, day))
            self.record(code, on(month, day))
        self.tick(denver(4, 5))
        self.record("REV28", on(4, 5), phq9=12, pain=5)
        response = self.prescriber.post(
            f"{self.url}change-dose/",
            {"dose_mg": 112.5, "ordered_on": on(4, 5), "effective_on": on(4, 6)},
        )
        assert response.status_code == 200, response.json()


@pytest.fixture
def journey(
    prescriber: APIClient, nurse: APIClient, tick: Callable[[datetime], None], fay: Patient
) -> Journey:
    return Journey(prescriber, nurse, tick, fay)


def test_prescribing_with_a_planned_step(journey: Journey) -> None:
    assert [(row["code"], row["due_on"]) for row in journey.created["check_ins"]] == [
        ("SAFE7", on(3, 8)),
        ("REV14", on(3, 15)),
        ("SAFE7", on(3, 15)),
        ("REV14", on(3, 22)),
        ("REV28", on(4, 5)),
        *OLD_EFFICACY,
    ]
    assert journey.created["planned_steps"] == [{"dose_mg": 75.0, "effective_on": on(3, 8)}]
    assert journey.created["dose_mg"] == 37.5
    step = journey.find("SAFE7", on(3, 15))
    assert step["explanation"] == "day 7 after first dose of 75 mg on 8 March 2027"
    assert (step["window_start_on"], step["window_end_on"], step["mandatory"]) == (on(3, 14), on(3, 16), True)
    assert journey.find("REV14", on(3, 15))["merged_into"] == step["id"]


def test_the_dose_in_force_follows_the_planned_step(journey: Journey) -> None:
    journey.tick(denver(3, 7, 23, 59))
    assert journey.nurse.get(journey.url).json()["dose_mg"] == 37.5
    journey.tick(denver(3, 8, 0, 0))
    assert journey.nurse.get(journey.url).json()["dose_mg"] == 75.0


def test_a_clinician_makes_contact_and_no_message_asks_to_call(journey: Journey) -> None:
    safe = journey.find("SAFE7", on(3, 8))
    journey.tick(denver(3, 7, 23, 59))
    assert journey.items() == []
    journey.tick(denver(3, 8, 0, 0))
    [item] = journey.items()
    assert (item.kind, item.owner_role, item.severity) == ("check_in_contact", "nurse", "routine")
    assert item.due_at == denver(3, 9, 0, 0)
    assert journey.find("SAFE7", on(3, 8))["status"] == "sent"
    assert not Message.objects.filter(subject_id=safe["id"]).exists()

    journey.tick(denver(3, 8))
    journey.record("SAFE7", on(3, 8))
    item.refresh_from_db()
    assert item.status == "resolved"
    answered = journey.find("SAFE7", on(3, 8))
    assert (answered["status"], answered["answered_on"], answered["note"]) == (
        "answered",
        on(3, 8),
        "by phone",
    )


def test_one_call_answers_the_step_s_safety_and_the_start_s_review(journey: Journey) -> None:
    journey.tick(denver(3, 15))
    assert journey.find("REV14", on(3, 15))["status"] == "sent"
    journey.record("SAFE7", on(3, 15))
    assert journey.find("REV14", on(3, 15))["status"] == "answered"


def test_messages_go_at_ten_by_the_patient_s_clock_on_either_side_of_the_change(journey: Journey) -> None:
    queued = journey.queued()
    assert queued[:3] == [
        ("REV14 2027-03-22", "check_in", datetime(2027, 3, 22, 16, 0, tzinfo=UTC)),
        ("REV14 2027-03-22", "check_in_reminder", datetime(2027, 3, 23, 16, 0, tzinfo=UTC)),
        ("REV28 2027-04-05", "check_in", datetime(2027, 4, 5, 16, 0, tzinfo=UTC)),
    ]


def test_the_increase_supersedes_what_is_unanswered_and_keeps_the_answers(journey: Journey) -> None:
    journey.until_increase()
    assert journey.listed("superseded") == OLD_EFFICACY
    assert journey.listed("planned") == NEW_SET
    assert sorted(journey.listed("answered")) == sorted(
        [
            ("SAFE7", on(3, 8)),
            ("SAFE7", on(3, 15)),
            ("REV14", on(3, 15)),
            ("REV14", on(3, 22)),
            ("REV28", on(4, 5)),
        ]
    )
    superseded = {row["id"] for row in journey.rows("superseded")}
    assert set(Message.objects.filter(subject_id__in=superseded).values_list("status", "reason")) == {
        ("withdrawn", "superseded")
    }
    assert [code for code, _kind, _at in journey.queued()][:2] == ["REV14 2027-04-20"] * 2
    assert journey.nurse.get(journey.url).json()["dose_mg"] == 75.0
    journey.tick(denver(4, 6, 0, 0))
    assert journey.nurse.get(journey.url).json()["dose_mg"] == 112.5


def test_the_missed_safety_contact_opens_an_urgent_item_on_the_fifteenth(journey: Journey) -> None:
    journey.until_increase()
    journey.tick(denver(4, 13))
    [call] = journey.items(status="open")
    assert call.kind == "check_in_contact"
    journey.tick(denver(4, 14, 23, 59))
    assert journey.find("SAFE7", on(4, 13))["status"] == "sent"
    assert journey.items(kind="check_in_missed") == []

    journey.tick(denver(4, 15, 0, 0))
    assert journey.find("SAFE7", on(4, 13))["status"] == "missed"
    [missed] = journey.items(status="open")
    assert (missed.kind, missed.severity, missed.owner_role) == ("check_in_missed", "urgent", "prescriber")
    assert missed.opened_at == denver(4, 15, 0, 0)
    journey.tick(denver(4, 15, 12, 0))
    assert len(journey.items(status="open")) == 1


def test_an_item_closed_without_an_answer_opens_again_the_day_after(journey: Journey) -> None:
    journey.tick(denver(3, 8))
    WorkItem.objects.filter(patient=journey.patient).update(status="resolved")
    journey.tick(denver(3, 8, 18))
    assert journey.items(status="open") == []
    journey.tick(denver(3, 9, 0, 0))
    [again] = journey.items(status="open")
    assert (again.kind, again.severity) == ("check_in_contact", "urgent")
    WorkItem.objects.filter(patient=journey.patient).update(status="resolved")
    journey.tick(denver(3, 9, 18))
    stopped = journey.prescriber.post(f"{journey.url}stop/", {"effective_on": on(3, 20)})
    assert stopped.status_code == 200
    assert journey.find("SAFE7", on(3, 8))["status"] == "sent"
    assert journey.items(status="open") == []


def phq9_of(recorded: dict[str, Any]) -> dict[str, Any]:
    found: list[dict[str, Any]] = [each for each in recorded["assessments"] if each["instrument"] == "PHQ-9"]
    assert len(found) == 1
    return found[0]


def test_fourteen_percent_better_calls_the_prescriber(journey: Journey) -> None:
    for month, day, code in ((3, 8, "SAFE7"), (3, 15, "SAFE7"), (3, 22, "REV14")):
        journey.tick(denver(month, day))
        journey.record(code, on(month, day))
    assert journey.items(kind="review_efficacy") == []
    journey.tick(denver(4, 5))
    change = phq9_of(journey.record("REV28", on(4, 5), phq9=12, pain=5))["change"]
    assert (change["from_baseline"], change["percent"]) == (-2, -14.3)
    assert change["baseline"]["rule"] == "before_treatment"
    [review] = journey.items(kind="review_efficacy")
    assert (review.owner_role, review.severity, review.status) == ("prescriber", "routine", "open")
    assert review.due_at == denver(4, 6)
    assert "PHQ" not in review.summary


def test_twenty_percent_better_calls_nobody(journey: Journey) -> None:
    journey.tick(denver(4, 5))
    row = journey.find("REV28", on(4, 5))
    answers = {"PHQ-9": answers_to("PHQ-9", 11, i9=0), "NRS": {"1": 5}, "GAD-7": answers_to("GAD-7", 7)}
    response = journey.nurse.post(f"/api/v1/check-ins/{row['id']}/record/", {"answers": answers})
    assert response.status_code == 200
    assert journey.items(kind="review_efficacy") == []


def test_response_in_may_and_remission_in_june(journey: Journey) -> None:
    journey.until_increase()
    journey.tick(denver(4, 15))
    for month, day, code in ((4, 20, "REV14"), (5, 4, "REV28")):
        journey.tick(denver(month, day))
        journey.record(code, on(month, day), phq9=9, pain=4)
    reviews = len(journey.items(kind="review_efficacy"))
    journey.tick(denver(5, 18))
    may = phq9_of(journey.record("REV42", on(5, 18), phq9=6, pain=3))
    journey.tick(denver(6, 1))
    june = phq9_of(journey.record("MAX56", on(6, 1), phq9=4, pain=3))
    assert (may["score"], may["change"]["percent"], may["change"]["meaning"]) == (6, -57.1, "response")
    assert (june["score"], june["change"]["meaning"]) == (4, "remission")
    assert len(journey.items(kind="review_efficacy")) == reviews == 1


def test_the_whole_year_moves_without_standing_still(journey: Journey) -> None:
    """What ``make clock`` does: from one due moment to the next, each time with progress."""
    journey.until_increase()
    moment, steps = denver(4, 5), 0
    while (due_at := CheckIns().next_due_at()) is not None:
        assert due_at > moment
        moment, steps = due_at, steps + 1
        journey.tick(moment)
        assert steps < 50
    assert journey.listed("planned", "sent") == []
    assert journey.listed("missed") == NEW_SET
    assert [item.kind for item in journey.items(status="open")] == ["check_in_missed"]


def test_the_record_shows_both_sets_of_anchors(journey: Journey) -> None:
    journey.until_increase()
    journey.tick(denver(4, 15))
    for month, day, code in ((4, 20, "REV14"), (5, 4, "REV28"), (5, 18, "REV42"), (6, 1, "MAX56")):
        journey.tick(denver(month, day))
        journey.record(code, on(month, day))
    assert {row["anchor_on"] for row in journey.rows()} == {on(3, 1), on(3, 8), on(4, 6)}
    assert journey.listed("superseded") == OLD_EFFICACY
    assert journey.listed("missed") == [("SAFE7", on(4, 13))]
    assert journey.listed("planned") == [("REV84", on(6, 29)), ("REM180", on(10, 3))]
    events = journey.nurse.get(journey.url).json()["dose_events"]
    assert [(event["kind"], event["dose_mg"], event["effective_on"]) for event in events] == [
        ("start", 37.5, on(3, 1)),
        ("increase", 75.0, on(3, 8)),
        ("increase", 112.5, on(4, 6)),
    ]
