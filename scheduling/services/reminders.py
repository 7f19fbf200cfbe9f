"""Keeps the messages of a visit, and of the course it belongs to, equal to what the plan wants, in the
transaction that changed the visit."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TypeAlias

from django.db import connection

from patients.domain.messages import WantedMessage
from patients.models import Message, Patient
from patients.services import outreach
from patients.services.composing import COURSE, told_of, visit_line
from scheduling.domain import reminders as domain
from scheduling.domain.transitions import Status
from scheduling.models import Appointment
from scheduling.services import unconfirmed

SUBJECT = "appointment"
Told: TypeAlias = frozenset[tuple[int, int]]
"""(appointment, plan version) of sessions whose date one message about their course tells."""
_WAITS = (Message.Status.QUEUED, Message.Status.SUPPRESSED, Message.Status.WITHDRAWN)
_OUT = (
    Message.Status.SENDING,
    Message.Status.SENT,
    Message.Status.DELIVERED,
    Message.Status.UNCERTAIN,
)
"""The patient has it, or may have it."""
_TELLS = (*_OUT, Message.Status.QUEUED)
# By hand, because every booking asks: what applies to a visit, and when the patient's first visit begins.
_RULES = """
SELECT kind, anchor, minutes_before, late_minutes, first_visit_only, email, sms,
       2 * (visit_type_id IS NOT NULL)::int + (site_id IS NOT NULL)::int,
       (SELECT min(start_at) FROM scheduling_appointment
        WHERE patient_id = %(patient)s AND status <> ALL (%(freed)s))
FROM scheduling_reminderrule
WHERE active AND (visit_type_id IS NULL OR visit_type_id = %(visit_type)s)
    AND (site_id IS NULL OR site_id = %(site)s)
ORDER BY kind, id
"""


def refresh(
    *,
    appointment: Appointment,
    patient: Patient,
    now: datetime,
    reason: str,
    told: Told | None = None,
) -> None:
    """Queue, replace or withdraw the messages of a visit. The patient row is locked by the caller.

    ``told`` is what :func:`confirm_together` returned, for one of several sessions written at once.
    """
    rules, first_start = rules_of(appointment)
    if told is None:
        told = _of_course(appointment, patient, rules, now=now, anew=False)
    outreach.reconcile(
        patient=patient,
        subject_kind=SUBJECT,
        subject_id=appointment.pk,
        plan_version=appointment.plan_version,
        wanted=domain.plan(
            visit=visit_of(appointment, patient, first_start=first_start, told=told, now=now), rules=rules
        ),
        now=now,
        reason=reason,
    )
    unconfirmed.settle(appointment=appointment, now=now)


def begin(
    *, appointments: Sequence[Appointment], patient: Patient, now: datetime, told: Told | None = None
) -> None:
    """Queue the first messages of new visits of one patient, of one type at one site: a booking, a course.

    The patient row is locked by the caller, and all of the visits exist. ``told`` as for :func:`refresh`.
    """
    rules, first_start = rules_of(appointments[0])
    if told is None:
        told = _of_course(appointments[0], patient, rules, now=now, anew=False)
    outreach.begin(
        patient=patient,
        subject_kind=SUBJECT,
        wanted={
            each.pk: domain.plan(
                visit=visit_of(each, patient, first_start=first_start, told=told, now=now), rules=rules
            )
            for each in appointments
        },
        now=now,
    )


def confirm_together(*, appointments: Sequence[Appointment], patient: Patient, now: datetime) -> Told:
    """Let one message confirm all sessions of a course, of which these were just booked or moved.

    Returns what it tells of; pass that on when each session's own messages are brought in line. One session
    alone is confirmed by its own message.
    """
    if not appointments:
        return frozenset()
    rules, _first_start = rules_of(appointments[0])
    return _of_course(appointments[0], patient, rules, now=now, anew=len(appointments) > 1)


def visit_of(
    appointment: Appointment, patient: Patient, *, first_start: datetime | None, told: Told, now: datetime
) -> domain.Visit:
    """A visit as the rules see it. ``first_start``: when the patient's first standing visit begins."""
    status = Status(appointment.status)
    cancelled = status == Status.CANCELLED
    return domain.Visit(
        start_at=appointment.start_at,
        zone=patient.zone,
        scheduled_at=appointment.scheduled_at,
        status=status,
        first_visit=first_start is None or first_start >= appointment.start_at,
        context=_context(appointment)
        | {"start_at": appointment.start_at.isoformat(), "end_at": appointment.end_at.isoformat()},
        with_course=(appointment.pk, appointment.plan_version) in told,
        cancelled_at=now if cancelled else None,
        told=cancelled and _went_out(appointment),
    )


def _context(appointment: Appointment) -> dict[str, str]:
    site = appointment.site
    return {"timezone": site.timezone, "site": site.discreet_name, "phone": site.phone}


def _went_out(appointment: Appointment) -> bool:
    """Whether the patient was told of the visit, by itself or with its course."""
    out = Message.objects.filter(status__in=_OUT).exclude(kind=domain.CANCELLATION)
    if out.filter(subject_kind=SUBJECT, subject_id=appointment.pk).exists():
        return True
    if appointment.course_id is None:
        return False
    contexts = out.filter(subject_kind=COURSE, subject_id=appointment.course_id).values_list("context")
    return any(visit == appointment.pk for (context,) in contexts for visit, _version in told_of(context))


def _of_course(
    appointment: Appointment, patient: Patient, rules: Sequence[domain.Rule], *, now: datetime, anew: bool
) -> Told:
    """Bring the confirmation of the visit's course in line; of which (visit, plan version) it tells.

    One that is unsent always lists what is booked now. One that went out stays as it was: ``anew`` asks for
    another, else each session that changes is confirmed by its own message.
    """
    if appointment.course_id is None:
        return frozenset()
    rows = list(
        Message.objects.filter(
            subject_kind=COURSE, subject_id=appointment.course_id, kind=domain.COURSE_CONFIRMATION
        )
    )
    if not rows and not anew:
        return frozenset()
    version = max((row.plan_version for row in rows), default=1)
    if any(row.plan_version == version and row.status not in _WAITS for row in rows):
        if not anew:
            return _told(rows, _TELLS)
        version += 1
    wanted = _course_message(appointment.course_id, _context(appointment), rules, now)
    outreach.reconcile(
        patient=patient,
        subject_kind=COURSE,
        subject_id=appointment.course_id,
        plan_version=version,
        wanted=[wanted] if wanted else [],
        now=now,
        reason="replaced",
    )
    return _told(rows, _OUT) | (told_of(wanted.context) if wanted else set())


def _told(rows: Sequence[Message], statuses: Collection[str]) -> Told:
    return frozenset(visit for row in rows if row.status in statuses for visit in told_of(row.context))


def _course_message(
    course_id: int, context: dict[str, str], rules: Sequence[domain.Rule], now: datetime
) -> WantedMessage | None:
    awaited = list(
        Appointment.objects.filter(course_id=course_id, status__in=domain.AWAITED, start_at__gt=now).order_by(
            "start_at"
        )
    )
    if not awaited:
        return None
    return domain.course_confirmation(
        rules=rules,
        scheduled_at=max(each.scheduled_at for each in awaited),
        first_start=awaited[0].start_at,
        context=context
        | {
            "start_at": awaited[0].start_at.isoformat(),
            "end_at": awaited[-1].end_at.isoformat(),
            "visits": "\n".join(
                visit_line(
                    appointment_id=each.pk,
                    version=each.plan_version,
                    start_at=each.start_at,
                    end_at=each.end_at,
                )
                for each in awaited
            ),
        },
    )


def rules_of(appointment: Appointment) -> tuple[list[domain.Rule], datetime | None]:
    """The rules for visits of this type at this site, and when the patient's first standing visit begins."""
    with connection.cursor() as cursor:
        cursor.execute(
            _RULES,
            {
                "patient": appointment.patient_id,
                "freed": [status.value for status in Appointment.FREES_RESOURCES],
                "visit_type": appointment.visit_type_id,
                "site": appointment.site_id,
            },
        )
        rows = cursor.fetchall()
    rules = [
        domain.Rule(
            kind=kind,
            anchor=domain.Anchor(anchor),
            minutes_before=before,
            late_minutes=late,
            first_visit_only=first_only,
            email=email,
            sms=sms,
            specificity=specificity,
        )
        for kind, anchor, before, late, first_only, email, sms, specificity, _first in rows
    ]
    return rules, rows[0][-1] if rows else None
