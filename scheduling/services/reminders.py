"""Keeps the messages of a visit, and of the course it belongs to, equal to what the plan wants, in the
transaction that changed the visit."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from django.db import connection

from patients.domain.messages import WantedMessage, still_wanted
from patients.models import Message, Patient
from patients.selectors.messages import as_existing
from patients.services import outreach
from patients.services.composing import CANCELLATIONS, COURSE, told_of, visit_line
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
_MAY_CHANGE = (Message.Status.QUEUED, Message.Status.SUPPRESSED, Message.Status.SENDING)
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

    ``told`` is what :func:`confirm_together` or :func:`cancel_together` returned, for one of several sessions
    written or cancelled at once.
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


def cancel_together(*, appointments: Sequence[Appointment], patient: Patient, now: datetime) -> Told:
    """Let one message tell of these sessions, cancelled with their course, where the patient knew of them.

    Returns what it tells of. One session alone is told of by its own message.
    """
    if not appointments:
        return frozenset()
    ids = _went_out(appointments)
    known = sorted((each for each in appointments if each.pk in ids), key=lambda each: each.start_at)
    rules, _first_start = rules_of(appointments[0])
    wanted = None
    if len(known) > 1:
        wanted = domain.course_cancellation(
            rules=rules,
            cancelled_at=now,
            first_start=known[0].start_at,
            context=_context(known[0]) | _listing(known),
        )
    rows = _course_rows(appointments[0])
    if rows or wanted:
        _reconcile_course(
            appointments[0], patient, _version(rows), [wanted], now=now, reason=Status.CANCELLED.value
        )
    return _named(wanted)


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
        told=cancelled and bool(_went_out([appointment])),
    )


def _context(appointment: Appointment) -> dict[str, str]:
    site = appointment.site
    return {"timezone": site.timezone, "site": site.discreet_name, "phone": site.phone}


def _went_out(appointments: Sequence[Appointment]) -> set[int]:
    """Of whose visits (ids) the patient was told, by themselves or with their course."""
    out = Message.objects.filter(status__in=_OUT).exclude(kind__in=CANCELLATIONS)
    ids = {each.pk for each in appointments}
    known = set(out.filter(subject_kind=SUBJECT, subject_id__in=ids).values_list("subject_id", flat=True))
    courses = {each.course_id for each in appointments if each.course_id is not None}
    if known == ids or not courses:
        return known
    contexts = out.filter(subject_kind=COURSE, subject_id__in=courses).values_list("context", flat=True)
    return known | (ids & {visit for context in contexts for visit, _version in told_of(context)})


def _of_course(
    appointment: Appointment, patient: Patient, rules: Sequence[domain.Rule], *, now: datetime, anew: bool
) -> Told:
    """Bring the messages of the visit's course in line; of which (visit, plan version) they tell: that it is
    booked, or, for one that is cancelled, of that.

    A confirmation that is unsent always lists what is booked now. One that went out stays as it was: ``anew``
    asks for another, else each session that changes is confirmed by its own message.
    """
    if appointment.course_id is None:
        return frozenset()
    rows = _course_rows(appointment)
    if not rows and not anew:
        return frozenset()
    version = _version(rows)
    confirmations = [row for row in rows if row.kind == domain.COURSE_CONFIRMATION]
    cancellations = [row for row in rows if row.kind == domain.COURSE_CANCELLATION]
    cancellation = _still_cancelled(cancellations)
    out = any(row.plan_version == version and row.status not in _WAITS for row in confirmations)
    if out and not anew:
        confirmed = _told(confirmations, _TELLS)
        if any(row.status in _MAY_CHANGE for row in cancellations):
            _reconcile_course(appointment, patient, version, [cancellation], now=now, reason="replaced")
    else:
        wanted = _course_message(appointment.course_id, _context(appointment), rules, now)
        _reconcile_course(
            appointment, patient, version + out, [wanted, cancellation], now=now, reason="replaced"
        )
        confirmed = _told(confirmations, _OUT) | _named(wanted)
    if appointment.status == Status.CANCELLED:
        return _told(cancellations, _OUT) | _named(cancellation)
    return confirmed


def _course_rows(appointment: Appointment) -> list[Message]:
    if appointment.course_id is None:
        return []
    return list(Message.objects.filter(subject_kind=COURSE, subject_id=appointment.course_id))


def _version(rows: Sequence[Message]) -> int:
    return max((row.plan_version for row in rows), default=1)


def _reconcile_course(
    appointment: Appointment,
    patient: Patient,
    version: int,
    wanted: Sequence[WantedMessage | None],
    *,
    now: datetime,
    reason: str,
) -> None:
    assert appointment.course_id is not None  # noqa: S101 - the callers have looked
    outreach.reconcile(
        patient=patient,
        subject_kind=COURSE,
        subject_id=appointment.course_id,
        plan_version=version,
        wanted=[message for message in wanted if message is not None],
        now=now,
        reason=reason,
    )


def _still_cancelled(rows: Sequence[Message]) -> WantedMessage | None:
    """The cancellation that still waits, without the visits that were taken back meanwhile."""
    for message in still_wanted(as_existing(row) for row in rows):
        listed = Appointment.objects.filter(
            pk__in=[visit for visit, _version in told_of(message.context)], status=Status.CANCELLED
        )
        visits = list(listed.order_by("start_at"))
        if visits:
            return replace(message, context={**message.context, **_listing(visits)})
    return None


def _told(rows: Sequence[Message], statuses: Collection[str]) -> Told:
    return frozenset(visit for row in rows if row.status in statuses for visit in told_of(row.context))


def _named(message: WantedMessage | None) -> Told:
    return frozenset(told_of(message.context) if message else ())


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
        context=context | _listing(awaited),
    )


def _listing(visits: Sequence[Appointment]) -> dict[str, str]:
    """What the words and the calendar of a message about several visits need; earliest visit first."""
    lines = [
        visit_line(
            appointment_id=each.pk, version=each.plan_version, start_at=each.start_at, end_at=each.end_at
        )
        for each in visits
    ]
    return {
        "start_at": visits[0].start_at.isoformat(),
        "end_at": visits[-1].end_at.isoformat(),
        "visits": "\n".join(lines),
    }


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
