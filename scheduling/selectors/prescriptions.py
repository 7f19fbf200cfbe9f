"""A prescription's history as the onset engine reads it."""

from collections.abc import Iterable
from datetime import datetime

from clinic.common.errors import NotFound
from patients.models import Patient
from scheduling.domain.check_in_history import DoseEvent, DoseKind
from scheduling.domain.dose_orders import Today
from scheduling.models import DoseEvent as StoredEvent
from scheduling.models import Prescription


def history(prescription: Prescription) -> list[DoseEvent]:
    """Every dose event, by sequence. Uses the prefetched events where there are any."""
    return as_history(prescription.dose_events.all())


def as_history(rows: Iterable[StoredEvent]) -> list[DoseEvent]:
    """Stored events as the engine's values, by sequence."""
    return [
        DoseEvent(
            sequence=row.sequence,
            kind=DoseKind(row.kind),
            dose_mg=row.dose_mg,
            ordered_on=row.ordered_on,
            effective_on=row.effective_on,
            planned=row.planned,
        )
        for row in sorted(rows, key=lambda row: row.sequence)
    ]


def today(patient: Patient, now: datetime) -> Today:
    """The date in the patient's zone, and the later one of that and the date at the site."""
    at_home = now.astimezone(patient.zone).date()
    return Today(patient=at_home, latest=max(at_home, now.astimezone(patient.site.zone).date()))


def not_found() -> NotFound:
    """The one answer for a prescription that is not there or not the caller's to see."""
    return NotFound("This prescription does not exist.")
