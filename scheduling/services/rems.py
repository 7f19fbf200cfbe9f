"""The REMS record of an esketamine session: begun with it, filled in, its form asked for until it is sent.

Sending the form to the REMS is a person's act on its own portal; here is what it says and when it was done.
"""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from clinic.access.policy import Actor, Role
from clinic.common import versions
from clinic.common.errors import Conflict, FieldError, Invalid, NotFound
from clinic.common.transactions import durable
from patients.models import WorkItem
from patients.services import work_items
from scheduling.domain import rems as rules
from scheduling.domain.session_stages import Stage
from scheduling.models import DoseOrder, InfusionSession, RemsRecord, VisitType
from scheduling.selectors import rems as selector
from scheduling.selectors.infusion_rules import policy_of
from scheduling.selectors.rems import Rems
from scheduling.services import infusion_sessions

PERMISSION = "infusion_day.write"
KIND = "rems_form"
FIELDS = (*rules.ANSWERS, "serious_event", "readings_not_taken")
_INSTANTS = ("dosed_at", "sedation_resolved_at", "dissociation_resolved_at")
_GONE = frozenset({Stage.DISCHARGED, Stage.DONE})


def begin(*, session: InfusionSession, now: datetime) -> None:
    """Make the record of an esketamine session that starts, with the dose ordered; others need none.

    Inside the transaction of the start, with the session locked; safe to repeat after an undo.
    """
    visit = session.appointment
    if visit.visit_type.kind != VisitType.Kind.ESKETAMINE:
        return
    order = DoseOrder.objects.filter(session=session).order_by("-sequence").first()
    day = visit.start_at.astimezone(visit.site.zone).date()
    days = policy_of(visit, on=now.astimezone(visit.site.zone).date()).rems_form_days
    RemsRecord.objects.get_or_create(
        session=session,
        defaults={"dose_mg": order.mg if order else None, "due_on": day + timedelta(days=days)},
    )


def ask_for_form(*, session: InfusionSession, now: datetime) -> None:
    """A work item for the form of a session that is over, until it is sent; none when the step is undone.

    Inside the transaction of the completion or its undo, with the session locked and the status written.
    """
    record = RemsRecord.objects.filter(session=session).first()
    if record is None:
        return
    key, visit = f"{KIND}:session:{session.pk}", session.appointment
    if infusion_sessions.stage_in(session) != Stage.DONE or record.submitted_at is not None:
        work_items.close_items([key], note="Closed by Onset: the form is not due.", now=now)
        return
    work_items.open_item(
        kind=KIND,
        key=key,
        severity=WorkItem.Severity.ROUTINE,
        site_id=visit.site_id,
        patient=visit.patient,
        summary=f"Visit {visit.pk}: send the monitoring form by {record.due_on}, then mark it as submitted.",
        owner_role=Role.NURSE,
        due_at=datetime.combine(record.due_on, time(23, 59), visit.site.zone),
        now=now,
    )


@durable
def fill_in(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    answers: Mapping[str, Any],
    expected_version: int | None = None,
) -> Rems:
    """Write the given fields (of FIELDS); None takes an answer back. ``expected_version``: of the session.

    Raises Invalid (``invalid_rems``: a moment in the future, or before the dose), Conflict
    (``already_submitted``), NotFound (no such record: the session has not started), StaleVersion, Forbidden.
    """
    session, record = _locked(actor, appointment_id, expected_version)
    for name, answer in answers.items():
        setattr(record, name, answer.strip() if isinstance(answer, str) else answer)
    _refuse_impossible(record, session, now=now)
    versions.save(record, *answers)
    versions.save(session)
    return selector.of(record)


@durable
def submit(*, actor: Actor, now: datetime, appointment_id: int, expected_version: int | None = None) -> Rems:
    """The form was sent to the REMS; its work item closes, and the record changes no more.

    Raises Invalid (``rems_incomplete``, naming each field), Conflict (``already_submitted``; ``wrong_stage``
    while the patient is here), NotFound, StaleVersion, Forbidden.
    """
    session, record = _locked(actor, appointment_id, expected_version, stages=_GONE)
    found = selector.of(record)
    faults = rules.missing(vars(record), found.pressures)
    if faults:
        raise Invalid(
            f"The form is not complete: {len(faults)} answers are missing. See errors for each.",
            code="rems_incomplete",
            errors=faults,
        )
    record.submitted_at, record.submitted_by_id = now, actor.user_id
    versions.save(record, "submitted_at", "submitted_by")
    work_items.close_items(
        [f"{KIND}:session:{session.pk}"], note="Closed by Onset: the form was submitted.", now=now
    )
    versions.save(session)
    return found


def _locked(
    actor: Actor,
    appointment_id: int,
    expected_version: int | None,
    stages: frozenset[Stage] | None = None,
) -> tuple[InfusionSession, RemsRecord]:
    session = infusion_sessions.lock(
        appointment_id, actor=actor, permission=PERMISSION, expected_version=expected_version, stages=stages
    )
    record = RemsRecord.objects.filter(session=session).first()
    if record is None:
        raise NotFound("There is no REMS record: it is made when an esketamine session starts.")
    if record.submitted_at is not None:
        raise Conflict("The form was submitted; the record no longer changes.", code="already_submitted")
    record.session = session
    return session, record


def _refuse_impossible(record: RemsRecord, session: InfusionSession, *, now: datetime) -> None:
    faults = [
        FieldError(f"/{name}", "in_the_future", "This is a moment now or before.")
        for name in _INSTANTS
        if (at := getattr(record, name)) is not None and at > now
    ]
    earliest = session.started_at and session.started_at - timedelta(hours=1)
    if record.dosed_at and earliest and record.dosed_at < earliest:
        faults.append(FieldError("/dosed_at", "too_long_ago", "This is before the session. Check the time."))
    faults += [
        FieldError(f"/{name}", "before_the_dose", "This is before the first device was used. Check the time.")
        for name in _INSTANTS[1:]
        if record.dosed_at and (at := getattr(record, name)) is not None and at < record.dosed_at
    ]
    if faults:
        raise Invalid(faults[0].detail, code="invalid_rems", errors=faults)
