"""Vital signs of many visits at once: the next reading due, what waits for an answer, what was measured.

Every function costs the same few queries for one visit as for a whole board.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, QuerySet

from scheduling.domain import phases, vitals
from scheduling.domain.transitions import Status, Verb
from scheduling.domain.vital_levels import Threshold, gravest
from scheduling.domain.vitals import Due
from scheduling.models import (
    Appointment,
    AppointmentEvent,
    InfusionSession,
    VitalReading,
    VitalSchedule,
    VitalThreshold,
)
from scheduling.selectors.infusion_rules import in_force

_HERE = (Status.ARRIVED, Status.IN_PROGRESS)
Around = tuple[int, int, int]
"""Minutes of set-up, disconnection and leaving, as domain.vitals.around has them."""


def next_due(
    visits: Sequence[Appointment],
    *,
    now: datetime,
    sessions: Mapping[int, InfusionSession] | None = None,
) -> dict[int, Due | None]:
    """Visit -> its next reading; None for who is not here, has gone, or has none left.

    ``visits`` come with their site and visit type read. Four queries, none while nobody is here;
    ``sessions``, when read already, save one.
    """
    here = [visit for visit in visits if visit.status in _HERE]
    found: dict[int, Due | None] = {visit.pk: None for visit in visits}
    if not here:
        return found
    if sessions is None:
        sessions = InfusionSession.objects.in_bulk([visit.pk for visit in here])
    arrivals = arrived_at(here)
    measured = _pressures(sessions)
    rows = list(VitalSchedule.objects.all())
    alike: dict[tuple[int, int], tuple[list[vitals.Plan], Around]] = {}
    for visit in here:
        session = sessions.get(visit.pk)
        if _is_measured(visit, session):
            key = visit.visit_type_id, visit.site_id
            if key not in alike:  # read once: a board asks for every visit of a day
                alike[key] = _plans(rows, visit, now), vitals.around(phases.parse(visit.visit_type.phases))
            plans, around = alike[key]
            course = _course(visit, session, arrivals.get(visit.pk, visit.start_at), around)
            found[visit.pk] = vitals.next_due(plans, course=course, readings=measured[visit.pk])
    return found


def unanswered(visits: Sequence[Appointment]) -> dict[int, str]:
    """Visit -> the gravest level among its readings that nobody acknowledged. One query."""
    levels: dict[int, list[str]] = defaultdict(list)
    rows = waiting([visit.pk for visit in visits])
    for session_id, level in rows.values_list("session_id", "level"):
        levels[session_id].append(level)
    return {session_id: gravest(each) for session_id, each in levels.items()}


def waiting(session_ids: Collection[int]) -> QuerySet[VitalReading]:
    """Readings that reached a level and that nobody acknowledged yet."""
    rows = VitalReading.objects.filter(session__in=session_ids, struck_at=None, acknowledged_at=None)
    return rows.exclude(level="").order_by("measured_at", "id")


def readings_of(session_ids: Collection[int]) -> dict[int, list[VitalReading]]:
    """Session -> its readings by time, those struck left out. One query."""
    found: dict[int, list[VitalReading]] = {pk: [] for pk in session_ids}
    rows = VitalReading.objects.filter(session__in=session_ids, struck_at=None)
    for row in rows.order_by("measured_at", "id"):
        found[row.session_id].append(row)
    return found


def latest_before_start(sessions: Iterable[InfusionSession]) -> dict[int, VitalReading]:
    """Session -> the last blood pressure before its treatment began (so far, when it did not). One query."""
    began = {session.pk: session.started_at for session in sessions}
    latest: dict[int, VitalReading] = {}
    for pk, rows in readings_of(list(began)).items():
        for row in rows:
            if row.systolic is not None and is_before(row.measured_at, began[pk]):
                latest[pk] = row
    return latest


def is_before(measured_at: datetime, started_at: datetime | None) -> bool:
    """Whether a reading was taken before the treatment: one at the very moment of the start was."""
    return started_at is None or measured_at <= started_at


def arrived_at(visits: Iterable[Appointment]) -> dict[int, datetime]:
    """Visit -> when the patient was last checked in. One query."""
    events = AppointmentEvent.objects.filter(
        appointment__in=[visit.pk for visit in visits], verb=Verb.CHECK_IN.value
    )
    return dict(
        events.values("appointment_id").annotate(last=Max("at")).values_list("appointment_id", "last")
    )


def thresholds(visit: Appointment, *, at: datetime) -> list[Threshold]:
    """What readings of this visit are held against at a moment. One query."""
    rows = in_force(
        VitalThreshold.objects.all(),
        visit=visit,
        on=at.astimezone(visit.site.zone).date(),
        thing=lambda row: (row.when, row.measure, row.level),
    )
    return [
        Threshold(
            measure=row.measure,
            level=row.level,
            before_only=row.when == VitalThreshold.When.BEFORE,
            at_least=row.at_least,
            below=row.below,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a series; ``minutes`` from the start of the treatment, negative before it."""

    at: datetime
    minutes: int
    value: float
    level: str


@dataclass(frozen=True, slots=True)
class Series:
    """One measure over a session, for a chart: ``limits``: (level, value) flagged at any time."""

    measure: str
    label: str
    unit: str
    points: list[Point]
    limits: list[tuple[str, float]]


def series(session: InfusionSession, *, now: datetime) -> list[Series]:
    """The measures of which there is a value, as lines over time. Two queries."""
    visit = session.appointment
    zero = session.started_at or visit.start_at
    rows = readings_of([session.pk])[session.pk]
    limits = [each for each in thresholds(visit, at=now) if not each.before_only]
    return [
        Series(
            measure=name,
            label=measure.label,
            unit=measure.unit,
            points=points,
            limits=[
                (each.level, float(each.bound))
                for each in limits
                if each.measure == name and each.bound is not None
            ],
        )
        for name, measure in vitals.MEASURES.items()
        if (points := [_point(row, name, zero) for row in rows if getattr(row, name) is not None])
    ]


def _point(row: VitalReading, name: str, zero: datetime) -> Point:
    level = gravest(each["level"] for each in row.findings if each["measure"] == name)
    minutes = round((row.measured_at - zero) / timedelta(minutes=1))
    return Point(row.measured_at, minutes, float(getattr(row, name)), level)


def _is_measured(visit: Appointment, session: InfusionSession | None) -> bool:
    """Waiting for the start, or between the start and going home."""
    if visit.status == Status.ARRIVED:
        return True
    return session is not None and session.started_at is not None and session.discharged_at is None


def _pressures(session_ids: Collection[int]) -> dict[int, list[datetime]]:
    """Session -> when blood pressure was measured: nothing else answers a reading that is due."""
    found: dict[int, list[datetime]] = defaultdict(list)
    rows = VitalReading.objects.filter(session__in=session_ids, struck_at=None, systolic__isnull=False)
    for session_id, at in rows.values_list("session_id", "measured_at"):
        found[session_id].append(at)
    return found


def _plans(rows: Iterable[VitalSchedule], visit: Appointment, now: datetime) -> list[vitals.Plan]:
    on = now.astimezone(visit.site.zone).date()
    counting = in_force(rows, visit=visit, on=on, thing=_thing)
    return [
        vitals.Plan(
            vitals.When(row.when), row.minutes, row.grace_minutes, row.least_minutes, row.most_minutes
        )
        for row in counting
    ]


def _thing(row: VitalSchedule) -> tuple[str, int | None]:
    """A visit has one interval of each kind, but may have readings at several single moments."""
    return row.when, row.minutes if row.when == VitalSchedule.When.ONCE else None


def _course(
    visit: Appointment, session: InfusionSession | None, here_at: datetime, around: Around
) -> vitals.Course:
    set_up, disconnect, leave = around
    begun = session if visit.status == Status.IN_PROGRESS else None
    return vitals.Course(
        here_at=here_at,
        planned_start_at=visit.start_at + timedelta(minutes=set_up),
        started_at=begun.started_at if begun else None,
        ended_at=begun.infusion_ended_at if begun else None,
        disconnect_minutes=disconnect,
        leave_minutes=leave,
    )
