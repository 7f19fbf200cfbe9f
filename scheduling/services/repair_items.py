"""Work items of visits that had lost their place, resolved once they have one again."""

from collections.abc import Collection
from datetime import datetime

from patients.models import WorkItem
from scheduling.models import Allocation, Appointment, Closure
from scheduling.selectors.closures import ACTIVE, affected_appointments, with_affected
from scheduling.services import displaced

_SEPARATOR = ":appointment:"
_NOTE = "The visit has a place again."


def resolve(*, appointment_ids: Collection[int], now: datetime) -> None:
    """Look again at whatever displaced these visits; inside a caller's transaction.

    Items of visits that are still hit stay open.
    """
    visits = Appointment.objects.filter(pk__in=appointment_ids)
    keys = WorkItem.objects.filter(
        kind__in=("closure_hit", "resource_gone"), patient__in=visits.values("patient_id")
    ).exclude(status=WorkItem.Status.RESOLVED)
    ends = tuple(f"{_SEPARATOR}{each}" for each in appointment_ids)
    causes = {
        key.partition(_SEPARATOR)[0] for key in keys.values_list("key", flat=True) if key.endswith(ends)
    }
    for cause in sorted(causes):
        displaced.no_longer(cause=cause, still=_still_hit(cause, now), note=_NOTE, now=now)


def _still_hit(cause: str, now: datetime) -> list[int]:
    """The visits that this closure, or this resource out of service, displaces now."""
    kind, _, number = cause.partition(":")
    if kind == "closure":
        closure = with_affected(Closure.objects.all()).filter(pk=int(number)).first()
        return affected_appointments(closure) if closure else []
    held = Allocation.objects.filter(
        resource=int(number),
        resource__active=False,
        released_at__isnull=True,
        end_at__gt=now,
        appointment__status__in=ACTIVE,
    )
    return list(Appointment.objects.filter(pk__in=held.values("appointment_id")).values_list("pk", flat=True))
