"""How one patient responded over time: doses, infusions, check-ins, scores, alarms, flags and follow-ups.

The idea to know: one window of dates bounds every kind of row, each kind is read by one query and holds at
most ``MOST_ROWS`` of the latest; so five years of care cost what a week does.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

from django.db.models import F, Model, Q, QuerySet

from clinic.access.policy import Actor
from patients.models import Assessment, Patient, SafetyAlarm, ScreeningFlag
from scheduling.domain.calendars import day_start
from scheduling.domain.dose_orders import standing
from scheduling.domain.follow_ups import TREATED_AT
from scheduling.models import Appointment, CheckIn, DoseEvent, FollowUp
from scheduling.selectors.prescriptions import as_history

MOST_ROWS = 1000
"""Of one kind in one window: twice as many as five busy years bring."""
LONGEST_DAYS = 3660
DAYS_BACK = 730
DAYS_AHEAD = 365

_ONE_DAY = timedelta(days=1)
_Row = TypeVar("_Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Window:
    """Dates from ``first`` to ``last``, both included, in the patient's zone."""

    first: date
    last: date

    @classmethod
    def around(cls, today: date, *, first: date | None = None, last: date | None = None) -> "Window":
        """What is not said is filled in: two years back, and a year ahead."""
        return cls(first or today - timedelta(days=DAYS_BACK), last or today + timedelta(days=DAYS_AHEAD))


@dataclass(frozen=True, slots=True)
class Dose:
    """One change of dose, and whether no later order overtook it."""

    event: DoseEvent
    standing: bool


@dataclass(slots=True)
class Anchor:
    """One day from which check-ins count, and how many of those still do."""

    prescription_id: int
    medication: str
    sequence: int
    kind: str
    on: date
    dose_mg: Any
    check_ins: int = 0
    superseded: int = 0

    @property
    def in_force(self) -> bool:
        """Whether any check-in still counts from it."""
        return self.check_ins > self.superseded


@dataclass(slots=True)
class Timeline:
    """Everything in the window, each kind in order of time."""

    patient: Patient
    window: Window
    doses: list[Dose] = field(default_factory=list)
    anchors: list[Anchor] = field(default_factory=list)
    sessions: list[Appointment] = field(default_factory=list)
    check_ins: list[CheckIn] = field(default_factory=list)
    assessments: list[Assessment] = field(default_factory=list)
    alarms: list[SafetyAlarm] = field(default_factory=list)
    flags: list[ScreeningFlag] = field(default_factory=list)
    follow_ups: list[FollowUp] = field(default_factory=list)
    truncated: list[str] = field(default_factory=list)
    """The kinds of which there are more, further back in the window."""


def timeline(
    patient: Patient, *, actor: Actor, window: Window, instruments: Collection[str] = ()
) -> Timeline:
    """The patient's timeline; ``instruments`` (codes) narrows the scores and their alarms. Seven queries.

    Whoever calls has made sure that the actor reads this patient's clinical record. Doses from before the
    window are there too: without them nobody would know what was taken on its first day.
    """
    found = Timeline(patient=patient, window=window)
    begin, end = day_start(window.first, patient.zone), day_start(window.last + _ONE_DAY, patient.zone)
    events = DoseEvent.objects.filter(prescription__patient=patient).select_related("prescription")
    doses = _latest(found, "doses", events, "effective_on", "prescription_id", "sequence")
    found.doses = [each for each in _standing(doses) if each.event.effective_on <= window.last]
    found.sessions = _latest(
        found,
        "sessions",
        Appointment.objects.visible_to(actor)
        .filter(patient=patient, visit_type__kind__in=TREATED_AT, start_at__gte=begin, start_at__lt=end)
        .select_related("visit_type", "site", "course__template"),
        "start_at",
    )
    found.check_ins = _latest(
        found,
        "check_ins",
        CheckIn.objects.filter(patient=patient, due_on__range=(window.first, window.last)).select_related(
            "prescription"
        ),
        "due_on",
    )
    found.anchors = _anchors(found.check_ins)
    scores = Assessment.objects.current().filter(patient=patient, answered_at__gte=begin, answered_at__lt=end)
    alarms = SafetyAlarm.objects.filter(patient=patient, opened_at__gte=begin, opened_at__lt=end)
    if instruments:
        scores = scores.filter(code__in=instruments)
        alarms = alarms.filter(assessment__code__in=instruments)
    found.assessments = _latest(
        found, "assessments", scores.select_related("instrument", "baseline"), "answered_at"
    )
    found.alarms = _latest(found, "alarms", alarms.select_related("assessment"), "opened_at")
    found.flags = _latest(
        found,
        "flags",
        ScreeningFlag.objects.filter(patient=patient, raised_at__lt=end)
        .filter(Q(withdrawn_at=None) | Q(withdrawn_at__gte=begin))
        .select_related("kind"),
        "raised_at",
    )
    found.follow_ups = _latest(
        found,
        "follow_ups",
        FollowUp.objects.filter(patient=patient, due_on__range=(window.first, window.last)).select_related(
            "patient__site"
        ),
        "due_on",
    )
    return found


def _latest(found: Timeline, kind: str, rows: QuerySet[_Row], *by: str) -> list[_Row]:
    """The latest of a kind, in order of time; says so when there are more."""
    order = [F(name).desc() for name in (*by, "pk")]
    newest = list(rows.order_by(*order)[: MOST_ROWS + 1])
    if len(newest) > MOST_ROWS:
        found.truncated.append(kind)
    return newest[:MOST_ROWS][::-1]


def _standing(events: Collection[DoseEvent]) -> list[Dose]:
    """A history that was cut off by the bound cannot be read as one; then nothing is said to be overtaken."""
    histories: dict[int, list[DoseEvent]] = {}
    for event in events:
        histories.setdefault(event.prescription_id, []).append(event)
    kept: set[tuple[int, int]] = set()
    for prescription_id, rows in histories.items():
        whole = min(row.sequence for row in rows) == 1
        still = standing(events=as_history(rows)) if whole else as_history(rows)
        kept |= {(prescription_id, event.sequence) for event in still}
    return [Dose(event, (event.prescription_id, event.sequence) in kept) for event in events]


def _anchors(check_ins: Collection[CheckIn]) -> list[Anchor]:
    """The days that check-ins count from, the earlier ones too: the record shows every set."""
    anchors: dict[tuple[int, int, date], Anchor] = {}
    for row in check_ins:
        anchor = anchors.setdefault(
            (row.prescription_id, row.anchor_sequence, row.anchor_on),
            Anchor(
                prescription_id=row.prescription_id,
                medication=row.prescription.medication,
                sequence=row.anchor_sequence,
                kind=row.anchor_kind,
                on=row.anchor_on,
                dose_mg=row.anchor_dose_mg,
            ),
        )
        anchor.check_ins += 1
        anchor.superseded += row.status == CheckIn.Status.SUPERSEDED
    return sorted(anchors.values(), key=lambda each: (each.on, each.prescription_id, each.sequence))


def known_instruments(patient: Patient) -> list[str]:
    """Codes of the questionnaires with a score this patient has, by name."""
    rows = Assessment.objects.filter(patient=patient, score__isnull=False)
    return sorted(set(rows.order_by().values_list("code", flat=True).distinct()))


def outcome(row: Assessment) -> dict[str, Any] | None:
    """The change from the baseline as the API and the page show it; None without one."""
    if row.baseline_id is None or row.baseline is None:
        return None
    return {
        "from_baseline": row.change_points,
        "percent": None if row.change_percent is None else float(row.change_percent),
        "meaning": row.meaning,
        "meets": row.meets,
        "baseline_score": row.baseline.score,
        "baseline_rule": row.baseline_rule,
    }
