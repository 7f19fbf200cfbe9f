"""Asking somebody to call a patient who has not confirmed, and no longer when it is settled.

The idea to know: the visit says about which of its dates (``plan_version``) somebody was asked, written in
the transaction that opens the item. So each is asked about once, and a worker that dies loses nothing.
"""

from datetime import datetime, timedelta

from django.db.models import F

from clinic.access.policy import Role
from clinic.common.transactions import durable
from patients.models import Patient, WorkItem
from patients.services.work_items import NewItem, close_items, open_items
from scheduling.domain.transitions import Status
from scheduling.models import Appointment, ConfirmationRule
from scheduling.selectors import unconfirmed as selector

KIND = "unconfirmed"


@durable
def ask(*, now: datetime, limit: int) -> int:
    """One work item for each of at most ``limit`` visits that are due; how many there were.

    A patient somebody is busy with this moment is left for the next time.
    """
    policy = selector.rules()
    due = selector.due(now=now, policy=policy)
    found = dict(due.values_list("pk", "patient_id")[:limit])
    if not found:
        return 0
    patients = Patient.objects.select_for_update(skip_locked=True).filter(pk__in=set(found.values()))
    locked = set(patients.order_by("pk").values_list("pk", flat=True))
    visits = list(due.filter(pk__in=found, patient__in=locked).select_for_update(of=("self",)).order_by("pk"))
    open_items([_item(visit, policy, now) for visit in visits], now=now)
    Appointment.objects.filter(pk__in=[visit.pk for visit in visits]).update(
        unconfirmed_version=F("plan_version")
    )
    return len(visits)


def settle(*, appointment: Appointment, now: datetime) -> None:
    """The visit changed: the call is not needed once it is confirmed, moved, cancelled, missed or under way.

    Inside the transaction of the change, with patient and visit locked. Costs nothing for a visit about
    which nobody was asked.
    """
    asked = appointment.unconfirmed_version
    if not asked or (appointment.status == Status.BOOKED and asked == appointment.plan_version):
        return
    close_items(
        [_key(appointment.pk, asked)],
        note=f"Closed by Onset: the visit was {_became(appointment)}.",
        now=now,
    )
    # Forgotten, so that undoing the step makes the visit due again.
    appointment.unconfirmed_version = 0
    appointment.save(update_fields=["unconfirmed_version"])


def _became(appointment: Appointment) -> str:
    moved = appointment.status == Status.BOOKED
    return "moved" if moved else appointment.status.replace("_", " ")


def _item(visit: Appointment, policy: list[ConfirmationRule], now: datetime) -> NewItem:
    rule = next(
        each
        for each in policy
        if each.visit_type_id in {None, visit.visit_type_id} and each.site_id in {None, visit.site_id}
    )
    return NewItem(
        kind=KIND,
        key=_key(visit.pk, visit.plan_version),
        severity=WorkItem.Severity.ROUTINE,
        site_id=visit.site_id,
        patient_id=visit.patient_id,
        summary=f"Appointment {visit.pk} is not confirmed. Call the patient, "
        "then confirm, move or cancel it.",
        owner_role=Role.FRONT_DESK,
        due_at=min(now + timedelta(minutes=rule.answer_minutes), visit.start_at),
    )


def _key(appointment_id: int, plan_version: int) -> str:
    return f"{KIND}:appointment:{appointment_id}:{plan_version}"
