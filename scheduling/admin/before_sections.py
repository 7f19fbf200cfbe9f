"""What scheduling adds to the page read before prescribing: prescriptions with doses, treatment plans."""

from django.http import HttpRequest
from django.urls import reverse

from clinic.access import shown
from clinic.access.admin.base import actor_in
from clinic.access.admin.sections import Link, Section
from patients.admin.before import PAGE
from patients.models import Patient
from scheduling.domain.dose_orders import standing
from scheduling.models import Prescription, TreatmentPlan
from scheduling.selectors.prescriptions import history


@PAGE.links
def prescribe(request: HttpRequest, patient: Patient) -> list[Link]:
    """What the page is read for."""
    may = actor_in(request).may("prescriptions.write", patient.site_id)
    if not may or patient.status != Patient.Status.ACTIVE:
        return []
    url = reverse("admin:scheduling_prescription_prescribe", args=[patient.pk])
    return [Link("Prescribe", url, icon="prescriptions", primary=True)]


@PAGE.section(order=20)
def prescriptions(request: HttpRequest, patient: Patient) -> Section | None:
    """Every one so far with the doses that stand, stopped ones too: they may not be out of the body."""
    if not actor_in(request).may("prescriptions.read", patient.site_id):
        return None
    rows = Prescription.objects.filter(patient=patient).prefetch_related("dose_events")
    return Section(
        title="Prescriptions so far",
        headers=("Medicine", "Class", "Doses", "For", "Status"),
        rows=[
            (
                shown.to("scheduling_prescription_change", row.pk, text=row.medication),
                row.get_drug_class_display(),
                _doses(row),
                row.indication,
                shown.label(row.status, row.get_status_display()),
            )
            for row in rows.order_by("status", "-first_dose_on", "-id")
        ],
        empty="Nothing was prescribed here.",
    )


@PAGE.section(order=100)
def treatment_plans(request: HttpRequest, patient: Patient) -> Section | None:
    """What is tried, and towards what."""
    actor = actor_in(request)
    if not actor.may("treatment_plans.read", patient.site_id):
        return None
    rows = TreatmentPlan.objects.filter(patient=patient).prefetch_related("items")
    add = Link("Add", reverse("admin:scheduling_treatmentplan_new", args=[patient.pk]), icon="add")
    return Section(
        title="Treatment plans",
        headers=("Plan", "Goal", "Treatments", "From", "Until", "Status"),
        rows=[
            (
                shown.to("scheduling_treatmentplan_change", row.pk, text=row.title),
                row.goal,
                ", ".join(item.get_kind_display() for item in row.items.all()),
                shown.local_day(row.starts_on),
                shown.local_day(row.ends_on),
                shown.label(row.status, row.get_status_display()),
            )
            for row in rows
        ],
        empty="None yet. A plan holds any mix of medicine, infusions, fitness, diet and therapy.",
        links=[add] if actor.may("treatment_plans.write", patient.site_id) else [],
    )


def _doses(prescription: Prescription) -> str:
    """``50 mg from Jan 5, 100 mg from Jan 19, stopped Mar 1``."""
    return ", ".join(
        f"stopped {shown.birth_date(event.effective_on)}"
        if event.kind.value == "stop"
        else f"{event.dose_mg.normalize():f} mg from {shown.birth_date(event.effective_on)}"
        for event in standing(events=history(prescription))
    )
