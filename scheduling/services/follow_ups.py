"""What is owed to a patient by a day: next-day calls that visits bring, and what staff add themselves."""

from datetime import date, datetime, timedelta

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import Conflict, FieldError, Invalid, NotFound
from clinic.common.transactions import durable
from patients.models import Patient
from scheduling.domain import follow_ups as domain
from scheduling.domain.follow_ups import Status, Verb
from scheduling.models import Appointment, FollowUp, VisitType
from scheduling.selectors.open_days import open_days
from scheduling.services.allocations import lock_patient

AFTER_VISIT = "after_visit"
BY_STAFF = "staff"
FARTHEST_DAYS = 730
"""A follow-up is owed within two years [D]; later than that it is a new episode of care."""

_CALLED_NEXT_DAY = frozenset({VisitType.Kind.INFUSION, VisitType.Kind.ESKETAMINE})


def after_visit(*, appointment: Appointment, now: datetime) -> FollowUp | None:
    """The call on the day after a treatment visit, moved to the next day on which the site is open.

    Call it inside the transaction that completes the visit, with the patient row locked. Safe to repeat.
    None for visits without treatment. Source: DOMAIN section 5, "After the visit".
    """
    if appointment.visit_type.kind not in _CALLED_NEXT_DAY:
        return None
    known = FollowUp.objects.filter(appointment=appointment, origin=AFTER_VISIT)
    existing = known.exclude(status=Status.CANCELLED).first()
    if existing is not None:
        return existing
    site = appointment.site
    next_day = appointment.start_at.astimezone(site.zone).date() + timedelta(days=1)
    is_open = open_days(site=site, first=next_day, last=next_day + timedelta(days=domain.SEARCHED_DAYS))
    return FollowUp.objects.create(
        patient_id=appointment.patient_id,
        kind=FollowUp.Kind.CALL,
        due_on=domain.next_open_day(next_day, is_open=is_open),
        origin=AFTER_VISIT,
        appointment=appointment,
        created_at=now,
    )


def withdraw_after_visit(*, appointment: Appointment) -> None:
    """Completion was undone, so its call is not owed; one already made stays.

    Call it inside the transaction of the undo, with the patient row locked.
    """
    due = FollowUp.objects.select_for_update().filter(
        appointment=appointment, origin=AFTER_VISIT, status=Status.DUE
    )
    for follow_up in due:
        follow_up.status = domain.after(Status(follow_up.status), Verb.CANCEL).value
        versions.save(follow_up, "status")


@durable
def create(
    *,
    actor: Actor,
    now: datetime,
    patient_id: int,
    kind: str,
    due_on: date,
    appointment_id: int | None = None,
    note: str = "",
) -> FollowUp:
    """Staff owe a patient something by ``due_on`` (a date on the site's calendar).

    Raises Invalid (``due_in_the_past``, ``due_too_far_ahead``, ``patient_inactive``,
    ``other_patients_visit``), Conflict (``already_owed``), NotFound, Forbidden.
    """
    patient = lock_patient(patient_id)
    if not actor.may("follow_ups.read", patient.site_id):
        raise NotFound("This patient does not exist.")
    actor.require("follow_ups.write", patient.site_id)
    if patient.status != Patient.Status.ACTIVE:
        raise _refused(
            "patient", "patient_inactive", "This patient is not active. Activate the record first."
        )
    check_day(due_on, patient=patient, now=now)
    if appointment_id is not None:
        visits = Appointment.objects.filter(pk=appointment_id, patient=patient)
        if not visits.exists():
            raise _refused("appointment", "other_patients_visit", "This visit is not one of the patient's.")
        owed = FollowUp.objects.filter(appointment_id=appointment_id, origin=BY_STAFF)
        if owed.exclude(status=FollowUp.Status.CANCELLED).exists():  # for sure: the patient is locked
            raise Conflict("Staff owe one for this visit already. Move that one.", code="already_owed")
    return FollowUp.objects.create(
        patient=patient,
        kind=kind,
        due_on=due_on,
        origin=BY_STAFF,
        appointment_id=appointment_id,
        note=note,
        created_at=now,
    )


@durable
def move(
    *, actor: Actor, now: datetime, follow_up_id: int, due_on: date, expected_version: int | None = None
) -> FollowUp:
    """Owe it by another day. Raises as :func:`create`, InvalidTransition, StaleVersion."""
    follow_up, patient = _locked(actor, follow_up_id, expected_version)
    domain.after(Status(follow_up.status), Verb.MOVE)
    if follow_up.due_on != due_on:
        check_day(due_on, patient=patient, now=now)
        follow_up.due_on = due_on
        versions.save(follow_up, "due_on")
    return follow_up


@durable
def complete(
    *,
    actor: Actor,
    now: datetime,
    follow_up_id: int,
    note: str = "",
    expected_version: int | None = None,
) -> FollowUp:
    """It was done; ``note`` says how it went. Raises InvalidTransition, StaleVersion, NotFound, Forbidden."""
    return _close(actor, follow_up_id, Verb.COMPLETE, note, expected_version)


@durable
def cancel(
    *,
    actor: Actor,
    now: datetime,
    follow_up_id: int,
    note: str = "",
    expected_version: int | None = None,
) -> FollowUp:
    """It is not owed any more. Raises InvalidTransition, StaleVersion, NotFound, Forbidden."""
    return _close(actor, follow_up_id, Verb.CANCEL, note, expected_version)


def _close(actor: Actor, follow_up_id: int, verb: Verb, note: str, expected_version: int | None) -> FollowUp:
    follow_up, _patient = _locked(actor, follow_up_id, expected_version)
    follow_up.status = domain.after(Status(follow_up.status), verb).value
    follow_up.note = note or follow_up.note
    versions.save(follow_up, "status", "note")
    return follow_up


def _locked(actor: Actor, follow_up_id: int, expected_version: int | None) -> tuple[FollowUp, Patient]:
    """The follow-up, locked after its patient."""
    visible = FollowUp.objects.visible_to(actor).filter(pk=follow_up_id)
    patient_id = visible.values_list("patient_id", flat=True).first()
    if patient_id is None:
        raise NotFound("This follow-up does not exist.")
    patient = lock_patient(patient_id)
    actor.require("follow_ups.write", patient.site_id)
    follow_up = FollowUp.objects.select_for_update().get(pk=follow_up_id)
    versions.require_version(follow_up, expected_version)
    return follow_up, patient


def check_day(due_on: date, *, patient: Patient, now: datetime) -> None:
    """Refuse a day on which nothing can be owed: Invalid (``due_in_the_past``, ``due_too_far_ahead``)."""
    today = now.astimezone(patient.site.zone).date()
    if due_on < today:
        raise _refused("due_on", "due_in_the_past", "This day is over. Choose today or a later day.")
    if due_on > today + timedelta(days=FARTHEST_DAYS):
        raise _refused("due_on", "due_too_far_ahead", "Choose a day within the next two years.")


def _refused(field: str, code: str, detail: str) -> Invalid:
    return Invalid(detail, code=code, errors=[FieldError(f"/{field}", code, detail)])
