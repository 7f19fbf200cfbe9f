"""What of many patients' records decides whether a treatment may begin, each in one query."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from patients.domain.flags import FlagState, state
from patients.models import Assessment, SafetyAlarm, ScreeningFlag


@dataclass(frozen=True)
class Mark:
    """One record, and since when it stands."""

    id: int
    at: datetime


@dataclass(frozen=True)
class Flag(Mark):
    """A screening flag that was not withdrawn."""

    status: str
    expires_on: date | None
    acknowledged_until: date | None
    zone: ZoneInfo
    """The patient's."""

    def open_at(self, moment: datetime) -> bool:
        """Whether it stood then, and no acknowledgement known today covers that day."""
        stands = state(
            status=self.status,
            expires_on=self.expires_on,
            acknowledged_until=self.acknowledged_until,
            today=moment.astimezone(self.zone).date(),
        )
        return self.at <= moment and stands == FlagState.OPEN


Marks = Mapping[int, Sequence[Mark]]
"""Patient -> what was found, the earliest first; empty for everybody else."""


def flags(patient_ids: Collection[int]) -> Mapping[int, Sequence[Flag]]:
    """The screening flags of patients that were not withdrawn, by patient, the earliest first."""
    rows = (
        ScreeningFlag.objects.filter(patient_id__in=patient_ids)
        .exclude(status=ScreeningFlag.Status.WITHDRAWN)
        .select_related("patient")
        .order_by("raised_at", "id")
    )
    found: dict[int, list[Flag]] = defaultdict(list)
    for row in rows:
        found[row.patient_id].append(
            Flag(
                id=row.pk,
                at=row.raised_at,
                status=row.status,
                expires_on=row.expires_on,
                acknowledged_until=row.acknowledged_until,
                zone=row.patient.zone,
            )
        )
    return found


def holding_alarms(patient_ids: Collection[int]) -> Marks:
    """The safety alarms that no prescriber has cleared for treatment."""
    rows = SafetyAlarm.objects.holding().filter(patient_id__in=patient_ids).order_by("opened_at", "id")
    return _by_patient(rows.values_list("patient_id", "id", "opened_at"))


def complete_answers(patient_ids: Collection[int], *, code: str, first: datetime, last: datetime) -> Marks:
    """The complete, uncorrected answers to one questionnaire between two moments, both included."""
    rows = Assessment.objects.current().filter(
        patient_id__in=patient_ids, code=code, complete=True, answered_at__range=(first, last)
    )
    return _by_patient(rows.order_by("answered_at", "id").values_list("patient_id", "id", "answered_at"))


def _by_patient(rows: Collection[tuple[int, int, datetime]]) -> Marks:
    found: dict[int, list[Mark]] = defaultdict(list)
    for patient_id, pk, at in rows:
        found[patient_id].append(Mark(pk, at))
    return found
