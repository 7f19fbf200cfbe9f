"""Answering the gates of a visit, and deciding to go on without one. Nothing written here is changed later.

The stage of the session decides which gates are meant: those before the start until treatment begins, those
before going home once the infusion has ended.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from clinic.access.policy import Actor
from clinic.common import rows as stored
from clinic.common import versions
from clinic.common.errors import Conflict, FieldError, Forbidden, Invalid
from clinic.common.transactions import durable
from scheduling.domain import gate_answers
from scheduling.domain.gates import DISCHARGE, START, Gate
from scheduling.domain.session_stages import Stage
from scheduling.models import GateCheck, InfusionSession
from scheduling.selectors import gates as selector
from scheduling.services import infusion_sessions

LONGEST_REASON = 300
_STAGE = {Stage.EXPECTED: START, Stage.WAITING: START, Stage.RECOVERY: DISCHARGE}


@durable
def answer(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    given: Mapping[str, object],
    expected_version: int | None = None,
) -> InfusionSession:
    """Record the answers to some gates, each by its code. All of them or none.

    Before the patient is here only what can be known then may be answered. Raises Invalid
    (``invalid_answers``, ``unknown_gate``, ``not_answered`` for a gate that is measured), Forbidden (clinical
    gates need infusion_day.write), Conflict (``wrong_stage``), NotFound, StaleVersion.
    """
    session = infusion_sessions.lock(
        appointment_id,
        actor=actor,
        permission="gates.write",
        expected_version=expected_version,
        stages=frozenset(_STAGE),
    )
    if infusion_sessions.stage_in(session) == Stage.EXPECTED:
        _require_known_before_arrival(given)
    store(session, given, actor=actor, now=now)
    versions.save(session)
    return session


@durable
def override(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    gate: str,
    reason: str,
    about: str = "",
    expected_version: int | None = None,
) -> InfusionSession:
    """Go on although a gate is open or failed, as long as the facts stay as they are now.

    ``about``: the digest that came with the gate; when given, only the facts that were shown are overridden.
    Raises Invalid (``reason_required``, ``unknown_gate``), Forbidden (``not_overridable``: nobody may;
    otherwise another role may), Conflict (``wrong_stage``, ``nothing_to_override``, ``facts_changed``),
    NotFound, StaleVersion.
    """
    session = infusion_sessions.lock(
        appointment_id,
        actor=actor,
        permission="gates.write",
        expected_version=expected_version,
        stages=frozenset({Stage.WAITING, Stage.RECOVERY}),
    )
    [found] = _among(gates_now(session, now=now), [gate], pointer="/gate")
    site_id = session.appointment.site_id
    if found.clinical:
        actor.require("infusion_day.write", site_id)
    said = " ".join(reason.split())
    if not said or len(said) > LONGEST_REASON:
        detail = f"Say why, in 1 to {LONGEST_REASON} characters."
        raise Invalid(
            detail, code="reason_required", errors=[FieldError("/reason", "reason_required", detail)]
        )
    if not found.blocks:
        raise Conflict(
            "This gate holds nothing up: there is nothing to override.", code="nothing_to_override"
        )
    _require_may_override(found, actor, site_id)
    if about and about != found.about:
        raise Conflict("Something changed since you decided. Look at the gate again.", code="facts_changed")
    stored.insert(
        [
            GateCheck(
                session=session,
                gate=found.code,
                stage=found.stage,
                result=GateCheck.Result.OVERRIDDEN,
                about=found.about,
                reason=said,
                at=now,
                by_id=actor.user_id,
            )
        ]
    )
    versions.save(session)
    return session


def gates_now(session: InfusionSession, *, now: datetime) -> list[Gate]:
    """The gates that the patient of a locked session is before, in the order of the rows."""
    stage = _STAGE[infusion_sessions.stage_in(session)]
    return selector.of([session.appointment], now=now, stage=stage)[session.pk]


def store(
    session: InfusionSession, given: Mapping[str, object], *, actor: Actor, now: datetime
) -> list[Gate]:
    """Inside the caller's transaction, with the session locked: record the answers; how the gates then stand.

    Raises as :func:`answer`.
    """
    gates = gates_now(session, now=now)
    found = _among(gates, list(given), pointer="/answers")
    if any(gate.clinical for gate in found):
        actor.require("infusion_day.write", session.appointment.site_id)
    answers = _read(given, session, now=now)
    if not answers:
        return gates
    stored.insert(
        [
            GateCheck(
                session=session,
                gate=gate.code,
                stage=gate.stage,
                result=GateCheck.Result.ANSWERED,
                answers=answers[gate.code],
                at=now,
                by_id=actor.user_id,
            )
            for gate in found
        ]
    )
    return gates_now(session, now=now)


def _read(
    given: Mapping[str, object], session: InfusionSession, *, now: datetime
) -> dict[str, dict[str, Any]]:
    """Every answer, read strictly; all faults of all gates in one refusal."""
    measured = [code for code in given if code not in gate_answers.QUESTIONS]
    if measured:
        detail = "This gate is measured or looked up; it takes no answers."
        errors = [FieldError(f"/answers/{code}", "not_answered", detail) for code in measured]
        raise Invalid(detail, code="not_answered", errors=errors)
    today = now.astimezone(session.appointment.site.zone).date()
    read: dict[str, dict[str, Any]] = {}
    errors = []
    for code, answers in given.items():
        try:
            read[code] = gate_answers.read(code, answers, now=now, today=today)
        except Invalid as error:
            errors += error.errors
    if errors:
        raise Invalid("Some answers cannot be used.", code="invalid_answers", errors=errors)
    return read


def _among(gates: Sequence[Gate], codes: Sequence[str], *, pointer: str) -> list[Gate]:
    """The gates with these codes. Raises Invalid naming those that this visit does not have now."""
    by_code = {gate.code: gate for gate in gates}
    unknown = [code for code in codes if code not in by_code]
    if unknown:
        detail = f"Now this visit has the gates {', '.join(by_code) or 'none'}."
        raise Invalid(detail, code="unknown_gate", errors=[FieldError(pointer, "unknown_gate", detail)])
    return [by_code[code] for code in codes]


def _require_known_before_arrival(given: Mapping[str, object]) -> None:
    early = [code for code in given if code not in gate_answers.BEFORE_ARRIVAL]
    if early:
        raise Conflict(
            "This is asked when the patient is here. Check the patient in first.",
            code="wrong_stage",
            stage=Stage.EXPECTED.value,
            possible=[Stage.WAITING.value],
        )


def _require_may_override(gate: Gate, actor: Actor, site_id: int) -> None:
    if not gate.overridable_by:
        raise Forbidden(f"Nobody may go on without this. {gate.advice}", code="not_overridable")
    held = actor.roles.get(site_id, frozenset())
    if not actor.sees_every_site and not held & set(gate.overridable_by):
        roles = " or a ".join(gate.overridable_by)
        raise Forbidden(f"To go on without this, a {roles} decides.")
