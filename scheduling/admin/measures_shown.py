"""The measures in words and shapes: values with their unit, the change against before, the bars of a chart.

The idea to know: a chart is a picture of the table beneath it. Bars have no text in them, so they stretch to
any width; what has no data has no bar, and 0 has a thin one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from clinic.access import shown
from scheduling.domain.measures import Group, Measure, Period, Tally, Unit, is_better
from scheduling.selectors.measures import Shown

NO_DATA = "No data"
HEIGHT = 100
_GAP = 0.2
_LEAST_HEIGHT = 1.5
_WORDS = {Unit.PERCENT: "%", Unit.DAYS: "days", Unit.MINUTES: "minutes"}
_MORE = {Unit.PERCENT: ("points higher", "points lower")}
_LONGER = ("longer", "shorter")
_ONE_DAY = timedelta(days=1)
_STEPS_OF_TEN = tuple(Decimal(each) for each in ("1", "2", "2.5", "5", "10"))


@dataclass(frozen=True, slots=True)
class Bar:
    """One step of a series: where it stands in a picture ``HEIGHT`` high and one wide for each step."""

    x: float
    y: float
    width: float
    height: float
    words: str


@dataclass(frozen=True, slots=True)
class Card:
    """One measure as the page shows it."""

    measure: Measure
    value: str
    change: str
    good: bool | None
    counted: str
    bars: list[Bar]
    steps: int
    top: str
    ends: tuple[str, str]
    picture: str
    rows: list[tuple[str, str, str, str]]
    by_visit_type: list[tuple[str, str, str, str]]


def card(found: Shown, period: Period, group: Group, names: dict[str, str]) -> Card:
    """``names``: visit types by their codes."""
    unit = found.measure.unit
    steps = [(_name(step, group), tally) for step, tally in found.series]
    top = _top([tally.value(unit) for _name, tally in steps], unit)
    return Card(
        measure=found.measure,
        value=amount(found.value, unit),
        change=_change(found, period),
        good=is_better(found.measure, found.change),
        counted=f"{_count(found.total, unit)}" if found.value is not None else "",
        bars=_bars(steps, top, unit),
        steps=len(steps),
        top=amount(top, unit, short=True),
        ends=(steps[0][0], steps[-1][0]) if len(steps) > 1 else (steps[0][0], ""),
        picture=_picture(found, steps, unit),
        rows=[(name, *_cells(tally, unit)) for name, tally in steps],
        by_visit_type=[(names.get(code, code), *_cells(tally, unit)) for code, tally in found.by_visit_type],
    )


def amount(value: Decimal | None, unit: Unit, *, short: bool = False) -> str:
    """``12.5 %``, ``3 minutes``; ``short`` leaves decimals away that say nothing."""
    if value is None:
        return NO_DATA
    text = f"{value:,.1f}"
    return f"{text.removesuffix('.0') if short else text} {_WORDS[unit]}"


def age(computed_at: datetime | None, now: datetime) -> str:
    """``Computed 12 minutes ago``."""
    if computed_at is None:
        return "Not computed yet: this happens within the hour"
    minutes = max(0, int((now - computed_at).total_seconds() // 60))
    for size, word in ((24 * 60, "day"), (60, "hour"), (1, "minute")):
        count = minutes // size
        if count:
            return f"Computed {count} {word}{'' if count == 1 else 's'} ago"
    return "Computed just now"


def _change(found: Shown, period: Period) -> str:
    """``4.2 points lower than in the 30 days before (12.1 %)``."""
    unit = found.measure.unit
    before = found.before.value(unit)
    span = "the day" if period.days == 1 else f"the {period.days} days"
    if before is None:
        return f"Nothing to compare with in {span} before"
    if found.change is None:
        return f"It was {amount(before, unit)} in {span} before"
    if not found.change:
        return f"The same as in {span} before"
    more, less = _MORE.get(unit, tuple(f"{_WORDS[unit]} {word}" for word in _LONGER))
    return (
        f"{abs(found.change):,.1f} {more if found.change > 0 else less} than in {span} before "
        f"({amount(before, unit)})"
    )


def _count(tally: Tally, unit: Unit) -> str:
    """Out of how much; times are told by their average alone."""
    if unit == Unit.PERCENT:
        return f"{tally.numerator:,} of {tally.denominator:,}"
    return f"average of {tally.denominator:,}"


def _cells(tally: Tally, unit: Unit) -> tuple[str, str, str]:
    return (
        amount(tally.value(unit), unit),
        f"{tally.numerator:,}" if unit == Unit.PERCENT else "",
        f"{tally.denominator:,}",
    )


def _name(step: Period, group: Group) -> str:
    if group == Group.MONTH and step.start.day == 1:
        return f"{step.start:%b %Y}"
    last = step.end - _ONE_DAY
    if last == step.start:
        return _day(step.start)
    same_year = step.start.year == last.year
    return f"{shown.short_day(step.start) if same_year else _day(step.start)} to {_day(last)}"


def _day(day: date) -> str:
    return shown.birth_date(day)


def _top(values: Iterable[Decimal | None], unit: Unit) -> Decimal:
    """The round number at which the picture ends, at or above the highest bar."""
    highest = max((value for value in values if value is not None), default=Decimal(0))
    if not highest:
        return Decimal(100) if unit == Unit.PERCENT else Decimal(10)
    size = Decimal(10) ** (highest.adjusted())
    return next(size * step for step in _STEPS_OF_TEN if size * step >= highest)


def _bars(steps: Iterable[tuple[str, Tally]], top: Decimal, unit: Unit) -> list[Bar]:
    bars = []
    for number, (name, tally) in enumerate(steps):
        value = tally.value(unit)
        if value is not None:
            height = max(_LEAST_HEIGHT, float(value / top) * HEIGHT)
            words = f"{name}: {amount(value, unit)}, {_count(tally, unit)}"
            bars.append(Bar(number + _GAP / 2, HEIGHT - height, 1 - _GAP, height, words))
    return bars


def _picture(found: Shown, steps: list[tuple[str, Tally]], unit: Unit) -> str:
    """What somebody hears who does not see it."""
    known = [(tally.value(unit), name) for name, tally in steps if tally.denominator]
    name = found.measure.name
    if not known:
        return f"{name}: no data in this period."
    (least, when_least), (most, when_most) = min(known), max(known)
    return (
        f"{name}, bar chart: lowest {amount(least, unit)} ({when_least}), "
        f"highest {amount(most, unit)} ({when_most})."
    )
