"""Follow-ups fulfilled by what happens: a visit at which the patient was seen, a check-in.

Which event fulfils which kind is the table FULFILS in the domain. Everything here runs inside the transaction
of the event, with the patient row locked.
"""

from collections.abc import Sequence
from datetime import date, datetime

from django.db.models import QuerySet

from clinic.access.policy import Actor, Via
from clinic.common import versions
from scheduling.domain import follow_ups as domain
from scheduling.domain.follow_ups import Happened, Kind, Status, Verb
from scheduling.models import Appointment, CheckIn, FollowUp
from scheduling.services.follow_ups import close


def by_visit(*, appointment: Appointment, actor: Actor, now: datetime) -> list[FollowUp]:
    """A visit was completed. Only what was owed before it began: what is agreed at a visit comes after it."""
    if appointment.visit_type.kind not in domain.SEEN_AT:
        return []
    due = FollowUp.objects.filter(created_at__lt=appointment.start_at).exclude(appointment=appointment)
    return _fulfil(
        due,
        Happened.SEEN,
        patient_id=appointment.patient_id,
        on=appointment.start_at.astimezone(appointment.site.zone).date(),
        by=visit_ref(appointment),
        actor=actor,
        now=now,
    )


def not_by_visit(*, appointment: Appointment) -> None:
    """The completion was undone: what it had fulfilled is due again, and overdue if its moment is over."""
    done = FollowUp.objects.select_for_update().filter(
        patient_id=appointment.patient_id, status=Status.DONE, fulfilled_by=visit_ref(appointment)
    )
    for each in done.order_by("pk"):
        each.status = domain.after(Status(each.status), Verb.REOPEN).value
        each.fulfilled_by, each.closed_at, each.closed_by, each.surfaced_at = "", None, None, None
        versions.save(each, "status", "fulfilled_by", "closed_at", "closed_by", "surfaced_at")


def by_check_ins(*, check_ins: Sequence[CheckIn], on: date, actor: Actor, now: datetime) -> list[FollowUp]:
    """Check-ins of one patient were answered on a day, to staff or alone on a page."""
    if not check_ins:
        return []
    spoken = actor.via not in {Via.PAGE, Via.REPLY}
    return _fulfil(
        FollowUp.objects.exclude(check_in__in=check_ins),
        Happened.SPOKEN if spoken else Happened.ANSWERED,
        patient_id=check_ins[0].patient_id,
        on=on,
        by=f"check_in:{check_ins[0].pk}",
        actor=actor,
        now=now,
    )


def visit_ref(appointment: Appointment) -> str:
    """How a follow-up names the visit that fulfilled it."""
    return f"visit:{appointment.pk}"


def _fulfil(
    rows: QuerySet[FollowUp],
    happened: Happened,
    *,
    patient_id: int,
    on: date,
    by: str,
    actor: Actor,
    now: datetime,
) -> list[FollowUp]:
    due = rows.select_for_update(of=("self",)).filter(patient_id=patient_id, status=Status.DUE).order_by("pk")
    done = [
        each
        for each in due
        if domain.fulfils(
            happened, on=on, kind=Kind(each.kind), due_on=each.due_on, early_days=each.early_days
        )
    ]
    close(done, Verb.COMPLETE, actor=actor, now=now, by=by)
    return done
