"""Opening and closing what needs a person. One cause (``key``) has at most one unresolved item: the
database's partial unique index decides, so that opening is safe to repeat and to race."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from clinic.access.models import Membership
from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import FieldError, Invalid, NotFound
from clinic.common.transactions import durable
from patients.domain.work_items import Status, Verb, after
from patients.models import Patient, WorkItem
from patients.services import alarm_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """What to open. ``summary`` says what happened and what to do, without names or clinical words."""

    kind: str
    key: str
    severity: str
    site_id: int
    patient_id: int | None
    summary: str
    owner_role: str
    due_at: datetime


def open_item(
    *,
    kind: str,
    key: str,
    severity: str,
    site_id: int,
    patient: Patient | None,
    summary: str,
    owner_role: str,
    due_at: datetime,
    now: datetime,
) -> WorkItem:
    """The unresolved item of this cause: a new one, or the one that is already there, unchanged.

    Call it inside the transaction of what caused it.
    """
    item = NewItem(
        kind=kind,
        key=key,
        severity=severity,
        site_id=site_id,
        patient_id=patient.pk if patient else None,
        summary=summary,
        owner_role=owner_role,
        due_at=due_at,
    )
    while True:
        open_items([item], now=now)
        found = WorkItem.objects.filter(key=key).exclude(status=Status.RESOLVED).first()
        if found is not None:  # else somebody resolved it between the two statements
            return found


def open_items(items: Sequence[NewItem], *, now: datetime) -> None:
    """Open several items in one statement; causes that already have an unresolved item are left alone."""
    WorkItem.objects.bulk_create(
        [
            WorkItem(
                kind=item.kind,
                key=item.key,
                severity=item.severity,
                site_id=item.site_id,
                patient_id=item.patient_id,
                summary=item.summary,
                owner_role=item.owner_role,
                due_at=item.due_at,
                opened_at=now,
            )
            for item in sorted(items, key=lambda each: each.key)
        ],
        ignore_conflicts=True,
    )


def close_items(keys: Sequence[str], *, note: str, now: datetime) -> None:
    """The system resolves what no longer needs a person; ``note`` says why. Unknown keys are ignored."""
    unresolved = WorkItem.objects.filter(key__in=keys).exclude(status=Status.RESOLVED)
    for item in unresolved.select_for_update(no_key=True).order_by("id"):
        item.status, item.note, item.resolved_at = after(Status(item.status), Verb.RESOLVE), note, now
        versions.save(item, "status", "note", "resolved_at")


@durable
def acknowledge(
    *, actor: Actor, item_id: int, expected_version: int | None = None, now: datetime
) -> WorkItem:
    """Somebody has seen it and takes care of it. A safety alarm behind it is acknowledged too.

    Raises InvalidTransition, StaleVersion, NotFound; Forbidden for an alarm unless the role is clinical.
    """
    item = _locked(actor, item_id, expected_version)
    alarm_steps.acknowledge_behind(item, actor=actor, now=now)
    item.status = after(Status(item.status), Verb.ACKNOWLEDGE)
    item.acknowledged_at, item.acknowledged_by_id = now, actor.user_id
    versions.save(item, "status", "acknowledged_at", "acknowledged_by")
    return item


@durable
def assign(*, actor: Actor, item_id: int, user_id: int, expected_version: int | None = None) -> WorkItem:
    """Give it to a member of staff of its site. Raises Invalid (``assigned_to``), InvalidTransition,
    StaleVersion, NotFound."""
    item = _locked(actor, item_id, expected_version)
    item.status = after(Status(item.status), Verb.ASSIGN)
    if not Membership.objects.filter(site=item.site_id, user=user_id, user__is_active=True).exists():
        detail = "Choose a member of staff of the item's site."
        raise Invalid(
            detail, code="not_staff_here", errors=[FieldError("/assigned_to", "not_staff_here", detail)]
        )
    item.assigned_to_id = user_id
    versions.save(item, "status", "assigned_to")
    return item


@durable
def resolve(
    *, actor: Actor, item_id: int, note: str, expected_version: int | None = None, now: datetime
) -> WorkItem:
    """It is done; ``note`` says what was done. Raises Invalid (``note``), InvalidTransition, StaleVersion,
    NotFound."""
    item = _locked(actor, item_id, expected_version)
    item.status = after(Status(item.status), Verb.RESOLVE)
    if not note.strip():
        detail = "Say in a note what was done."
        raise Invalid(detail, code="note_required", errors=[FieldError("/note", "note_required", detail)])
    shown = alarm_steps.resolve_behind(item, actor=actor, note=note.strip(), now=now)
    item.note, item.resolved_at, item.resolved_by_id = shown or note.strip(), now, actor.user_id
    versions.save(item, "status", "note", "resolved_at", "resolved_by")
    return item


def _locked(actor: Actor, item_id: int, expected_version: int | None) -> WorkItem:
    item = WorkItem.objects.visible_to(actor).select_for_update(no_key=True).filter(pk=item_id).first()
    if item is None:
        raise NotFound("There is no such work item at your sites.")
    actor.require("work_items.write", item.site_id)
    versions.require_version(item, expected_version)
    return item
