"""What staff do about follow-ups: owe one, move it, say that it was done or is not owed any more.

What visits, courses and check-ins bring is in follow_ups_made, what fulfils them in follow_ups_done.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from clinic.access.policy import SYSTEM, Actor
from clinic.common import versions
from clinic.common.errors import FieldError, Invalid, NotFound
from clinic.common.transactions import durable
from patients.models import Patient
from patients.services.work_items import close_items
from scheduling.domain import follow_ups as domain
from scheduling.domain.follow_ups import Status, Verb
from scheduling.models import Appointment, FollowUp
from scheduling.selectors.open_days import open_days
from scheduling.services.allocations import lock_patient

BY_STAFF = "staff"
OVERDUE_KIND = "follow_up_overdue"


@durable
def create(
    *,
    actor: Actor,
    now: datetime,
    patient_id: int,
    kind: str,
    due_on: date,
    due_time: time | None = None,
    appointment_id: int | None = None,
    note: str = "",
) -> FollowUp:
    """Staff owe a patient something by ``due_on`` (a date on the site's calendar), by ``due_time`` there.

    A day on which the site is closed moves to the next open one. Several may be owed after one visit.
    Raises Invalid (``due_in_the_past``, ``due_too_far_ahead``, ``patient_inactive``,
    ``other_patients_visit``), NotFound, Forbidden.
    """
    patient = lock_patient(patient_id)
    if not actor.may("follow_ups.read", patient.site_id):
        raise NotFound("This patient does not exist.")
    actor.require("follow_ups.write", patient.site_id)
    if patient.status != Patient.Status.ACTIVE:
        raise _refused(
            "patient", "patient_inactive", "This patient is not active. Activate the record first."
        )
    if appointment_id is not None:
        visits = Appointment.objects.filter(pk=appointment_id, patient=patient)
        if not visits.exists():
            raise _refused("appointment", "other_patients_visit", "This visit is not one of the patient's.")
    return owe(
        patient=patient,
        now=now,
        kind=kind,
        due_on=due_on,
        due_time=due_time,
        origin=BY_STAFF,
        appointment_id=appointment_id,
        note=note,
    )


def owe(
    *,
    patient: Patient,
    now: datetime,
    kind: str,
    due_on: date,
    origin: str,
    due_time: time | None = None,
    appointment_id: int | None = None,
    note: str = "",
) -> FollowUp:
    """A new follow-up, in the caller's transaction, with the patient locked and the caller's right checked.

    Raises Invalid (``due_in_the_past``, ``due_too_far_ahead``).
    """
    day = settle_day(due_on, due_time, patient=patient, now=now)
    return FollowUp.objects.create(
        patient=patient,
        kind=kind,
        due_on=day,
        due_time=due_time,
        due_at=domain.overdue_from(day, due_time, zone=patient.site.zone),
        origin=origin,
        appointment_id=appointment_id,
        note=note,
        created_at=now,
    )


@durable
def move(
    *,
    actor: Actor,
    now: datetime,
    follow_up_id: int,
    due_on: date,
    expected_version: int | None = None,
) -> FollowUp:
    """Owe it by another day, at the same time of day. Raises as :func:`create`, InvalidTransition,
    StaleVersion."""
    follow_up, patient = _locked(actor, follow_up_id, expected_version)
    domain.after(Status(follow_up.status), Verb.MOVE)
    if follow_up.due_on != due_on:
        day = settle_day(due_on, follow_up.due_time, patient=patient, now=now)
        put_on(follow_up, day, patient=patient)
        close_item([follow_up], "The follow-up was moved to another day.", now=now)
    return follow_up


def put_on(follow_up: FollowUp, day: date, *, patient: Patient) -> None:
    """Write another day of a locked follow-up; it is not overdue any more."""
    follow_up.due_on = day
    follow_up.due_at = domain.overdue_from(day, follow_up.due_time, zone=patient.site.zone)
    follow_up.surfaced_at = None
    versions.save(follow_up, "due_on", "due_at", "surfaced_at")


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
    follow_up, _patient = _locked(actor, follow_up_id, expected_version)
    close([follow_up], Verb.COMPLETE, actor=actor, now=now, by=BY_STAFF, note=note)
    return follow_up


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
    follow_up, _patient = _locked(actor, follow_up_id, expected_version)
    close([follow_up], Verb.CANCEL, actor=actor, now=now, note=note)
    return follow_up


def close(
    follow_ups: Iterable[FollowUp], verb: Verb, *, actor: Actor, now: datetime, by: str = "", note: str = ""
) -> None:
    """Complete or cancel locked follow-ups; what said that they are overdue is settled with them.

    Raises InvalidTransition.
    """
    closed = list(follow_ups)
    for each in closed:
        each.status = domain.after(Status(each.status), verb).value
        each.note = note or each.note
        each.fulfilled_by = by
        each.closed_at, each.closed_by_id = now, actor.user_id
        versions.save(each, "status", "note", "fulfilled_by", "closed_at", "closed_by")
    told = "The follow-up was done." if verb is Verb.COMPLETE else "The follow-up is not owed any more."
    close_item(closed, told, now=now)


def withdraw(*, now: datetime, actor: Actor = SYSTEM, **which: object) -> None:
    """Cancel what is still due of ``which``; what was done stays. With the patient row locked."""
    due = FollowUp.objects.select_for_update().filter(status=Status.DUE, **which)
    close(due.order_by("pk"), Verb.CANCEL, actor=actor, now=now)


def close_item(follow_ups: Iterable[FollowUp], why: str, *, now: datetime) -> None:
    """Nobody needs to be told any more that these are overdue."""
    keys = [overdue_key(each.pk) for each in follow_ups]
    if keys:
        close_items(keys, note=f"Closed by Onset: {why[0].lower()}{why[1:]}", now=now)


def overdue_key(follow_up_id: int) -> str:
    """The cause that the work item names."""
    return f"{OVERDUE_KIND}:{follow_up_id}"


def settle_day(due_on: date, due_time: time | None, *, patient: Patient, now: datetime) -> date:
    """The day itself, or the next on which the patient's site is open; refused where nothing can be owed.

    Raises Invalid (``due_in_the_past``, ``due_too_far_ahead``).
    """
    site = patient.site
    today = now.astimezone(site.zone).date()
    if due_on < today:
        raise _refused("due_on", "due_in_the_past", "This day is over. Choose today or a later day.")
    if due_on > today + timedelta(days=domain.FARTHEST_DAYS):
        raise _refused("due_on", "due_too_far_ahead", "Choose a day within the next two years.")
    is_open = open_days(site=site, first=due_on, last=due_on + timedelta(days=domain.SEARCHED_DAYS))
    day = domain.next_open_day(due_on, is_open=is_open)
    if domain.overdue_from(day, due_time, zone=site.zone) <= now:
        raise _refused("due_time", "due_in_the_past", "This time is over. Choose a later time or day.")
    return day


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


def _refused(field: str, code: str, detail: str) -> Invalid:
    return Invalid(detail, code=code, errors=[FieldError(f"/{field}", code, detail)])
