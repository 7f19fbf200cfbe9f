"""Vital signs over a session as plain numbers for an inline SVG: lines, the moments of the session, limits.

Nothing is said by colour alone: every line has a shape of its own at its points and its name at its end,
and the table beneath has every number.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduling.selectors.vitals import Series

WIDTH = 640
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 124, 12, 28
_STEPS = (5, 10, 15, 30, 60, 120)
_MOST_TICKS = 9
SHAPES = {"systolic": "circle", "diastolic": "diamond", "heart_rate": "square", "spo2": "circle"}
_NAMES = {"systolic": "Systolic", "diastolic": "Diastolic", "heart_rate": "Pulse", "spo2": "SpO2"}
_NEAR = 17
"""Names closer than this, in pixels, are moved apart."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value on the chart, with its words."""

    x: float
    y: float
    words: str


@dataclass(slots=True)
class Line:
    """One measure. ``label_y``: where its name stands at the right."""

    measure: str
    name: str
    shape: str
    points: list[Point]
    label_y: float

    @property
    def path(self) -> str:
        """As SVG's ``points``."""
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on an axis, and what stands there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the template draws, in pixels of a box of WIDTH by ``height``."""

    title: str
    described: str
    lines: list[Line]
    across: list[Mark]
    up: list[Mark]
    limits: list[Mark]
    moments: list[Mark]
    height: int
    width: int = WIDTH
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP

    @property
    def bottom(self) -> int:
        """Where the axis of time is."""
        return self.height - _BOTTOM


def charts(
    series: Iterable[Series], *, started_at: datetime | None, ended_at: datetime | None
) -> list[Chart]:
    """Pressure with pulse, and oxygen; a chart without two points in a line is not drawn."""
    by_name = {each.measure: each for each in series}
    pressure = [by_name[name] for name in ("systolic", "diastolic", "heart_rate") if name in by_name]
    oxygen = [by_name["spo2"]] if "spo2" in by_name else []
    moments = []
    if started_at is not None:
        moments.append((0, "start"))
        if ended_at is not None:
            moments.append((round((ended_at - started_at) / timedelta(minutes=1)), "end"))
    drawn = [
        _chart("Blood pressure (mmHg) and pulse (/min)", pressure, moments, room=10, step=20, height=240),
        _chart("Oxygen saturation (%)", oxygen, moments, room=2, step=2, height=140),
    ]
    return [chart for chart in drawn if chart is not None]


def _chart(
    title: str,
    series: Sequence[Series],
    moments: Sequence[tuple[int, str]],
    *,
    room: int,
    step: int,
    height: int,
) -> Chart | None:
    if not any(len(each.points) > 1 for each in series):
        return None
    minutes = [point.minutes for each in series for point in each.points]
    values = [point.value for each in series for point in each.points]
    first, last = min([*minutes, *(at for at, _ in moments)]), max([*minutes, *(at for at, _ in moments)])
    low, high = min(values) - room, max(values) + room
    x = _scale(first, max(last, first + 1), _LEFT, WIDTH - _RIGHT)
    y = _scale(low, high, height - _BOTTOM, _TOP)
    lines = [
        Line(
            measure=each.measure,
            name=f"{_NAMES[each.measure]} {each.points[-1].value:g}",
            shape=SHAPES[each.measure],
            points=[
                Point(x(point.minutes), y(point.value), f"{point.minutes} min: {point.value:g} {each.unit}")
                for point in each.points
            ],
            label_y=y(each.points[-1].value),
        )
        for each in series
    ]
    _apart(lines)
    limits = {(level, value) for each in series for level, value in each.limits if low <= value <= high}
    return Chart(
        title=title,
        described=". ".join(_described(each) for each in series),
        lines=lines,
        across=[Mark(x(at), f"{at:+d}" if at else "0") for at in _ticks(first, last)],
        up=[Mark(y(at), str(at)) for at in range(int(low // step + 1) * step, int(high) + 1, step)],
        limits=[Mark(y(value), f"{value:g} {level}") for level, value in sorted(limits)],
        moments=[Mark(x(at), text) for at, text in moments],
        height=height,
    )


def _scale(low: float, high: float, start: float, end: float) -> "_Scale":
    return _Scale(low, (end - start) / (high - low), start)


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to pixels."""

    low: float
    per_unit: float
    start: float

    def __call__(self, value: float) -> float:
        return round(self.start + (value - self.low) * self.per_unit, 1)


def _ticks(first: int, last: int) -> list[int]:
    step = next((each for each in _STEPS if (last - first) // each < _MOST_TICKS), _STEPS[-1] * 2)
    return list(range(-(-first // step) * step, last + 1, step))


def _apart(lines: list[Line]) -> None:
    """Names at the right do not lie on each other."""
    before = None
    for line in sorted(lines, key=lambda each: each.label_y):
        if before is not None and line.label_y < before + _NEAR:
            line.label_y = before + _NEAR
        before = line.label_y


def _described(series: Series) -> str:
    values = [point.value for point in series.points]
    spread = f"{min(values):g} to {max(values):g} {series.unit}"
    return f"{_NAMES[series.measure]}: {len(values)} readings, {spread}, the last {values[-1]:g}"
