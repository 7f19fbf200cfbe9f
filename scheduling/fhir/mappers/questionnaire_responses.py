"""QuestionnaireResponse: what a patient answered. What was not answered is not there."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from patients.models import Assessment, Instrument
from scheduling.fhir.mappers import elements
from scheduling.fhir.mappers.elements import filled

_DISPLAY = "http://hl7.org/fhir/StructureDefinition/display"


def response(row: Assessment, *, corrected_at: datetime | None, home: str) -> dict[str, Any]:
    """One questionnaire. ``corrected_at``: when another row took its place, if one did.

    All items stand in one group, whose linkId is the questionnaire's LOINC code where it has one.
    """
    instrument = row.instrument
    title = instrument.texts.get(row.language, {}).get("title", instrument.name)
    items = [
        {
            "linkId": link_id(item),
            "text": item.get(row.language) or item["en"],
            "answer": [_answer(row.answers[item["code"]])],
        }
        for item in instrument.items
        if row.answers.get(item["code"]) is not None
    ]
    return filled(
        {
            "resourceType": "QuestionnaireResponse",
            "id": str(row.pk),
            "meta": elements.meta(version=version(corrected_at), updated_at=corrected_at or row.recorded_at),
            "language": row.language,
            "questionnaire": canonical(instrument, home=home),
            "_questionnaire": {"extension": [{"url": _DISPLAY, "valueString": instrument.name}]},
            "status": status(row, corrected_at=corrected_at),
            "subject": elements.reference("Patient", row.patient_id),
            "authored": elements.instant(row.answered_at),
            "source": elements.reference("Patient", row.patient_id),
            "item": [filled({"linkId": instrument.loinc or instrument.code, "text": title, "item": items})],
        }
    )


def status(row: Assessment, *, corrected_at: datetime | None) -> str:
    """Of http://hl7.org/fhir/ValueSet/questionnaire-answers-status; a row is never changed, only replaced."""
    if corrected_at is not None:
        return "entered-in-error"
    if not row.complete:
        return "stopped"
    return "amended" if row.supersedes_id else "completed"


def version(corrected_at: datetime | None) -> int:
    """A row is written once; the correction that takes its place changes its status."""
    return 1 if corrected_at is None else 2


def canonical(instrument: Instrument, *, home: str) -> str:
    """Our questionnaire and its version. Its items are ours, so it does not claim to be LOINC's panel."""
    return f"{home}/fhir/r4/Questionnaire/{instrument.code}|{instrument.version}"


def link_id(item: Mapping[str, Any]) -> str:
    """The LOINC code of an item that has one, else its code in our questionnaire."""
    return str(item.get("loinc") or item["code"])


def _answer(value: Any) -> dict[str, Any]:
    return {"valueInteger": value} if isinstance(value, int) else {"valueString": str(value)}
