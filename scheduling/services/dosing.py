"""Weighing the patient and ordering the dose. Every order stays; the latest counts.

The first dose is ordered by the protocol, as soon as there is a weight. What differs from the protocol is a
prescriber's to order, with a reason; a change of duration lays the visit anew (durations.py).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from clinic.access.policy import Actor
from clinic.common import rows, versions
from clinic.common.errors import Forbidden, Invalid
from clinic.common.transactions import durable
from scheduling.domain import dosing as domain
from scheduling.domain.session_stages import Stage
from scheduling.models import DoseOrder, DoseProtocol, GateCheck, InfusionSession
from scheduling.selectors import dosing as selectors
from scheduling.services import allocations, drug_log, durations, infusion_sessions

_OPEN = frozenset({Stage.WAITING, Stage.INFUSING})
_TENTH = Decimal("0.1")


class Effect(StrEnum):
    """What taking the weight did to the dose."""

    PROPOSED = "proposed"
    RECALCULATED = "recalculated"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    """Ordered with a reason, or already running: a prescriber looks at it again."""
    NONE = "none"
    """There is no dose yet: somebody orders it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """A session after the patient was weighed, with the dose that counts now."""

    session: InfusionSession
    order: DoseOrder | None
    effect: Effect


@durable
def weigh(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    weight_kg: Decimal,
    expected_version: int | None = None,
) -> Weighed:
    """Record the weight, to a tenth of a kg, and order or re-calculate the protocol's dose.

    A dose ordered with a reason, or one that is running, stays as it is. Raises Invalid (``out_of_range``:
    20 to 400 kg), Conflict (``wrong_stage``), StaleVersion, NotFound, Forbidden.
    """
    session = infusion_sessions.lock(
        appointment_id,
        actor=actor,
        permission="infusion_day.write",
        expected_version=expected_version,
        stages=_OPEN,
    )
    if not domain.LEAST_KG <= weight_kg <= domain.MOST_KG:
        raise Invalid(
            f"A weight is from {domain.LEAST_KG} to {domain.MOST_KG} kg. Check it, and that it is in kg.",
            code="out_of_range",
        )
    session.weight_kg = weight_kg.quantize(_TENTH, ROUND_HALF_UP)
    session.weighed_at = now
    versions.save(session, "weight_kg", "weighed_at")
    GateCheck.objects.create(
        session=session,
        gate="weight",
        stage="start",
        result=GateCheck.Result.ANSWERED,
        answers={"weight_kg": str(session.weight_kg)},
        at=now,
        by_id=actor.user_id,
    )
    return _after_weighing(session, actor=actor, now=now)


def _after_weighing(session: InfusionSession, *, actor: Actor, now: datetime) -> Weighed:
    last = selectors.current([session.pk]).get(session.pk)
    protocol = _protocol(session)
    dose = _proposal(session, protocol, last)
    if last is None and dose is None:
        return Weighed(session=session, order=None, effect=Effect.NONE)
    if last is not None and (last.weight_kg == session.weight_kg or last.mg_per_h is None):
        return Weighed(session=session, order=last, effect=Effect.UNCHANGED)
    running = infusion_sessions.stage_in(session) != Stage.WAITING
    if last is not None and (dose is None or last.override_reason or running):
        return Weighed(session=session, order=last, effect=Effect.KEPT)
    assert dose is not None and protocol is not None  # noqa: PT018, S101 - the cases above
    order = _write(session, protocol, dose, last=last, actor=actor, now=now)
    effect = Effect.PROPOSED if last is None else Effect.RECALCULATED
    return Weighed(session=session, order=order, effect=effect)


def _proposal(
    session: InfusionSession, protocol: DoseProtocol | None, last: DoseOrder | None
) -> domain.Dose | None:
    """The protocol's dose in the time that the visit has; None when a person must decide."""
    if protocol is None:
        return None
    minutes = last.minutes if last else protocol.minutes
    if durations.reserved(session) not in {None, minutes}:
        return None
    numbers = selectors.numbers(protocol)
    try:
        calculated = domain.calculate(numbers, weight_kg=session.weight_kg, minutes=minutes)
        return domain.ordered(numbers, minutes=minutes, calculated=calculated)
    except Invalid:
        return None


@durable
def order(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    mg: Decimal | None = None,
    mg_per_h: Decimal | None = None,
    minutes: int | None = None,
    reason: str = "",
    expected_version: int | None = None,
) -> DoseOrder:
    """Order a dose: so many mg, or so many mg/h, over so many minutes; what is left out is as calculated.

    Before the start and while the infusion runs. Raises Forbidden (``prescriber_needed``) and Invalid
    (``reason_required``), both saying ``why``, for a dose above a cap or away from the calculated one;
    Invalid (``no_protocol``, ``not_weighed``, ``contradiction``, ``dose_not_offered``, ``already_ran``,
    ``out_of_range``), what durations.lay raises, Conflict (``wrong_stage``), StaleVersion, NotFound.
    """
    appointment, resources = allocations.lock_appointment(appointment_id, expected_version=None, actor=actor)
    session = infusion_sessions.lock(
        appointment_id,
        actor=actor,
        permission="infusion_day.write",
        expected_version=expected_version,
        stages=_OPEN,
    )
    session.appointment = appointment
    protocol = _protocol(session)
    if protocol is None:
        raise Invalid(
            "No dose protocol is in force for this visit. A manager enters one in the set-up.",
            code="no_protocol",
        )
    last = selectors.current([session.pk]).get(session.pk)
    minutes = minutes or (last.minutes if last else protocol.minutes)
    _refuse_past(session, minutes, now=now)
    numbers = selectors.numbers(protocol)
    calculated = domain.calculate(numbers, weight_kg=session.weight_kg, minutes=minutes)
    dose = domain.ordered(numbers, minutes=minutes, calculated=calculated, mg=mg, mg_per_h=mg_per_h)
    decides = actor.may("prescriptions.write", appointment.site_id)
    fixed = protocol.basis == DoseProtocol.Basis.FIXED_MG
    last_mg = selectors.last_mg(appointment, protocol) if fixed else None
    unusual = domain.why(numbers, dose, calculated=calculated, last_mg=last_mg)
    # A choice of fixed doses is what a prescriber is there for; anything else is explained.
    _require_reason([] if fixed and decides else unusual, decides=decides, reason=reason)
    if minutes != (durations.reserved(session) or protocol.minutes):
        durations.lay(
            session=session,
            appointment=appointment,
            resources=resources,
            minutes=minutes,
            actor=actor,
            now=now,
            after_hours=decides and bool(reason),
        )
    versions.save(session, "infusion_minutes")
    return _write(session, protocol, dose, last=last, actor=actor, now=now, reason=reason)


def _protocol(session: InfusionSession) -> DoseProtocol | None:
    visit = session.appointment
    return selectors.protocol_of(visit, on=visit.start_at.astimezone(visit.site.zone).date())


def _refuse_past(session: InfusionSession, minutes: int, *, now: datetime) -> None:
    """An infusion cannot be shorter than it has been already."""
    if session.started_at is not None and session.started_at + timedelta(minutes=minutes) < now:
        ran = (now - session.started_at) // timedelta(minutes=1)
        raise Invalid(
            f"The infusion has run for {ran} minutes already. End it, or order a longer one.",
            code="already_ran",
        )


def _require_reason(unusual: list[domain.Why], *, decides: bool, reason: str) -> None:
    if not unusual or (decides and reason):
        return
    sentences = " ".join(domain.SENTENCES[each] for each in unusual)
    why = [each.value for each in unusual]
    if not decides:
        raise Forbidden(f"{sentences} A prescriber orders it.", code="prescriber_needed", why=why)
    raise Invalid(f"{sentences} Give the reason.", code="reason_required", why=why)


def _write(
    session: InfusionSession,
    protocol: DoseProtocol,
    dose: domain.Dose,
    *,
    last: DoseOrder | None,
    actor: Actor,
    now: datetime,
    reason: str = "",
) -> DoseOrder:
    order = DoseOrder(
        session=session,
        sequence=last.sequence + 1 if last else 1,
        protocol=protocol,
        protocol_read={"name": protocol.name, "drug": protocol.drug, **selectors.numbers(protocol).to_json()},
        weight_kg=session.weight_kg,
        calculated_mg=dose.calculated_mg,
        capped_by=dose.capped_by or "",
        mg=dose.mg,
        mg_per_h=dose.mg_per_h,
        minutes=dose.minutes,
        override_reason=reason,
        ordered_at=now,
        by_id=actor.user_id,
    )
    rows.insert([order])
    drug_log.settle(session=session, now=now)
    return order
