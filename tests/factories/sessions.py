"""Patients who are ready to start, and ready to go home: their gates passed through the services."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from clinic.access.policy import SYSTEM, Actor
from patients.models import Patient, ScreeningFlag
from patients.services import assessments
from patients.services import flags as screening
from patients.services.assessments import Submission
from scheduling.domain.gate_facts import State
from scheduling.domain.gates import Gate
from scheduling.models import Appointment, InfusionSession, VisitType, VitalReading
from scheduling.selectors import gates as selector
from scheduling.services import dosing, gates, rems, session_steps, vitals

NOT_SINCE_YESTERDAY = {"clear_fluids_at": None, "light_meal_at": None, "fatty_meal_at": None}
BEFORE_START: dict[str, dict[str, Any]] = {
    "consent": {"signed_on": "2026-12-01"},
    "identity": {"checked": True},
    "escort": {"name": "Rosa Reyes", "phone": "+13035550177"},
    "driving": {"acknowledged": True},
    "fasting": NOT_SINCE_YESTERDAY,
    "rescreen": {"pregnancy": "no", "new_medicines": "no", "substances": "no"},
}
BEFORE_LEAVING: dict[str, dict[str, Any]] = {
    "aldrete": {
        "activity": 2,
        "respiration": 2,
        "circulation": 2,
        "consciousness": 2,
        "oxygen_saturation": 2,
    },
    "oriented": {"oriented": True},
    "gait": {"steady": True},
    "escort_present": {"present": True},
    "driving_advice": {"told": True},
}


def measured(
    appointment_id: int,
    pressure: str = "124/78",
    *,
    now: datetime,
    actor: Actor = SYSTEM,
    spo2: int | None = 98,
) -> VitalReading:
    """A set of vital signs."""
    systolic, diastolic = (int(part) for part in pressure.split("/"))
    values = {"systolic": systolic, "diastolic": diastolic, "spo2": spo2}
    return vitals.record(actor=actor, now=now, appointment_id=appointment_id, values=values)


def pass_start_gates(appointment: Appointment | int, *, actor: Actor = SYSTEM, now: datetime) -> None:
    """Whatever is asked before the start of a visit whose patient is here. Other visits: nothing."""
    visit = _visit(appointment)
    wanted = {gate.code: gate.state for gate in _open(visit, now=now)}
    answers = {code: given for code, given in BEFORE_START.items() if code in wanted}
    if not wanted:
        return
    gates.answer(actor=actor, now=now, appointment_id=visit.pk, given=answers)
    if "weight" in wanted:
        dosing.weigh(actor=actor, now=now, appointment_id=visit.pk, weight_kg=Decimal("70.0"))
    if "vitals" in wanted:
        measured(visit.pk, now=now, actor=actor)
    if "flags" in wanted:
        _acknowledge_flags(visit.patient, now=now)
    if wanted.get("mood") == State.OPEN:
        _answer_phq9(visit.patient, now=now)


def pass_discharge(appointment: Appointment | int, *, actor: Actor = SYSTEM, now: datetime) -> None:
    """The infusion ends, and the patient is discharged at once. Visits without an infusion: nothing."""
    visit = _visit(appointment)
    session = InfusionSession.objects.filter(pk=visit.pk).first()
    if session is None:
        return
    if session.infusion_ended_at is None:
        session_steps.end(actor=actor, now=now, appointment_id=visit.pk)
    measured(visit.pk, now=now, actor=actor)
    if visit.visit_type.kind == VisitType.Kind.ESKETAMINE:
        _resolved(visit, actor=actor, now=now)
    done = session_steps.discharge(actor=actor, now=now, appointment_id=visit.pk, given=BEFORE_LEAVING)
    assert done.open == [], done.open


def _resolved(visit: Appointment, *, actor: Actor, now: datetime) -> None:
    """The REMS record: dosed at the start, and both resolved by now."""
    dosed_at = InfusionSession.objects.get(pk=visit.pk).started_at
    resolved = {"sedation_resolved_at": now, "dissociation_resolved_at": now}
    rems.fill_in(actor=actor, now=now, appointment_id=visit.pk, answers={"dosed_at": dosed_at, **resolved})


def _visit(appointment: Appointment | int) -> Appointment:
    pk = appointment if isinstance(appointment, int) else appointment.pk
    return Appointment.objects.select_related("visit_type", "site", "patient").get(pk=pk)


def _open(visit: Appointment, *, now: datetime) -> list[Gate]:
    return selector.blocking(selector.of([visit], now=now, stage="start")[visit.pk])


def _acknowledge_flags(patient: Patient, *, now: datetime) -> None:
    for flag in ScreeningFlag.objects.filter(patient=patient, status="open"):
        screening.acknowledge(actor=SYSTEM, now=now, flag_id=flag.pk, reason="Considered.")


def _answer_phq9(patient: Patient, *, now: datetime) -> None:
    """Nothing found. An alarm that is open stays open."""
    submission = Submission(
        instrument="PHQ-9",
        answers={str(item): 0 for item in range(1, 10)},
        answered_at=now,
        source="in_clinic",
    )
    assessments.record(actor=SYSTEM, now=now, patient_id=patient.pk, submission=submission)
