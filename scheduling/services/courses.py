"""Booking a whole course: one durable transaction in which every session is written, or none is.

Losing a race for any session means choosing for all of them again. Changes of a course that exists are in
course_changes.py.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial

from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common.errors import Conflict, Invalid
from clinic.common.transactions import durable
from scheduling.domain import courses as domain
from scheduling.domain import refusals
from scheduling.models import Course, CourseEvent, CourseTemplate, Resource
from scheduling.selectors import courses as selector
from scheduling.selectors.availability import Question, Visit
from scheduling.services import allocations, course_checks, course_sessions
from scheduling.services.allocations import LostRace
from scheduling.services.appointments import RACES, check_patient
from scheduling.services.course_checks import Asked
from scheduling.services.course_sessions import Chosen, LostSession, Sitting, window_over

_THOROUGH_AFTER = 3
"""Tries that lock only what they chose, before all that could serve is locked."""


def book(
    *,
    actor: Actor,
    now: datetime,
    patient_id: int,
    template: CourseTemplate,
    site: Site,
    starts: Sequence[datetime],
    prescription_note: str = "",
    override_reason: str = "",
    same_nurse: bool = False,
) -> Course:
    """Book every session of a new course, or none.

    Gaps and weekdays are those of the template; ``override_reason`` accepts others. Raises Invalid
    (``inactive``, those of course_checks and of booking one visit), Conflict (``slot_taken``,
    ``patient_busy``), each naming the ``session``, a conflict with ``alternatives``; NotFound, Forbidden.
    """
    actor.require("appointments.write", site.pk)
    if not template.active:
        raise Invalid("This course template is no longer offered. Choose another one.", code="inactive")
    asked = Asked(
        visit_type=template.visit_type,
        site=site,
        stages=domain.parse(template.stages),
        allowed_weekdays=template.allowed_weekdays,
        starts=starts,
        override_reason=override_reason,
    )
    sittings = course_checks.check(asked, now=now)
    question = Question(
        visit_type=template.visit_type,
        site=site,
        window=window_over(sittings),
        now=now,
        patient_id=patient_id,
    )
    work = partial(
        _book,
        actor=actor,
        patient_id=patient_id,
        template=template,
        asked=asked,
        question=question,
        sittings=sittings,
        prescription_note=prescription_note,
        same_nurse=same_nurse,
    )
    return race(work, asked=asked, question=question)


@durable
def _book(
    *,
    actor: Actor,
    patient_id: int,
    template: CourseTemplate,
    asked: Asked,
    question: Question,
    sittings: Sequence[Sitting],
    prescription_note: str,
    same_nurse: bool,
    attempt: int,
) -> Course:
    chosen, resources = claim(question, sittings, same_nurse=same_nurse, attempt=attempt)
    patient = allocations.lock_patient(patient_id)
    check_patient(patient, actor)
    course = Course.objects.create(
        patient=patient,
        template=template,
        template_version=template.version,
        visit_type=question.visit_type,
        site=question.site,
        stages=domain.to_json(asked.stages),
        allowed_weekdays=template.allowed_weekdays,
        sessions_planned=len(sittings),
        prescription_note=prescription_note,
        created_at=question.now,
    )
    course_sessions.write(
        actor=actor,
        course=course,
        patient=patient,
        sittings=sittings,
        chosen=chosen,
        resources=resources,
        now=question.now,
        reason="",
    )
    record(course, actor=actor, verb="book", now=question.now, override_reason=asked.override_reason)
    return course


def claim(
    question: Question,
    sittings: Sequence[Sitting],
    *,
    same_nurse: bool,
    attempt: int,
    also: Collection[int] = (),
) -> tuple[Chosen, list[Resource]]:
    """Choose for every session, and lock what is chosen (and ``also``) in id order.

    The first try (``attempt`` 0) takes what is best, which is what everybody else wants too; later ones
    spread out; the last ones lock whatever could serve and choose again, so that nobody takes it away.
    """
    choose = partial(course_sessions.choose, question, sittings, same_nurse=same_nurse, spread=bool(attempt))
    chosen = choose()
    wanted = {resource for kinds in chosen.values() for resource in kinds.values()}
    thorough = attempt >= _THOROUGH_AFTER
    if thorough:
        kinds = {requirement.kind for requirement in Visit.of(question.visit_type).requirements}
        serving = Resource.objects.filter(site=question.site, kind__in=kinds, active=True).order_by()
        wanted |= set(serving.values_list("pk", flat=True))
    resources = allocations.lock_for_visit({*wanted, *also}, site_id=question.site.pk)
    return choose() if thorough else chosen, resources


def race(work: Callable[..., Course], *, asked: Asked, question: Question) -> Course:
    """Try until every session is won, or one cannot be; then name it and what is nearest to it."""
    number = asked.first_number
    refused: Conflict | None = None
    for attempt in range(RACES):
        try:
            return work(attempt=attempt)
        except LostSession as lost:
            number = lost.number
        except LostRace:
            continue
        except Conflict as conflict:
            if conflict.code not in {"slot_taken", "patient_busy"} or "session" not in conflict.data:
                raise
            refused, number = conflict, conflict.data["session"]
            break
    if refused is None:
        refused = refusals.slot_taken()
        refused.detail = f"Session {number}: {refused.detail}"
        refused.data["session"] = number
    refused.data["alternatives"] = _alternatives(asked, question, number)
    raise refused


def _alternatives(asked: Asked, question: Question, number: int) -> list[dict[str, object]]:
    """The three nearest starts that keep the gaps to the other sessions."""
    zone, length = asked.site.zone, allocations.length_of(asked.visit_type)
    found = selector.alternatives(
        question, start=dict(asked.numbered())[number], fits=course_checks.fits(asked, number)
    )
    return [
        {
            "start": at.astimezone(zone).isoformat(),
            "end": (at + length).astimezone(zone).isoformat(),
            "site": asked.site.pk,
        }
        for at in found
    ]


def record(
    course: Course, *, actor: Actor, verb: str, now: datetime, reason: str = "", override_reason: str = ""
) -> None:
    """Add one decision to the history of a course."""
    CourseEvent.objects.create(
        course=course,
        verb=verb,
        at=now,
        by_id=actor.user_id,
        reason=reason,
        override_reason=override_reason,
    )
