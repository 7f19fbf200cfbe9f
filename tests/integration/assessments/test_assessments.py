"""Stored answers: their score against the baseline, what they open, and what is refused."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from clinic.access.models import Site
from clinic.access.policy import PATIENT_ON_PAGE, SYSTEM
from clinic.common.errors import Conflict, DomainError, Forbidden, NotFound
from patients.models import Assessment, Instrument, Message, Patient, SafetyAlarm, WorkItem
from patients.selectors.assessments import crisis_contacts
from patients.services import assessments
from scheduling.domain.transitions import Verb
from scheduling.models import Resource
from scheduling.selectors.clinic_hours import treatment_began
from scheduling.services import visit_steps
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, open_clinic
from tests.factories.bookings import booked
from tests.factories.prescriptions import prescribed
from tests.factories.sessions import pass_start_gates
from tests.integration.assessments.answering import NO_TO_ALL, answer, phq9
from tests.unit.assessments.shipped import answers

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def patient(site: Site) -> Patient:
    """Of an open clinic."""
    open_clinic(site)
    return PatientFactory.create(site=site)


class TestScores:
    def test_complete_answers_have_a_score_and_a_band(self, patient: Patient) -> None:
        stored = phq9(patient, 17).assessment
        assert (stored.score, stored.band, stored.complete) == (17, "moderately_severe", True)
        assert (stored.baseline, stored.meaning, stored.change_points) == (None, "", None)

    def test_incomplete_answers_have_neither(self, patient: Patient) -> None:
        stored = answer(patient, "PHQ-9", {"1": 3, "2": 3}).assessment
        assert (stored.score, stored.band, stored.complete) == (None, "", False)

    def test_journey_a(self, patient: Patient) -> None:
        totals = [(0, 21, 0), (2, 18, 0), (4, 15, 0), (7, 17, 2), (9, 13, 0), (11, 9, 0)]
        stored = [phq9(patient, total, item9=nine, at=NOW + DAY * day) for day, total, nine in totals]
        last = stored[-1].assessment
        assert last.baseline_id == stored[0].assessment.pk
        assert (last.change_points, last.change_percent, last.meaning) == (-12, Decimal("-57.1"), "response")
        assert "remission" not in last.meets
        assert [each.alarm is not None for each in stored] == [False, False, False, True, False, False]

    def test_journey_c(self, patient: Patient) -> None:
        prescribed(patient, first_dose_on=date(2027, 3, 1))
        first_dose = datetime.fromisoformat("2027-03-01T16:00:00+00:00")
        phq9(patient, 19, at=first_dose - 30 * DAY)
        before = phq9(patient, 14, at=first_dose).assessment
        phq9(patient, 12, at=first_dose + 35 * DAY)
        may = phq9(patient, 6, at=first_dose + 78 * DAY).assessment
        june = phq9(patient, 4, at=first_dose + 92 * DAY).assessment
        assert (may.baseline_id, may.baseline_rule) == (before.pk, "before_treatment")
        assert (may.meaning, june.meaning) == ("response", "remission")

    def test_a_new_treatment_is_read_against_where_it_began(self, patient: Patient) -> None:
        """An infusion was started between the second and the third answer."""
        phq9(patient, 24, at=NOW - 20 * DAY)
        phq9(patient, 20, at=NOW - timedelta(minutes=30))
        chair = Resource.objects.filter(site=patient.site, kind="chair")[0]
        visit = booked(patient.site, NOW, on={chair: 0}, patient=patient, status="arrived")
        pass_start_gates(visit, now=NOW)
        visit_steps.step(actor=SYSTEM, now=NOW, appointment_id=visit.pk, verb=Verb.START)
        later = phq9(patient, 15, at=NOW + DAY).assessment
        assert later.baseline is not None
        assert (later.baseline.score, later.baseline_rule) == (20, "before_treatment")

    def test_on_the_day_of_the_first_dose_a_medicine_has_not_begun_to_work(self, patient: Patient) -> None:
        prescribed(patient, first_dose_on=NOW.date())
        assert treatment_began(patient_id=patient.pk, by=NOW + timedelta(hours=15)) is None
        midnight = datetime.fromisoformat("2027-01-05T00:00:00-07:00")
        assert treatment_began(patient_id=patient.pk, by=midnight) == midnight

    def test_an_incomplete_one_is_nobodys_baseline(self, patient: Patient) -> None:
        answer(patient, "PHQ-9", {"1": 3}, at=NOW - DAY)
        assert phq9(patient, 10).assessment.baseline is None

    def test_other_questionnaires_and_patients_are_not_mixed_in(self, patient: Patient) -> None:
        phq9(PatientFactory.create(site=patient.site), 20, at=NOW - DAY)
        answer(patient, "GAD-7", answers("GAD-7", 20), at=NOW - DAY)
        assert phq9(patient, 10).assessment.baseline is None

    def test_what_was_recorded_keeps_who_and_how(self, patient: Patient) -> None:
        stored = phq9(
            patient,
            3,
            actor=PATIENT_ON_PAGE,
            source="page",
            subject_kind="check_in",
            subject_id=5,
            language="es",
        ).assessment
        assert (stored.via, stored.source, stored.recorded_by) == ("page", "page", None)
        assert (stored.subject_kind, stored.subject_id, stored.language) == ("check_in", 5, "es")


class TestReviews:
    @pytest.mark.parametrize(("code", "low", "high"), [("PHQ-9", 9, 14), ("NRS", 4, 6)])
    def test_worsening_opens_one_routine_item_for_a_prescriber(
        self, patient: Patient, code: str, low: int, high: int
    ) -> None:
        answer(patient, code, answers(code, low), at=NOW - DAY)
        stored = answer(patient, code, answers(code, high)).assessment
        item = WorkItem.objects.get()
        assert (item.kind, item.severity, item.owner_role) == ("review_answers", "routine", "prescriber")
        assert item.due_at == NOW + DAY
        assert stored.reviews == [{"kind": "worsening", "items": []}]
        assert not SafetyAlarm.objects.exists()

    def test_a_severe_side_effect_opens_one(self, patient: Patient) -> None:
        answer(patient, "SIDE-EFFECTS", {"nausea": 3})
        assert WorkItem.objects.get().kind == "review_answers"

    def test_an_unanswered_screen_opens_one(self, patient: Patient) -> None:
        answer(patient, "ASQ", {"1": 0})
        assert WorkItem.objects.get().kind == "review_answers"

    def test_calm_answers_open_nothing(self, patient: Patient) -> None:
        answer(patient, "ASQ", NO_TO_ALL)
        phq9(patient, 27 - 3)
        assert not WorkItem.objects.exists()


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"code": "BDI-II"}, "unknown_instrument"),
            ({"given": {"1": 4}}, "invalid_answers"),
            ({"given": {"x": 1}}, "invalid_answers"),
            ({"given": {}}, "invalid_answers"),
            ({"at": NOW + timedelta(seconds=1), "now": NOW}, "answered_in_the_future"),
            ({"at": datetime.fromisoformat("1979-01-01T00:00:00+00:00")}, "answered_before_birth"),
        ],
    )
    def test_what_cannot_be_stored(self, patient: Patient, change: dict[str, Any], code: str) -> None:
        with pytest.raises(DomainError) as refused:
            answer(patient, **{"code": "PHQ-9", "given": {"1": 1}, **change})
        assert refused.value.code == code
        assert not Assessment.objects.exists()

    def test_a_version_out_of_service_is_unknown(self, patient: Patient) -> None:
        Instrument.objects.filter(code="NRS").update(active=False)
        with pytest.raises(DomainError) as refused:
            answer(patient, "NRS", {"1": 1})
        assert refused.value.code == "unknown_instrument"

    def test_another_sites_patient_is_not_there(self, patient: Patient, actor_at: Any) -> None:
        with pytest.raises(NotFound):
            phq9(patient, 3, actor=actor_at(SiteFactory.create(), "nurse"))

    @pytest.mark.parametrize("role", ["front_desk", "manager", "auditor"])
    def test_only_clinical_roles_store_answers(self, patient: Patient, actor_at: Any, role: str) -> None:
        with pytest.raises((Forbidden, NotFound)):
            phq9(patient, 3, actor=actor_at(patient.site, role))
        assert not Assessment.objects.exists()


class TestTwice:
    def test_the_same_answers_again_come_to_the_same_row_and_alarm(self, patient: Patient) -> None:
        first, again = (phq9(patient, 17, item9=2, subject_kind="check_in", subject_id=5) for _ in range(2))
        assert (again.assessment.pk, again.replayed, first.replayed) == (first.assessment.pk, True, False)
        assert again.alarm is not None
        assert again.alarm.pk == SafetyAlarm.objects.get().pk

    def test_other_answers_for_the_same_occasion_are_refused(self, patient: Patient) -> None:
        occasion: dict[str, Any] = {"subject_kind": "check_in", "subject_id": 5}
        phq9(patient, 17, **occasion)
        with pytest.raises(Conflict) as refused:
            phq9(patient, 3, at=NOW + DAY, **occasion)
        assert refused.value.code == "already_answered"

    def test_other_answers_at_the_same_moment_are_refused(self, patient: Patient) -> None:
        phq9(patient, 17)
        with pytest.raises(Conflict):
            phq9(patient, 3)

    def test_the_database_insists(self, patient: Patient) -> None:
        stored = phq9(patient, 17, subject_kind="check_in", subject_id=5).assessment
        stored.pk, stored.answered_at = None, NOW - DAY
        with pytest.raises(IntegrityError), transaction.atomic():
            stored.save(force_insert=True)

    def test_one_contact_may_hold_several_questionnaires(self, patient: Patient) -> None:
        occasion: dict[str, Any] = {"subject_kind": "check_in", "subject_id": 5}
        phq9(patient, 17, **occasion)
        answer(patient, "ASQ", NO_TO_ALL, **occasion)
        assert Assessment.objects.count() == 2


class TestCorrections:
    def correct(self, stored: Assessment, total: int, *, reason: str = "Misheard", item9: int = 0) -> Any:
        return assessments.correct(
            actor=SYSTEM,
            now=NOW + DAY,
            assessment_id=stored.pk,
            answers=answers("PHQ-9", total, i9=item9),
            reason=reason,
        )

    def test_a_new_row_supersedes_the_old_one(self, patient: Patient) -> None:
        old = phq9(patient, 17).assessment
        new = self.correct(old, 12).assessment
        assert list(Assessment.objects.current()) == [new]
        assert (new.supersedes, new.answered_at, new.score, new.reason) == (old, NOW, 12, "Misheard")
        old.refresh_from_db()
        assert old.score == 17

    def test_the_corrected_score_is_the_baseline_of_the_next(self, patient: Patient) -> None:
        new = self.correct(phq9(patient, 17).assessment, 12).assessment
        assert phq9(patient, 6, at=NOW + 2 * DAY).assessment.baseline == new

    def test_it_opens_an_alarm_that_was_missed_and_no_second_one(self, patient: Patient) -> None:
        assert self.correct(phq9(patient, 17).assessment, 17, item9=1).alarm is not None
        known = phq9(patient, 17, item9=1, at=NOW - DAY)
        assert self.correct(known.assessment, 12, item9=1).alarm == known.alarm
        assert SafetyAlarm.objects.count() == 2

    def test_it_needs_a_reason_and_is_made_of_the_latest(self, patient: Patient) -> None:
        old = phq9(patient, 17).assessment
        with pytest.raises(DomainError) as no_reason:
            self.correct(old, 12, reason=" ")
        self.correct(old, 12)
        with pytest.raises(Conflict) as twice:
            self.correct(old, 11)
        assert (no_reason.value.code, twice.value.code) == ("reason_required", "already_corrected")

    def test_stored_answers_are_never_changed(self, patient: Patient) -> None:
        phq9(patient, 17)
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            Assessment.objects.update(score=3)


def test_nothing_of_it_is_in_any_message(patient: Patient) -> None:
    phq9(patient, 17, item9=3)
    answer(patient, "ASQ", {"1": 1, "2": 1, "3": 1, "4": 1, "5": 1})
    phq9(patient, 9, at=NOW - DAY)
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("language", "first"), [("en", "Call 988"), ("es", "Llame al 988"), ("fr", "Call 988")]
)
def test_crisis_contacts_are_rows_in_the_patients_language(language: str, first: str) -> None:
    rows = crisis_contacts(language)
    assert rows[0].name.startswith(first)
    assert [row.address.split("?")[0] for row in rows] == ["tel:988", "sms:988", "tel:911"]
