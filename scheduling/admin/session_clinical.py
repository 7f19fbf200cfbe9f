"""The clinical parts of the page of a session: weight and dose, vital signs, drug log, REMS record."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from clinic.access.policy import Actor
from scheduling.admin import session_chart
from scheduling.admin.session_facts import SessionFacts
from scheduling.admin.session_work import Forms
from scheduling.domain.dosing import Basis, Cap
from scheduling.domain.session_stages import Stage
from scheduling.models import DoseOrder, DrugLogEntry, VisitType

_ORDERING = frozenset({Stage.WAITING, Stage.INFUSING})
_MEASURING = frozenset({Stage.WAITING, Stage.INFUSING, Stage.RECOVERY, Stage.DISCHARGED, Stage.DONE})


def dose(facts: SessionFacts, found: Forms, *, treats: bool) -> dict[str, Any]:
    """The weight, how the protocol comes to its dose, and every order."""
    doses = facts.doses
    assert doses is not None  # noqa: S101 - read for whoever is clinical
    writes = treats and facts.stage in _ORDERING
    return {
        "weight_kg": _amount(facts.session.weight_kg if facts.session else None),
        "weighed_at": facts.session.weighed_at if facts.session else None,
        "current": doses.current,
        "shown": _ordered(doses.current) if doses.current else "",
        "calculation": _calculation(facts),
        "other_weight": (
            doses.current is not None
            and facts.session is not None
            and doses.current.mg_per_h is not None
            and doses.current.weight_kg != facts.session.weight_kg
        ),
        "last": _amount(doses.last_mg),
        "orders": [
            {
                "order": order,
                "what": _ordered(order),
                "weight": _amount(order.weight_kg),
                "counts": order is doses.current,
            }
            for order in reversed(doses.orders)
        ],
        "weigh": found.get("weigh") if writes else None,
        "form": found.get("dose") if writes and doses.protocol is not None else None,
    }


def _calculation(facts: SessionFacts) -> str:
    """``70 kg x 0.5 mg/kg = 35 mg over 40 min``: how the protocol comes to its dose."""
    doses = facts.doses
    if doses is None or doses.protocol is None:
        return "No dose protocol is in force for this visit type."
    protocol, dose = doses.protocol, doses.calculated
    if protocol.basis == Basis.FIXED_MG:
        choices = " or ".join(_amount(choice) for choice in protocol.choices_mg)
        return f"{protocol.name}: {choices} mg over {protocol.minutes} min"
    if dose is None or facts.session is None:
        return f"{protocol.name}. Weigh the patient to calculate it."
    weight, amount = _amount(facts.session.weight_kg), _amount(protocol.amount)
    made = f"{weight} kg \N{MULTIPLICATION SIGN} {amount} "
    if protocol.basis == Basis.MG_PER_KG:
        made += f"mg/kg = {_amount(dose.calculated_mg)} mg"
    else:
        hours = _amount((Decimal(dose.minutes) / 60).quantize(Decimal("0.01")))
        made += f"mg/kg/h \N{MULTIPLICATION SIGN} {hours} h = {_amount(dose.calculated_mg)} mg"
    if dose.capped_by is not None:
        cap = protocol.max_mg if dose.capped_by == Cap.MAX_MG else protocol.max_mg_per_h
        unit = "mg in all" if dose.capped_by == Cap.MAX_MG else "mg/h"
        made += f", capped at {_amount(cap)} {unit}: {_amount(dose.mg)} mg"
    elif dose.mg != dose.calculated_mg:
        made += f", rounded to {_amount(dose.mg)} mg"
    return f"{made} over {dose.minutes} min, {_amount(dose.mg_per_h)} mg/h"


def _ordered(order: DoseOrder) -> str:
    rate = f", {_amount(order.mg_per_h)} mg/h" if order.mg_per_h is not None else ""
    return f"{_amount(order.mg)} mg over {order.minutes} min{rate}"


def _amount(number: Decimal | None) -> str:
    """Without the zeros that only fill the column."""
    return "" if number is None else f"{number.normalize():f}"


def vitals(facts: SessionFacts, found: Forms, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """What was measured, what waits for an answer, when the next is due."""
    site_id, session = facts.visit.site_id, facts.session
    treats, reviews = actor.may("infusion_day.write", site_id), actor.may("treatment.clear", site_id)
    due = facts.due
    rows = []
    for row in facts.readings:
        waits = bool(row.level) and row.acknowledged_at is None and row.struck_at is None
        may_acknowledge = waits and treats and (reviews or row.level == "acknowledge")
        rows.append(
            {
                "row": row,
                "waits": waits,
                "acknowledge": found.get("acknowledge", row.pk) if may_acknowledge else None,
                "strike": found.get("strike-reading", row.pk) if treats and row.struck_at is None else None,
                "minutes": (
                    round((row.measured_at - session.started_at).total_seconds() / 60)
                    if session and session.started_at
                    else None
                ),
            }
        )
    return {
        "due": due,
        "overdue": due is not None and now >= due.overdue_at,
        "rows": rows,
        "form": found.get("reading") if treats and facts.stage in _MEASURING else None,
        "charts": session_chart.charts(
            facts.series,
            started_at=session.started_at if session else None,
            ended_at=session.infusion_ended_at if session else None,
        ),
    }


def drug_log(facts: SessionFacts, found: Forms, *, actor: Actor) -> dict[str, Any] | None:
    """The entries and what is left; None for whoever may not read the log."""
    if not actor.may("drug_log.read", facts.visit.site_id):
        return None
    writes = actor.may("drug_log.write", facts.visit.site_id)
    log = facts.log
    return {
        "balances": list(log.balances.values()) if log else [],
        "ordered": _amount(log.ordered_mg) if log else "",
        "beyond": _amount(log.beyond_mg) if log and log.beyond_mg else "",
        "settled": log is not None and bool(log.entries) and log.settled,
        "rows": [
            {
                "row": row,
                "witness": found.get("witness", row.pk) if writes and _wants_witness(row, actor) else None,
                "strike": found.get("strike-entry", row.pk) if writes and row.struck_at is None else None,
            }
            for row in (log.entries if log else [])
        ],
        "form": found.get("drug") if writes and facts.session is not None else None,
    }


def _wants_witness(row: DrugLogEntry, actor: Actor) -> bool:
    """Another person than the one who recorded it may sign."""
    return row.struck_at is None and row.witness_id is None and row.by_id != actor.user_id


def rems(facts: SessionFacts, found: Forms, *, treats: bool) -> dict[str, Any] | None:
    """The record of an esketamine session; None for others."""
    if facts.visit.visit_type.kind != VisitType.Kind.ESKETAMINE:
        return None
    if facts.rems is None:
        return {"record": None}
    record = facts.rems.record
    open_ = treats and record.submitted_at is None
    gone = facts.stage in {Stage.DISCHARGED, Stage.DONE}
    return {
        "record": record,
        "pressures": [
            (name.replace("_", " ").capitalize(), str(measured) if measured else "not measured yet")
            for name, measured in facts.rems.pressures.items()
        ],
        "observed": facts.rems.observed_minutes,
        "missing": len(facts.rems.missing),
        "form": found.get("rems") if open_ else None,
        "submit": found.get("rems-submit") if open_ and gone and not facts.rems.missing else None,
    }
