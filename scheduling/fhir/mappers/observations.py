"""Observation: the totals of questionnaires, and vital signs with LOINC codes and UCUM units.

A set of vital signs is one row of ours and one Observation for each sign; blood pressure is a panel.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from patients.models import Assessment
from scheduling.fhir.mappers import elements, questionnaire_responses
from scheduling.fhir.mappers.elements import filled
from scheduling.models import InfusionSession, VitalReading

_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"


@dataclass(frozen=True, slots=True)
class Sign:
    """A vital sign: the column it is kept in, its LOINC codes, its unit as people and as UCUM write it."""

    name: str
    column: str
    loinc: tuple[str, ...]
    text: str
    unit: str
    ucum: str


PRESSURE = Sign("bp", "systolic", ("85354-9",), "Blood pressure", "mmHg", "mm[Hg]")
SIGNS = (
    PRESSURE,
    Sign("hr", "heart_rate", ("8867-4",), "Heart rate", "beats/minute", "/min"),
    Sign("spo2", "spo2", ("59408-5", "2708-6"), "Oxygen saturation", "%", "%"),
    Sign("rr", "respiratory_rate", ("9279-1",), "Respiratory rate", "breaths/minute", "/min"),
    Sign("temp", "temperature_c", ("8310-5",), "Body temperature", "°C", "Cel"),
)
WEIGHT = Sign("weight", "weight_kg", ("29463-7",), "Body weight", "kg", "kg")
_PARTS = (("8480-6", "Systolic", "systolic"), ("8462-4", "Diastolic", "diastolic"))


def vital(row: VitalReading, sign: Sign) -> dict[str, Any]:
    """One sign of one set. A struck set is ``entered-in-error`` and keeps what it said."""
    measured: dict[str, Any]
    if sign is PRESSURE:
        measured = {
            "component": [
                {
                    "code": elements.concept(elements.coding(elements.LOINC, code), text=text),
                    "valueQuantity": _amount(getattr(row, column), sign),
                }
                for code, text, column in _PARTS
            ]
        }
    else:
        measured = {"valueQuantity": _amount(getattr(row, sign.column), sign)}
    return _observation(
        f"{sign.name}-{row.pk}",
        version=1 if row.struck_at is None else 2,
        updated_at=row.struck_at or row.recorded_at,
        status="final" if row.struck_at is None else "entered-in-error",
        category="vital-signs",
        code=_of_sign(sign),
        visit=row.session.appointment,
        measured_at=row.measured_at,
        **measured,
    )


def weight(row: InfusionSession, *, measured_at: datetime, kg: Decimal) -> dict[str, Any]:
    """The weight of the day. When it last changed is not kept."""
    return _observation(
        f"{WEIGHT.name}-{row.pk}",
        version=row.version,
        updated_at=None,
        status="final",
        category="vital-signs",
        code=_of_sign(WEIGHT),
        visit=row.appointment,
        measured_at=measured_at,
        valueQuantity=_amount(kg, WEIGHT),
    )


def score(row: Assessment, *, points: int, corrected_at: datetime | None, home: str) -> dict[str, Any]:
    """The total of one questionnaire, derived from its answers."""
    instrument = row.instrument
    codings = [elements.coding(f"{home}/fhir/r4/questionnaire-total", instrument.code)]
    if instrument.total_loinc:
        codings.insert(0, elements.coding(elements.LOINC, instrument.total_loinc))
    return filled(
        {
            "resourceType": "Observation",
            "id": f"score-{row.pk}",
            "meta": elements.meta(
                version=questionnaire_responses.version(corrected_at),
                updated_at=corrected_at or row.recorded_at,
            ),
            "status": _score_status(row, corrected_at=corrected_at),
            "category": [_category("survey")],
            "code": elements.concept(*codings, text=f"{instrument.name}: total"),
            "subject": elements.reference("Patient", row.patient_id),
            "effectiveDateTime": elements.instant(row.answered_at),
            "valueQuantity": elements.quantity(points, unit="points", ucum="{score}"),
            "interpretation": [elements.concept(text=row.band)] if row.band else [],
            "derivedFrom": [elements.reference("QuestionnaireResponse", row.pk)],
        }
    )


def _score_status(row: Assessment, *, corrected_at: datetime | None) -> str:
    """Of http://hl7.org/fhir/ValueSet/observation-status."""
    if corrected_at is not None:
        return "entered-in-error"
    return "corrected" if row.supersedes_id else "final"


def _observation(
    pk: str,
    *,
    version: int,
    updated_at: datetime | None,
    status: str,
    category: str,
    code: Mapping[str, Any],
    visit: Any,
    measured_at: datetime,
    **measured: Any,
) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": pk,
        "meta": elements.meta(version=version, updated_at=updated_at),
        "status": status,
        "category": [_category(category)],
        "code": code,
        "subject": elements.reference("Patient", visit.patient_id),
        "effectiveDateTime": elements.instant(measured_at),
        **measured,
    }


def _category(code: str) -> dict[str, Any]:
    return elements.concept(elements.coding(_CATEGORIES, code))


def _of_sign(sign: Sign) -> dict[str, Any]:
    return elements.concept(*(elements.coding(elements.LOINC, code) for code in sign.loinc), text=sign.text)


def _amount(value: Decimal | int, sign: Sign) -> dict[str, Any]:
    return elements.quantity(value, unit=sign.unit, ucum=sign.ucum)
