"""Everything that the page of an infusion session shows, read for one person: what they may not see is not
there.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.http import Http404

from clinic.access.models import User
from clinic.access.policy import Actor
from patients.selectors.assessments import hold_on_treatment
from scheduling.domain.gates import DISCHARGE, START, Gate
from scheduling.domain.session_stages import Stage, stage_of
from scheduling.domain.transitions import Status
from scheduling.domain.vitals import Due
from scheduling.models import (
    Allocation,
    Appointment,
    AppointmentEvent,
    GateCheck,
    InfusionSession,
    RemsRecord,
    VitalReading,
)
from scheduling.selectors import dosing, drug_log, gates, rems, vitals
from scheduling.selectors.dosing import Doses
from scheduling.selectors.drug_log import SessionLog
from scheduling.selectors.rems import Rems
from scheduling.selectors.vitals import Series


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """One session as one person sees it. Parts that the person may not see are None or empty."""

    visit: Appointment
    session: InfusionSession | None
    stage: Stage
    since: datetime | None
    chairs: str
    clinical: bool
    held: bool
    gates: list[Gate]
    administrative: frozenset[str]
    """Codes of the gates that everybody may read."""
    events: list[AppointmentEvent]
    checks: list[GateCheck]
    names: dict[int, str]
    doses: Doses | None = None
    due: Due | None = None
    readings: list[VitalReading] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    log: SessionLog | None = None
    rems: Rems | None = None

    @property
    def version(self) -> int:
        """Of the session; one that nobody has opened yet will begin with 1."""
        return self.session.version if self.session else 1

    def gate(self, code: str) -> Gate:
        """The gate that the patient is before. Raises Http404."""
        for gate in self.gates:
            if gate.code == code:
                return gate
        raise Http404("There is no such gate now.")


_BEFORE_RECOVERY = frozenset({Stage.EXPECTED, Stage.WAITING, Stage.INFUSING, Stage.OFF})


def read(visit: Appointment, *, actor: Actor, now: datetime) -> SessionFacts:
    """The session of a visit whose type, site and patient are read; for whoever has gates.read there."""
    session = InfusionSession.objects.filter(pk=visit.pk).first()
    if session is not None:
        session.appointment = visit
    stage = stage_of(
        Status(visit.status),
        infusion_ended_at=session.infusion_ended_at if session else None,
        discharged_at=session.discharged_at if session else None,
    )
    clinical = actor.may("infusion_day.read", visit.site_id)
    every = gates.of([visit], now=now)[visit.pk]
    before = START if stage in _BEFORE_RECOVERY else DISCHARGE
    found = [gate for gate in every if gate.stage == before]
    checks = list(GateCheck.objects.filter(session=visit.pk).select_related("by").order_by("-id"))
    facts: dict[str, Any] = {
        "visit": visit,
        "session": session,
        "stage": stage,
        "since": _since(visit, session, stage),
        "chairs": _chairs(visit),
        "clinical": clinical,
        "held": bool(hold_on_treatment(visit.patient_id)),
        "gates": found,
        "administrative": frozenset(gate.code for gate in every if not gate.clinical),
        "events": list(visit.events.select_related("by").order_by("-at", "-id")),
        "checks": checks,
        "names": _names(found),
    }
    if clinical:
        facts |= _clinical(visit, session, now=now)
    if session is not None and actor.may("drug_log.read", visit.site_id):
        facts["log"] = drug_log.of_session(session)
    return SessionFacts(**facts)


def _clinical(visit: Appointment, session: InfusionSession | None, *, now: datetime) -> dict[str, Any]:
    found: dict[str, Any] = {
        "doses": dosing.of(visit),
        "due": vitals.next_due([visit], now=now)[visit.pk],
    }
    if session is None:
        return found
    rows = VitalReading.objects.filter(session=session).select_related("by", "acknowledged_by", "struck_by")
    found["readings"] = list(rows.order_by("-measured_at", "-id"))
    found["series"] = vitals.series(session, now=now)
    record = RemsRecord.objects.filter(session=session).select_related("submitted_by").first()
    if record is not None:
        record.session = session
        found["rems"] = rems.of(record)
    return found


def _since(visit: Appointment, session: InfusionSession | None, stage: Stage) -> datetime | None:
    if stage == Stage.WAITING:
        return vitals.arrived_at([visit]).get(visit.pk)
    if session is None:
        return None
    return {
        Stage.INFUSING: session.started_at,
        Stage.RECOVERY: session.infusion_ended_at,
        Stage.DISCHARGED: session.discharged_at,
    }.get(stage)


def _chairs(visit: Appointment) -> str:
    held = Allocation.objects.filter(appointment=visit, released_at=None, resource__kind="chair")
    return ", ".join(sorted(set(held.order_by().values_list("resource__name", flat=True))))


def _names(found: list[Gate]) -> dict[int, str]:
    """Who answered or decided, by id."""
    people = User.objects.filter(pk__in={gate.by_id for gate in found if gate.by_id})
    return {person.pk: str(person) for person in people}
