"""What the page of a session is made of: steps, gates, discharge, history; the rest is in session_clinical.

Each part is plain data with its forms; the template lays them out. A form that was sent and refused stands
in its place with what was typed.
"""

from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.urls import reverse

from clinic.access import shown
from clinic.access.policy import Actor
from scheduling.admin import board_words, session_clinical
from scheduling.admin.session_facts import SessionFacts
from scheduling.admin.session_work import Forms, Sent
from scheduling.domain import board_steps
from scheduling.domain.gate_answers import BEFORE_ARRIVAL, QUESTIONS
from scheduling.domain.gate_facts import State
from scheduling.domain.gates import Gate
from scheduling.domain.session_stages import SessionVerb, Stage
from scheduling.domain.transitions import Status
from scheduling.models import GateCheck
from scheduling.services import history

PLACES = MappingProxyType(
    {
        "gate": "#gates",
        "override": "#gates",
        "weigh": "#dose",
        "dose": "#dose",
        "reading": "#vitals",
        "acknowledge": "#vitals",
        "strike-reading": "#vitals",
        "drug": "#drug-log",
        "witness": "#drug-log",
        "strike-entry": "#drug-log",
        "rems": "#rems",
        "rems-submit": "#rems",
    }
)
"""Where on the page one looks after an act."""
_STAGES = MappingProxyType(
    {
        Stage.EXPECTED: "Expected",
        Stage.WAITING: "Waiting",
        Stage.INFUSING: "Infusing",
        Stage.RECOVERY: "Recovery",
        Stage.DISCHARGED: "Discharged",
        Stage.DONE: "Completed",
        Stage.OFF: "Not taking place",
    }
)
_STATES = MappingProxyType(
    {
        State.OPEN: ("Open", "info"),
        State.PASS: ("Passed", "success"),
        State.FAIL: ("Failed", "danger"),
        State.OVERRIDDEN: ("Overridden", "warning"),
    }
)


def context(facts: SessionFacts, *, actor: Actor, now: datetime, sent: Sent | None) -> dict[str, Any]:
    """Everything the template shows."""
    forms_here = Forms(facts, sent)
    visit = facts.visit
    treats = actor.may("infusion_day.write", visit.site_id)
    checklist = [_gate(facts, gate, forms_here, actor=actor) for gate in facts.gates]
    return {
        "facts": facts,
        "visit": visit,
        "patient": visit.patient,
        "zone": visit.site.zone,
        "age": _age(facts, now),
        "stage": _STAGES[facts.stage],
        "stage_time": "" if facts.since is None else board_words.lasting(now - facts.since),
        "treats": treats,
        "refused": _refused(sent),
        "steps": _steps(facts, forms_here, actor=actor, now=now),
        "gates": checklist,
        "next_gate": next((each["code"] for each in checklist if each.get("form") and each["blocks"]), ""),
        "gates_open": sum(gate.blocks for gate in facts.gates),
        "gates_title": "Before the start"
        if facts.gates and facts.gates[0].stage == "start"
        else "Before going home",
        "discharge": forms_here.get("discharge") if treats and facts.stage == Stage.RECOVERY else None,
        "dose": session_clinical.dose(facts, forms_here, treats=treats) if facts.clinical else None,
        "vitals": session_clinical.vitals(facts, forms_here, actor=actor, now=now)
        if facts.clinical
        else None,
        "drug_log": session_clinical.drug_log(facts, forms_here, actor=actor),
        "rems": session_clinical.rems(facts, forms_here, treats=treats) if facts.clinical else None,
        "history": _history(facts),
    }


def _refused(sent: Sent | None) -> str:
    """What is wrong with the form that was sent, on top of the page as well."""
    if sent is None:
        return ""
    general = " ".join(str(error) for error in sent.form.non_field_errors())
    return general or "Not saved: something in the form is not right. See the marked fields."


def _age(facts: SessionFacts, now: datetime) -> int:
    born, today = facts.visit.patient.date_of_birth, now.astimezone(facts.visit.site.zone).date()
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _steps(facts: SessionFacts, found: Forms, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """The next step as one button, and undo."""
    visit, site_id = facts.visit, facts.visit.site_id
    writes, treats = actor.may("appointments.write", site_id), actor.may("infusion_day.write", site_id)
    possible = board_steps.possible(
        status=Status(visit.status),
        stage=facts.stage,
        infused=True,
        begun=now >= visit.start_at,
        writes=writes,
        treats=treats,
    )
    step = board_steps.next_of(possible, on_the_day=True)
    latest = history.latest_step(visit)
    undo = (
        latest is not None
        and (treats if latest.verb in board_steps.CLINICAL else writes)
        and board_steps.undoable(latest.verb, latest.at, now=now)
    )
    return {
        "next": found.get("step", step.value) if step and step != SessionVerb.DISCHARGE else None,
        "text": board_words.STEPS[step] if step else "",
        "discharge": step == SessionVerb.DISCHARGE,
        "undo": found.get("step", "undo") if undo else None,
    }


def _gate(facts: SessionFacts, gate: Gate, found: Forms, *, actor: Actor) -> dict[str, Any]:
    """One line of the checklist; to who does not treat, a clinical one says only whether it is open."""
    site_id = facts.visit.site_id
    text, variant = _STATES[gate.state]
    if gate.clinical and not facts.clinical:
        return {
            "name": "Clinical check",
            "state": text,
            "variant": variant,
            "hidden": True,
            "code": gate.code,
        }
    may_answer = actor.may("infusion_day.write" if gate.clinical else "gates.write", site_id)
    asked = gate.code in QUESTIONS and (
        facts.stage == Stage.WAITING or (facts.stage == Stage.EXPECTED and gate.code in BEFORE_ARRIVAL)
    )
    decides = actor.sees_every_site or bool(actor.roles.get(site_id, frozenset()) & set(gate.overridable_by))
    may_override = gate.blocks and bool(gate.overridable_by) and may_answer and decides
    overriding = may_override and facts.stage in {Stage.WAITING, Stage.RECOVERY}
    return {
        "code": gate.code,
        "name": gate.name,
        "state": text,
        "variant": variant,
        "hidden": False,
        "blocks": gate.blocks,
        "detail": gate.detail,
        "advice": gate.advice if gate.blocks else "",
        "said": _said(facts, gate),
        "form": found.get("gate", gate.code) if asked and may_answer else None,
        "override": found.get("override", gate.code) if overriding else None,
        "who": "" if decides or not gate.blocks else _who(gate),
        "place": _place(facts, gate) if gate.blocks else "",
    }


def _said(facts: SessionFacts, gate: Gate) -> str:
    """``Sam Nurse, 8:52 AM MST``, with the reason when it was overridden."""
    if gate.at is None:
        return ""
    who = facts.names.get(gate.by_id or 0, "Onset")
    when = shown.clock_time(gate.at, facts.visit.site.zone)
    return f"{who}, {when}" + (f": {gate.reason}" if gate.reason else "")


def _who(gate: Gate) -> str:
    if not gate.overridable_by:
        return "Nobody may go on without this."
    return f"Only a {' or '.join(gate.overridable_by).replace('_', ' ')} may go on without this."


def _place(facts: SessionFacts, gate: Gate) -> str:
    """Where one does something about a gate that is not answered here."""
    if gate.code in {"flags", "mood"}:
        return reverse("admin:patients_patient_record", args=[facts.visit.patient_id])
    return {"weight": "#dose", "vitals": "#vitals", "blood_pressure": "#vitals", "resolved": "#rems"}.get(
        gate.code, ""
    )


def _history(facts: SessionFacts) -> list[dict[str, Any]]:
    """Steps, answers and decisions, the latest first; of clinical gates only to who treats."""
    rows = [
        {
            "at": event.at,
            "what": event.verb.replace("_", " ").capitalize(),
            "who": str(event.by or "Onset"),
            "why": " ".join(filter(None, (event.reason, event.note))),
        }
        for event in facts.events
    ]
    for check in facts.checks:
        closed = not facts.clinical and check.gate not in facts.administrative
        rows.append(
            {
                "at": check.at,
                "what": "Clinical check" if closed else _checked(check),
                "who": str(check.by or "Onset"),
                "why": "" if closed else check.reason,
            }
        )
    return sorted(rows, key=lambda row: row["at"], reverse=True)


def _checked(check: GateCheck) -> str:
    name = check.gate.replace("_", " ").capitalize()
    if check.gate == "weight":
        return f"Weighed: {check.answers.get('weight_kg', '')} kg"
    return f"{name}: {'overridden' if check.result == GateCheck.Result.OVERRIDDEN else 'answered'}"
