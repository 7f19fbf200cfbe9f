"""Answers as tests give them, in plain numbers."""

from datetime import datetime
from typing import Any

from clinic.access.policy import SYSTEM, Actor
from patients.models import Patient
from patients.services import assessments
from patients.services.assessments import Recorded, Submission
from tests.conftest import NOW
from tests.unit.assessments.shipped import answers

NO_TO_ALL = {"1": 0, "2": 0, "3": 0, "4": 0}


def submission(code: str, given: dict[str, Any], *, at: datetime = NOW, **fields: Any) -> Submission:
    """What somebody answered."""
    return Submission(
        **{"instrument": code, "answers": given, "answered_at": at, "source": "in_clinic", **fields}
    )


def answer(
    patient: Patient,
    code: str,
    given: dict[str, Any],
    *,
    at: datetime = NOW,
    now: datetime | None = None,
    actor: Actor = SYSTEM,
    **fields: Any,
) -> Recorded:
    """Stored through the service."""
    return assessments.record(
        actor=actor, now=now or at, patient_id=patient.pk, submission=submission(code, given, at=at, **fields)
    )


def phq9(patient: Patient, total: int, *, item9: int = 0, at: datetime = NOW, **fields: Any) -> Recorded:
    """A PHQ-9 with this total."""
    return answer(patient, "PHQ-9", answers("PHQ-9", total, i9=item9), at=at, **fields)
