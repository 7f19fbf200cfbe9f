"""Changing a course that exists: plan the rest anew, add sessions, change its interval, stop it.

What has been (or is going on) stays; what is still to come may move, keeping its ids. The patient row is the
lock on all of it, after the resources.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import Conflict
from clinic.common.transactions import durable
from patients.models import Patient
from scheduling.domain import courses as domain
from scheduling.domain.courses import Verb
from scheduling.models import Appointment, Course, Resource
from scheduling.selectors import courses as selector
from scheduling.selectors.availability import Question
from scheduling.selectors.course_progress import Progress, overdue, progress, split
from scheduling.services import allocations, course_checks, course_gaps, course_sessions, follow_ups_made
from scheduling.services.appointments import check_patient
from scheduling.services.course_checks import Asked
from scheduling.services.course_sessions import Sitting, window_over
from scheduling.services.courses import claim, race, record

_REPLANNED = "course replanned"


def replan(
    *,
    actor: Actor,
    now: datetime,
    course_id: int,
    starts: Sequence[datetime],
    expected_version: int | None = None,
    reason: str = "",
    override_reason: str = "",
    same_nurse: bool = False,
) -> Course:
    """Make ``starts`` all that is still to come: as few sessions as possible are moved, added or cancelled.

    The first gap may be overdue, because what was lost cannot be held in time any more. Raises as booking a
    course does, and Conflict (``moved_meanwhile``, ``invalid_transition``), StaleVersion.
    """
    known = progress(actor=actor, now=now, course_id=course_id)
    asked = _asked(known, starts, override_reason, previous_from=known.stay, may_be_late=True)
    booked = {each.start_at for each in known.movable}
    sittings = course_checks.check(asked, now=now, unchanged=[each for each in starts if each in booked])
    wanted = {sitting.start for sitting in sittings}
    leaving = [each for each in known.movable if each.start_at not in wanted]
    coming = [sitting for sitting in sittings if sitting.start not in booked]
    change = _Change(
        verb=Verb.REPLAN,
        known=known,
        sittings=[
            Sitting(sitting.number, sitting.start, visit)
            for sitting, visit in zip(coming, [*leaving, *[None] * len(coming)], strict=False)
        ],
        cancelled=leaving[len(coming) :],
        planned=len(known.stay) + len(sittings),
    )
    return _make(
        change,
        asked,
        actor=actor,
        now=now,
        expected_version=expected_version,
        reason=reason,
        same_nurse=same_nurse,
    )


def extend(
    *,
    actor: Actor,
    now: datetime,
    course_id: int,
    starts: Sequence[datetime],
    expected_version: int | None = None,
    reason: str = "",
    override_reason: str = "",
    same_nurse: bool = False,
) -> Course:
    """Add sessions after the last one, all or none. Raises as :func:`replan`."""
    known = progress(actor=actor, now=now, course_id=course_id)
    late = overdue(known, selector.local_date(known.course.site, now))
    asked = _asked(known, starts, override_reason, previous_from=known.live, may_be_late=late)
    sittings = course_checks.check(asked, now=now)
    planned = known.course.sessions_planned + len(sittings)
    change = _Change(verb=Verb.EXTEND, known=known, sittings=sittings, cancelled=[], planned=planned)
    return _make(
        change,
        asked,
        actor=actor,
        now=now,
        expected_version=expected_version,
        reason=reason,
        same_nurse=same_nurse,
    )


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of a course: sessions written, sessions cancelled, how many are meant in all."""

    verb: Verb
    known: Progress
    sittings: Sequence[Sitting]
    cancelled: Sequence[Appointment]
    planned: int

    @property
    def touched(self) -> list[Appointment]:
        """The visits that lose their present time."""
        return [*(sitting.moved for sitting in self.sittings if sitting.moved), *self.cancelled]


def _asked(
    known: Progress,
    starts: Sequence[datetime],
    override_reason: str,
    *,
    previous_from: Sequence[Appointment],
    may_be_late: bool,
) -> Asked:
    course = known.course
    return Asked(
        visit_type=course.visit_type,
        site=course.site,
        stages=known.stages,
        allowed_weekdays=course.allowed_weekdays,
        starts=starts,
        first_number=len(previous_from) + 1,
        previous=known.date_of(previous_from[-1]) if previous_from else None,
        may_be_late=may_be_late,
        override_reason=override_reason,
    )


def _make(
    change: _Change,
    asked: Asked,
    *,
    actor: Actor,
    now: datetime,
    expected_version: int | None,
    reason: str,
    same_nurse: bool,
) -> Course:
    course = change.known.course
    actor.require("appointments.write", course.site_id)
    question = Question(
        visit_type=course.visit_type,
        site=course.site,
        window=window_over(change.sittings or [Sitting(1, now)]),
        now=now,
        patient_id=course.patient_id,
        moving_ids=frozenset(each.pk for each in change.touched),
    )
    work = partial(
        _write,
        change=change,
        question=question,
        actor=actor,
        expected_version=expected_version,
        reason=reason,
        override_reason=asked.override_reason,
        same_nurse=same_nurse,
    )
    return race(work, asked=asked, question=question)


@durable
def _write(
    *,
    change: _Change,
    question: Question,
    actor: Actor,
    expected_version: int | None,
    reason: str,
    override_reason: str,
    same_nurse: bool,
    attempt: int,
) -> Course:
    now = question.now
    held = _held_by(change.touched)
    chosen, resources = claim(question, change.sittings, same_nurse=same_nurse, attempt=attempt, also=held)
    course, patient, found = _locked(
        change.known, change.touched, held, actor=actor, verb=change.verb, expected=expected_version, now=now
    )
    visits = {each.pk: each for each in found.live}
    sittings = [
        Sitting(each.number, each.start, visits[each.moved.pk] if each.moved else None)
        for each in change.sittings
    ]
    course_sessions.cancel(
        [visits[each.pk] for each in change.cancelled],
        actor=actor,
        patient=patient,
        now=now,
        reason=reason or _REPLANNED,
    )
    course_sessions.write(
        actor=actor,
        course=course,
        patient=patient,
        sittings=sittings,
        chosen=chosen,
        resources=resources,
        now=now,
        reason=reason,
    )
    course.sessions_planned = change.planned
    versions.save(course, "sessions_planned")
    course_gaps.renumber(course)
    course_gaps.settled(course, note="Closed by Onset: the course was planned anew.", now=now)
    record(
        course, actor=actor, verb=change.verb.value, now=now, reason=reason, override_reason=override_reason
    )
    return course


def _held_by(visits: Sequence[Appointment]) -> frozenset[int]:
    rows = Resource.objects.filter(allocations__appointment__in=[each.pk for each in visits])
    return frozenset(rows.order_by().values_list("pk", flat=True))


def _locked(
    known: Progress,
    touched: Sequence[Appointment],
    held: frozenset[int],
    *,
    actor: Actor,
    verb: Verb,
    expected: int | None,
    now: datetime,
) -> tuple[Course, Patient, Progress]:
    """Patient, course and sessions locked, after the resources ``held``, and all still as known.

    Raises Conflict (``moved_meanwhile``, ``invalid_transition``), StaleVersion.
    """
    patient = allocations.lock_patient(known.course.patient_id)
    course = (
        Course.objects.select_for_update(of=("self",))
        .select_related("site", "visit_type", "template")
        .get(pk=known.course.pk)
    )
    versions.require_version(course, expected)
    domain.after(domain.Status(course.status), verb)
    if verb in {Verb.REPLAN, Verb.EXTEND}:
        check_patient(patient, actor)
    found = split(course, now=now, locking=True)
    same = found.snapshot() == known.snapshot() and course.stages == known.course.stages
    if not same or _held_by(touched) != held:
        raise Conflict("The course was changed just now. Read it again.", code="moved_meanwhile")
    return course, patient, found


@durable
def stop(
    *, actor: Actor, now: datetime, course_id: int, reason: str, expected_version: int | None = None
) -> Course:
    """End a course: everything still to come is cancelled, its time free at once, its messages withdrawn.

    Whoever had been told of sessions is told in one message that they are cancelled.

    Raises Conflict (``invalid_transition``, ``moved_meanwhile``), StaleVersion, NotFound, Forbidden.
    """
    known = progress(actor=actor, now=now, course_id=course_id)
    actor.require("appointments.write", known.course.site_id)
    held = _held_by(known.movable)
    allocations.lock_for_visit(held, site_id=known.course.site_id)
    course, patient, found = _locked(
        known, known.movable, held, actor=actor, verb=Verb.STOP, expected=expected_version, now=now
    )
    course_sessions.cancel(found.movable, actor=actor, patient=patient, now=now, reason=reason, together=True)
    course.status = domain.after(domain.Status(course.status), Verb.STOP).value
    versions.save(course, "status")
    course_gaps.settled(course, note="Closed by Onset: the course was stopped.", now=now)
    follow_ups_made.after_course(course_id=course.pk, now=now)
    record(course, actor=actor, verb=Verb.STOP.value, now=now, reason=reason)
    return course


@durable
def set_maintenance(
    *,
    actor: Actor,
    now: datetime,
    course_id: int,
    interval_days: int,
    tolerance_days: int | None = None,
    expected_version: int | None = None,
    reason: str = "",
) -> Course:
    """Widen or narrow the interval of everything after the series and after what has been held.

    Booked sessions stay where they are; gaps that now are out of range show as drift, and ask for a plan.
    Raises Invalid (``gaps_contradict``), Conflict, StaleVersion, NotFound, Forbidden.
    """
    known = progress(actor=actor, now=now, course_id=course_id)
    actor.require("appointments.write", known.course.site_id)
    course, _patient, found = _locked(
        known, (), frozenset(), actor=actor, verb=Verb.MAINTENANCE, expected=expected_version, now=now
    )
    stages = domain.with_maintenance(
        known.stages,
        from_number=max(domain.series_length(known.stages), len(found.stay)) + 1,
        interval_days=interval_days,
        tolerance_days=tolerance_days,
    )
    course.stages = domain.to_json(stages)
    versions.save(course, "stages")
    course_gaps.look_again(course, now=now)
    record(course, actor=actor, verb=Verb.MAINTENANCE.value, now=now, reason=reason)
    return course
