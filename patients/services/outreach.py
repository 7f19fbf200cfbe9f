"""Keeps the outbox equal to what is wanted. Callers plan; this reconciles, inside their transaction, so
that a booking and its messages commit together or not at all.

A row is never deleted: it is queued, withdrawn or suppressed with a reason, and sent rows stay as sent.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from clinic.access.policy import Role
from clinic.common import rows as stored
from patients.domain.messages import (
    Changes,
    Existing,
    Reach,
    Row,
    RowStatus,
    Suppression,
    WantedMessage,
    difference,
    still_wanted,
)
from patients.models import Message, Patient
from patients.selectors.messages import as_existing, quiet_hours, reach_of
from patients.services import wakeup
from patients.services.work_items import NewItem, close_items, open_items

_ROW_FIELDS = ("status", "reason", "planned_at", "due_at", "not_after", "context", "finished_at")


def reconcile(
    *,
    patient: Patient,
    subject_kind: str,
    subject_id: int,
    plan_version: int,
    wanted: Sequence[WantedMessage],
    now: datetime,
    reason: str,
) -> None:
    """Make the rows of a subject equal to ``wanted`` at ``plan_version``; ``reason`` says why rows that
    are no longer wanted are withdrawn.

    Call it inside the transaction of the change, with the patient row locked. Wanted messages that no
    channel may carry open a work item for the front desk. Wakes the worker on commit when something is due.
    """
    rows = list(
        Message.objects.select_for_update()
        .filter(subject_kind=subject_kind, subject_id=subject_id)
        .order_by("id")
    )
    existing = [as_existing(row) for row in rows]
    changes = difference(
        existing=existing,
        wanted=wanted,
        plan_version=plan_version,
        reach=_reach(patient),
        now=now,
        reason=reason,
    )
    subject = _Subject(patient, subject_kind, subject_id, plan_version)
    stored.insert(_new_rows(subject, changes.create, now))
    _apply(rows, changes, now=now, reason=reason)
    _ask_for_calls(subject, existing, changes, now)
    _wake_if_due([*changes.create, *(row for _id, row in changes.update)], now)


def begin(
    *, patient: Patient, subject_kind: str, wanted: Mapping[int, Sequence[WantedMessage]], now: datetime
) -> None:
    """As :func:`reconcile`, for subjects made in this transaction: by their ids, what each wants at plan
    version 1. They have no rows yet, so none are read, and all are written in one statement."""
    reach = _reach(patient)
    rows: list[Message] = []
    for subject_id, messages in wanted.items():
        subject = _Subject(patient, subject_kind, subject_id, plan_version=1)
        changes = difference(
            existing=(), wanted=messages, plan_version=subject.plan_version, reach=reach, now=now, reason=""
        )
        rows += _new_rows(subject, changes.create, now)
        _ask_for_calls(subject, (), changes, now)
        _wake_if_due(changes.create, now)
    stored.insert(rows)


def contact_changed(*, patient: Patient, now: datetime) -> None:
    """Look again at everything that still waits for this patient, after a change of consent, address,
    language, zone or status. Call it inside the transaction of the change, with the patient row locked."""
    rows = [
        row
        for row in Message.objects.select_for_update()
        .filter(Q(not_after__gt=now) | Q(status__in=Message.UNFINISHED), patient=patient, in_reply_to=None)
        .exclude(status=RowStatus.WITHDRAWN)
        .order_by("id")
        if not _taken_back(row)
    ]
    by_subject: dict[tuple[str, int, int], list[Message]] = defaultdict(list)
    for row in rows:
        by_subject[row.subject_kind, row.subject_id, row.plan_version].append(row)
    reach = _reach(patient)
    for (subject_kind, subject_id, plan_version), same in by_subject.items():
        existing = [as_existing(row) for row in same]
        changes = difference(
            existing=existing,
            wanted=still_wanted(existing),
            plan_version=plan_version,
            reach=reach,
            now=now,
            reason="",
        )
        subject = _Subject(patient, subject_kind, subject_id, plan_version)
        _apply(same, changes, now=now, reason="")
        _take_over(subject, changes.create, now)
        _ask_for_calls(subject, existing, changes, now)
        _wake_if_due([*changes.create, *(row for _id, row in changes.update)], now)


@dataclass(frozen=True, slots=True)
class _Subject:
    patient: Patient
    kind: str
    id: int
    plan_version: int

    def item_key(self, message_kind: str, plan_version: int | None = None) -> str:
        return f"unreachable:{self.kind}:{self.id}:{message_kind}:{plan_version or self.plan_version}"


def _reach(patient: Patient) -> Reach:
    return reach_of(patient, quiet_hours([patient.site_id])[patient.site_id])


def _taken_back(row: Message) -> bool:
    """Whether a worker holds it although its subject no longer wants it."""
    return row.status == RowStatus.SENDING and row.reason != "" and row.reason not in set(Suppression)


def _new_rows(subject: _Subject, wanted: Sequence[Row], now: datetime) -> list[Message]:
    return [
        Message(
            patient=subject.patient,
            subject_kind=subject.kind,
            subject_id=subject.id,
            plan_version=subject.plan_version,
            kind=row.kind,
            channel=row.channel,
            created_at=now,
            **_fields(row, now),
        )
        for row in sorted(wanted, key=_place)
    ]


def _place(row: Row) -> tuple[str, str]:
    return (row.kind, row.channel)


def _take_over(subject: _Subject, rows: Sequence[Row], now: datetime) -> None:
    """Rows on the channel that carries what another cannot any more; one withdrawn earlier is taken again."""
    for row, made in zip(sorted(rows, key=_place), _new_rows(subject, rows, now), strict=True):
        known = Message.objects.filter(
            subject_kind=subject.kind,
            subject_id=subject.id,
            plan_version=subject.plan_version,
            kind=row.kind,
            channel=row.channel,
        )
        if known.exists():
            known.filter(status=RowStatus.WITHDRAWN).update(**_fields(row, now))
        else:
            made.save(force_insert=True)


def _apply(rows: Sequence[Message], changes: Changes, *, now: datetime, reason: str) -> None:
    by_id = {row.pk: row for row in rows}
    changed = []
    for row_id, row in changes.update:
        message = by_id[row_id]
        for name, value in _fields(row, now).items():
            setattr(message, name, value)
        changed.append(message)
    for row_id in changes.withdraw:
        message = by_id[row_id]
        message.status, message.reason, message.finished_at = RowStatus.WITHDRAWN, reason, now
        changed.append(message)
    for row_id, mark in changes.mark:
        by_id[row_id].reason = mark
        changed.append(by_id[row_id])
    if changed:
        Message.objects.bulk_update(sorted(changed, key=lambda row: row.pk), _ROW_FIELDS)


def _fields(row: Row, now: datetime) -> dict[str, Any]:
    return {
        "status": row.status,
        "reason": row.reason,
        "planned_at": row.planned_at,
        "due_at": row.due_at,
        "not_after": row.not_after,
        "context": dict(row.context),
        "finished_at": now if row.status == RowStatus.SUPPRESSED else None,
    }


def _ask_for_calls(subject: _Subject, before: Iterable[Existing], changes: Changes, now: datetime) -> None:
    """Open an item for what no channel carries; close those of what got a channel or is not wanted now."""
    wanted = {message.kind for message in changes.unreachable}
    settled = {row_id for row_id, _row in changes.update} | set(changes.withdraw)
    stale = {
        subject.item_key(row.kind, row.plan_version)
        for row in before
        if row.id in settled
        and row.status == RowStatus.SUPPRESSED
        and not (row.kind in wanted and row.plan_version == subject.plan_version)
    }
    if stale:
        close_items(sorted(stale), note="Closed by Onset: a call is no longer needed.", now=now)
    if not wanted:
        return
    open_items(
        [
            NewItem(
                kind="unreachable",
                key=subject.item_key(message.kind),
                severity="routine",
                site_id=subject.patient.site_id,
                patient_id=subject.patient.pk,
                summary=f"Call the patient: no allowed contact ({message.kind.replace('_', ' ')}).",
                owner_role=Role.FRONT_DESK,
                due_at=max(now, message.due_at),
            )
            for message in changes.unreachable
        ],
        now=now,
    )


def _wake_if_due(rows: Iterable[Row], now: datetime) -> None:
    if any(row.status == RowStatus.QUEUED and row.due_at <= now for row in rows):
        wakeup.wake()
