"""Vital signs are recorded, answered and struck here; whoever must look is asked in the same transaction.

One work item per session and level is open at a time: it is about the patient, not about each number. It
closes when no reading of that level is left unanswered.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from clinic.access.policy import Actor, Role
from clinic.common import versions
from clinic.common.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from clinic.common.transactions import durable
from patients.models import WorkItem
from patients.services import work_items
from scheduling.domain.session_stages import Stage
from scheduling.domain.vital_levels import implausible, judge
from scheduling.domain.vitals import MEASURES
from scheduling.models import InfusionSession, VitalReading, VitalThreshold
from scheduling.selectors import vitals as selector
from scheduling.selectors.infusion_rules import policy_of
from scheduling.services import infusion_sessions, struck

PERMISSION, SIGNS_OFF = "infusion_day.write", "treatment.clear"
_MEASURED_IN = frozenset({Stage.WAITING, Stage.INFUSING, Stage.RECOVERY, Stage.DISCHARGED, Stage.DONE})
_EARLIEST = timedelta(days=1)
"""How long before the arrival a reading may have been taken."""
_Level = VitalThreshold.Level
_KINDS: Mapping[str, str] = MappingProxyType({_Level.REVIEW: "vital_review", _Level.URGENT: "vital_urgent"})
_SUMMARIES: Mapping[str, str] = MappingProxyType(
    {
        _Level.REVIEW: "Visit {}: a value needs a prescriber's review. Open the session and acknowledge it.",
        _Level.URGENT: "Visit {}: go to the patient now. A prescriber acknowledges it in the session.",
    }
)


@durable
def record(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    values: Mapping[str, Any],
    symptoms: str = "",
    measured_at: datetime | None = None,
    expected_version: int | None = None,
) -> VitalReading:
    """Keep one set of vital signs and the gravest level it reached; ``values`` is by column of VitalReading.

    A later reading may be entered until after the visit. Raises Invalid (``invalid_reading``, with the fault
    of each field), Conflict (``wrong_stage``: before arrival, or nobody came), StaleVersion, NotFound,
    Forbidden.
    """
    session = infusion_sessions.lock(
        appointment_id,
        actor=actor,
        permission=PERMISSION,
        expected_version=expected_version,
        stages=_MEASURED_IN,
    )
    visit, at = session.appointment, measured_at or now
    given = {name: values.get(name) for name in MEASURES}
    arrived = selector.arrived_at([visit]).get(visit.pk, visit.start_at)
    faults = [*implausible(given, symptoms=symptoms), *_misplaced(at, arrived=arrived, now=now)]
    if faults:
        raise Invalid(faults[0].detail, code="invalid_reading", errors=faults)
    judged = judge(
        given,
        symptoms=symptoms,
        before=selector.is_before(at, session.started_at),
        thresholds=selector.thresholds(visit, at=at),
    )
    reading = VitalReading.objects.create(
        session=session,
        measured_at=at,
        recorded_at=now,
        by_id=actor.user_id,
        symptoms=symptoms.strip(),
        level=judged.level,
        findings=judged.findings,
        **given,
    )
    _ask(session, judged.level, now=now)
    versions.save(session)
    return reading


@durable
def acknowledge(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    reading_id: int,
    note: str = "",
    expected_version: int | None = None,
) -> VitalReading:
    """Somebody has looked at the patient. Readings to review and urgent ones are a prescriber's.

    Raises Conflict (``nothing_to_acknowledge``, ``already_acknowledged``, ``already_struck``), StaleVersion,
    NotFound, Forbidden.
    """
    session, reading = _locked(actor, appointment_id, reading_id, expected_version)
    if not reading.level:
        raise Conflict("This reading reached no threshold.", code="nothing_to_acknowledge")
    if reading.acknowledged_at is not None:
        raise Conflict("Somebody acknowledged this reading already.", code="already_acknowledged")
    if reading.level != _Level.ACKNOWLEDGE and not actor.may(SIGNS_OFF, session.appointment.site_id):
        raise Forbidden("A prescriber acknowledges readings of this level.")
    reading.acknowledged_at, reading.acknowledged_by_id = now, actor.user_id
    reading.acknowledged_note = note.strip()
    reading.save(update_fields=["acknowledged_at", "acknowledged_by", "acknowledged_note"])
    _settle(session, reading.level, note="A prescriber looked at it.", now=now)
    versions.save(session)
    return reading


@durable
def strike(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    reading_id: int,
    reason: str,
    expected_version: int | None = None,
) -> VitalReading:
    """It was entered in error: it stays to be seen and no longer counts; what it answered is due again.

    Raises Invalid (``reason_required``), Conflict (``already_struck``), StaleVersion, NotFound, Forbidden.
    """
    session, reading = _locked(actor, appointment_id, reading_id, expected_version)
    struck.mark(reading, actor=actor, reason=reason, now=now)
    _settle(session, reading.level, note="The entry it rested on was struck.", now=now)
    versions.save(session)
    return reading


def _locked(
    actor: Actor, appointment_id: int, reading_id: int, expected_version: int | None
) -> tuple[InfusionSession, VitalReading]:
    session = infusion_sessions.lock(
        appointment_id, actor=actor, permission=PERMISSION, expected_version=expected_version
    )
    reading = VitalReading.objects.filter(session=session, pk=reading_id).first()
    if reading is None:
        raise NotFound("There is no such reading in this session.")
    struck.refuse(reading)
    reading.session = session
    return session, reading


def _misplaced(at: datetime, *, arrived: datetime, now: datetime) -> list[FieldError]:
    if at > now:
        return [FieldError("/measured_at", "in_the_future", "A reading is taken now or before.")]
    if at < arrived - _EARLIEST:
        detail = "This is more than a day before the patient arrived. Check the time."
        return [FieldError("/measured_at", "too_long_ago", detail)]
    return []


def _ask(session: InfusionSession, level: str, *, now: datetime) -> None:
    """Open the work item of this level, unless it is open."""
    if level not in _KINDS:
        return
    visit = session.appointment
    policy = policy_of(visit, on=now.astimezone(visit.site.zone).date())
    urgent = level == _Level.URGENT
    minutes = policy.urgent_minutes if urgent else policy.review_minutes
    work_items.open_item(
        kind=_KINDS[level],
        key=_key(session, level),
        severity=WorkItem.Severity.URGENT if urgent else WorkItem.Severity.ROUTINE,
        site_id=visit.site_id,
        patient=visit.patient,
        summary=_SUMMARIES[level].format(visit.pk),
        owner_role=Role.PRESCRIBER,
        due_at=now + timedelta(minutes=minutes),
        now=now,
    )


def _settle(session: InfusionSession, level: str, *, note: str, now: datetime) -> None:
    """Close the work item of this level when no reading of it waits any more."""
    if level in _KINDS and not selector.waiting([session.pk]).filter(level=level).exists():
        work_items.close_items([_key(session, level)], note=f"Closed by Onset: {note}", now=now)


def _key(session: InfusionSession, level: str) -> str:
    return f"{_KINDS[level]}:session:{session.pk}"
