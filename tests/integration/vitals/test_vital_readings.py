"""Readings of a session: what is refused, who is asked, who answers, what is struck."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, StaleVersion
from patients.models import WorkItem
from scheduling.models import InfusionDayPolicy, InfusionSession, VitalReading
from scheduling.selectors import vitals as selector
from scheduling.services import vitals
from tests.conftest import NOW
from tests.factories import SiteFactory
from tests.factories.racing import at_once
from tests.factories.treated import session_at

START = NOW + timedelta(minutes=15)
AT_30, AT_60 = START + timedelta(minutes=30), START + timedelta(minutes=60)
pytestmark = pytest.mark.django_db


@pytest.fixture
def session(site: Site) -> InfusionSession:
    return session_at(site)


@pytest.fixture
def nurse(site: Site, actor_at: Callable[..., Actor]) -> Actor:
    return actor_at(site, "nurse")


@pytest.fixture
def prescriber(site: Site, actor_at: Callable[..., Actor]) -> Actor:
    return actor_at(site, "prescriber")


def take(session: InfusionSession, actor: Actor, now: datetime = AT_30, **given: Any) -> VitalReading:
    measured: dict[str, Any] = {
        name: given.pop(name) for name in ("systolic", "diastolic", "spo2") if name in given
    }
    return vitals.record(actor=actor, now=now, appointment_id=session.pk, values=measured, **given)


def items(session: InfusionSession) -> list[tuple[str, str]]:
    rows = WorkItem.objects.filter(key__endswith=f"session:{session.pk}").order_by("pk")
    return list(rows.values_list("kind", "status"))


def refused(work: Callable[[], object]) -> DomainError:
    with pytest.raises(DomainError) as refusal:
        work()
    return refusal.value


def test_journey_a_is_reviewed_at_30_minutes_and_quiet_at_60(session: InfusionSession, nurse: Actor) -> None:
    before = session.version
    reading = take(session, nurse, systolic=172, diastolic=104, spo2=97)
    assert reading.level == "review"
    assert [each["measure"] for each in reading.findings] == ["diastolic", "systolic"]
    item = WorkItem.objects.get()
    assert (item.kind, item.severity, item.owner_role) == ("vital_review", "routine", "prescriber")
    assert item.due_at == AT_30 + timedelta(minutes=15)
    assert item.patient_id == session.appointment.patient_id
    assert "172" not in item.summary
    assert take(session, nurse, AT_60, systolic=138, diastolic=86).level == ""
    assert WorkItem.objects.count() == 1
    session.refresh_from_db()
    assert session.version == before + 2, "boards see it"


def test_the_time_to_answer_is_the_sites_own(site: Site, session: InfusionSession, nurse: Actor) -> None:
    InfusionDayPolicy.objects.create(site=site, review_minutes=25, urgent_minutes=2, source="t", mark="D")
    take(session, nurse, systolic=182, diastolic=90)
    item = WorkItem.objects.get()
    assert (item.kind, item.severity, item.due_at) == ("vital_urgent", "urgent", AT_30 + timedelta(minutes=2))


def test_before_the_start_other_thresholds_count(site: Site, nurse: Actor) -> None:
    waiting = session_at(site, status="arrived")
    assert take(waiting, nurse, NOW, systolic=144, diastolic=80).level == "acknowledge"
    assert items(waiting) == [], "a nurse acknowledges; nobody else is asked"
    running = session_at(site)
    assert take(running, nurse, AT_30, systolic=144, diastolic=80).level == ""
    entered_late = take(running, nurse, AT_30, systolic=144, diastolic=80, measured_at=START)
    assert entered_late.level == "acknowledge", "judged by when it was taken"


def test_one_item_per_level_however_many_readings(session: InfusionSession, nurse: Actor) -> None:
    for minutes in (0, 5, 10):
        take(session, nurse, AT_30 + timedelta(minutes=minutes), systolic=172, diastolic=104)
    take(session, nurse, AT_60, spo2=90)
    assert items(session) == [("vital_review", "open"), ("vital_urgent", "open")]


def test_a_prescriber_answers_and_the_item_closes_with_the_last(
    session: InfusionSession, nurse: Actor, prescriber: Actor
) -> None:
    first = take(session, nurse, systolic=172, diastolic=104)
    second = take(session, nurse, systolic=171, diastolic=103)
    answer = {"now": AT_60, "appointment_id": session.pk}
    with pytest.raises(Forbidden):
        vitals.acknowledge(actor=nurse, reading_id=first.pk, **answer)
    vitals.acknowledge(actor=prescriber, reading_id=first.pk, note="Calm.", **answer)
    assert items(session) == [("vital_review", "open")]
    done = vitals.acknowledge(actor=prescriber, reading_id=second.pk, **answer)
    assert (done.acknowledged_at, done.acknowledged_by_id) == (AT_60, prescriber.user_id)
    assert items(session) == [("vital_review", "resolved")]
    assert refused(lambda: vitals.acknowledge(actor=prescriber, reading_id=second.pk, **answer)).code == (
        "already_acknowledged"
    )
    take(session, nurse, AT_60, systolic=172, diastolic=104)
    assert items(session) == [("vital_review", "resolved"), ("vital_review", "open")]


def test_the_mildest_level_is_a_nurses_to_acknowledge(site: Site, nurse: Actor) -> None:
    waiting = session_at(site, status="arrived")
    reading = take(waiting, nurse, NOW, systolic=144, diastolic=80)
    assert selector.unanswered([waiting.appointment]) == {waiting.pk: "acknowledge"}
    vitals.acknowledge(actor=nurse, now=NOW, appointment_id=waiting.pk, reading_id=reading.pk)
    assert selector.unanswered([waiting.appointment]) == {}


def test_nothing_to_acknowledge(session: InfusionSession, prescriber: Actor) -> None:
    reading = take(session, prescriber, systolic=120, diastolic=80)
    refusal = refused(
        lambda: vitals.acknowledge(
            actor=prescriber, now=AT_60, appointment_id=session.pk, reading_id=reading.pk
        )
    )
    assert refusal.code == "nothing_to_acknowledge"


def test_a_struck_reading_counts_for_nothing_and_is_due_again(
    session: InfusionSession, nurse: Actor, prescriber: Actor
) -> None:
    at = START + timedelta(minutes=10)
    reading = take(session, nurse, at, systolic=182, diastolic=104)
    take(session, nurse, at, spo2=90)
    strike: dict[str, Any] = {"now": AT_30, "appointment_id": session.pk, "reading_id": reading.pk}
    assert refused(lambda: vitals.strike(actor=nurse, reason=" ", **strike)).code == "reason_required"
    due = selector.next_due([session.appointment], now=AT_30)[session.pk]
    assert due is not None
    assert due.due_at == START + timedelta(minutes=20)
    struck = vitals.strike(actor=nurse, reason="Other patient", **strike)
    assert (struck.struck_at, struck.struck_by_id, struck.struck_reason) == (
        AT_30,
        nurse.user_id,
        "Other patient",
    )
    assert items(session) == [("vital_urgent", "open")], "another urgent reading still waits"
    due = selector.next_due([session.appointment], now=AT_30)[session.pk]
    assert due is not None
    assert due.due_at == at
    assert refused(lambda: vitals.strike(actor=nurse, reason="Again", **strike)).code == "already_struck"
    acknowledge = {key: strike[key] for key in ("now", "appointment_id", "reading_id")}
    assert refused(lambda: vitals.acknowledge(actor=prescriber, **acknowledge)).code == "already_struck"
    other = VitalReading.objects.exclude(pk=reading.pk).get()
    vitals.strike(actor=nurse, reason="Probe fell off", **{**strike, "reading_id": other.pk})
    assert items(session) == [("vital_urgent", "resolved")]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"systolic": 1200, "diastolic": 80}, ("/systolic", "out_of_range")),
        ({"systolic": 120}, ("/diastolic", "required")),
        ({}, ("/systolic", "required")),
        ({"spo2": 98, "measured_at": AT_30 + timedelta(seconds=1)}, ("/measured_at", "in_the_future")),
        ({"spo2": 98, "measured_at": NOW - timedelta(days=1, seconds=1)}, ("/measured_at", "too_long_ago")),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(
    session: InfusionSession, nurse: Actor, given: dict[str, Any], fault: tuple[str, str]
) -> None:
    refusal = refused(lambda: take(session, nurse, **given))
    assert isinstance(refusal, Invalid)
    assert (refusal.code, [(each.pointer, each.code) for each in refusal.errors]) == (
        "invalid_reading",
        [fault],
    )
    assert not VitalReading.objects.exists()


def test_who_and_when(
    site: Site, session: InfusionSession, nurse: Actor, actor_at: Callable[..., Actor]
) -> None:
    for role in ("front_desk", "manager", "auditor"):
        with pytest.raises((Forbidden, NotFound)):
            take(session, actor_at(site, role), spo2=98)
    with pytest.raises(NotFound):
        take(session, actor_at(SiteFactory.create(), "nurse"), spo2=98)
    with pytest.raises(StaleVersion):
        take(session, nurse, spo2=98, expected_version=session.version + 1)
    for status in ("booked", "cancelled", "no_show"):
        other = session_at(site, status=status)
        with pytest.raises(Conflict) as wrong:
            take(other, nurse, spo2=98)
        assert wrong.value.code == "wrong_stage"
    assert take(session_at(site, status="completed"), nurse, AT_60, spo2=98).pk
    missing = {"actor": nurse, "now": AT_60, "appointment_id": session.pk}
    elsewhere = VitalReading.objects.get()
    with pytest.raises(NotFound):
        vitals.strike(reading_id=elsewhere.pk, reason="No", **missing)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_urgent_readings_at_once_open_one_item(
    site: Site, session: InfusionSession, nurse: Actor, prescriber: Actor
) -> None:
    came = at_once([partial(take, session, actor, spo2=90) for actor in (nurse, prescriber) * 2])
    assert all(isinstance(each, VitalReading) for each in came)
    assert items(session) == [("vital_urgent", "open")]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_reading_and_its_item_stand_or_fall_together(
    session: InfusionSession, nurse: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_item: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("patients.services.work_items.open_item", fail)
    with pytest.raises(RuntimeError):
        take(session, nurse, spo2=90)
    assert not VitalReading.objects.exists()
