"""The REMS record: begun with an esketamine session, filled in, asked for, sent."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from clinic.access.models import Site
from clinic.access.policy import SYSTEM, Actor
from clinic.common.errors import Conflict, DomainError, Forbidden, NotFound, StaleVersion
from patients.models import WorkItem
from scheduling.models import InfusionDayPolicy, InfusionSession, RemsRecord
from scheduling.selectors import rems as selector
from scheduling.services import rems, vitals
from tests.conftest import NOW
from tests.factories.treated import ordered, session_at

DOSED = NOW + timedelta(minutes=15)
LEFT = DOSED + timedelta(minutes=125)
pytestmark = pytest.mark.django_db
ANSWERS: dict[str, Any] = {
    "dose_mg": Decimal(56),
    "lot": "23B01",
    "dosed_at": DOSED,
    "benzodiazepine": False,
    "stimulant": False,
    "maoi": False,
    "opioid": True,
    "sedation_resolved_at": DOSED + timedelta(minutes=90),
    "dissociation_resolved_at": DOSED + timedelta(minutes=80),
}


@pytest.fixture
def session(site: Site) -> InfusionSession:
    made = session_at(site, code="esketamine")
    rems.begin(session=made, now=DOSED)
    return made


@pytest.fixture
def nurse(site: Site, actor_at: Callable[..., Actor]) -> Actor:
    return actor_at(site, "nurse")


def measure(session: InfusionSession, *minutes: int) -> None:
    for each in minutes:
        vitals.record(
            actor=SYSTEM,
            now=DOSED + timedelta(minutes=each),
            appointment_id=session.pk,
            values={"systolic": 120 + max(0, each) // 10, "diastolic": 80},
        )


def leave(session: InfusionSession, status: str = "completed") -> None:
    InfusionSession.objects.filter(pk=session.pk).update(
        infusion_ended_at=DOSED + timedelta(minutes=15), discharged_at=LEFT
    )
    session.appointment.status = status
    session.appointment.save(update_fields=["status"])
    session.refresh_from_db(fields=["infusion_ended_at", "discharged_at"])
    rems.ask_for_form(session=session, now=LEFT)


def fill_in(session: InfusionSession, actor: Actor, **answers: Any) -> selector.Rems:
    return rems.fill_in(actor=actor, now=LEFT, appointment_id=session.pk, answers=answers)


def faults_of(work: Callable[[], object]) -> tuple[str, list[tuple[str, str]]]:
    with pytest.raises(DomainError) as refusal:
        work()
    return refusal.value.code, [(each.pointer, each.code) for each in refusal.value.errors]


def test_begun_with_the_dose_ordered_and_due_within_the_sites_days(site: Site) -> None:
    session = session_at(site, code="esketamine")
    ordered(session, "84")
    rems.begin(session=session, now=DOSED)
    rems.begin(session=session, now=DOSED)
    record = RemsRecord.objects.get()
    assert (record.dose_mg, record.due_on) == (Decimal(84), date(2027, 1, 11))
    InfusionDayPolicy.objects.create(site=site, rems_form_days=3, source="t", mark="D")
    late = datetime(2027, 1, 6, 5, 0, tzinfo=UTC)  # 22:00 on the 5th in Denver
    other = session_at(site, code="esketamine", start=late)
    rems.begin(session=other, now=late)
    assert RemsRecord.objects.get(session=other).due_on == date(2027, 1, 8)


def test_a_ketamine_infusion_has_none(site: Site, nurse: Actor) -> None:
    session = session_at(site)
    rems.begin(session=session, now=DOSED)
    leave(session)
    assert not RemsRecord.objects.exists()
    assert not WorkItem.objects.exists()
    with pytest.raises(NotFound):
        fill_in(session, nurse, lot="A")


def test_from_the_dose_to_the_form_sent(session: InfusionSession, nurse: Actor) -> None:
    measure(session, -5, 41, 120)
    found = fill_in(session, nurse, **ANSWERS)
    assert (found.missing, found.observed_minutes) == ([], None)
    leave(session)
    leave(session)
    item = WorkItem.objects.get()
    assert (item.kind, item.severity, item.owner_role) == ("rems_form", "routine", "nurse")
    assert item.due_at == datetime(2027, 1, 11, 23, 59, tzinfo=session.appointment.site.zone)
    found = rems.submit(actor=nurse, now=LEFT, appointment_id=session.pk)
    assert (found.observed_minutes, found.record.submitted_by_id) == (125, nurse.user_id)
    item.refresh_from_db()
    assert item.status == "resolved"
    leave(session)
    assert WorkItem.objects.count() == 1, "not asked for again"
    again = partial(rems.submit, actor=nurse, now=LEFT, appointment_id=session.pk)
    assert faults_of(again) == ("already_submitted", [])
    assert faults_of(partial(fill_in, session, nurse, lot="B")) == ("already_submitted", [])


def test_undoing_the_completion_takes_the_question_back(session: InfusionSession) -> None:
    leave(session)
    leave(session, "in_progress")
    assert WorkItem.objects.get().status == "resolved"
    leave(session)
    assert list(WorkItem.objects.order_by("pk").values_list("status", flat=True)) == ["resolved", "open"]


def test_what_is_missing_is_named(session: InfusionSession, nurse: Actor) -> None:
    leave(session)
    measure(session, -5)
    answers = {**ANSWERS, "opioid": None, "lot": " "}
    fill_in(session, nurse, **answers)
    code, faults = faults_of(partial(rems.submit, actor=nurse, now=LEFT, appointment_id=session.pk))
    assert code == "rems_incomplete"
    assert [pointer for pointer, _ in faults] == [
        "/lot",
        "/opioid",
        "/blood_pressure/at_40_minutes",
        "/blood_pressure/before_leaving",
    ]
    assert RemsRecord.objects.get().submitted_at is None


def test_a_reason_stands_in_for_a_reading_that_was_not_taken(session: InfusionSession, nurse: Actor) -> None:
    leave(session)
    measure(session, -5)
    fill_in(session, nurse, **ANSWERS, readings_not_taken="The patient refused the cuff.")
    sent = rems.submit(actor=nurse, now=LEFT, appointment_id=session.pk)
    assert (sent.missing, sent.record.submitted_at) == ([], LEFT)
    assert sent.pressures["at_40_minutes"] is None
    assert "The patient refused the cuff." in selector.as_csv(sent)


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ({"dosed_at": LEFT + timedelta(seconds=1)}, ("/dosed_at", "in_the_future")),
        ({"dosed_at": DOSED - timedelta(minutes=61)}, ("/dosed_at", "too_long_ago")),
        (
            {"dosed_at": DOSED, "sedation_resolved_at": DOSED - timedelta(seconds=1)},
            ("/sedation_resolved_at", "before_the_dose"),
        ),
    ],
)
def test_moments_that_cannot_be(
    session: InfusionSession, nurse: Actor, answers: dict[str, Any], fault: tuple[str, str]
) -> None:
    assert faults_of(partial(fill_in, session, nurse, lot="A", **answers)) == ("invalid_rems", [fault])
    assert RemsRecord.objects.get().lot == "", "all or nothing"


def test_who_and_when(
    site: Site, session: InfusionSession, nurse: Actor, actor_at: Callable[..., Actor]
) -> None:
    for role in ("front_desk", "manager", "auditor"):
        with pytest.raises((Forbidden, NotFound)):
            fill_in(session, actor_at(site, role), lot="A")
    with pytest.raises(StaleVersion):
        rems.fill_in(
            actor=nurse, now=LEFT, appointment_id=session.pk, answers={"lot": "A"}, expected_version=99
        )
    with pytest.raises(Conflict) as here:
        rems.submit(actor=nurse, now=LEFT, appointment_id=session.pk)
    assert here.value.code == "wrong_stage"


def test_the_form_as_csv_and_pdf(session: InfusionSession, nurse: Actor) -> None:
    measure(session, -5, 41, 120)
    fill_in(session, nurse, **ANSWERS, serious_event="=cmd|' /C calc'!A0")
    leave(session)
    record = RemsRecord.objects.select_related("session__appointment__patient").get()
    found = selector.of(record)
    (row,) = csv.DictReader(io.StringIO(selector.as_csv(found), newline=""))
    patient = session.appointment.patient
    assert row["patient"] == f"{patient.first_name} {patient.last_name}"
    assert (row["dose_mg"], row["opioid"], row["maoi"]) == ("56.00", "yes", "no")
    assert row["dosed_at"] == "2027-01-04T08:15:00-07:00"
    assert (row["at_40_minutes_systolic_mmhg"], row["observed_minutes"]) == ("124", "125")
    assert row["serious_event"].startswith("'=")
    assert selector.as_pdf(found).startswith(b"%PDF-")


def test_an_empty_form_is_drawn_too(session: InfusionSession) -> None:
    record = RemsRecord.objects.get()
    assert selector.as_pdf(selector.of(record)).startswith(b"%PDF-")
    assert selector.as_csv(selector.of(record)).count("\r\n") == 2
