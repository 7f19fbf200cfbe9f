"""How the gates of visits stand: rows, answers, readings and patients' records, read for many at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef

from clinic.access.models import Membership
from clinic.access.policy import Role
from clinic.common.errors import Conflict
from patients.selectors import readiness
from patients.selectors.readiness import Flag, Marks
from scheduling.domain import gates as domain
from scheduling.domain.gate_facts import Facts, Reading
from scheduling.domain.gates import DISCHARGE, START, Gate, Record, Rule
from scheduling.models import Appointment, GateCheck, GateRule, InfusionSession, RemsRecord, VitalReading
from scheduling.models.infusion_rules import INFUSED
from scheduling.selectors.infusion_rules import in_force

_PHQ9 = "PHQ-9"


def of(
    visits: Sequence[Appointment],
    *,
    now: datetime,
    stage: str | None = None,
    stages: Mapping[int, str] | None = None,
    sessions: Mapping[int, InfusionSession] | None = None,
) -> dict[int, list[Gate]]:
    """Every gate of each visit (of one ``stage``, or of its own of ``stages``, when given), in the order of
    the rows.

    Judged at ``now``; once treatment has begun, its gates as of then, once the patient was discharged those
    as of then. The visits come with visit type and site read; those without a treatment have no gates.
    The number of queries does not depend on how many visits there are; ``sessions``, when read already, save
    one.
    """
    if not visits:
        return {}
    rules = _rules(visits, stages or (dict.fromkeys((visit.pk for visit in visits), stage) if stage else {}))
    read = _Read.around(visits, rules, sessions, now=now)
    return {visit.pk: read.judged(visit, rules[visit.pk], now=now) for visit in visits}


def blocking(gates: Iterable[Gate]) -> list[Gate]:
    """Those that the next step has to wait for."""
    return [gate for gate in gates if gate.blocks]


def refusal(gates: Sequence[Gate], *, step: str) -> Conflict:
    """The 409 of a step that has to wait, listing what for."""
    names = ", ".join(gate.name for gate in gates)
    return Conflict(f"{step} has to wait for: {names}.", code="gates_open", open=listed(gates))


def listed(gates: Iterable[Gate]) -> list[dict[str, Any]]:
    """What is open, as a refusal tells it."""
    return [
        {
            "gate": gate.code,
            "name": gate.name,
            "state": gate.state.value,
            "detail": gate.detail,
            "advice": gate.advice,
            "overridable_by": list(gate.overridable_by),
        }
        for gate in gates
    ]


def _rules(visits: Sequence[Appointment], stages: Mapping[int, str]) -> dict[int, list[Rule]]:
    """The rules of each visit on its day; visits alike share them."""
    rows = list(GateRule.objects.all())
    known: dict[tuple[Any, ...], list[Rule]] = {}
    found = {}
    for visit in visits:
        on = visit.start_at.astimezone(visit.site.zone).date()
        stage = stages.get(visit.pk)
        alike = (visit.visit_type_id, visit.site_id, on, stage)
        if alike not in known:
            of_stage = [row for row in rows if stage in {None, row.stage}]
            known[alike] = _in_force(of_stage, visit, on)
        found[visit.pk] = known[alike]
    return found


def _in_force(rows: list[GateRule], visit: Appointment, on: date) -> list[Rule]:
    if visit.visit_type.kind not in INFUSED:
        return []
    best = in_force(rows, visit=visit, on=on, thing=lambda row: (row.stage, row.code))
    return [
        Rule(
            code=row.code,
            stage=row.stage,
            name=row.name,
            advice=row.advice,
            clinical=row.clinical,
            overridable_by=tuple(row.overridable_by),
            limits=domain.read_limits(row.code, row.limits),
        )
        for row in sorted(best, key=lambda row: (row.stage != START, row.position, row.code))
    ]


@dataclass(frozen=True, kw_only=True)
class _Read:
    """Everything that was read for some visits."""

    sessions: Mapping[int, InfusionSession]
    rems: dict[int, RemsRecord]
    records: dict[int, list[Record]]
    consents: dict[tuple[int, str], list[Record]]
    readings: dict[int, list[Reading]]
    flags: Mapping[int, Sequence[Flag]]
    alarms: Marks
    answered: Marks

    @classmethod
    def around(
        cls,
        visits: Sequence[Appointment],
        rules: dict[int, list[Rule]],
        sessions: Mapping[int, InfusionSession] | None,
        *,
        now: datetime,
    ) -> "_Read":
        """One query for each kind of fact."""
        treated = [visit for visit in visits if rules[visit.pk]]
        ids = [visit.pk for visit in treated]
        patients = {visit.patient_id for visit in treated}
        sessions = InfusionSession.objects.in_bulk(ids) if sessions is None else sessions
        begun = [each.started_at for pk in ids if (each := sessions.get(pk)) and each.started_at]
        hours = {rule.limits.get("phq9_valid_hours", 0) for each in rules.values() for rule in each}
        return cls(
            sessions=sessions,
            rems=RemsRecord.objects.in_bulk(ids),
            records=_records(ids),
            consents=_consents(patients),
            readings=_readings(ids),
            flags=readiness.flags(patients),
            alarms=readiness.holding_alarms(patients),
            answered=readiness.complete_answers(
                patients,
                code=_PHQ9,
                first=min([*begun, now]) - timedelta(hours=max(hours, default=0)),
                last=now,
            ),
        )

    def judged(self, visit: Appointment, rules: list[Rule], *, now: datetime) -> list[Gate]:
        """The gates of one of them."""
        session = self.sessions.get(visit.pk) or InfusionSession(appointment_id=visit.pk)
        moments = {START: session.started_at or now, DISCHARGE: session.discharged_at or now}
        return domain.judge(
            rules,
            records=self.records.get(visit.pk, ()),
            carried=self._consent(visit, by=moments[START]),
            since={START: visit.scheduled_at, DISCHARGE: session.infusion_ended_at},
            facts={
                stage: self._facts(visit, session, at=moments[stage])
                for stage in {rule.stage for rule in rules}
            },
        )

    def _consent(self, visit: Appointment, *, by: datetime) -> Record | None:
        given = self.consents.get((visit.patient_id, visit.visit_type.kind), ())
        return next((record for record in reversed(given) if record.at <= by), None)

    def _facts(self, visit: Appointment, session: InfusionSession, *, at: datetime) -> Facts:
        rems = self.rems.get(visit.pk)
        answered = [mark.at for mark in self.answered.get(visit.patient_id, ()) if mark.at <= at]
        return Facts(
            at=at,
            zone=visit.site.zone,
            started_at=session.started_at,
            ended_at=session.infusion_ended_at,
            weighed_at=session.weighed_at,
            readings=[each for each in self.readings.get(visit.pk, ()) if each.measured_at <= at],
            open_flags=[flag.id for flag in self.flags.get(visit.patient_id, ()) if flag.open_at(at)],
            alarms=[mark.id for mark in self.alarms.get(visit.patient_id, ()) if mark.at <= at],
            phq9_at=max(answered, default=None),
            dosed_at=rems.dosed_at if rems else None,
            sedation_resolved_at=rems.sedation_resolved_at if rems else None,
            dissociation_resolved_at=rems.dissociation_resolved_at if rems else None,
        )


def _record(row: GateCheck) -> Record:
    return Record(
        gate=row.gate,
        stage=row.stage,
        result=row.result,
        answers=row.answers,
        about=row.about,
        reason=row.reason,
        at=row.at,
        by_id=row.by_id,
    )


def _records(session_ids: list[int]) -> dict[int, list[Record]]:
    found: dict[int, list[Record]] = defaultdict(list)
    for row in GateCheck.objects.filter(session_id__in=session_ids).order_by("id"):
        found[row.session_id].append(_record(row))
    return found


def _consents(patient_ids: Iterable[int]) -> dict[tuple[int, str], list[Record]]:
    """The consent answers of patients by kind of visit, the oldest first. Of each day's work a handful."""
    rows = (
        GateCheck.objects.filter(
            gate=domain.CARRIED_OVER,
            result=GateCheck.Result.ANSWERED,
            session__appointment__patient_id__in=list(patient_ids),
        )
        .select_related("session__appointment__visit_type")
        .order_by("id")
    )
    found: dict[tuple[int, str], list[Record]] = defaultdict(list)
    for row in rows:
        visit = row.session.appointment
        found[visit.patient_id, visit.visit_type.kind].append(_record(row))
    return found


def _readings(session_ids: list[int]) -> dict[int, list[Reading]]:
    prescribes = Membership.objects.filter(
        user_id=OuterRef("acknowledged_by_id"),
        site_id=OuterRef("session__appointment__site_id"),
        role=Role.PRESCRIBER,
    )
    rows = (
        VitalReading.objects.filter(session_id__in=session_ids, struck_at=None)
        .annotate(by_prescriber=Exists(prescribes))
        .order_by("measured_at", "id")
        .select_related("acknowledged_by")
    )
    found: dict[int, list[Reading]] = defaultdict(list)
    for row in rows:
        by = row.acknowledged_by
        found[row.session_id].append(
            Reading(
                id=row.pk,
                measured_at=row.measured_at,
                systolic=row.systolic,
                diastolic=row.diastolic,
                spo2=row.spo2,
                level=row.level,
                acknowledged=row.acknowledged_at is not None,
                acknowledged_by_prescriber=by is not None and (row.by_prescriber or by.is_superuser),
            )
        )
    return found
