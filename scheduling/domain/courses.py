"""A course of treatment as stages: how many sessions, and how far apart in local dates.

The idea to know: a gap is counted either in days or in open days (dates on which the clinic works and the
course may be given), so "ten consecutive weekdays" is a gap of exactly one open day, whatever the holidays.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType

from clinic.common import steps
from clinic.common.errors import FieldError, Invalid

MAX_STAGES = 20
MAX_SESSIONS = 60
"""Sessions of one course, and of one request: a bound on the work."""
MAX_GAP_DAYS = 180
MARKS = ("S", "K", "D")
"""Source read, field knowledge to be confirmed, our default."""
_TOLERANCE_SHARE = 7
_TEXT_LIMIT = 120


class Status(StrEnum):
    """Where a course is."""

    ACTIVE = "active"
    STOPPED = "stopped"


class Verb(StrEnum):
    """What a person does to it."""

    REPLAN = "replan"
    EXTEND = "extend"
    MAINTENANCE = "maintenance"
    STOP = "stop"


TRANSITIONS: Mapping[Status, Mapping[Verb, Status]] = MappingProxyType(
    {
        Status.ACTIVE: MappingProxyType(
            {
                Verb.REPLAN: Status.ACTIVE,
                Verb.EXTEND: Status.ACTIVE,
                Verb.MAINTENANCE: Status.ACTIVE,
                Verb.STOP: Status.STOPPED,
            }
        ),
        Status.STOPPED: MappingProxyType({}),
    }
)


def after(status: Status, verb: Verb) -> Status:
    """The status that ``verb`` leads to. Raises InvalidTransition."""
    return steps.after(
        TRANSITIONS, status, verb, called="course", over="Book a new one if treatment goes on."
    )


class GapUnit(StrEnum):
    """What a gap is counted in."""

    DAYS = "days"
    OPEN_DAYS = "open_days"


@dataclass(frozen=True, slots=True)
class Stage:
    """So many sessions, each ``min_gap_days`` to ``max_gap_days`` local dates after the one before.

    ``sessions`` None goes on for as long as the course does. ``source`` and ``mark`` say where the numbers
    come from: S source read, K field knowledge, D our default.
    """

    min_gap_days: int
    max_gap_days: int
    sessions: int | None = None
    gap_unit: GapUnit = GapUnit.DAYS
    ideal_gap_days: int | None = None
    name: str = ""
    source: str = ""
    mark: str = "D"

    @property
    def ideal(self) -> int:
        """The gap to aim at: the densest allowed unless the stage says otherwise."""
        return self.min_gap_days if self.ideal_gap_days is None else self.ideal_gap_days

    def allows(self, gap: int) -> bool:
        """Whether the gap is in range."""
        return self.min_gap_days <= gap <= self.max_gap_days


class OpenDays:
    """Counts gaps; ``dates`` are the open ones, needed only where a stage counts in open days."""

    def __init__(self, dates: Iterable[date] = ()) -> None:
        self._dates = sorted(dates)

    def position(self, day: date, unit: GapUnit) -> int:
        """A number whose differences are gaps in this unit."""
        return bisect_right(self._dates, day) if unit is GapUnit.OPEN_DAYS else day.toordinal()

    def gap(self, first: date, second: date, unit: GapUnit) -> int:
        """How far ``second`` is after ``first``."""
        return self.position(second, unit) - self.position(first, unit)

    def later(self, day: date, gap: int, unit: GapUnit) -> date:
        """The first date that is so far after ``day``; the end of the calendar where open days run out."""
        if unit is GapUnit.DAYS:
            return date.fromordinal(min(day.toordinal() + gap, date.max.toordinal()))
        index = bisect_right(self._dates, day) + gap - 1
        return self._dates[index] if index < len(self._dates) else date.max


def stage_of(stages: Sequence[Stage], number: int) -> Stage:
    """The stage that session ``number`` (from 1) belongs to; the last one goes on."""
    last = 0
    for stage in stages:
        if stage.sessions is None:
            return stage
        last += stage.sessions
        if number <= last:
            return stage
    return stages[-1]


def series_length(stages: Sequence[Stage]) -> int:
    """The sessions of the first stage: what is booked when nobody says how many."""
    return stages[0].sessions or 1


@dataclass(frozen=True, slots=True)
class Gap:
    """Between session ``number`` and the one before."""

    number: int
    days: int
    stage: Stage

    @property
    def in_range(self) -> bool:
        """Whether the stage allows it."""
        return self.stage.allows(self.days)

    @property
    def sentence(self) -> str:
        """What is wrong or right with it, for a person."""
        stage, unit = self.stage, "open days" if self.stage.gap_unit is GapUnit.OPEN_DAYS else "days"
        meant = (
            f"{stage.min_gap_days}"
            if stage.min_gap_days == stage.max_gap_days
            else f"{stage.min_gap_days} to {stage.max_gap_days}"
        )
        return f"Session {self.number} is {self.days} {unit} after the one before; {meant} are meant."


def gaps(
    days: Sequence[date], *, stages: Sequence[Stage], calendar: OpenDays, first_number: int = 2
) -> list[Gap]:
    """The gaps between successive sessions on ``days``; ``first_number`` is the second one's number."""
    found = []
    for number, (before, day) in enumerate(pairwise(days), start=first_number):
        stage = stage_of(stages, number)
        found.append(Gap(number, calendar.gap(before, day, stage.gap_unit), stage))
    return found


def with_maintenance(
    stages: Sequence[Stage], *, from_number: int, interval_days: int, tolerance_days: int | None
) -> tuple[Stage, ...]:
    """The stages with everything from session ``from_number`` on at one interval, give or take.

    Unless given, the tolerance is a seventh of the interval, a day at least (our default): weekly is 6 to 8
    days, four-weekly 24 to 32. Raises Invalid (``gaps_contradict``).
    """
    if tolerance_days is None:
        tolerance_days = max(1, interval_days // _TOLERANCE_SHARE)
    if tolerance_days >= interval_days:
        detail = "The tolerance must be shorter than the interval."
        raise Invalid(
            detail,
            code="gaps_contradict",
            errors=[FieldError("/tolerance_days", "gaps_contradict", detail)],
        )
    kept: list[Stage] = []
    left = from_number - 1
    for stage in stages:
        if left <= 0:
            break
        take = left if stage.sessions is None else min(left, stage.sessions)
        kept.append(replace(stage, sessions=take))
        left -= take
    if left > 0:
        kept.append(replace(stages[-1], sessions=left))
    return (
        *kept,
        Stage(
            min_gap_days=interval_days - tolerance_days,
            max_gap_days=interval_days + tolerance_days,
            ideal_gap_days=interval_days,
            name="maintenance",
            source="chosen for this course",
        ),
    )


def to_json(stages: Iterable[Stage]) -> list[dict[str, object]]:
    """The stages as the API and the database hold them."""
    return [
        {
            "name": stage.name,
            "sessions": stage.sessions,
            "min_gap_days": stage.min_gap_days,
            "max_gap_days": stage.max_gap_days,
            "ideal_gap_days": stage.ideal,
            "gap_unit": stage.gap_unit.value,
            "source": stage.source,
            "mark": stage.mark,
        }
        for stage in stages
    ]


class InvalidStages(Invalid):
    """The stages of a course are not usable; ``errors`` names each fault by JSON pointer."""

    code = "invalid_stages"


def parse(value: object, *, pointer: str = "/stages") -> tuple[Stage, ...]:
    """Stages from decoded JSON, as :func:`to_json` writes them. Raises InvalidStages listing every fault."""
    faults: list[FieldError] = []
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_STAGES:
        faults.append(FieldError(pointer, "out_of_range", f"must be a list of 1 to {MAX_STAGES} stages"))
        value = []
    stages = tuple(
        _stage(item, f"{pointer}/{index}", faults, last=index == len(value) - 1)
        for index, item in enumerate(value)
    )
    if faults:
        raise InvalidStages(f"{faults[0].pointer}: {faults[0].detail}", errors=faults)
    return stages


def _stage(item: object, at: str, faults: list[FieldError], *, last: bool) -> Stage:
    if not isinstance(item, dict) or set(item) - set(Stage.__slots__):
        faults.append(FieldError(at, "unknown_field", f"may only have {', '.join(Stage.__slots__)}"))
        return Stage(1, 1)
    low = _number(item.get("min_gap_days"), f"{at}/min_gap_days", faults)
    high = _number(item.get("max_gap_days"), f"{at}/max_gap_days", faults)
    sessions, ideal = item.get("sessions"), item.get("ideal_gap_days")
    if sessions is not None:
        sessions = _number(sessions, f"{at}/sessions", faults, most=MAX_SESSIONS)
    elif not last or at.endswith("/0"):
        faults.append(FieldError(f"{at}/sessions", "required", "only a last stage after others goes on"))
    if low > high:
        faults.append(FieldError(f"{at}/max_gap_days", "gaps_contradict", "is less than min_gap_days"))
    elif ideal is not None and (type(ideal) is not int or not low <= ideal <= high):
        faults.append(FieldError(f"{at}/ideal_gap_days", "gaps_contradict", "lies outside the gaps allowed"))
    unit = item.get("gap_unit", GapUnit.DAYS.value)
    if not isinstance(unit, str) or unit not in list(GapUnit):
        faults.append(FieldError(f"{at}/gap_unit", "invalid_choice", f"must be one of {', '.join(GapUnit)}"))
        unit = GapUnit.DAYS.value
    name, source = (_text(item.get(field, ""), f"{at}/{field}", faults) for field in ("name", "source"))
    mark = item.get("mark", MARKS[-1])
    if mark not in MARKS:
        faults.append(FieldError(f"{at}/mark", "invalid_choice", f"must be one of {', '.join(MARKS)}"))
    return Stage(low, high, sessions, GapUnit(unit), ideal, name, source, str(mark))


def _number(value: object, at: str, faults: list[FieldError], *, most: int = MAX_GAP_DAYS) -> int:
    if type(value) is not int or not 1 <= value <= most:
        faults.append(FieldError(at, "out_of_range", f"must be a whole number from 1 to {most}"))
        return 1
    return value


def _text(value: object, at: str, faults: list[FieldError]) -> str:
    # Unprintable characters include NUL and lone surrogates, which PostgreSQL cannot store.
    if not isinstance(value, str) or len(value) > _TEXT_LIMIT or not value.isprintable():
        faults.append(
            FieldError(at, "invalid", f"must be printable text of {_TEXT_LIMIT} characters at most")
        )
        return ""
    return value
