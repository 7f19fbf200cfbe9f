"""Follow-ups that an event brings by rule: the call after a treatment, the visit after a course, what comes
after a check-in.

Everything here runs inside the transaction of the event, with the patient row locked, and is safe to repeat:
one event and one rule bring one follow-up.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from clinic.access.models import Site
from scheduling.domain import follow_ups as domain
from scheduling.domain.courses import Status as CourseStatus
from scheduling.domain.follow_ups import After
from scheduling.domain.transitions import FREES_RESOURCES, Status
from scheduling.models import Appointment, CheckIn, Course, FollowUp, FollowUpRule
from scheduling.selectors.open_days import open_days
from scheduling.services.follow_ups import withdraw


def after_visit(*, appointment: Appointment, now: datetime) -> None:
    """A visit was completed: what follows a treatment, and what follows its course if that is over.

    Source: DOMAIN section 5, "After the visit", and section 6, journey A.
    """
    if appointment.visit_type.kind in domain.TREATED_AT:
        _make(After.TREATMENT, appointment=appointment, now=now)
    if appointment.course_id is not None:
        after_course(course_id=appointment.course_id, now=now)


def withdraw_after_visit(*, appointment: Appointment, now: datetime) -> None:
    """Completion was undone, so what it brought is not owed; what was done already stays."""
    origins = (After.TREATMENT.origin, After.COURSE.origin)
    withdraw(now=now, appointment=appointment, origin__in=origins)


def after_course(*, course_id: int, now: datetime) -> None:
    """If the course is over, what follows its last session; what an earlier end of it brought and is still
    due goes (a course may be extended after it was over).

    A course is over when every session that was meant is completed, or when it was stopped after one.
    """
    sessions = list(
        Appointment.objects.filter(course_id=course_id)
        .exclude(status__in=FREES_RESOURCES)
        .order_by("start_at", "pk")
    )
    course = Course.objects.get(pk=course_id)
    stopped = course.status == CourseStatus.STOPPED
    held = [each for each in sessions if each.status == Status.COMPLETED]
    if not held or len(held) < len(sessions) or (len(held) < course.sessions_planned and not stopped):
        return
    last = held[-1]
    earlier = [each.pk for each in held[:-1]]
    withdraw(now=now, origin=After.COURSE.origin, appointment_id__in=earlier)
    _make(After.COURSE, appointment=last, now=now)


def after_check_in(*, check_ins: Sequence[CheckIn], now: datetime) -> None:
    """Check-ins of one patient were answered; each brings what its own rule says."""
    codes = {row.code for row in check_ins}
    rules = list(FollowUpRule.objects.filter(after=After.CHECK_IN, check_in_code__in=codes))
    for row in check_ins if rules else ():
        site = row.patient.site
        of_code = [rule for rule in rules if rule.check_in_code == row.code]
        for rule in domain.in_force(of_code, visit_type_id=None, site_id=site.pk):
            known = FollowUp.objects.filter(check_in=row, rule=rule)
            if not known.exclude(status=FollowUp.Status.CANCELLED).exists():
                _create(
                    rule, site=site, day=row.answered_on or row.due_on, patient_id=row.patient_id, now=now,
                    check_in=row,
                )  # fmt: skip


def _make(after: After, *, appointment: Appointment, now: datetime) -> None:
    rules = domain.in_force(
        list(FollowUpRule.objects.filter(after=after)),
        visit_type_id=appointment.visit_type_id,
        site_id=appointment.site_id,
    )
    known = FollowUp.objects.filter(appointment=appointment, rule__in=rules)
    made = set(known.exclude(status=FollowUp.Status.CANCELLED).values_list("rule_id", flat=True))
    for rule in rules:
        if rule.pk not in made:
            day = appointment.start_at.astimezone(appointment.site.zone).date()
            _create(
                rule, site=appointment.site, day=day, patient_id=appointment.patient_id, now=now,
                appointment=appointment,
            )  # fmt: skip


def _create(
    rule: FollowUpRule,
    *,
    site: Site,
    day: date,
    patient_id: int,
    now: datetime,
    appointment: Appointment | None = None,
    check_in: CheckIn | None = None,
) -> None:
    """On the rule's day, but not before today: an event may be written down days later."""
    wanted = max(day + timedelta(days=rule.days), now.astimezone(site.zone).date())
    is_open = open_days(site=site, first=wanted, last=wanted + timedelta(days=domain.SEARCHED_DAYS))
    due_on = domain.next_open_day(wanted, is_open=is_open)
    FollowUp.objects.create(
        patient_id=patient_id,
        kind=rule.kind,
        due_on=due_on,
        due_time=rule.due_time,
        due_at=domain.overdue_from(due_on, rule.due_time, zone=site.zone),
        early_days=rule.early_days,
        origin=After(rule.after).origin,
        rule=rule,
        appointment=appointment,
        check_in=check_in,
        created_at=now,
    )
