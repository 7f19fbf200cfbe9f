"""The page read before prescribing: the gravest first, forms for every kind, acknowledgement, corrections."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Allergy, PainAssessment, Patient, ScreeningFlag
from patients.services import background
from scheduling.models import FollowUp, PlanItem, TreatmentPlan
from tests.conftest import NOW
from tests.factories import PatientFactory
from tests.integration.admin.furnished import prescribed
from tests.integration.admin.pages import said, version, words

pytestmark = pytest.mark.django_db

FILLED: dict[str, dict[str, Any]] = {
    "symptom": {"symptom": "allodynia", "body_sites": ["feet", "toes"], "severity": "6"},
    "allergy": {"substance": "Penicillin", "severity": "severe"},
    "medicine": {"name": "Oxycodone", "medicine_class": "opioid", "source": "pharmacy"},
    "relative": {"relation": "mother", "condition": "depression", "response": "very_well"},
    "pregnancy": {"state": "not_pregnant", "basis": "test", "as_of_on": "2027-01-04"},
    "other_condition": {"concern": "arteriovenous-malformation"},
    "pain_assessment": {
        "assessed_on": "2027-01-03",
        "test_1": "emg",
        "question_1": "source",
        "finding_1": "Slow conduction",
        "test_2": "rating-0-10",
        "question_2": "severity",
        "value_2": "7",
    },
}


@pytest.fixture
def patient(site: Site) -> Patient:
    return PatientFactory.create(site=site)


def page(patient: Patient) -> str:
    return reverse("admin:patients_screeningflag_before", args=[patient.pk])


def add(patient: Patient, kind: str, **given: Any) -> Any:
    return background.add(actor=SYSTEM, now=NOW, patient_id=patient.pk, kind=kind, given=given)


@pytest.mark.parametrize("kind", FILLED)
def test_every_kind_has_a_form_whose_entry_is_on_the_page(
    staff: Callable[..., Client], site: Site, patient: Patient, kind: str
) -> None:
    nurse = staff("nurse", site)
    form = reverse("admin:patients_screeningflag_add_entry", args=[patient.pk, kind])
    assert nurse.get(form).status_code == 200
    shown = nurse.post(form, FILLED[kind], follow=True)
    assert said(shown) == ["Recorded. Flags it raises stand at the top."]
    expected = {
        "symptom": "Feet, Toes",
        "allergy": "Penicillin",
        "medicine": "Oxycodone",
        "relative": "Worked very well",
        "pregnancy": "Not pregnant",
        "other_condition": "Arteriovenous malformation",
        "pain_assessment": "Electromyography: Slow conduction",
    }
    assert expected[kind] in words(shown)


def test_the_gravest_stands_first(staff: Callable[..., Client], site: Site, patient: Patient) -> None:
    add(patient, "medicine", name="Oxycodone", medicine_class="opioid")
    add(patient, "other_condition", concern="severe-liver-disease")
    add(patient, "other_condition", concern="arteriovenous-malformation")
    prescribed(patient)
    text = words(staff("prescriber", site).get(page(patient)))
    order = [
        "3 of 3 to be acknowledged",
        "Arteriovenous malformation",
        "Severe liver disease",
        "Takes an opioid",
    ]
    places = [text.index(each) for each in (*order, "Prescriptions so far", "Pain assessments")]
    assert places == sorted(places)
    assert "50 mg from Jan 4, 2027" in text


def test_a_prescriber_acknowledges_and_a_nurse_cannot(
    staff: Callable[..., Client], site: Site, patient: Patient
) -> None:
    add(patient, "other_condition", concern="severe-liver-disease")
    flag = ScreeningFlag.objects.get()
    address = reverse("admin:patients_screeningflag_acknowledge", args=[flag.pk])
    assert address not in staff("nurse", site).get(page(patient)).content.decode()
    prescriber = staff("prescriber", site)
    form = prescriber.get(address)
    empty = prescriber.post(address, {"version": version(form), "reason": ""})
    assert "This field is required" in words(empty)
    done = prescriber.post(address, {"version": version(form), "reason": "Half the dose"}, follow=True)
    assert said(done) == ["Acknowledged. The flag stays, with your reason."]
    assert "All acknowledged." in words(done)
    assert "“Half the dose”" in words(done)
    stale = prescriber.post(address, {"version": version(form), "reason": "Again"})
    assert "Someone changed this record" in words(stale)


def test_a_correction_and_an_error_leave_the_old_entry(
    staff: Callable[..., Client], site: Site, patient: Patient
) -> None:
    nurse = staff("nurse", site)
    old = add(patient, "allergy", substance="Penicillin", severity="mild")
    address = reverse("admin:patients_screeningflag_entry", args=[patient.pk, "allergy", old.pk])
    given = {"version": version(nurse.get(address)), "substance": "Amoxicillin", "severity": "mild"}
    assert "Amoxicillin" in words(nurse.post(address, given, follow=True))
    new = Allergy.objects.get(supersedes=old)
    wrong = reverse("admin:patients_screeningflag_error", args=[patient.pk, "allergy", new.pk])
    gone = nurse.post(wrong, {"version": version(nurse.get(wrong)), "reason": "another patient"}, follow=True)
    assert "Amoxicillin" not in words(gone)
    assert sorted(Allergy.objects.values_list("status", flat=True)) == ["entered_in_error", "superseded"]
    assert nurse.get(address).status_code == 404


def test_refusals_stand_at_their_field(staff: Callable[..., Client], site: Site, patient: Patient) -> None:
    form = reverse("admin:patients_screeningflag_add_entry", args=[patient.pk, "pain_assessment"])
    refused = staff("nurse", site).post(form, {"assessed_on": "2027-01-05"})
    assert "This date is in the future." in words(refused)
    assert "Give at least one result." in words(refused)
    assert not PainAssessment.objects.exists()


def test_correcting_a_pain_assessment_keeps_every_result_and_its_sites(
    staff: Callable[..., Client], site: Site, patient: Patient
) -> None:
    results = [
        {"test": "emg", "question": "source", "finding": f"Finding {n}", "body_sites": ["feet", "hands"]}
        for n in range(5)
    ]
    add(patient, "pain_assessment", assessed_on=NOW.date(), results=results)
    old = PainAssessment.objects.get()
    address = reverse("admin:patients_screeningflag_entry", args=[patient.pk, "pain_assessment", old.pk])
    nurse = staff("nurse", site)
    form = nurse.get(address).context["form"]
    given = {field.html_name: field.value() for field in form if field.value() not in (None, "")}
    nurse.post(address, given | {"finding_5": "Finding five"})
    new = PainAssessment.objects.get(supersedes=old)
    assert [(row.finding, row.body_sites) for row in new.results.all()] == [
        *((f"Finding {n}", ["feet", "hands"]) for n in range(4)),
        ("Finding five", ["feet", "hands"]),
    ]


def test_prescribing_says_what_is_to_be_acknowledged(
    staff: Callable[..., Client], site: Site, patient: Patient
) -> None:
    prescribed(patient)
    order = {
        "medication": "Phenelzine",
        "drug_class": "maoi",
        "dose_mg": "15",
        "first_dose_on": "2027-01-10",
    }
    address = reverse("admin:scheduling_prescription_prescribe", args=[patient.pk])
    done = staff("prescriber", site).post(address, order, follow=True)
    warning = "To be acknowledged, under Before prescribing: Too few days between two medicines, "
    assert said(done)[1:] == [f"{warning}Takes an MAO inhibitor."]


def test_a_plan_is_begun_followed_up_and_finished(
    staff: Callable[..., Client], site: Site, patient: Patient
) -> None:
    nurse = staff("nurse", site)
    new = reverse("admin:scheduling_treatmentplan_new", args=[patient.pk])
    assert nurse.post(new, {"title": "Walk again", "starts_on": "2027-01-04"}).status_code == 302
    plan = TreatmentPlan.objects.get()
    item = reverse("admin:scheduling_treatmentplan_item", args=[plan.pk])
    given = {"kind": "fitness-plan", "goal": "A mile a day", "starts_on": "2027-01-05"}
    shown = nurse.post(item, given, follow=True)
    assert "A mile a day" in words(shown)
    assert "Follow up Finish" in words(shown)
    walking = PlanItem.objects.get()
    owe = reverse("admin:scheduling_treatmentplan_owe", args=[plan.pk, walking.pk])
    shown = nurse.post(owe, {"kind": "call", "due_on": "2027-01-20", "note": "How far?"}, follow=True)
    assert "How far?" in words(shown)
    over = reverse("admin:scheduling_treatmentplan_finish", args=[plan.pk])
    done = nurse.post(over, {"version": version(nurse.get(over)), "outcome": "achieved"}, follow=True)
    assert "Achieved" in words(done)
    walking.refresh_from_db()
    assert (walking.status, FollowUp.objects.get().status) == ("achieved", "cancelled")
    assert "Walk again" in words(nurse.get(page(patient)))


def test_the_number_of_queries_does_not_grow(
    staff: Callable[..., Client], site: Site, patient: Patient
) -> None:
    prescriber = staff("prescriber", site)

    def fill() -> None:
        add(patient, "medicine", name="Oxycodone", medicine_class="opioid")
        add(patient, "allergy", substance="Penicillin")
        add(patient, "pain_assessment", assessed_on=NOW.date(), results=[
            {"test": "emg", "question": "source", "finding": "x"}
        ])  # fmt: skip
        prescribed(patient)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert prescriber.get(page(patient)).status_code == 200
        return len(queries)

    fill()
    one = cost()
    fill()
    fill()
    assert cost() == one
