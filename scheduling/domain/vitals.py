"""Vital signs: what each is called by LOINC and UCUM, and when the next reading of a session is due.

The idea to know: the plan is fixed moments, so lateness never adds up. Readings every so many minutes are due
at start + k x interval; a reading that comes at most the grace minutes early answers the moment it is early
for, a later one the moment before it. So two readings are never further apart than the interval and twice
the grace before somebody is told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from scheduling.domain.phases import Kind, Need, Phase, Use, infusion_phase, total_minutes

PANEL_LOINC = "85354-9"
"""Blood pressure panel: systolic and diastolic are its components."""
WEIGHT_LOINC, WEIGHT_UCUM = "29463-7", "kg"


@dataclass(frozen=True, slots=True)
class Measure:
    """One vital sign. ``least`` to ``most`` is what a patient in a chair can have: beyond it is a typo."""

    label: str
    loinc: str
    ucum: str
    unit: str
    least: int
    most: int


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "systolic": Measure("systolic pressure", "8480-6", "mm[Hg]", "mmHg", 30, 300),
        "diastolic": Measure("diastolic pressure", "8462-4", "mm[Hg]", "mmHg", 10, 200),
        "heart_rate": Measure("heart rate", "8867-4", "/min", "/min", 20, 300),
        "spo2": Measure("oxygen saturation", "59408-5", "%", "%", 40, 100),
        "respiratory_rate": Measure("respiratory rate", "9279-1", "/min", "/min", 2, 80),
        "temperature_c": Measure("temperature", "8310-5", "Cel", "°C", 25, 45),
    }
)
"""Column of VitalReading -> the measure. LOINC: DOMAIN section 4."""


class When(StrEnum):
    """Which kind of moment a reading is due at; the same words as VitalSchedule.When."""

    BEFORE = "before"
    DURING = "during"
    RECOVERY = "recovery"
    ONCE = "once"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class Plan:
    """One row of the schedule. All in minutes; ``least`` and ``most`` bound the time between two readings."""

    when: When
    minutes: int | None = None
    grace: int = 2
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """How far the session is. ``planned_start_at``: when set-up is over and the treatment should begin;
    ``disconnect_minutes`` and ``leave_minutes``: how long after the end of the infusion the hands-on part
    before leaving begins and ends."""

    here_at: datetime
    planned_start_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    disconnect_minutes: int = 0
    leave_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """The next reading: due at ``due_at``, late from ``overdue_at`` on."""

    when: When
    due_at: datetime
    overdue_at: datetime

    def overdue(self, now: datetime) -> bool:
        """Whether somebody should have measured by now."""
        return now >= self.overdue_at


def around(phases: Sequence[Phase]) -> tuple[int, int, int]:
    """Of a visit in minutes: from its start to the infusion; from the end of the infusion to the hands-on
    part before leaving, and to the end of that part (turnover is not the patient's time any more)."""
    infusion = infusion_phase(phases)
    if infusion is None:
        return 0, 0, 0
    after = phases[infusion + 1 :]
    watched = [index for index, phase in enumerate(after) if any(n.kind == Kind.NURSE for n in phase.needs)]
    hands_on = [index for index in watched if Need(Kind.NURSE, Use.EXCLUSIVE) in after[index].needs]
    last = watched[-1] + 1 if watched else len(after)
    disconnect = hands_on[-1] if hands_on else last
    return total_minutes(phases[:infusion]), total_minutes(after[:disconnect]), total_minutes(after[:last])


def next_due(plans: Iterable[Plan], *, course: Course, readings: Sequence[datetime]) -> Due | None:
    """The earliest reading that is not answered yet; None when none is asked for.

    ``readings``: when blood pressure was measured (what has no blood pressure answers nothing), in any
    order. Before the start only ``before`` counts, until the infusion ends ``during`` and ``once``, after it
    ``once``, ``recovery`` and ``leaving``.
    """
    wanted = [due for plan in plans if (due := _due(plan, course, readings)) is not None]
    return min(wanted, key=lambda due: (due.due_at, due.overdue_at, due.when), default=None)


def _due(plan: Plan, course: Course, readings: Sequence[datetime]) -> Due | None:
    begun, ended = course.started_at, course.ended_at
    match plan.when:
        case When.BEFORE if begun is None:
            return _before(plan, course, readings)
        case When.ONCE if begun is not None:
            return _once(plan, begun, readings)
        case When.DURING if begun is not None and ended is None:
            return _repeated(plan, begun, readings)
        case When.RECOVERY if ended is not None:
            return _repeated(plan, ended, readings)
        case When.LEAVING if ended is not None:
            return _leaving(plan, course, ended, readings)
    return None


def _before(plan: Plan, course: Course, readings: Sequence[datetime]) -> Due | None:
    """Due once the patient is here; late when the treatment should have begun."""
    if readings:
        return None
    return Due(plan.when, course.here_at, max(course.here_at, course.planned_start_at) + _grace(plan))


def _once(plan: Plan, begun: datetime, readings: Sequence[datetime]) -> Due | None:
    """At one moment; the first reading from the grace before it on answers it, however late."""
    moment = begun + timedelta(minutes=plan.minutes or 0)
    if any(at >= max(moment - _grace(plan), begun) and at > begun for at in readings):
        return None
    return Due(plan.when, moment, moment + _grace(plan))


def _leaving(plan: Plan, course: Course, ended: datetime, readings: Sequence[datetime]) -> Due | None:
    """In the hands-on minutes before leaving; a reading from the grace before them on answers it."""
    opens = ended + timedelta(minutes=course.disconnect_minutes)
    closes = ended + timedelta(minutes=max(course.leave_minutes, course.disconnect_minutes))
    if any(at >= opens - _grace(plan) and at > ended for at in readings):
        return None
    return Due(plan.when, opens, closes + _grace(plan))


def _repeated(plan: Plan, base: datetime, readings: Sequence[datetime]) -> Due:
    """The first planned moment that the latest reading is more than the grace early for, but neither sooner
    than ``least`` nor later than ``most`` minutes after that reading."""
    interval = timedelta(minutes=plan.minutes or 1)
    latest = max((at for at in readings if at > base), default=base)
    answered = 0 if latest == base else (latest + _grace(plan) - base) // interval
    due_at = base + (answered + 1) * interval
    if plan.most is not None:
        due_at = min(due_at, latest + timedelta(minutes=plan.most))
    if plan.least is not None:
        due_at = max(due_at, latest + timedelta(minutes=plan.least))
    return Due(plan.when, due_at, due_at + _grace(plan))


def _grace(plan: Plan) -> timedelta:
    return timedelta(minutes=plan.grace)
