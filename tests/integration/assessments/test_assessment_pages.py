"""The admin: answers told by phone, and an alarm from the red line on the patient's page to its sign-off."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from clinic.access.models import Site
from patients.models import Assessment, Patient, SafetyAlarm
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, UserFactory, open_clinic
from tests.integration.admin.pages import version, words
from tests.integration.assessments.answering import phq9
from tests.unit.assessments.shipped import answers

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock_stands_still(clock: Callable[..., None]) -> None:
    """Pages read the clinic's time."""


@pytest.fixture
def patient(site: Site) -> Patient:
    """Reads Spanish."""
    open_clinic(site)
    return PatientFactory.create(site=site, language="es")


def signed_in(site: Site, role: str) -> Client:
    client = Client()
    client.force_login(UserFactory.create(roles={site: [role]}))
    return client


def form(total: int, *, item9: int = 0) -> dict[str, str]:
    """A PHQ-9 as the page sends it."""
    return {"source": "phone"} | {f"item-{k}": str(v) for k, v in answers("PHQ-9", total, i9=item9).items()}


def test_answers_by_phone_in_the_patients_words(patient: Patient) -> None:
    nurse = signed_in(patient.site, "nurse")
    phq9(patient, 21, at=NOW - timedelta(days=18))
    page = reverse("admin:patients_assessment_record", args=[patient.pk, "PHQ-9"])
    assert "Poco interés o placer en hacer cosas" in words(nurse.get(page))
    shown = words(nurse.post(page, form(9), follow=True))
    assert "Recorded: 9, mild." in shown
    assert "-12 points (-57.1 %): response" in shown
    stored = Assessment.objects.first()
    assert stored is not None
    assert (stored.source, stored.language) == ("phone", "es")
    listed = words(nurse.get(reverse("admin:patients_assessment_changelist")))
    assert "9, mild" in listed
    assert "21, severe" in listed


def test_a_correction_keeps_what_was_on_record(patient: Patient) -> None:
    nurse = signed_in(patient.site, "nurse")
    old = phq9(patient, 17).assessment
    page = reverse("admin:patients_assessment_correct", args=[old.pk])
    assert "Correct these answers" in words(
        nurse.get(reverse("admin:patients_assessment_change", args=[old.pk]))
    )
    assert "This field is required" in words(nurse.post(page, form(12)))
    shown = words(nurse.post(page, form(12) | {"reason": "Misheard"}, follow=True))
    assert "Corrects: Misheard" in shown
    assert "12, moderate" in shown
    assert "Superseded" in words(nurse.get(reverse("admin:patients_assessment_change", args=[old.pk])))


def test_nothing_answered_is_said_on_the_form(patient: Patient) -> None:
    page = reverse("admin:patients_assessment_record", args=[patient.pk, "PHQ-9"])
    assert "Send at least one answer" in words(
        signed_in(patient.site, "nurse").post(page, {"source": "phone"})
    )


def test_an_alarm_from_the_answer_to_the_sign_off(patient: Patient) -> None:
    nurse, prescriber = (signed_in(patient.site, role) for role in ("nurse", "prescriber"))
    record = reverse("admin:patients_patient_record", args=[patient.pk])
    page = reverse("admin:patients_assessment_record", args=[patient.pk, "PHQ-9"])
    assert "opened a safety alarm. Stay with the patient." in words(
        nurse.post(page, form(17, item9=2), follow=True)
    )
    assert "the next infusion is held" in words(nurse.get(record))
    pk = SafetyAlarm.objects.get().pk
    steps = {
        step: reverse(f"admin:patients_safetyalarm_{step}", args=[pk])
        for step in ("acknowledge", "resolve", "clear")
    }
    for client, step, given in (
        (nurse, "acknowledge", {"note": "With her."}),
        (nurse, "resolve", {"note": "Safe at home.", "plan": "Call at 18:00."}),
        (prescriber, "clear", {"note": "Plan agreed."}),
    ):
        sent = {"version": version(client.get(steps[step])), **given}
        assert "Saved." in words(client.post(steps[step], sent, follow=True))
    shown = words(prescriber.get(reverse("admin:patients_safetyalarm_change", args=[pk])))
    for said in ("Safe at home.", "Call at 18:00.", "cleared", "With her.", "Plan agreed."):
        assert said in shown
    assert "the next infusion is held" not in words(nurse.get(record))


def test_a_prescriber_resolves_and_clears_on_one_page_and_a_nurse_cannot(patient: Patient) -> None:
    alarm = phq9(patient, 17, item9=2).alarm
    assert alarm is not None
    resolve = reverse("admin:patients_safetyalarm_resolve", args=[alarm.pk])
    sent = {"version": "1", "note": "Plan made.", "cleared_for_treatment": "on"}
    assert signed_in(patient.site, "nurse").post(resolve, {"version": "1", "note": ""}).status_code == 200
    signed_in(patient.site, "prescriber").post(resolve, sent)
    alarm.refresh_from_db()
    assert (alarm.status, alarm.cleared_at) == ("resolved", NOW)


@pytest.mark.parametrize("role", ["front_desk", "manager"])
def test_others_see_neither_scores_nor_pages(patient: Patient, role: str) -> None:
    alarm = phq9(patient, 17, item9=2).alarm
    assert alarm is not None
    client = signed_in(patient.site, role)
    seen = words(client.get(reverse("admin:patients_patient_record", args=[patient.pk])))
    assert "PHQ" not in seen
    assert "infusion is held" not in seen
    pages = [
        reverse("admin:patients_assessment_record", args=[patient.pk, "PHQ-9"]),
        reverse("admin:patients_assessment_correct", args=[alarm.assessment_id]),
        *(
            reverse(f"admin:patients_safetyalarm_{step}", args=[alarm.pk])
            for step in ("acknowledge", "resolve", "clear", "change")
        ),
    ]
    assert {client.get(page).status_code for page in pages} == {403}


def test_another_sites_pages_are_not_there(patient: Patient) -> None:
    alarm = phq9(patient, 17, item9=2).alarm
    assert alarm is not None
    stranger = signed_in(SiteFactory.create(), "prescriber")
    pages = [
        reverse("admin:patients_assessment_record", args=[patient.pk, "PHQ-9"]),
        reverse("admin:patients_assessment_correct", args=[alarm.assessment_id]),
        *(
            reverse(f"admin:patients_safetyalarm_{step}", args=[alarm.pk])
            for step in ("acknowledge", "resolve", "clear", "change")
        ),
    ]
    assert {stranger.get(page).status_code for page in pages} == {404}
    unknown = reverse("admin:patients_assessment_record", args=[patient.pk, "BDI-II"])
    assert signed_in(patient.site, "nurse").get(unknown).status_code == 404
