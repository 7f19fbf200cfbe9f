"""Remembering what became free, inside the transaction that frees it.

One idea: the row is the promise. Whoever frees time writes it here in the same transaction; a worker finds it
whatever happens to the process that wrote it (offers.py).
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db.models import F

from clinic.common.intervals import Interval
from patients.services import wakeup
from scheduling.models import Appointment, Closure, FreedSlot

TASK = "scheduling.tasks.offer_freed_slots"
MOST_DAYS_REOPENED = 14
"""A closure taken back frees as many days at most, its first ones [D]."""
_ONE_DAY = timedelta(days=1)


def note(
    appointment: Appointment,
    resource_ids: Collection[int],
    *,
    during: Interval,
    cause: str,
    now: datetime,
) -> None:
    """Remember that a visit gave up this time on these resources, unless it is over or held nothing."""
    if during.end <= now or not resource_ids:
        return
    FreedSlot.objects.create(
        site_id=appointment.site_id,
        appointment=appointment,
        cause=cause,
        start_at=during.start,
        end_at=during.end,
        resource_ids=sorted(resource_ids),
        freed_at=now,
        next_action_at=now,
    )
    wakeup.wake(TASK)


def reopened(closure: Closure, *, site_id: int, now: datetime) -> None:
    """Remember that a closure was taken back: its days are free again, one offer round each."""
    start = max(closure.start_at, now)
    slots: list[FreedSlot] = []
    while start < closure.end_at and len(slots) < MOST_DAYS_REOPENED:
        end = min(closure.end_at, start + _ONE_DAY)
        slots.append(
            FreedSlot(
                site_id=site_id,
                cause="reopened",
                start_at=start,
                end_at=end,
                resource_ids=[closure.resource_id] if closure.resource_id else [],
                freed_at=now,
                next_action_at=now,
            )
        )
        start = end
    if slots:
        FreedSlot.objects.bulk_create(slots)
        wakeup.wake(TASK)


def look_again(slots: Iterable[int], *, now: datetime) -> None:
    """Something about these freed times changed: the worker looks at those still open."""
    changed = FreedSlot.objects.filter(pk__in=list(slots), status=FreedSlot.Status.OPEN)
    if changed.update(next_action_at=now, version=F("version") + 1):
        wakeup.wake(TASK)


def taken_back(appointment: Appointment, *, now: datetime) -> None:
    """A step that freed this visit's time was undone."""
    look_again(
        FreedSlot.objects.filter(appointment=appointment, status=FreedSlot.Status.OPEN).values_list(
            "pk", flat=True
        ),
        now=now,
    )
