"""Safety alarms: opened beside the answer, handed on until somebody takes them, closed by clinicians.

The idea to know: every alarm has one urgent work item. Each step locks the item, then the alarm, and changes
both, so neither can say something else than the other.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog

from clinic.access.policy import SYSTEM, Actor
from clinic.common import versions
from clinic.common.errors import Conflict, NotFound
from clinic.common.transactions import durable
from patients.domain import work_items as work
from patients.domain.alarms import Status, turn
from patients.domain.scoring import SEVERITY_RANK, Finding
from patients.models import Assessment, Patient, SafetyAlarm, SafetyAlarmEvent, WorkItem
from patients.selectors import assessments as reading
from patients.services import alarm_steps
from patients.services.work_items import open_item

TASK = "patients.tasks.escalate_alarms"
SUMMARY = "A patient's answers need a clinician now. Open the safety alarm."

log = structlog.get_logger(__name__)


def open_for(
    *, assessment: Assessment, patient: Patient, findings: Sequence[Finding], now: datetime
) -> SafetyAlarm:
    """Open the alarm of an answer that was just stored, inside its transaction."""
    watch = reading.watch(site_id=patient.site_id, now=now)
    first = turn(chain=reading.alarm_chain(patient.site_id), level=1, now=now, watch=watch)
    item = open_item(
        kind=alarm_steps.KIND,
        key=f"{alarm_steps.KIND}:{assessment.pk}",
        severity=WorkItem.Severity.URGENT,
        site_id=patient.site_id,
        patient=patient,
        summary=SUMMARY,
        owner_role=first.role,
        due_at=first.until,
        now=now,
    )
    alarm = SafetyAlarm.objects.create(
        patient=patient,
        site_id=patient.site_id,
        assessment=assessment,
        work_item=item,
        severity=max((each.threshold.severity for each in findings), key=lambda word: SEVERITY_RANK[word]),
        items=sorted({code for each in findings for code in each.items}),
        owner_role=first.role,
        level=first.level,
        opened_at=now,
        watched=watch.watched,
        next_open_at=watch.next_open,
        next_escalation_at=first.until,
    )
    alarm_steps.write(alarm, SafetyAlarmEvent.Kind.OPENED, actor=SYSTEM, now=now)
    return alarm


def join(alarm: SafetyAlarm, findings: Sequence[Finding], *, now: datetime) -> bool:
    """Add critical answers of the same sitting to an alarm that nobody has closed. Inside the caller's
    transaction. False, and nothing changed, when they need an alarm of their own: it is resolved, or
    somebody acknowledged it while it was less grave.
    """
    WorkItem.objects.select_for_update(no_key=True).get(alarm__pk=alarm.pk)
    held = SafetyAlarm.objects.select_for_update(no_key=True).get(pk=alarm.pk)
    severity = max((each.threshold.severity for each in findings), key=lambda word: SEVERITY_RANK[word])
    graver = SEVERITY_RANK[severity] > SEVERITY_RANK[held.severity]
    if held.status == Status.RESOLVED or (graver and held.status != Status.OPEN):
        return False
    held.items = sorted({*held.items, *(code for each in findings for code in each.items)})
    held.severity = severity if graver else held.severity
    versions.save(held, "items", "severity")
    alarm_steps.write(held, SafetyAlarmEvent.Kind.ADDED, actor=SYSTEM, now=now)
    alarm.refresh_from_db()
    return True


@durable
def acknowledge(
    *, actor: Actor, now: datetime, alarm_id: int, note: str = "", expected_version: int | None = None
) -> SafetyAlarm:
    """A clinician takes it on: the timer stops, the hold on treatment stays.

    Raises InvalidTransition, StaleVersion, NotFound, Forbidden.
    """
    item, alarm = _locked(actor, alarm_id, expected_version)
    alarm_steps.acknowledge(alarm, actor=actor, note=note, now=now)
    item.status = work.after(work.Status(item.status), work.Verb.ACKNOWLEDGE)
    item.acknowledged_at, item.acknowledged_by_id = now, actor.user_id
    versions.save(item, "status", "acknowledged_at", "acknowledged_by")
    return alarm


@durable
def resolve(
    *,
    actor: Actor,
    now: datetime,
    alarm_id: int,
    note: str,
    plan: str = "",
    cleared_for_treatment: bool = False,
    expected_version: int | None = None,
) -> SafetyAlarm:
    """A clinician has dealt with it. There is no way back; a prescriber may clear the patient at once.

    Raises Invalid (``note_required``), InvalidTransition, StaleVersion, NotFound, Forbidden.
    """
    item, alarm = _locked(actor, alarm_id, expected_version)
    alarm_steps.resolve(alarm, actor=actor, note=note, plan=plan, now=now)
    item.status = work.after(work.Status(item.status), work.Verb.RESOLVE)
    item.note, item.resolved_at, item.resolved_by_id = alarm_steps.RESOLVED_NOTE, now, actor.user_id
    versions.save(item, "status", "note", "resolved_at", "resolved_by")
    if cleared_for_treatment:
        _clear(alarm, actor=actor, note="", now=now)
    return alarm


@durable
def clear_for_treatment(
    *, actor: Actor, now: datetime, alarm_id: int, note: str = "", expected_version: int | None = None
) -> SafetyAlarm:
    """A prescriber signs off a resolved alarm: the next infusion may start.

    Raises Conflict (``not_resolved``, ``already_cleared``), StaleVersion, NotFound, Forbidden.
    """
    _item, alarm = _locked(actor, alarm_id, expected_version)
    if alarm.status != SafetyAlarm.Status.RESOLVED:
        raise Conflict("Resolve the alarm with a note, then clear the patient.", code="not_resolved")
    _clear(alarm, actor=actor, note=note, now=now)
    return alarm


def escalate_due(*, now: datetime, limit: int) -> int:
    """Hand on up to ``limit`` alarms whose turn is over; for how many it was done.

    Each in its own transaction, so that one that fails holds up no other. Safe to run twice and at the same
    time: the row says whether its turn is still over.
    """
    done = 0
    for alarm_id in reading.alarms_due(now=now, limit=limit):
        try:
            done += _escalate(alarm_id=alarm_id, now=now)
        except Exception as error:  # noqa: BLE001 - logged; readiness reports what stays due
            # No traceback: a database error repeats the row, and with it the patient.
            log.error("alarm_not_escalated", alarm_id=alarm_id, error=type(error).__name__)  # noqa: TRY400
    return done


@durable
def _escalate(*, alarm_id: int, now: datetime) -> bool:
    """The next role owns it now; after the last one it is that role's again."""
    items = WorkItem.objects.select_for_update(no_key=True, of=("self",))
    item = items.get(alarm__pk=alarm_id)
    alarm = (
        SafetyAlarm.objects.select_for_update(no_key=True)
        .filter(pk=alarm_id, status=Status.OPEN, next_escalation_at__lte=now)
        .first()
    )
    if alarm is None:  # somebody acknowledged it, or another worker was faster
        return False
    following = turn(
        chain=reading.alarm_chain(alarm.site_id),
        level=alarm.level + 1,
        now=now,
        watch=reading.watch(site_id=alarm.site_id, now=now),
    )
    alarm.level, alarm.owner_role, alarm.next_escalation_at = following.level, following.role, following.until
    versions.save(alarm, "level", "owner_role", "next_escalation_at")
    item.owner_role, item.assigned_to, item.due_at = following.role, None, following.until
    versions.save(item, "owner_role", "assigned_to", "due_at")
    alarm_steps.write(alarm, SafetyAlarmEvent.Kind.ESCALATED, actor=SYSTEM, now=now)
    log.warning("alarm_escalated", alarm_id=alarm_id, level=following.level, owner_role=following.role)
    return True


def _clear(alarm: SafetyAlarm, *, actor: Actor, note: str, now: datetime) -> None:
    actor.require("treatment.clear", alarm.site_id)
    if alarm.cleared_at is not None:
        raise Conflict("The patient is already cleared for treatment.", code="already_cleared")
    alarm.cleared_at, alarm.cleared_by_id = now, actor.user_id
    versions.save(alarm, "cleared_at", "cleared_by")
    alarm_steps.write(alarm, SafetyAlarmEvent.Kind.CLEARED, actor=actor, note=note, now=now)


def _locked(actor: Actor, alarm_id: int, expected_version: int | None) -> tuple[WorkItem, SafetyAlarm]:
    """The alarm, locked after its work item."""
    visible = SafetyAlarm.objects.visible_to(actor).filter(pk=alarm_id)
    item_id = visible.values_list("work_item_id", flat=True).first()
    if item_id is None:
        raise NotFound("There is no such safety alarm at your sites.")
    item = WorkItem.objects.select_for_update(no_key=True).get(pk=item_id)
    alarm = SafetyAlarm.objects.select_for_update(no_key=True).get(pk=alarm_id)
    actor.require("assessments.write", alarm.site_id)
    versions.require_version(alarm, expected_version)
    return item, alarm
