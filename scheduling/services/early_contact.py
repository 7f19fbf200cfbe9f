"""A flag that asks for early contact came or went: the check-ins of current medicines are planned anew."""

from datetime import datetime

from patients.models import Patient
from scheduling.models import Prescription
from scheduling.selectors.prescriptions import history
from scheduling.services import check_ins


def plan_early_contact(*, patient: Patient, now: datetime) -> None:
    """SAFE7 in place of ONSET7, or back, where it was not answered yet. Source: DOMAIN section 3.

    Inside the transaction of the flag, with the patient row locked.
    """
    rows = Prescription.objects.select_for_update().filter(patient=patient, status=Prescription.Status.ACTIVE)
    for prescription in rows.order_by("pk"):
        check_ins.replan(prescription=prescription, patient=patient, events=history(prescription), now=now)
