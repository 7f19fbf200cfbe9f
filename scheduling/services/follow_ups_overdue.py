"""Overdue follow-ups surface as work items.

The idea to know: the follow-up itself says that somebody was told (``surfaced_at``), written in the
transaction that opens the item. So each is told once, and a worker that dies loses none.
"""

from datetime import datetime, timedelta
from types import MappingProxyType

from clinic.access.policy import Role
from clinic.common.transactions import durable
from patients.models import Patient, WorkItem
from patients.services.work_items import NewItem, open_items
from scheduling.domain import follow_ups as domain
from scheduling.models import FollowUp
from scheduling.selectors import follow_ups as selector
from scheduling.selectors.open_days import open_days
from scheduling.services.follow_ups import OVERDUE_KIND, overdue_key, put_on

TASK = "scheduling.tasks.surface_follow_ups"
OWNERS = MappingProxyType(
    {
        FollowUp.Kind.VISIT.value: Role.FRONT_DESK,
        FollowUp.Kind.CALL.value: Role.NURSE,
        FollowUp.Kind.CHECK_IN.value: Role.NURSE,
    }
)
"""Kind -> who is told: the desk books visits, a nurse calls."""


@durable
def surface(*, now: datetime, limit: int) -> int:
    """Open the work item of at most ``limit`` overdue follow-ups; how many were looked at.

    One whose day was closed after it was made is owed on the next open day instead: closing a day moves
    what falls on it. A patient somebody is busy with this moment is left for the next time.
    """
    due = selector.unsurfaced().filter(due_at__lte=now).order_by("due_at", "pk")
    found = dict(due.values_list("pk", "patient_id")[:limit])
    if not found:
        return 0
    patients = Patient.objects.select_for_update(skip_locked=True, of=("self",)).select_related("site")
    locked = {each.pk: each for each in patients.filter(pk__in=set(found.values())).order_by("pk")}
    rows = due.filter(pk__in=found, patient__in=locked).select_for_update(of=("self",)).order_by("pk")
    late = [row for row in rows if not _moved(row, locked[row.patient_id], now)]
    open_items([_item(row, locked[row.patient_id]) for row in late], now=now)
    FollowUp.objects.filter(pk__in=[row.pk for row in late]).update(surfaced_at=now)
    return len(locked)


def _moved(row: FollowUp, patient: Patient, now: datetime) -> bool:
    """Whether its day turned out to be closed, so that it moved on to one that is not over."""
    last = row.due_on + timedelta(days=domain.SEARCHED_DAYS)
    is_open = open_days(site=patient.site, first=row.due_on, last=last)
    day = domain.next_open_day(row.due_on, is_open=is_open)
    if day == row.due_on or domain.overdue_from(day, row.due_time, zone=patient.site.zone) <= now:
        return False
    put_on(row, day, patient=patient)
    return True


def _item(row: FollowUp, patient: Patient) -> NewItem:
    return NewItem(
        kind=OVERDUE_KIND,
        key=overdue_key(row.pk),
        severity=WorkItem.Severity.ROUTINE,
        site_id=patient.site_id,
        patient_id=patient.pk,
        summary=f"Follow-up {row.pk} is overdue: {row.get_kind_display().lower()}. "
        "Do it, move it, or say why it is not owed.",
        owner_role=OWNERS[row.kind],
        due_at=row.due_at,
    )
