"""The visits of a repair as a person reads them: who goes from where to where, and who stays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from clinic.access import shown
from patients.models import Patient
from scheduling.domain.repair import REASONS
from scheduling.models import Repair, RepairChange, Resource

_REFUSALS = {
    "stale_version": "The visit was changed after the proposal was made.",
    "invalid_transition": "The visit is not to be moved any more.",
    "not_found": "The visit is not there any more.",
    "slot_taken": "The new place was taken by somebody else.",
    "patient_busy": "The patient has another visit then.",
    "too_soon": "It was too late for the new place.",
}


@dataclass(frozen=True)
class Row:
    """One visit of the proposal."""

    visit_id: int
    patient: Patient
    what: str
    before: str
    before_on: str
    after: str
    after_on: str
    reason: str
    pending: bool
    placed: bool
    stays: bool
    outcome: str
    outcome_text: str
    outcome_why: str


@dataclass(frozen=True)
class Group:
    """Rows under one heading."""

    title: str
    rows: Sequence[Row]
    note: str = ""


def rows(repair: Repair) -> list[Row]:
    """In the order in which accepting carries them out. Two queries."""
    changes = list(
        repair.changes.select_related("appointment__patient", "appointment__visit_type").order_by("sequence")
    )
    ids = {pk for change in changes for pk in (*change.from_resources, *change.to_resources)}
    names = {row.pk: row.name for row in Resource.objects.filter(pk__in=ids)}
    return [_row(change, names, repair.site.zone) for change in changes]


def groups(every: Sequence[Row]) -> list[Group]:
    """What needs a decision or a call first, what stays last."""
    moved = [row for row in every if row.placed and not row.stays]
    lost = [row for row in every if not row.placed]
    same = [row for row in every if row.stays]
    found = [
        Group("To be moved or given to somebody else", moved),
        Group("Without a place", lost, "Nothing is done about these. Call the patients."),
        Group("Staying where they are", same),
    ]
    return [group for group in found if group.rows]


def _row(change: RepairChange, names: dict[int, str], zone: ZoneInfo) -> Row:
    visit = change.appointment
    same_time = change.to_start_at == change.from_start_at
    same_place = sorted(change.to_resources) == sorted(change.from_resources)
    return Row(
        visit_id=visit.pk,
        patient=visit.patient,
        what=visit.visit_type.name,
        before=shown.local_time(change.from_start_at, zone),
        before_on=_named(change.from_resources, names),
        after=_after(change.to_start_at, zone, same_time=same_time),
        after_on=_differing(change, names),
        reason=REASONS.get(change.reason, change.reason),
        pending=change.pending,
        placed=change.to_start_at is not None,
        stays=same_time and same_place,
        outcome=change.outcome,
        outcome_text=change.get_outcome_display() if change.outcome else "",
        outcome_why=_REFUSALS.get(change.outcome_code, change.outcome_code.replace("_", " ")),
    )


def _after(start: datetime | None, zone: ZoneInfo, *, same_time: bool) -> str:
    if start is None:
        return shown.NOTHING
    return "same time" if same_time else shown.local_time(start, zone)


def _named(ids: Sequence[int], names: dict[int, str]) -> str:
    return ", ".join(sorted(names.get(pk, f"resource {pk}") for pk in ids)) or shown.NOTHING


def _differing(change: RepairChange, names: dict[int, str]) -> str:
    if change.to_start_at is None:
        return shown.NOTHING
    new = [pk for pk in change.to_resources if pk not in change.from_resources]
    if not new:
        return "same resources"
    return _named(change.to_resources, names)
