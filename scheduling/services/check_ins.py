"""Check-ins as they change: planned from a history of doses, recorded by staff, moved on by the tick."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

import structlog

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import NotFound
from clinic.common.transactions import durable
from patients.models import Assessment, Patient
from patients.services.assessments import Recorded
from scheduling.domain.calendars import wall_to_instant
from scheduling.domain.check_in_answers import require_in_window, require_recordable
from scheduling.domain.check_in_history import DoseEvent
from scheduling.domain.check_ins import CheckInStatus, PlannedCheckIn, plan, reconcile
from scheduling.models import CheckIn, Prescription
from scheduling.selectors import check_ins as selector
from scheduling.selectors.check_in_answers import Answers
from scheduling.selectors.prescriptions import today
from scheduling.services import doses
from scheduling.services.allocations import lock_patient
from scheduling.services.check_in_answers import Given, answer_contact
from scheduling.services.check_in_contacts import refresh

log = structlog.get_logger(__name__)


def replan(
    *, prescription: Prescription, patient: Patient, events: Sequence[DoseEvent], now: datetime
) -> None:
    """Bring the stored check-ins of a prescription in line with its history, and the patient's contacts
    with them. Inside the caller's transaction, with the patient row locked.

    Rows that no longer count are superseded, never deleted; answered ones stay. Raises Invalid when the
    clinic's check-in rules contradict each other.
    """
    stored = {row.pk: row for row in CheckIn.objects.filter(prescription=prescription)}
    changes = reconcile(
        existing=[selector.as_existing(row) for row in stored.values()],
        planned=plan(
            events=events,
            rules=selector.rules_in_force(),
            facts=selector.facts_of(patient, indication=prescription.indication, now=now),
            drug_class=prescription.drug_class,
        ),
    )
    given_up = [stored[item.id] for item in changes.supersede]
    for row in given_up:
        row.status = CheckIn.Status.SUPERSEDED
        row.next_action_at = None
        row.version += 1
    CheckIn.objects.bulk_update(given_up, ("status", "next_action_at", "version"))
    CheckIn.objects.bulk_create(_new(row, prescription, now) for row in changes.create)
    refresh(patient=patient, now=now)


@dataclass(frozen=True, slots=True)
class Recording:
    """The check-in as it is now, and what its questionnaires came to."""

    check_in: CheckIn
    recorded: Sequence[Recorded]


@durable
def record(
    *,
    actor: Actor,
    now: datetime,
    check_in_id: int,
    note: str = "",
    answered_on: date | None = None,
    answers: Answers | None = None,
    source: str = Assessment.Source.PHONE,
    language: str | None = None,
    expected_version: int | None = None,
) -> Recording:
    """Write down what the patient answered: on the phone, face to face, or in an app.

    Answers everything asked in the same contact whose window holds ``answered_on`` (by default today in the
    patient's zone), scores the questionnaires in ``answers`` and withdraws what was not sent yet. A missed
    check-in may still be recorded for a day inside its window. ``language`` is the patient's unless said.
    Raises InvalidTransition, Invalid (``answered_in_the_future``, ``outside_window``, ``not_asked``),
    InvalidAnswers, StaleVersion, NotFound, Forbidden.
    """
    patient, row = _locked(actor, check_in_id)
    versions.require_version(row, expected_version)
    require_recordable(CheckInStatus(row.status))
    present = today(patient, now)
    day = answered_on or present.patient
    require_in_window(row=row, answered_on=day, latest=present.latest)
    given = Given(
        answers=answers or {},
        on=day,
        at=min(now, _noon(day, patient)) if day < present.patient else now,
        source=source,
        language=language or patient.language,
        note=note,
    )
    recorded = answer_contact(actor=actor, now=now, patient=patient, row=row, given=given)
    return Recording(check_in=CheckIn.objects.get(pk=row.pk), recorded=recorded)


def advance(*, now: datetime, limit: int) -> int:
    """Do what has come due for up to ``limit`` patients; returns for how many it was done.

    One transaction per patient. A patient whom another worker or a request has locked is left to the next
    look, and one that fails does not hold up the others.
    """
    done = 0
    for patient_id in selector.patients_due(now=now, limit=limit):
        try:
            done += _advance(patient_id=patient_id, now=now)
        except Exception as error:  # noqa: BLE001 - logged; readiness reports what stays due
            # No traceback: a database error repeats the row, and with it the patient.
            log.error("check_ins_not_advanced", patient_id=patient_id, error=type(error).__name__)  # noqa: TRY400
    return done


@durable
def _advance(*, patient_id: int, now: datetime) -> bool:
    patient = (
        Patient.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("site")
        .filter(pk=patient_id)
        .first()
    )
    if patient is None:
        return False
    doses.take_effect(patient=patient, now=now)
    refresh(patient=patient, now=now)
    return True


def _locked(actor: Actor, check_in_id: int) -> tuple[Patient, CheckIn]:
    """The check-in, locked after its patient."""
    visible = CheckIn.objects.visible_to(actor).filter(pk=check_in_id)
    patient_id = visible.values_list("patient_id", flat=True).first()
    if patient_id is None:
        raise NotFound("This check-in does not exist.")
    patient = lock_patient(patient_id)
    actor.require("check_ins.write", patient.site_id)
    return patient, CheckIn.objects.select_for_update().get(pk=check_in_id)


def _noon(day: date, patient: Patient) -> datetime:
    """The moment of an answer of which only the day is known."""
    return wall_to_instant(datetime.combine(day, time(12)), patient.zone, later=False)


def _new(row: PlannedCheckIn, prescription: Prescription, now: datetime) -> CheckIn:
    return CheckIn(
        patient_id=prescription.patient_id,
        prescription=prescription,
        key=row.key,
        code=row.code,
        day=row.day,
        due_on=row.due_on,
        window_start_on=row.window_start_on,
        window_end_on=row.window_end_on,
        contact_on=row.due_on,
        mandatory=row.mandatory,
        staff_contact=row.staff_contact,
        asks=list(row.asks),
        anchor_sequence=row.anchor_sequence,
        anchor_kind=row.anchor_kind.value,
        anchor_on=row.anchor_on,
        anchor_dose_mg=row.anchor_dose_mg,
        explanation=row.explanation,
        next_action_at=now,
        created_at=now,
    )
