"""The chart of a patient's response as Chart.js takes it, in plain data: scores as lines, the dose in force
as steps, infusion sessions as triangles, all over one axis of days.

The idea to know: nothing is said by colour alone. Every line has a shape and a dash of its own, and the table
beneath has every number. Colours are those of a light page; the style sheet inverts them on a dark one.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from scheduling.models import Appointment
from scheduling.selectors.timeline import Timeline

LOOKS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("#2563eb", "circle", ()),
    ("#b45309", "rectRot", (6, 3)),
    ("#047857", "rect", (2, 3)),
    ("#be185d", "star", (8, 3, 2, 3)),
)
"""Colour, point and dash of each line; more instruments than these begin again."""
_INK, _GRID, _SESSION, _DOSE = "#4b5563", "rgba(107, 114, 128, 0.3)", "#6b7280", "#7c3aed"
_DOSE_LOOKS = (("crossRot", (4, 4)), ("cross", (1, 3)), ("dash", (10, 3)))
_MARGIN_DAYS = 3


def chart(
    found: Timeline, instruments: Sequence[str], *, percent: bool, today: date
) -> dict[str, Any] | None:
    """``data`` and ``options`` of the chart; None when nothing in the window was scored."""
    zone = found.patient.zone
    scored = [row for row in found.assessments if row.score is not None and row.code in instruments]
    if not scored:
        return None
    held = [row for row in found.sessions if row.status == Appointment.Status.COMPLETED]
    session_days = [row.start_at.astimezone(zone).date() for row in held]
    days = [row.answered_at.astimezone(zone).date() for row in scored] + session_days
    doses = [each for each in found.doses if each.standing and each.event.effective_on <= today]
    days += [each.event.effective_on for each in doses if each.event.effective_on >= found.window.first]
    axis = _Days(min(days) - timedelta(days=_MARGIN_DAYS), max(days) + timedelta(days=_MARGIN_DAYS))
    datasets = []
    for number, code in enumerate(instruments):
        points = [
            {
                "x": axis.label(row.answered_at.astimezone(zone).date()),
                "y": float(row.change_percent or 0) if percent else row.score,
            }
            for row in scored
            if row.code == code and (not percent or row.baseline_id is None or row.change_percent is not None)
        ]
        if points:
            datasets.append(_line(code, points, *LOOKS[number % len(LOOKS)]))
    if session_days:
        datasets.append(_sessions([axis.label(day) for day in session_days]))
    datasets += _doses(doses, axis)
    return {
        "data": {"labels": axis.labels, "datasets": datasets},
        "options": _options(percent=percent, with_doses=bool(doses)),
    }


class _Days:
    """Every day of the axis has a label, so that distances on the axis are distances in time."""

    def __init__(self, first: date, last: date) -> None:
        self._first = first
        self._last = last
        self._years = first.year != last.year
        self.labels = [
            self.label(first + timedelta(days=number)) for number in range((last - first).days + 1)
        ]

    def label(self, day: date) -> str:
        """``Jan 4``, with its year where the axis has two; a day off the axis is at its end."""
        kept = min(max(day, self._first), self._last)
        return f"{kept:%b} {kept.day}" + (f", {kept.year}" if self._years else "")

    @property
    def end(self) -> str:
        """The last label."""
        return self.labels[-1]


def _line(
    code: str, points: Sequence[dict[str, Any]], colour: str, shape: str, dash: Sequence[int]
) -> dict[str, Any]:
    return {
        "label": code,
        "data": list(points),
        "xAxisID": "time",
        "yAxisID": "score",
        "borderColor": colour,
        "backgroundColor": colour,
        "borderDash": list(dash),
        "borderWidth": 2.5,
        "pointStyle": shape,
        "pointRadius": 5,
        "pointHoverRadius": 7,
        "order": 1,
    }


def _sessions(labels: Iterable[str]) -> dict[str, Any]:
    return {
        "label": "Infusion session",
        "data": [{"x": label, "y": 0.035} for label in labels],
        "xAxisID": "time",
        "yAxisID": "marks",
        "showLine": False,
        "borderColor": _SESSION,
        "backgroundColor": _SESSION,
        "pointStyle": "triangle",
        "pointRadius": 6,
        "pointHoverRadius": 7,
        "order": 3,
    }


def _doses(doses: Sequence[Any], axis: _Days) -> list[dict[str, Any]]:
    """One stepped line for each medicine, to the end of the axis."""
    by_medicine: dict[int, list[Any]] = {}
    for each in doses:
        by_medicine.setdefault(each.event.prescription_id, []).append(each.event)
    lines = []
    for number, events in enumerate(by_medicine.values()):
        shape, dash = _DOSE_LOOKS[number % len(_DOSE_LOOKS)]
        events.sort(key=lambda event: (event.effective_on, event.sequence))
        steps = [{"x": axis.label(event.effective_on), "y": float(event.dose_mg)} for event in events]
        lines.append(
            {
                "label": f"{events[0].prescription.medication}, mg a day",
                "data": [*steps, {"x": axis.end, "y": float(events[-1].dose_mg)}],
                "xAxisID": "time",
                "yAxisID": "dose",
                "stepped": True,
                "borderColor": _DOSE,
                "backgroundColor": _DOSE,
                "borderDash": list(dash),
                "borderWidth": 1.5,
                "pointStyle": shape,
                "pointRadius": [5] * len(steps) + [0],
                "order": 2,
            }
        )
    return lines


def _options(*, percent: bool, with_doses: bool) -> dict[str, Any]:
    """In full: options given to Unfold's component replace its own."""
    ink = {"color": _INK}
    title = {"display": True, **ink}
    score = "Change from baseline (%)" if percent else "Score"
    bounds = {"min": -100, "suggestedMax": 25} if percent else {"beginAtZero": True, "grace": "5%"}
    scales: dict[str, Any] = {
        "time": {
            "axis": "x",
            "type": "category",
            "grid": {"display": False},
            "border": {"color": _GRID},
            "ticks": {**ink, "autoSkip": True, "autoSkipPadding": 24, "maxRotation": 0},
        },
        "score": {
            "axis": "y",
            "position": "left",
            "title": {**title, "text": score},
            "grid": {"color": _GRID},
            "border": {"display": False},
            "ticks": {**ink, "precision": 0},
            **bounds,
        },
        "marks": {"axis": "y", "display": False, "min": 0, "max": 1},
    }
    if with_doses:
        scales["dose"] = {
            "axis": "y",
            "position": "right",
            "beginAtZero": True,
            "title": {**title, "text": "Dose (mg a day)"},
            "grid": {"display": False},
            "border": {"display": False},
            "ticks": {**ink, "maxTicksLimit": 6},
            "grace": "20%",
        }
    legend = {
        "display": True,
        "position": "bottom",
        "align": "start",
        "labels": {**ink, "usePointStyle": True, "boxHeight": 8, "padding": 16},
    }
    return {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "nearest", "axis": "x", "intersect": False},
        "plugins": {"legend": legend, "tooltip": {"enabled": True, "usePointStyle": True}},
        "scales": scales,
    }
