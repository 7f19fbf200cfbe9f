"""Answers that come at the same moment, workers that escalate at the same moment, and a crash in between."""

from collections.abc import Callable
from functools import partial

import pytest
from django.db import connection

from clinic.access.policy import SYSTEM
from patients.models import Assessment, Patient, SafetyAlarm, SafetyAlarmEvent, WorkItem
from patients.services import alarms
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, open_clinic
from tests.factories.racing import race
from tests.integration.assessments.answering import phq9

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
DUE = NOW.replace(minute=15)


@pytest.fixture
def patient() -> Patient:
    """Of an open clinic."""
    site = SiteFactory.create()
    open_clinic(site)
    return PatientFactory.create(site=site)


def test_the_same_answer_six_times_at_once_opens_one_alarm(patient: Patient) -> None:
    jobs: list[Callable[[], object]] = [
        partial(phq9, patient, 17, item9=2, subject_kind="check_in", subject_id=5) for _ in range(6)
    ]
    assert race(jobs) == ["ok"] * 6
    assert [m.objects.count() for m in (Assessment, SafetyAlarm, WorkItem, SafetyAlarmEvent)] == [1, 1, 1, 1]


def test_different_answers_at_once_store_one_of_them(patient: Patient) -> None:
    jobs: list[Callable[[], object]] = [
        partial(phq9, patient, 10 + n, item9=1, subject_kind="check_in", subject_id=5) for n in range(4)
    ]
    assert sorted(race(jobs)) == ["already_answered"] * 3 + ["ok"]
    assert SafetyAlarm.objects.count() == 1


def test_workers_that_escalate_at_once_hand_it_on_once(patient: Patient) -> None:
    phq9(patient, 17, item9=2)
    race([partial(alarms.escalate_due, now=DUE, limit=9) for _ in range(4)])
    assert SafetyAlarmEvent.objects.filter(kind="escalated").count() == 1
    assert SafetyAlarm.objects.get().level == 2


def test_acknowledging_while_it_escalates_leaves_both_rows_saying_the_same(patient: Patient) -> None:
    alarm = phq9(patient, 17, item9=2).alarm
    assert alarm is not None
    race(
        [
            partial(alarms.escalate_due, now=DUE, limit=9),
            partial(alarms.acknowledge, actor=SYSTEM, now=DUE, alarm_id=alarm.pk),
        ]
    )
    alarm.refresh_from_db()
    assert (alarm.status, alarm.work_item.status) == ("acknowledged", "acknowledged")
    assert (alarm.next_escalation_at, alarm.owner_role) == (None, alarm.work_item.owner_role)


def test_a_crash_after_the_answer_leaves_neither_answer_nor_alarm(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection dies between the alarm's row and its history, as if the process were killed there."""

    def killed(*_args: object, **_kwargs: object) -> None:
        assert Assessment.objects.exists()
        connection.close()
        raise KeyboardInterrupt

    monkeypatch.setattr("patients.services.alarm_steps.write", killed)
    with pytest.raises(KeyboardInterrupt):
        phq9(patient, 17, item9=2)
    connection.close()
    assert [m.objects.count() for m in (Assessment, SafetyAlarm, WorkItem)] == [0, 0, 0]
    monkeypatch.undo()
    assert phq9(patient, 17, item9=2).alarm is not None
