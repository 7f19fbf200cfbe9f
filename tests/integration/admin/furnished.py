"""A site with one row of everything, for tests of who sees what."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Condition, ContactPolicy, Message, MessageTemplate, Patient, WorkItem
from scheduling.models import (
    CheckIn,
    CheckInPolicy,
    CheckInRule,
    Closure,
    FollowUp,
    Prescription,
    ReminderRule,
    WorkingHours,
)
from scheduling.services import prescriptions
from tests.conftest import NOW
from tests.factories import PatientFactory, UserFactory, open_clinic, visit_type
from tests.factories.bookings import booked


def prescribed(patient: Patient) -> Prescription:
    """Sertraline from today on, with its check-ins."""
    return prescriptions.prescribe(
        actor=SYSTEM,
        now=NOW,
        patient_id=patient.pk,
        medication="sertraline",
        drug_class="ssri",
        dose_mg=Decimal(50),
        first_dose_on=NOW.date(),
    )


@dataclass
class Clinic:
    """One row of everything at a site."""

    site: Site
    rows: dict[str, int]
    """Model -> id of a row that belongs to the site."""


def furnish(site: Site) -> Clinic:
    """A site with one row of everything that belongs to a site."""
    chair, *_others = open_clinic(site)
    patient = PatientFactory.create(site=site)
    visit = booked(site, NOW + timedelta(days=1), on={chair: 0}, patient=patient)
    medicine = prescribed(patient)
    check_in = CheckIn.objects.filter(patient=patient).first()
    assert check_in is not None
    follow_up = FollowUp.objects.create(
        patient=patient, kind="call", due_on=NOW.date(), origin="staff", created_at=NOW
    )
    message = Message.objects.create(
        patient=patient,
        subject_kind="appointment",
        subject_id=visit.pk,
        kind="confirmation",
        channel="sms",
        planned_at=NOW,
        due_at=NOW,
        not_after=NOW + timedelta(hours=1),
        created_at=NOW,
    )
    item = WorkItem.objects.create(
        kind="contact",
        key=f"test:{site.pk}",
        site=site,
        patient=patient,
        summary="Call back.",
        owner_role="nurse",
        opened_at=NOW,
        due_at=NOW,
    )
    closure = Closure.objects.create(
        site=site, start_at=NOW + timedelta(days=30), end_at=NOW + timedelta(days=31), reason="Holiday"
    )
    hours = WorkingHours.objects.filter(site=site).first()
    assert hours is not None
    rows = {
        "patients_patient": patient.pk,
        "scheduling_appointment": visit.pk,
        "scheduling_prescription": medicine.pk,
        "scheduling_checkin": check_in.pk,
        "scheduling_followup": follow_up.pk,
        "patients_message": message.pk,
        "patients_workitem": item.pk,
        "scheduling_closure": closure.pk,
        "scheduling_workinghours": hours.pk,
        "scheduling_resource": chair.pk,
        "access_site": site.pk,
        "access_user": UserFactory.create(roles={site: ["nurse"]}).pk,
    }
    return Clinic(site, rows)


def shared_rows() -> dict[str, int]:
    """One row of everything that all sites share."""
    shared = {
        "scheduling_visittype": visit_type(),
        "scheduling_reminderrule": ReminderRule.objects.first(),
        "scheduling_checkinrule": CheckInRule.objects.first(),
        "scheduling_checkinpolicy": CheckInPolicy.objects.first(),
        "patients_messagetemplate": MessageTemplate.objects.first(),
        "patients_contactpolicy": ContactPolicy.objects.first(),
        "patients_condition": Condition.objects.first(),
    }
    return {model: row.pk for model, row in shared.items() if row is not None}
