"""What a manager measures a clinic by: the catalogue of measures as data, and how counted rows add up.

The idea to know: only numerators and denominators are stored and added; a value is made last, from the sums.
So a month is never the average of its days, and nothing to count is "no data", never 0 %.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType

from patients.domain.change import BaselineRule

_ONE_DAY = timedelta(days=1)
_TENTH = Decimal("0.1")
_DECEMBER = 12


class Unit(StrEnum):
    """What a value is read in."""

    PERCENT = "percent"
    DAYS = "days"
    MINUTES = "minutes"


class Better(StrEnum):
    """Which way is the good one."""

    HIGHER = "higher"
    LOWER = "lower"


class Code(StrEnum):
    """The measures, in the order in which they are shown."""

    CHAIR_UTILISATION = "chair_utilisation"
    NO_SHOW = "no_show"
    LATE_CANCEL = "late_cancel"
    REMINDERS_DELIVERED = "reminders_delivered"
    CHECK_INS_ANSWERED = "check_ins_answered"
    RESPONSE = "response"
    REMISSION = "remission"
    WAITING_LIST = "waiting_list"
    WAITING_ROOM = "waiting_room"


_OF_ONE: Mapping[Unit, Fraction] = MappingProxyType(
    {Unit.PERCENT: Fraction(100), Unit.MINUTES: Fraction(1, 60), Unit.DAYS: Fraction(1, 86_400)}
)
"""A share of 1 in percent; a second in minutes or in days."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure in the words that a manager reads. Times are counted in seconds, chairs in minutes."""

    code: Code
    name: str
    definition: str
    unit: Unit
    numerator: str
    denominator: str
    day: str
    """Which day something counts for."""
    better: Better


CATALOGUE: Mapping[Code, Measure] = MappingProxyType(
    {
        measure.code: measure
        for measure in (
            Measure(
                Code.CHAIR_UTILISATION,
                "Chair utilisation",
                "How much of the time in which chairs could be used was held by visits, turnover included. "
                "Cancelled visits and no-shows hold nothing. Visits outside working hours can bring it "
                "above 100 %.",
                Unit.PERCENT,
                "minutes of active chairs held by visits",
                "minutes in which active chairs were open: working hours less closures",
                "the day on which the chair was held",
                Better.HIGHER,
            ),
            Measure(
                Code.NO_SHOW,
                "No-shows",
                "How many of the visits that were due the patient did not come to. "
                "Visits cancelled before they were to begin were not due.",
                Unit.PERCENT,
                "visits marked as no-show",
                "visits whose time had come and that were not cancelled before it",
                "the day on which the visit was to begin",
                Better.LOWER,
            ),
            Measure(
                Code.LATE_CANCEL,
                "Late cancellations",
                "How many visits were cancelled, by whomever, too late to give the time to somebody else: "
                "less than 24 hours before they were to begin, unless the clinic set another limit.",
                Unit.PERCENT,
                "visits cancelled less than the limit before their time, before the patient arrived",
                "visits that still stood when the limit was reached, or were booked after it",
                "the day on which the visit was to begin",
                Better.LOWER,
            ),
            Measure(
                Code.REMINDERS_DELIVERED,
                "Reminders delivered",
                "How many of the reminders that were due before visits reached the patient. A text counts "
                "when the provider reports it delivered; texts without a report and e-mails, which have "
                "none, count when they were handed over and no failure was reported.",
                Unit.PERCENT,
                "reminders reported delivered, or handed over without a failure",
                "reminders that were due, each channel by itself; not those taken back because the visit "
                "changed, nor those the patient had refused or cannot get",
                "the day of the visit they are about",
                Better.HIGHER,
            ),
            Measure(
                Code.CHECK_INS_ANSWERED,
                "Check-ins answered",
                "How many of the check-ins after a prescription were answered, late answers included. "
                "Check-ins that a change of dose replaced or that were cancelled do not count.",
                Unit.PERCENT,
                "check-ins answered",
                "check-ins whose window has closed",
                "the last day of the check-in's window",
                Better.HIGHER,
            ),
            Measure(
                Code.RESPONSE,
                "Response",
                "In how many courses the score fell by at least half from the patient's own baseline before "
                "treatment (PHQ-9). Only courses whose first series is over and whose end was assessed "
                "count.",
                Unit.PERCENT,
                "courses that ended in response",
                "courses with a baseline and an assessment within four weeks of the last session of the "
                "first series, unless the clinic set another limit",
                "the day of the course's first session",
                Better.HIGHER,
            ),
            Measure(
                Code.REMISSION,
                "Remission",
                "In how many courses the score fell below the limit of remission (PHQ-9 under 5). "
                "Counted over the same courses as response.",
                Unit.PERCENT,
                "courses that ended in remission",
                "as for response",
                "the day of the course's first session",
                Better.HIGHER,
            ),
            Measure(
                Code.WAITING_LIST,
                "Time on the waiting list",
                "How many days patients waited, on average, from joining the waiting list to the time "
                "they accepted.",
                Unit.DAYS,
                "seconds from joining the list to the accepted time",
                "offers accepted",
                "the day of the accepted time",
                Better.LOWER,
            ),
            Measure(
                Code.WAITING_ROOM,
                "Time in the waiting room",
                "How many minutes patients waited, on average, from arriving to the start of the visit.",
                Unit.MINUTES,
                "seconds from arrival to start",
                "visits that were started after an arrival",
                "the day on which the visit was to begin",
                Better.LOWER,
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Tally:
    """Something counted, and out of how much."""

    numerator: int = 0
    denominator: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.numerator + other.numerator, self.denominator + other.denominator)

    def value(self, unit: Unit) -> Decimal | None:
        """In its unit, to one decimal; None where there was nothing to count."""
        if not self.denominator:
            return None
        exact = Fraction(self.numerator, self.denominator) * _OF_ONE[unit]
        return (Decimal(exact.numerator) / exact.denominator).quantize(_TENTH, rounding=ROUND_HALF_EVEN)


class Group(StrEnum):
    """How long the steps of a series are. Weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """The days from ``start`` up to, not including, ``end``."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """How many."""
        return (self.end - self.start).days

    @property
    def before(self) -> "Period":
        """As many days just before it."""
        return Period(self.start - (self.end - self.start), self.start)

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end


def steps(whole: Period, group: Group) -> list[Period]:
    """The days, weeks or months of a period, in order; the first and the last may be cut short."""
    edges = [whole.start]
    while (following := _next_edge(edges[-1], group)) < whole.end:
        edges.append(following)
    return [Period(*ends) for ends in zip(edges, [*edges[1:], whole.end], strict=True)]


def _next_edge(day: date, group: Group) -> date:
    if group == Group.DAY:
        return day + _ONE_DAY
    if group == Group.WEEK:
        return day + timedelta(days=7 - day.weekday())
    return date(day.year + day.month // _DECEMBER, day.month % _DECEMBER + 1, 1)


def along(series: Sequence[Period], rows: Iterable[tuple[date, Tally]]) -> list[Tally]:
    """What fell on the days of each step; days outside all of them are left out."""
    starts = [step.start for step in series]
    sums = [Tally()] * len(series)
    for day, tally in rows:
        place = bisect_right(starts, day) - 1
        if place >= 0 and day in series[place]:
            sums[place] += tally
    return sums


def total(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    return sum(tallies, Tally())


def change(now: Decimal | None, before: Decimal | None) -> Decimal | None:
    """How much more it is than before, in the same unit; None unless both are known."""
    return None if now is None or before is None else now - before


def is_better(measure: Measure, by: Decimal | None) -> bool | None:
    """Whether a change by so much is a good one; None when there is none."""
    return (by > 0) == (measure.better == Better.HIGHER) if by else None


@dataclass(frozen=True, slots=True)
class Sitting:
    """A session of a course that was not lost, by the site's dates."""

    on: date
    held: bool


@dataclass(frozen=True, slots=True)
class Assessed:
    """One scored assessment, as it was stored: its date at the site, and its own baseline's."""

    answered_at: datetime
    on: date
    meets: frozenset[str]
    """What the change from the baseline amounts to (patients/domain/change.py)."""
    baseline_rule: str
    baseline_on: date | None


def series_over(sittings: Sequence[Sitting], *, series: int | None) -> tuple[date, date] | None:
    """The dates of the first and the last session of a course's first series; None while it goes on.

    ``series``: how many sessions it was meant to have, None for any number. It is over when these were held,
    or when nothing is to come any more. ``sittings`` by date.
    """
    held = [each.on for each in sittings if each.held]
    if series is not None and len(held) >= series:
        return held[0], held[series - 1]
    return (held[0], held[-1]) if held and all(each.held for each in sittings) else None


def outcome(
    assessments: Iterable[Assessed], *, first_on: date, last_on: date, within_days: int
) -> Assessed | None:
    """The assessment that says how a course ended: the latest from the day of its last session on, at most
    ``within_days`` later, read against a baseline from before the treatment. None: it was not assessed."""
    until = last_on + timedelta(days=within_days)
    fitting = [
        each
        for each in assessments
        if last_on <= each.on <= until
        and each.baseline_rule == BaselineRule.BEFORE_TREATMENT
        and each.baseline_on is not None
        and each.baseline_on <= first_on
    ]
    return max(fitting, key=lambda each: each.answered_at, default=None)
