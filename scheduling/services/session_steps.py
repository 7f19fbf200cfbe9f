"""What the steps of a visit mean for its infusion, and the two steps that only an infusion has: it ends, the
patient is discharged. A session's moments are written here and nowhere else.

Locks as the steps of a visit do: resources, patient, appointment, then the session.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import NoReturn

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import Conflict, Invalid
from clinic.common.transactions import durable
from patients.selectors.assessments import hold_on_treatment
from scheduling.domain import session_stages
from scheduling.domain.gates import DISCHARGE, START, Gate
from scheduling.domain.session_stages import SessionVerb, Stage
from scheduling.domain.transitions import Status, Verb
from scheduling.models import Appointment, InfusionSession
from scheduling.selectors import gates as selector
from scheduling.services import allocations, drug_log, gates, history, infusion_sessions, rems

CONCERNED = frozenset({Verb.CHECK_IN, Verb.START, Verb.COMPLETE})
"""The steps of a visit that open its session, need its gates, or change it."""
_MOMENTS: Mapping[str, str] = MappingProxyType(
    {
        Verb.START: "started_at",
        SessionVerb.END: "infusion_ended_at",
        SessionVerb.DISCHARGE: "discharged_at",
    }
)


@dataclass(frozen=True)
class Discharged:
    """What came of it: discharged, or what still holds the patient here. The answers are kept either way."""

    session: InfusionSession
    open: list[Gate]


@durable
def end(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    expected_version: int | None = None,
    reason: str = "",
    note: str = "",
) -> InfusionSession:
    """The infusion (or the dosing) is over; recovery begins.

    ``expected_version``: of the session. Raises Conflict (``invalid_transition``), Invalid
    (``not_an_infusion``), StaleVersion, NotFound, Forbidden.
    """
    session = _lock(appointment_id, actor=actor, expected_version=expected_version)
    _require(session, SessionVerb.END)
    session.infusion_ended_at = now
    versions.save(session, "infusion_ended_at")
    _record(session, SessionVerb.END, actor=actor, now=now, reason=reason, note=note)
    return session


@durable
def discharge(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    given: Mapping[str, object],
    expected_version: int | None = None,
    reason: str = "",
    note: str = "",
) -> Discharged:
    """Record the answers to gates before going home, and discharge the patient when none of them blocks.

    Where one does, the answers are kept all the same: nothing that was typed is lost. Raises Conflict
    (``invalid_transition``), Invalid (as :func:`gates.answer`; then nothing is kept), StaleVersion, NotFound,
    Forbidden.
    """
    session = _lock(appointment_id, actor=actor, expected_version=expected_version)
    _require(session, SessionVerb.DISCHARGE)
    blocking = selector.blocking(gates.store(session, given, actor=actor, now=now))
    if blocking:
        versions.save(session)
        return Discharged(session, blocking)
    session.discharged_at = now
    versions.save(session, "discharged_at")
    settle(session, now=now)
    _record(session, SessionVerb.DISCHARGE, actor=actor, now=now, reason=reason, note=note)
    return Discharged(session, [])


def with_visit(session: InfusionSession, verb: Verb, *, now: datetime) -> None:
    """Inside a step of the visit, before its status changes: check the gates of the step, keep its moment.

    Raises Conflict: to start ``safety_hold`` (never overridable) or ``gates_open``; to complete
    ``gates_open`` or ``not_discharged``.
    """
    fields = []
    if verb == Verb.START:
        _require_ready(session.appointment, now=now)
        session.started_at = now
        fields = ["started_at"]
        rems.begin(session=session, now=now)
    if verb == Verb.COMPLETE and infusion_sessions.stage_in(session) != Stage.DISCHARGED:
        _refuse_to_complete(session.appointment, now=now)
    versions.save(session, *fields)


def settle(session: InfusionSession | None, *, now: datetime) -> None:
    """Inside a completion, a discharge or their undo, once all is written: what follows of it."""
    if session is not None:
        drug_log.settle(session=session, now=now)
        rems.ask_for_form(session=session, now=now)


def settle_called_off(appointment: Appointment, *, now: datetime) -> None:
    """Inside a cancellation, a no-show or their undo: what was drawn for the visit must be accounted for."""
    session = InfusionSession.objects.select_for_update(no_key=True).filter(pk=appointment.pk).first()
    if session is not None:
        session.appointment = appointment
        drug_log.settle(session=session, now=now)


def take_back(session: InfusionSession | None, verb: str) -> None:
    """Inside an undo: forget the moment of the step. Answers, readings, doses and the drug log stay."""
    if session is None:
        return
    field = _MOMENTS.get(verb)
    if field is not None:
        setattr(session, field, None)
    versions.save(session, *([field] if field else []))


def _require_ready(appointment: Appointment, *, now: datetime) -> None:
    """DOMAIN section 2, and section 4: an infusion is held until a clinician signs the alarm off."""
    open_gates = selector.blocking(selector.of([appointment], now=now, stage=START)[appointment.pk])
    held_by = hold_on_treatment(appointment.patient_id)
    if held_by:
        raise Conflict(
            "A safety alarm of this patient is not signed off. A prescriber clears it for treatment first.",
            code="safety_hold",
            alarms=[alarm.pk for alarm in held_by],
            open=selector.listed(open_gates),
        )
    if open_gates:
        raise selector.refusal(open_gates, step="The start")


def _refuse_to_complete(appointment: Appointment, *, now: datetime) -> NoReturn:
    open_gates = selector.blocking(selector.of([appointment], now=now, stage=DISCHARGE)[appointment.pk])
    if open_gates:
        raise selector.refusal(open_gates, step="Completing the visit")
    raise Conflict("The patient has not been discharged. Discharge the patient first.", code="not_discharged")


def _lock(appointment_id: int, *, actor: Actor, expected_version: int | None) -> InfusionSession:
    appointment, _resources = allocations.lock_appointment(appointment_id, expected_version=None, actor=actor)
    actor.require("infusion_day.write", appointment.site_id)
    session = infusion_sessions.ensure(appointment)
    if session is None:
        raise Invalid("This visit has no infusion: it has no such step.", code="not_an_infusion")
    versions.require_version(session, expected_version)
    return session


def _require(session: InfusionSession, verb: SessionVerb) -> None:
    stage = infusion_sessions.stage_in(session)
    session_stages.next_stage(stage, verb, status=Status(session.appointment.status))


def _record(
    session: InfusionSession, verb: SessionVerb, *, actor: Actor, now: datetime, reason: str, note: str
) -> None:
    """The appointment counts it too, so that nobody undoes a step they have not seen."""
    appointment = session.appointment
    versions.save(appointment)
    history.record(
        appointment,
        actor=actor,
        verb=verb,
        before=appointment.status,
        now=now,
        reason=reason,
        note=note,
    )
