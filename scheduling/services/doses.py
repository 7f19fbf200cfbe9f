"""Keeps a prescription's row equal to its history: the dose in force today, and when that next changes.

The history decides; the row only shows it, so that lists can be filtered without reading histories.
"""

from collections.abc import Sequence
from datetime import date, datetime

from clinic.access.policy import Actor
from clinic.common import changes
from patients.models import Patient
from scheduling.domain.calendars import day_start
from scheduling.domain.check_in_history import DoseEvent, DoseKind
from scheduling.domain.dose_orders import standing
from scheduling.models import DoseEvent as StoredEvent
from scheduling.models import Prescription
from scheduling.selectors.prescriptions import history


def add_events(
    *, prescription: Prescription, events: Sequence[DoseEvent], actor: Actor, now: datetime
) -> None:
    """Write what an order adds to the history; nothing in it is ever changed."""
    StoredEvent.objects.bulk_create(
        StoredEvent(
            prescription=prescription,
            sequence=event.sequence,
            kind=event.kind.value,
            dose_mg=event.dose_mg,
            ordered_on=event.ordered_on,
            effective_on=event.effective_on,
            planned=event.planned,
            recorded_at=now,
            recorded_by_id=actor.user_id,
        )
        for event in events
    )


def take_effect(*, patient: Patient, now: datetime) -> None:
    """Show the doses that came into force meanwhile. The patient row is locked by the caller."""
    due = Prescription.objects.select_for_update().filter(patient=patient, next_change_at__lte=now)
    for prescription in due.order_by("pk"):
        changes.apply(prescription, shown(events=history(prescription), patient=patient, now=now))


def shown(*, events: Sequence[DoseEvent], patient: Patient, now: datetime) -> dict[str, object]:
    """What the row says of this history at this moment. Doses change at midnight in the patient's zone."""
    today = now.astimezone(patient.zone).date()
    standing_events = standing(events=events)
    begun = [event for event in standing_events if event.effective_on <= today] or standing_events[:1]
    taken = [event for event in begun if event.kind is not DoseKind.STOP]
    stopped = begun[-1].kind is DoseKind.STOP
    return {
        "dose_mg": (taken or list(events))[-1].dose_mg,
        "first_dose_on": events[0].effective_on,
        "status": Prescription.Status.STOPPED if stopped else Prescription.Status.ACTIVE,
        "next_change_at": _next_change(standing_events, today, patient),
    }


def _next_change(events: Sequence[DoseEvent], today: date, patient: Patient) -> datetime | None:
    later = [event.effective_on for event in events if event.effective_on > today]
    return day_start(min(later), patient.zone) if later else None
