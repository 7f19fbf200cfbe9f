"""Remembering what became free, inside the transaction that frees it, and what was taken of it again.

One idea: the row is the promise. Whoever frees or takes time writes it here in the same transaction; a worker
finds it whatever happens to the process that wrote it (offers.py).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F

from clinic.common.intervals import Interval
from patients.services import wakeup
from scheduling.models import Appointment, Closure, FreedSlot, Hold

TASK = "scheduling.tasks.offer_freed_slots"
MOST_DAYS_REOPENED = 14
"""A closure taken back frees as many days at most, its first ones [D]."""
_ONE_DAY = timedelta(days=1)
# By hand, because every booking asks.
_OPEN = """
SELECT slot.id, slot.start_at, greatest(slot.end_at, max(offer.end_at))
FROM scheduling_freedslot slot
LEFT JOIN scheduling_offer offer ON offer.slot_id = slot.id AND offer.status = 'offered'
WHERE slot.site_id = ANY (%s) AND slot.status = 'open' AND slot.start_at < %s AND slot.end_at > %s
GROUP BY slot.id
"""
_PAST = timedelta(days=1)
"""An offered visit begins in the freed time and may end after it, but lasts no longer."""


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
    owner = FreedSlot(site_id=appointment.site_id, appointment=appointment)
    _remember([_freed(owner, during, resource_ids, cause=cause, now=now)])


def of_holds(held: Iterable[tuple[Hold, Collection[int]]], *, cause: str, now: datetime) -> None:
    """Remember what holds kept on these resources and keep no longer, unless their time is over.

    Without resources somebody has taken some of it already: then whatever the site has free counts.
    """
    _remember(
        [
            _freed(
                FreedSlot(site_id=hold.site_id, hold=hold),
                Interval(hold.start_at, hold.end_at),
                resource_ids,
                cause=cause,
                now=now,
            )
            for hold, resource_ids in held
            if hold.end_at > now
        ]
    )


def rest_of(slot: FreedSlot, *, now: datetime) -> None:
    """Somebody took of this freed time: what they left is offered anew, as far as anything fits in it."""
    if slot.end_at <= now:
        return
    owner = FreedSlot(
        site_id=slot.site_id,
        appointment_id=slot.appointment_id,
        hold_id=slot.hold_id,
        rest_of_id=slot.rest_of_id or slot.pk,
    )
    during = Interval(slot.start_at, slot.end_at)
    _remember([_freed(owner, during, slot.resource_ids, cause="rest", now=now)])


def reopened(closure: Closure, *, site_id: int, now: datetime) -> None:
    """Remember that a closure was taken back: its days are free again, one offer round each."""
    start = max(closure.start_at, now)
    resource_ids = [closure.resource_id] if closure.resource_id else []
    slots: list[FreedSlot] = []
    while start < closure.end_at and len(slots) < MOST_DAYS_REOPENED:
        day = Interval(start, min(closure.end_at, start + _ONE_DAY))
        slots.append(_freed(FreedSlot(site_id=site_id), day, resource_ids, cause="reopened", now=now))
        start = day.end
    _remember(slots)


def _freed(
    slot: FreedSlot, during: Interval, resource_ids: Collection[int], *, cause: str, now: datetime
) -> FreedSlot:
    """The row of this owner, to be looked at now."""
    slot.start_at, slot.end_at = during.start, during.end
    slot.resource_ids, slot.cause = sorted(resource_ids), cause
    slot.freed_at = slot.next_action_at = now
    return slot


def _remember(slots: Sequence[FreedSlot]) -> None:
    if slots:
        FreedSlot.objects.bulk_create(slots)
        wakeup.wake(TASK)


def look_again(slots: Iterable[int], *, now: datetime) -> None:
    """Something about these freed times changed: the worker looks at those still open."""
    ids = sorted(set(slots))
    if not ids:
        return
    still_open = FreedSlot.objects.filter(pk__in=ids, status=FreedSlot.Status.OPEN)
    # In id order, so that two who changed the same ones wait for each other, and do not deadlock.
    locked = list(still_open.select_for_update().order_by("pk").values_list("pk", flat=True))
    if locked:
        FreedSlot.objects.filter(pk__in=locked).update(next_action_at=now, version=F("version") + 1)
        wakeup.wake(TASK)


def taken(visits: Collection[Appointment | Hold], *, now: datetime) -> None:
    """These visits just took time: what of it is on offer may be nobody's to accept any more.

    One indexed query unless something freed there is still open. Call it with resources and patient locked,
    after the time is taken; the worker takes back the offers that no longer fit and tells their patients.
    """
    if visits:
        spans = [Interval(visit.start_at, visit.end_at) for visit in visits]
        _look_into({visit.site_id for visit in visits}, spans, now=now)


def closed(closure: Closure, *, site_id: int, now: datetime) -> None:
    """A closure was entered or changed: offers of time in it are taken back, their patients told."""
    _look_into({site_id}, [Interval(closure.start_at, closure.end_at)], now=now)


def _look_into(site_ids: Collection[int], spans: Sequence[Interval], *, now: datetime) -> None:
    """Have the worker look again at what is open of these times."""
    with connection.cursor() as cursor:
        sites = list(site_ids)
        first, last = min(span.start for span in spans), max(span.end for span in spans)
        cursor.execute(_OPEN, [sites, last, first - _PAST])
        touched = [
            pk for pk, start, end in cursor if any(span.overlaps(Interval(start, end)) for span in spans)
        ]
    look_again(touched, now=now)


def taken_back(appointment: Appointment, *, now: datetime) -> None:
    """A step that freed this visit's time was undone."""
    taken([appointment], now=now)
