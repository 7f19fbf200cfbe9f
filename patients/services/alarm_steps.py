"""One step in a safety alarm's life, written with its history. The alarm's row is locked by the caller,
after its work item's: whoever takes a step on one of the two takes it on both."""

from datetime import datetime

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import FieldError, Invalid
from patients.domain.alarms import Status, Verb, after
from patients.models import SafetyAlarm, SafetyAlarmEvent, WorkItem

KIND = "safety_alarm"
RESOLVED_NOTE = "Resolved by a clinician. What was found and planned is with the safety alarm."
"""A work item is read by the front desk too; the clinical note stays with the alarm."""


def acknowledge(alarm: SafetyAlarm, *, actor: Actor, note: str, now: datetime) -> None:
    """A clinician takes it on; it is not handed on any more. Raises InvalidTransition, Forbidden."""
    actor.require("assessments.write", alarm.site_id)
    alarm.status = after(Status(alarm.status), Verb.ACKNOWLEDGE)
    alarm.acknowledged_at, alarm.acknowledged_by_id = now, actor.user_id
    alarm.next_escalation_at = None
    versions.save(alarm, "status", "acknowledged_at", "acknowledged_by", "next_escalation_at")
    write(alarm, SafetyAlarmEvent.Kind.ACKNOWLEDGED, actor=actor, note=note, now=now)


def resolve(alarm: SafetyAlarm, *, actor: Actor, note: str, plan: str, now: datetime) -> None:
    """A clinician has dealt with it. Raises InvalidTransition, Forbidden, Invalid (``note_required``)."""
    actor.require("assessments.write", alarm.site_id)
    alarm.status = after(Status(alarm.status), Verb.RESOLVE)
    if not note.strip():
        detail = "Say in a note what was found and done."
        raise Invalid(detail, code="note_required", errors=[FieldError("/note", "note_required", detail)])
    alarm.note, alarm.plan = note.strip(), plan.strip()
    alarm.resolved_at, alarm.resolved_by_id = now, actor.user_id
    alarm.next_escalation_at = None
    versions.save(alarm, "status", "note", "plan", "resolved_at", "resolved_by", "next_escalation_at")
    write(alarm, SafetyAlarmEvent.Kind.RESOLVED, actor=actor, note=alarm.note, now=now)


def write(alarm: SafetyAlarm, kind: str, *, actor: Actor, note: str = "", now: datetime) -> None:
    """Add one event; the alarm already is as the step left it."""
    SafetyAlarmEvent.objects.create(
        alarm=alarm,
        kind=kind,
        at=now,
        by_id=actor.user_id,
        owner_role=alarm.owner_role,
        level=alarm.level,
        note=note,
    )


def acknowledge_behind(item: WorkItem, *, actor: Actor, now: datetime) -> None:
    """The same step on the alarm behind a locked work item, if there is one."""
    alarm = _behind(item)
    if alarm is not None:
        acknowledge(alarm, actor=actor, note="", now=now)


def resolve_behind(item: WorkItem, *, actor: Actor, note: str, now: datetime) -> str:
    """The same step on the alarm behind a locked work item; what the item says instead of the note."""
    alarm = _behind(item)
    if alarm is None:
        return ""
    resolve(alarm, actor=actor, note=note, plan="", now=now)
    return RESOLVED_NOTE


def _behind(item: WorkItem) -> SafetyAlarm | None:
    if item.kind != KIND:
        return None
    return SafetyAlarm.objects.select_for_update(no_key=True).filter(work_item=item).first()
