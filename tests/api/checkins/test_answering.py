"""Answers to check-ins over HTTP: from an app, and told to staff."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Assessment, Patient, SafetyAlarm, WorkItem
from scheduling.models import CheckIn, CheckInDraft, EfficacyRule
from tests.api.checkins.conftest import denver, on
from tests.conftest import codes
from tests.unit.assessments.shipped import answers as answers_to

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_on_weekdays")]

NO = dict.fromkeys("1234", 0)
MILD = {"nausea": 1}


@pytest.fixture
def week(
    prescriber: APIClient, sertraline: dict[str, Any], clock: Callable[[datetime], None]
) -> dict[str, Any]:
    """ONSET7 of Tuesday the 12th, on its day; it asks NRS and SIDE-EFFECTS."""
    response = prescriber.post("/api/v1/prescriptions/", sertraline)
    clock(denver(1, 12))
    found: dict[str, Any] = response.json()["check_ins"][0]
    return found


def send(client: APIClient, row: dict[str, Any], verb: str, **body: Any) -> Any:
    return client.post(f"/api/v1/check-ins/{row['id']}/{verb}/", body)


@pytest.mark.parametrize(("verb", "source"), [("answer", "page"), ("record", "phone")])
def test_answers_are_scored_and_the_check_in_answered(
    nurse: APIClient, week: dict[str, Any], verb: str, source: str
) -> None:
    response = send(nurse, week, verb, answers={"NRS": {"1": 4}, "SIDE-EFFECTS": MILD})
    assert response.status_code == 200, response.json()
    body = response.json()
    assert (body["status"], body["answered_on"]) == ("answered", on(1, 12))
    pain, effects = body["assessments"]
    assert (pain["instrument"], pain["score"], pain["source"]) == ("NRS", 4, source)
    assert (pain["subject_kind"], pain["subject_id"]) == ("check_in", week["id"])
    assert (effects["complete"], effects["alerts"]) == (False, [])


@pytest.mark.parametrize(
    ("answers", "status", "pointer", "code"),
    [
        ({"GAD-7": {"1": 1}}, 422, "/answers/GAD-7", "not_asked"),
        ({"NRS": {"1": 11}}, 422, "/answers/NRS/1", "out_of_range"),
        ({"NRS": {"2": 1}}, 422, "/answers/NRS/2", "unknown_item"),
        ({"NRS": {"1": 1.5}}, 422, "/answers/NRS/1", "not_a_whole_number"),
        ({"NRS": {"1": None}}, 400, "/answers", "no_answers"),
        ({}, 400, "/answers", "no_answers"),
        ([1], 400, "/answers", "invalid"),
        ({"NRS": 4}, 400, "/answers", "invalid"),
    ],
)
def test_what_is_not_an_answer_is_refused_and_nothing_stored(
    nurse: APIClient, week: dict[str, Any], answers: Any, status: int, pointer: str, code: str
) -> None:
    response = send(nurse, week, "answer", answers=answers)
    assert (response.status_code, codes(response)) == (status, {(pointer, code)})
    assert not Assessment.objects.exists()
    assert CheckIn.objects.get(pk=week["id"]).status != "answered"


def test_one_bad_questionnaire_stores_none_of_them(nurse: APIClient, week: dict[str, Any]) -> None:
    response = send(nurse, week, "record", answers={"NRS": {"1": 4}, "SIDE-EFFECTS": {"nausea": 9}})
    assert codes(response) == {("/answers/SIDE-EFFECTS/nausea", "out_of_range")}
    assert not Assessment.objects.exists()


def test_answered_twice_is_answered_once(nurse: APIClient, week: dict[str, Any]) -> None:
    send(nurse, week, "answer", answers={"NRS": {"1": 4}})
    again = send(nurse, week, "answer", answers={"NRS": {"1": 4}})
    assert (again.status_code, again.json()["code"], again.json()["state"]) == (
        409,
        "invalid_transition",
        "answered",
    )
    assert Assessment.objects.count() == 1


def test_a_severe_side_effect_opens_a_review(nurse: APIClient, week: dict[str, Any], ana: Patient) -> None:
    body = send(nurse, week, "record", answers={"SIDE-EFFECTS": {"heart": 3}}).json()
    assert body["assessments"][0]["alerts"][0]["items"] == ["heart"]
    review = WorkItem.objects.get(patient=ana, kind="review_answers")
    assert (review.owner_role, review.severity) == ("prescriber", "routine")


def test_a_critical_answer_on_the_phone_opens_the_alarm(
    nurse: APIClient, week: dict[str, Any], ana: Patient
) -> None:
    CheckIn.objects.filter(pk=week["id"]).update(asks=["ASQ", "PHQ-9"])
    body = send(
        nurse, week, "record", answers={"ASQ": {**NO, "3": 1, "5": 1}, "PHQ-9": answers_to("PHQ-9", 9, i9=0)}
    ).json()
    [alert] = body["assessments"][0]["alerts"]
    assert (alert["severity"], alert["items"], alert["watched"]) == ("acute", ["3", "5"], True)
    assert SafetyAlarm.objects.get().patient == ana


def test_after_an_alarm_the_next_dose_brings_the_safety_contact(
    prescriber: APIClient, nurse: APIClient, week: dict[str, Any], ana: Patient
) -> None:
    """Ana is 46 and has no flag; ONSET7 would do."""
    CheckIn.objects.filter(pk=week["id"]).update(asks=["ASQ"])
    send(nurse, week, "record", answers={"ASQ": {**NO, "4": 1, "5": 0}})
    change = {"dose_mg": 100, "ordered_on": on(1, 12), "effective_on": on(1, 13)}
    changed = prescriber.post(f"/api/v1/prescriptions/{week['prescription']}/change-dose/", change)
    assert changed.status_code == 200, changed.json()
    assert CheckIn.objects.get(patient=ana, due_on=date(2027, 1, 20)).code == "SAFE7"


def test_a_mandatory_contact_that_did_not_ask_everything_is_the_prescriber_s_to_judge(
    nurse: APIClient, week: dict[str, Any], ana: Patient
) -> None:
    CheckIn.objects.filter(pk=week["id"]).update(mandatory=True, asks=["ASQ", "PHQ-9"])
    send(nurse, week, "record", answers={"PHQ-9": answers_to("PHQ-9", 9, i9=0)}, note="No time for more.")
    item = WorkItem.objects.get(patient=ana, kind="review_unasked")
    assert (item.owner_role, item.due_at) == ("prescriber", denver(1, 13))


def test_told_a_day_later_it_counts_for_the_day_it_was_said(nurse: APIClient, week: dict[str, Any]) -> None:
    body = send(nurse, week, "record", answers={"NRS": {"1": 4}}, answered_on=on(1, 11)).json()
    assert body["assessments"][0]["answered_at"].startswith("2027-01-11T19:00")


def test_what_was_begun_on_the_page_is_gone_once_it_is_recorded(
    nurse: APIClient, week: dict[str, Any]
) -> None:
    CheckInDraft.objects.create(
        check_in_id=week["id"],
        answers={"NRS": {"version": 1, "given": {"1": 5}}},
        started_at=denver(1, 12),
        saved_at=denver(1, 12),
    )
    send(nurse, week, "record", answers={"NRS": {"1": 4}})
    assert not CheckInDraft.objects.exists()


@pytest.mark.parametrize("role", ["front_desk", "manager", "auditor"])
def test_answers_are_for_clinical_roles(
    role: str, client_as: Callable[..., APIClient], site: Site, week: dict[str, Any]
) -> None:
    for verb in ("answer", "record"):
        assert send(client_as(role, site), week, verb, answers={"NRS": {"1": 4}}).status_code in {403, 404}
    assert not Assessment.objects.exists()


def test_the_threshold_is_the_clinic_s_data(
    nurse: APIClient, week: dict[str, Any], ana: Patient, clock: Callable[[datetime], None]
) -> None:
    """6 to 5 is 17 % better: too little at 20 %, enough at 15 %."""
    CheckIn.objects.filter(patient=ana, code__in=("REV28", "REV42")).update(asks=["NRS"])
    clock(denver(1, 4))
    nurse.post("/api/v1/assessments/", {"patient": ana.pk, "instrument": "NRS", "answers": {"1": 6}})
    for code, threshold, reviews in (("REV28", 20, 1), ("REV42", 15, 1)):
        EfficacyRule.objects.filter(instrument="NRS").update(better_by_percent=threshold)
        row = CheckIn.objects.get(patient=ana, code=code)
        clock(denver(row.due_on.month, row.due_on.day))
        assert send(nurse, {"id": row.pk}, "record", answers={"NRS": {"1": 5}}).status_code == 200
        assert WorkItem.objects.filter(patient=ana, kind="review_efficacy").count() == reviews
    assert EfficacyRule.objects.filter(active=True).count() == 8
    assert set(EfficacyRule.objects.values_list("check_in", flat=True)) == {
        "REV28",
        "REV42",
        "MAX56",
        "REV84",
    }
    assert date(2027, 2, 2) == CheckIn.objects.get(patient=ana, code="REV28").due_on
