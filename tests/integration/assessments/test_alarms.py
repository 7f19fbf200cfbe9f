"""The alarm: opened with the answer, handed on in time, closed by clinicians, holding the next infusion."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from clinic.access.models import Site
from clinic.access.policy import SYSTEM, Actor
from clinic.common import due
from clinic.common.errors import Conflict, DomainError, Forbidden, NotFound
from patients import tasks
from patients.models import AlarmPolicy, Assessment, Message, Patient, SafetyAlarm, SafetyAlarmEvent, WorkItem
from patients.services import alarms, work_items
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, Closure, Resource, WorkingHours
from scheduling.selectors.clinic_hours import watch
from scheduling.services import visit_steps
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type
from tests.factories.bookings import booked
from tests.factories.sessions import pass_start_gates
from tests.integration.assessments.answering import answer, phq9

pytestmark = pytest.mark.django_db
QUARTER = timedelta(minutes=15)
NIGHT = datetime.fromisoformat("2027-01-05T04:00:00+00:00")  # 21:00 in Denver; it opens at 08:00
MORNING = datetime.fromisoformat("2027-01-05T15:00:00+00:00")


@pytest.fixture
def resources(site: Site) -> list[Resource]:
    """Open from 08:00 to 18:00 every day."""
    return open_clinic(site)


@pytest.fixture
def patient(site: Site, resources: list[Resource]) -> Patient:
    return PatientFactory.create(site=site)


@pytest.fixture
def nurse(site: Site, actor_at: Callable[..., Actor]) -> Actor:
    return actor_at(site, "nurse")


@pytest.fixture
def prescriber(site: Site, actor_at: Callable[..., Actor]) -> Actor:
    return actor_at(site, "prescriber")


def alarm_of(patient: Patient, **fields: Any) -> SafetyAlarm:
    """Item 9 was answered with 2."""
    opened = phq9(patient, 17, item9=2, **fields).alarm
    assert opened is not None
    return opened


def story(alarm: SafetyAlarm) -> list[tuple[str, str, int]]:
    return list(alarm.events.values_list("kind", "owner_role", "level"))


class TestOpening:
    def test_it_is_urgent_owned_and_timed(self, patient: Patient) -> None:
        alarm = alarm_of(patient)
        item = WorkItem.objects.get()
        assert (alarm.severity, alarm.items, alarm.status, alarm.owner_role) == (
            "positive",
            ["9"],
            "open",
            "nurse",
        )
        assert alarm.next_escalation_at == item.due_at == NOW + QUARTER
        assert (item.kind, item.severity, item.owner_role) == ("safety_alarm", "urgent", "nurse")
        assert (alarm.watched, alarm.work_item) == (True, item)
        assert story(alarm) == [("opened", "nurse", 1)]

    def test_acuity_is_acute(self, patient: Patient) -> None:
        alarm = answer(patient, "ASQ", {"1": 1, "2": 0, "3": 1, "4": 0, "5": 1}).alarm
        assert alarm is not None
        assert (alarm.severity, alarm.items) == ("acute", ["1", "3", "5"])

    def test_at_night_the_timer_starts_at_opening_and_it_says_that_nobody_watches(
        self, patient: Patient
    ) -> None:
        alarm = alarm_of(patient, at=NIGHT)
        assert (alarm.watched, alarm.next_open_at) == (False, MORNING)
        assert alarm.next_escalation_at == MORNING + QUARTER

    def test_without_a_policy_the_one_that_ships_counts(self, patient: Patient) -> None:
        AlarmPolicy.objects.all().delete()
        alarm = phq9(patient, 17, item9=2).alarm
        assert alarm is not None
        assert (alarm.owner_role, alarm.next_escalation_at) == ("nurse", NOW + QUARTER)
        assert alarm.work_item.severity == "urgent"

    def test_an_answer_whose_alarm_fails_is_not_stored(
        self, patient: Patient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(**_given: object) -> None:
            raise RuntimeError("the work item could not be opened")

        monkeypatch.setattr("patients.services.alarms.open_item", broken)
        with pytest.raises(RuntimeError, match="work item"):
            phq9(patient, 17, item9=2)
        assert not Assessment.objects.exists()
        assert not WorkItem.objects.exists()

    def test_a_site_may_have_a_chain_of_its_own(self, patient: Patient) -> None:
        AlarmPolicy.objects.create(
            site=patient.site, position=1, owner_role="prescriber", minutes=5, source="test", mark="D"
        )
        alarm = alarm_of(patient)
        assert (alarm.owner_role, alarm.next_escalation_at) == ("prescriber", NOW + timedelta(minutes=5))


class TestWatch:
    def test_a_closure_is_not_watched(self, patient: Patient) -> None:
        Closure.objects.create(
            site=patient.site, start_at=NOW - QUARTER, end_at=NOW + QUARTER, reason="Fire drill"
        )
        found = watch(site_id=patient.site_id, now=NOW)
        assert (found.watched, found.next_open) == (False, NOW + QUARTER)

    def test_opening_counts_and_closing_does_not(self, patient: Patient) -> None:
        closing = NOW + timedelta(hours=10)
        assert watch(site_id=patient.site_id, now=NOW).watched
        assert not watch(site_id=patient.site_id, now=closing).watched

    def test_a_site_without_hours_is_watched_while_its_nurses_work(self, patient: Patient) -> None:
        WorkingHours.objects.all().delete()
        assert watch(site_id=patient.site_id, now=NOW).next_open is None
        nurse = Resource.objects.get(site=patient.site, kind="nurse")
        WorkingHours.objects.create(resource=nurse, weekday=0, start=time(8), end=time(9))
        assert watch(site_id=patient.site_id, now=NOW).watched


class TestEscalation:
    def test_it_goes_on_to_the_next_role_and_then_comes_again(self, patient: Patient) -> None:
        alarm = alarm_of(patient)
        for round_number in (1, 2, 3):
            assert alarms.escalate_due(now=NOW + QUARTER * round_number, limit=9) == 1
        alarm.refresh_from_db()
        assert story(alarm) == [
            ("opened", "nurse", 1),
            ("escalated", "prescriber", 2),
            ("escalated", "prescriber", 3),
            ("escalated", "prescriber", 4),
        ]
        item = alarm.work_item
        assert (item.owner_role, item.severity, item.status) == ("prescriber", "urgent", "open")
        assert item.due_at == alarm.next_escalation_at == NOW + QUARTER * 4

    def test_running_twice_hands_it_on_once(self, patient: Patient) -> None:
        alarm_of(patient)
        at = NOW + QUARTER
        assert [alarms.escalate_due(now=at, limit=9) for _ in range(3)] == [1, 0, 0]

    def test_before_its_time_nothing_happens(self, patient: Patient) -> None:
        alarm_of(patient)
        assert alarms.escalate_due(now=NOW + QUARTER - timedelta(seconds=1), limit=9) == 0

    def test_the_beat_finds_it_and_readiness_knows(
        self, patient: Patient, clock: Callable[[datetime], None]
    ) -> None:
        [kind] = [kind for kind in due.kinds() if kind.name == "alarms"]
        assert kind.next_due_at() is None
        alarm = alarm_of(patient)
        assert kind.next_due_at() == NOW + QUARTER
        clock(NOW + QUARTER)
        tasks.escalate_alarms()
        alarm.refresh_from_db()
        assert alarm.level == 2

    def test_after_hours_it_waits_for_the_morning(self, patient: Patient) -> None:
        alarm = alarm_of(patient, at=NIGHT)
        assert alarms.escalate_due(now=NIGHT + timedelta(hours=5), limit=9) == 0
        assert alarms.escalate_due(now=MORNING + QUARTER, limit=9) == 1
        alarm.refresh_from_db()
        assert alarm.owner_role == "prescriber"

    def test_one_that_is_acknowledged_is_not_handed_on(self, patient: Patient, nurse: Actor) -> None:
        alarm = alarm_of(patient)
        alarms.acknowledge(actor=nurse, now=NOW, alarm_id=alarm.pk)
        assert alarms.escalate_due(now=NOW + timedelta(days=1), limit=9) == 0


class TestSteps:
    def test_acknowledging_either_acknowledges_both(self, patient: Patient, nurse: Actor) -> None:
        first, second = alarm_of(patient), alarm_of(patient, at=NOW - QUARTER)
        alarms.acknowledge(actor=nurse, now=NOW, alarm_id=first.pk, note="With her now.")
        work_items.acknowledge(actor=nurse, item_id=second.work_item_id, now=NOW)
        for alarm in (first, second):
            alarm.refresh_from_db()
            assert (alarm.status, alarm.work_item.status) == ("acknowledged", "acknowledged")
            assert (alarm.acknowledged_by_id, alarm.acknowledged_at) == (nurse.user_id, NOW)
            assert alarm.next_escalation_at is None

    def test_resolving_either_resolves_both_and_the_note_stays_with_the_alarm(
        self, patient: Patient, nurse: Actor
    ) -> None:
        first, second = alarm_of(patient), alarm_of(patient, at=NOW - QUARTER)
        alarms.resolve(actor=nurse, now=NOW, alarm_id=first.pk, note="Safe at home.", plan="Call at 18:00.")
        work_items.resolve(actor=nurse, item_id=second.work_item_id, note="Safe at home.", now=NOW)
        for alarm in (first, second):
            alarm.refresh_from_db()
            assert (alarm.status, alarm.work_item.status, alarm.note) == (
                "resolved",
                "resolved",
                "Safe at home.",
            )
            assert "Safe at home" not in alarm.work_item.note
        first.refresh_from_db()
        assert first.plan == "Call at 18:00."

    def test_a_note_is_needed(self, patient: Patient, nurse: Actor) -> None:
        with pytest.raises(DomainError) as refused:
            alarms.resolve(actor=nurse, now=NOW, alarm_id=alarm_of(patient).pk, note="  ")
        assert refused.value.code == "note_required"

    def test_there_is_no_way_back(self, patient: Patient, nurse: Actor) -> None:
        alarm = alarm_of(patient)
        alarms.resolve(actor=nurse, now=NOW, alarm_id=alarm.pk, note="Safe.")
        for step in (alarms.acknowledge, lambda **who: alarms.resolve(note="Again.", **who)):
            with pytest.raises(Conflict) as refused:
                step(actor=nurse, now=NOW, alarm_id=alarm.pk)
            assert refused.value.code == "invalid_transition"

    @pytest.mark.parametrize("role", ["front_desk", "manager"])
    def test_others_cannot_close_it_through_the_work_item(
        self, patient: Patient, actor_at: Callable[..., Actor], role: str
    ) -> None:
        item_id = alarm_of(patient).work_item_id
        actor = actor_at(patient.site, role)
        with pytest.raises(Forbidden):
            work_items.acknowledge(actor=actor, item_id=item_id, now=NOW)
        with pytest.raises(Forbidden):
            work_items.resolve(actor=actor, item_id=item_id, note="Done.", now=NOW)
        assert SafetyAlarm.objects.get().status == WorkItem.objects.get().status == "open"

    def test_another_site_does_not_see_it(self, patient: Patient, actor_at: Callable[..., Actor]) -> None:
        with pytest.raises(NotFound):
            alarms.acknowledge(
                actor=actor_at(SiteFactory.create(), "nurse"), now=NOW, alarm_id=alarm_of(patient).pk
            )

    def test_an_open_alarm_without_a_moment_is_impossible(self, patient: Patient) -> None:
        alarm_of(patient)
        with pytest.raises(DatabaseError), transaction.atomic():
            SafetyAlarm.objects.update(next_escalation_at=None)

    def test_its_history_is_never_changed(self, patient: Patient) -> None:
        alarm_of(patient)
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            SafetyAlarmEvent.objects.update(note="Nothing happened.")

    def test_no_message_tells_of_it(self, patient: Patient, nurse: Actor) -> None:
        alarm = alarm_of(patient)
        alarms.escalate_due(now=NOW + QUARTER, limit=9)
        alarms.resolve(actor=nurse, now=NOW + QUARTER, alarm_id=alarm.pk, note="Safe.")
        assert not Message.objects.exists()


class TestHold:
    def arrived(
        self, patient: Patient, resources: list[Resource], code: str = "ketamine-mood"
    ) -> Appointment:
        visit = booked(patient.site, NOW, on={resources[0]: 0}, patient=patient, status="arrived")
        visit.visit_type = visit_type(code)
        visit.save(update_fields=["visit_type"])
        return visit

    def start(self, visit: Appointment) -> Appointment:
        pass_start_gates(visit, now=NOW)
        return visit_steps.step(actor=SYSTEM, now=NOW, appointment_id=visit.pk, verb=Verb.START)

    def test_the_infusion_is_held_until_a_prescriber_signs_off(
        self, patient: Patient, resources: list[Resource], nurse: Actor, prescriber: Actor
    ) -> None:
        alarm, visit = alarm_of(patient), self.arrived(patient, resources)
        for step in (
            lambda: None,
            lambda: alarms.resolve(actor=nurse, now=NOW, alarm_id=alarm.pk, note="Spoken to."),
        ):
            step()
            with pytest.raises(Conflict) as refused:
                self.start(visit)
            assert (refused.value.code, refused.value.data["alarms"]) == ("safety_hold", [alarm.pk])
        alarms.clear_for_treatment(actor=prescriber, now=NOW, alarm_id=alarm.pk, note="Plan made.")
        assert self.start(visit).status == "in_progress"
        assert [kind for kind, _role, _level in story(alarm)] == ["opened", "resolved", "cleared"]

    def test_a_prescriber_resolves_and_clears_at_once(
        self, patient: Patient, resources: list[Resource], prescriber: Actor
    ) -> None:
        alarm = alarm_of(patient)
        alarms.resolve(
            actor=prescriber, now=NOW, alarm_id=alarm.pk, note="Plan made.", cleared_for_treatment=True
        )
        assert self.start(self.arrived(patient, resources)).status == "in_progress"

    def test_a_nurse_cannot_clear(self, patient: Patient, nurse: Actor) -> None:
        alarm = alarm_of(patient)
        with pytest.raises(Forbidden):
            alarms.resolve(actor=nurse, now=NOW, alarm_id=alarm.pk, note="Fine.", cleared_for_treatment=True)
        assert SafetyAlarm.objects.get().status == "open"

    def test_clearing_follows_resolving_and_happens_once(self, patient: Patient, prescriber: Actor) -> None:
        alarm = alarm_of(patient)
        clear: dict[str, Any] = {"actor": prescriber, "now": NOW, "alarm_id": alarm.pk}
        with pytest.raises(Conflict) as too_early:
            alarms.clear_for_treatment(**clear)
        alarms.resolve(**clear, note="Plan made.", cleared_for_treatment=True)
        with pytest.raises(Conflict) as twice:
            alarms.clear_for_treatment(**clear)
        assert (too_early.value.code, twice.value.code) == ("not_resolved", "already_cleared")

    def test_a_consultation_is_not_held(self, patient: Patient, resources: list[Resource]) -> None:
        alarm_of(patient)
        assert self.start(self.arrived(patient, resources, "consultation")).status == "in_progress"

    def test_another_patients_infusion_is_not_held(self, patient: Patient, resources: list[Resource]) -> None:
        alarm_of(PatientFactory.create(site=patient.site))
        assert self.start(self.arrived(patient, resources)).status == "in_progress"
