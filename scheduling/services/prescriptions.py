"""What a prescriber does: prescribe, change the dose, stop, switch, restart.

Each verb adds events to the history and replans the check-ins in one durable transaction, with the patient
row locked first, so that two orders for one patient are always one after the other. What another medicine
or a condition warns of is raised as a screening flag in the same transaction: it never blocks the order.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import FieldError, Invalid, NotFound
from clinic.common.transactions import durable
from patients.models import Patient
from patients.services import flags
from scheduling.domain import dose_orders
from scheduling.domain.check_in_history import DoseEvent, DoseKind
from scheduling.domain.dose_orders import Step
from scheduling.models import Prescription
from scheduling.selectors.prescriptions import history, not_found, today
from scheduling.services import check_ins, doses
from scheduling.services.allocations import lock_patient


@durable
def prescribe(
    *,
    actor: Actor,
    now: datetime,
    patient_id: int,
    medication: str,
    drug_class: str,
    dose_mg: Decimal,
    first_dose_on: date,
    planned_steps: Sequence[Step] = (),
    indication: str = "",
) -> Prescription:
    """Start a medicine, with the titration planned for it (mg a day), and plan its check-ins.

    ``first_dose_on`` is the first day on which it is taken, in the patient's zone. Raises Invalid (the codes
    of :func:`dose_orders.begin`, ``patient_inactive``), NotFound, Forbidden. Source: DOMAIN section 3.
    """
    patient = lock_patient(patient_id)
    if not actor.may("prescriptions.read", patient.site_id):
        raise NotFound("This patient does not exist.")
    actor.require("prescriptions.write", patient.site_id)
    if patient.status != Patient.Status.ACTIVE:
        raise _refused(
            "patient", "patient_inactive", "This patient is not active. Activate the record first."
        )
    present = today(patient, now)
    events = dose_orders.begin(
        kind=DoseKind.START,
        dose_mg=dose_mg,
        first_dose_on=first_dose_on,
        ordered_on=present.patient,
        steps=planned_steps,
        today=present,
    )
    return _begin(
        actor=actor,
        now=now,
        patient=patient,
        events=events,
        medication=medication,
        drug_class=drug_class,
        indication=indication,
    )


@durable
def change_dose(
    *,
    actor: Actor,
    now: datetime,
    prescription_id: int,
    dose_mg: Decimal,
    effective_on: date,
    ordered_on: date | None = None,
    planned_steps: Sequence[Step] = (),
    expected_version: int | None = None,
) -> Prescription:
    """Increase or decrease. Check-ins count from ``effective_on``, never from the day of the order.

    Steps planned earlier for that day or later no longer hold unless given again. Raises Invalid (the codes
    of :func:`dose_orders.change`), StaleVersion, NotFound, Forbidden.
    """
    patient, prescription = _locked(actor, prescription_id, expected_version)
    known, present = history(prescription), today(patient, now)
    added = dose_orders.change(
        events=known,
        dose_mg=dose_mg,
        ordered_on=ordered_on or present.patient,
        effective_on=effective_on,
        steps=planned_steps,
        today=present,
    )
    return _add(prescription, patient, known, added, actor=actor, now=now)


@durable
def stop(
    *,
    actor: Actor,
    now: datetime,
    prescription_id: int,
    effective_on: date,
    ordered_on: date | None = None,
    taper: Sequence[Step] = (),
    expected_version: int | None = None,
) -> Prescription:
    """End it; ``effective_on`` is the first day without the medicine. Withdrawal check-ins are planned, after
    each step of the ``taper`` that leads there too.

    Raises Invalid (the codes of :func:`dose_orders.stop`), StaleVersion, NotFound, Forbidden.
    """
    patient, prescription = _locked(actor, prescription_id, expected_version)
    known, present = history(prescription), today(patient, now)
    added = dose_orders.stop(
        events=known,
        ordered_on=ordered_on or present.patient,
        effective_on=effective_on,
        today=present,
        taper=taper,
    )
    return _add(prescription, patient, known, added, actor=actor, now=now)


@durable
def restart(
    *,
    actor: Actor,
    now: datetime,
    prescription_id: int,
    dose_mg: Decimal,
    effective_on: date,
    ordered_on: date | None = None,
    planned_steps: Sequence[Step] = (),
    expected_version: int | None = None,
) -> Prescription:
    """Take a stopped medicine again; the wait for relief begins anew on ``effective_on``.

    Raises Invalid (the codes of :func:`dose_orders.restart`), StaleVersion, NotFound, Forbidden.
    """
    patient, prescription = _locked(actor, prescription_id, expected_version)
    known, present = history(prescription), today(patient, now)
    added = dose_orders.restart(
        events=known,
        dose_mg=dose_mg,
        ordered_on=ordered_on or present.patient,
        effective_on=effective_on,
        steps=planned_steps,
        today=present,
    )
    return _add(prescription, patient, known, added, actor=actor, now=now)


@durable
def switch(
    *,
    actor: Actor,
    now: datetime,
    prescription_id: int,
    medication: str,
    drug_class: str,
    dose_mg: Decimal,
    effective_on: date,
    ordered_on: date | None = None,
    planned_steps: Sequence[Step] = (),
    indication: str | None = None,
    expected_version: int | None = None,
) -> Prescription:
    """End this medicine and begin another on the same day; returns the new prescription.

    The old one gets its withdrawal check-ins, the new one its onset check-ins. ``indication`` stays the same
    unless given. Raises Invalid (the codes of :func:`dose_orders.stop` and :func:`dose_orders.begin`,
    ``same_medication``), StaleVersion, NotFound, Forbidden.
    """
    patient, old = _locked(actor, prescription_id, expected_version)
    if medication.casefold() == old.medication.casefold():
        raise _refused("medication", "same_medication", "A switch is to another medicine. Change the dose.")
    known, present = history(old), today(patient, now)
    order_day = ordered_on or present.patient
    ending = dose_orders.stop(events=known, ordered_on=order_day, effective_on=effective_on, today=present)
    events = dose_orders.begin(
        kind=DoseKind.SWITCH,
        dose_mg=dose_mg,
        first_dose_on=effective_on,
        ordered_on=order_day,
        steps=planned_steps,
        today=present,
    )
    _add(old, patient, known, ending, actor=actor, now=now)
    return _begin(
        actor=actor,
        now=now,
        patient=patient,
        events=events,
        medication=medication,
        drug_class=drug_class,
        indication=old.indication if indication is None else indication,
        switched_from=old,
    )


def _begin(
    *,
    actor: Actor,
    now: datetime,
    patient: Patient,
    events: list[DoseEvent],
    medication: str,
    drug_class: str,
    indication: str,
    switched_from: Prescription | None = None,
) -> Prescription:
    prescription = Prescription.objects.create(
        patient=patient,
        medication=medication,
        drug_class=drug_class,
        indication=indication,
        switched_from=switched_from,
        prescribed_by_id=actor.user_id,
        created_at=now,
        **doses.shown(events=events, patient=patient, now=now),
    )
    doses.add_events(prescription=prescription, events=events, actor=actor, now=now)
    flags.refresh(patient=patient, now=now)
    check_ins.replan(prescription=prescription, patient=patient, events=events, now=now)
    return prescription


def _add(
    prescription: Prescription,
    patient: Patient,
    known: list[DoseEvent],
    added: list[DoseEvent],
    *,
    actor: Actor,
    now: datetime,
) -> Prescription:
    events = [*known, *added]
    doses.add_events(prescription=prescription, events=added, actor=actor, now=now)
    shown = doses.shown(events=events, patient=patient, now=now)
    for name, value in shown.items():
        setattr(prescription, name, value)
    versions.save(prescription, *shown)
    flags.refresh(patient=patient, now=now)
    check_ins.replan(prescription=prescription, patient=patient, events=events, now=now)
    return prescription


def _locked(actor: Actor, prescription_id: int, expected_version: int | None) -> tuple[Patient, Prescription]:
    """The prescription, locked after its patient."""
    visible = Prescription.objects.visible_to(actor).filter(pk=prescription_id)
    patient_id = visible.values_list("patient_id", flat=True).first()
    if patient_id is None:
        raise not_found()
    patient = lock_patient(patient_id)
    actor.require("prescriptions.write", patient.site_id)
    prescription = Prescription.objects.select_for_update().get(pk=prescription_id)
    versions.require_version(prescription, expected_version)
    return patient, prescription


def _refused(field: str, code: str, detail: str) -> Invalid:
    return Invalid(detail, code=code, errors=[FieldError(f"/{field}", code, detail)])
