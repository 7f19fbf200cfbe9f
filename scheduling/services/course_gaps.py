"""Keeps a course true to its sessions: their numbers, and a person asked when a gap leaves its range.

Everything here runs inside a caller's transaction that holds the lock on the patient, which is the lock on
all of the patient's courses.
"""

from datetime import datetime, timedelta

from clinic.access.policy import Role
from patients.models import WorkItem
from patients.services.work_items import NewItem, close_items, open_items
from scheduling.domain import courses as domain
from scheduling.domain.transitions import FREES_RESOURCES, Status
from scheduling.models import Appointment, Course
from scheduling.selectors.courses import Standing, standing

KIND = "course_gap"
_ANSWER_WITHIN = timedelta(hours=24)


def after_change(appointment: Appointment, *, now: datetime) -> None:
    """A visit was moved, lost or brought back: if it is a session, its course is looked at again.

    The change stands even when a gap leaves its range; then a work item asks for the rest to be planned
    anew. Gaps that were accepted before, elsewhere in the course, ask nobody a second time.
    """
    if appointment.course_id is None:
        return
    course = Course.objects.select_related("site").get(pk=appointment.course_id)
    state = renumber(course)
    for session in state.live:
        if session.pk == appointment.pk:
            appointment.session_number = session.session_number
    if course.status == domain.Status.STOPPED:
        return
    lost = Status(appointment.status) in FREES_RESOURCES and state.owed
    beside = _beside(state, appointment)
    if lost:
        _ask(course, f"Course {course.pk}: session {appointment.session_number} is lost.", now)
    elif any(not gap.in_range for gap in beside):
        _ask(course, f"Course {course.pk}: a gap left its range.", now)
    elif not state.drift and not state.owed:
        settled(course, note="Closed by Onset: every gap is in its range again.", now=now)


def look_again(course: Course, *, now: datetime) -> None:
    """The ranges of a course were changed: ask for a plan if its sessions do not keep them."""
    if standing(course, list(course.sessions.all())).drift:
        _ask(course, f"Course {course.pk}: its interval was changed.", now)
    else:
        settled(course, note="Closed by Onset: every gap is in its range again.", now=now)


def renumber(course: Course) -> Standing:
    """Number the sessions that count by date; those that will not happen keep the number they had."""
    state = standing(course, list(course.sessions.all()))
    changed = []
    for number, session in enumerate(state.live, start=1):
        if session.session_number != number:
            session.session_number = number
            changed.append(session)
    if changed:
        # Not a new version: nobody decided anything about these visits.
        Appointment.objects.bulk_update(changed, ["session_number"])
    return state


def settled(course: Course, *, note: str, now: datetime) -> None:
    """Nobody needs to look at the gaps of this course any more."""
    close_items([_key(course)], note=note, now=now)


def _beside(state: Standing, appointment: Appointment) -> list[domain.Gap]:
    """The gaps before and after one session."""
    numbers = [n for n, session in enumerate(state.live, start=1) if session.pk == appointment.pk]
    return [gap for gap in state.gaps if any(gap.number in {n, n + 1} for n in numbers)]


def _ask(course: Course, what: str, now: datetime) -> None:
    item = NewItem(
        kind=KIND,
        key=_key(course),
        severity=WorkItem.Severity.ROUTINE,
        site_id=course.site_id,
        patient_id=course.patient_id,
        summary=f"{what} Plan the rest of the course anew, or accept it.",
        owner_role=Role.FRONT_DESK,
        due_at=now + _ANSWER_WITHIN,
    )
    open_items([item], now=now)


def _key(course: Course) -> str:
    return f"course:{course.pk}:gap"
