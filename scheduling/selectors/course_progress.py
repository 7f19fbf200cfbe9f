"""A course under way: what stays, what can still be moved, and plans for how it goes on. Reads only."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from clinic.access.policy import Actor
from clinic.common.errors import Invalid, NotFound
from scheduling.domain import courses as domain
from scheduling.domain.courses import Stage, Verb
from scheduling.domain.transitions import FREES_RESOURCES, Status
from scheduling.models import Appointment, Course
from scheduling.selectors import courses as selector
from scheduling.selectors.course_plans import Answer, PlanQuestion, Preferences, plan

_AWAITED = frozenset({Status.BOOKED, Status.CONFIRMED})
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Progress:
    """A course under way: the sessions that stay as they are, and those that can still be moved."""

    course: Course
    stay: tuple[Appointment, ...]
    movable: tuple[Appointment, ...]

    @property
    def live(self) -> tuple[Appointment, ...]:
        """All that count, by date."""
        return tuple(sorted((*self.stay, *self.movable), key=lambda each: (each.start_at, each.pk)))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of this course."""
        return domain.parse(self.course.stages)

    def date_of(self, session: Appointment) -> date:
        """The date on the clocks of the site."""
        return selector.local_date(self.course.site, session.start_at)

    @property
    def last_date(self) -> date | None:
        """The date of the last session that counts."""
        return self.date_of(self.live[-1]) if self.live else None

    def snapshot(self) -> list[tuple[int, datetime, str]]:
        """What must not have changed when the locks are held."""
        return [(each.pk, each.start_at, each.status) for each in self.live]


def progress(*, actor: Actor, now: datetime, course_id: int) -> Progress:
    """The course as it stands. Raises NotFound."""
    course = (
        Course.objects.visible_to(actor)
        .select_related("site", "visit_type", "template")
        .filter(pk=course_id)
        .first()
    )
    if course is None:
        raise NotFound("This course does not exist.")
    return split(course, now=now, locking=False)


def split(course: Course, *, now: datetime, locking: bool) -> Progress:
    """The course with its sessions, their rows locked where the caller is about to change them."""
    rows = course.sessions.select_related("visit_type", "site").order_by("pk")
    if locking:
        rows = rows.select_for_update(of=("self",))
    live = [each for each in rows if Status(each.status) not in FREES_RESOURCES]
    movable = [each for each in live if Status(each.status) in _AWAITED and each.start_at > now]
    return Progress(
        course,
        tuple(sorted((each for each in live if each not in movable), key=lambda each: each.start_at)),
        tuple(sorted(movable, key=lambda each: each.start_at)),
    )


def propose_rest(
    *,
    actor: Actor,
    now: datetime,
    course_id: int,
    preferences: Preferences,
    sessions: int | None = None,
    start_on: date | None = None,
    limit: int = 3,
) -> Answer:
    """Plans for everything still to come, lost sessions included, from tomorrow unless told otherwise.

    Nothing is written. Raises Conflict (``invalid_transition``), Invalid (``nothing_left_to_plan``, those of
    the planner), NotFound.
    """
    known = progress(actor=actor, now=now, course_id=course_id)
    domain.after(domain.Status(known.course.status), Verb.REPLAN)
    count = known.course.sessions_planned - len(known.stay) if sessions is None else sessions
    if count < 1:
        raise Invalid(
            "Every session of this course has been held. Extend it instead.", code="nothing_left_to_plan"
        )
    tomorrow = selector.local_date(known.course.site, now) + _ONE_DAY
    return _propose(
        known,
        now=now,
        count=count,
        start_on=start_on or tomorrow,
        first_number=len(known.stay) + 1,
        previous=known.date_of(known.stay[-1]) if known.stay else None,
        may_be_late=True,
        moving_ids=frozenset(each.pk for each in known.movable),
        preferences=preferences,
        limit=limit,
    )


def propose_more(
    *, actor: Actor, now: datetime, course_id: int, count: int, preferences: Preferences, limit: int = 3
) -> Answer:
    """Plans for ``count`` sessions after the last one. Nothing is written. Raises as :func:`propose_rest`."""
    known = progress(actor=actor, now=now, course_id=course_id)
    domain.after(domain.Status(known.course.status), Verb.EXTEND)
    previous, today = known.last_date, selector.local_date(known.course.site, now)
    return _propose(
        known,
        now=now,
        count=count,
        start_on=max(today, previous + _ONE_DAY) if previous else today,
        first_number=len(known.live) + 1,
        previous=previous,
        may_be_late=overdue(known, today),
        moving_ids=frozenset(),
        preferences=preferences,
        limit=limit,
    )


def _propose(
    known: Progress,
    *,
    now: datetime,
    count: int,
    start_on: date,
    first_number: int,
    previous: date | None,
    may_be_late: bool,
    moving_ids: frozenset[int],
    preferences: Preferences,
    limit: int,
) -> Answer:
    course = known.course
    question = PlanQuestion(
        visit_type=course.visit_type,
        site=course.site,
        patient_id=course.patient_id,
        now=now,
        stages=known.stages,
        count=count,
        start_on=start_on,
        first_number=first_number,
        previous=previous,
        may_be_late=may_be_late,
        allowed_weekdays=course.allowed_weekdays,
        preferences=preferences.or_usual(
            each.start_at.astimezone(course.site.zone).time() for each in known.live
        ),
        moving_ids=moving_ids,
    )
    return plan(question, limit=limit)


def overdue(known: Progress, today: date) -> bool:
    """Whether the next session is later than its longest gap whatever is chosen."""
    previous, number = known.last_date, len(known.live) + 1
    if previous is None or previous >= today:
        return False
    calendar = selector.open_days_between(
        known.course.site,
        known.stages,
        known.course.allowed_weekdays,
        [previous, today],
        first_number=number - 1,
    )
    [gap] = domain.gaps([previous, today], stages=known.stages, calendar=calendar, first_number=number)
    return gap.days > gap.stage.max_gap_days
