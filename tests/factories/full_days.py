"""A day full of treatments written straight into the tables: chairs in a row, one visit after the other."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, time, timedelta

from clinic.access.models import Site
from patients.models import Patient
from scheduling.models import (
    Allocation,
    Appointment,
    AppointmentEvent,
    InfusionSession,
    Resource,
    WorkingHours,
)
from tests.factories import CREATED, visit_type

LATE = ("completed", "recovering", "arrived", "confirmed", "booked")
"""A chair past noon whose patient is in recovery while the next one waits."""
ON_TIME = ("completed", "completed", "infusing", "confirmed", "booked")
_STATUS = {"recovering": "in_progress", "infusing": "in_progress"}


def full_day(
    site: Site,
    *,
    chairs: int,
    each: int = 5,
    day: date = date(2027, 1, 4),
    chairs_are: Sequence[Sequence[str]] = (LATE,),
) -> list[int]:
    """Ids of ``each`` visits of two hours on every chair, from 08:00, as if it were past noon.

    ``chairs_are``: what has become of the visits of the first chair, the second and so on, then again.
    """
    opens = datetime.combine(day, time(8), site.zone)
    WorkingHours.objects.bulk_create(
        WorkingHours(site=site, weekday=weekday, start=time(8), end=time(18)) for weekday in range(7)
    )
    nurses = -(-chairs // 3)
    resources = Resource.objects.bulk_create(
        [Resource(site=site, kind="chair", name=f"Chair {n}", capacity=1) for n in range(1, chairs + 1)]
        + [Resource(site=site, kind="nurse", name=f"Nurse {n}", capacity=3) for n in range(1, nurses + 1)]
    )
    patients = Patient.objects.bulk_create(
        Patient(
            site=site,
            mrn=f"FULL-{site.pk}-{n}",
            first_name="Maximiliana",
            last_name=f"Rodriguez-Okonkwo {n}",
            sort_name=f"rodriguez okonkwo {n} maximiliana",
            date_of_birth=date(1980, 5, 17),
            timezone=site.timezone,
            created_at=CREATED,
        )
        for n in range(chairs * each)
    )
    kind = visit_type()

    def becomes(chair: int, turn: int) -> str:
        pattern = chairs_are[chair % len(chairs_are)]
        return pattern[turn % len(pattern)]

    places = [(chair, turn) for turn in range(each) for chair in range(chairs)]
    visits = Appointment.objects.bulk_create(
        Appointment(
            site=site,
            patient=patient,
            visit_type=kind,
            start_at=opens + timedelta(hours=2 * turn),
            end_at=opens + timedelta(hours=2 * turn + 2),
            status=_STATUS.get(becomes(chair, turn), becomes(chair, turn)),
            created_at=CREATED,
            scheduled_at=CREATED,
        )
        for patient, (chair, turn) in zip(patients, places, strict=True)
    )
    for visit, (chair, _turn) in zip(visits, places, strict=True):
        visit.on_chair, visit.by_nurse, visit.in_lane = chair, chairs + chair // 3, 1 + chair % 3  # type: ignore[attr-defined]
    _allocate(visits, resources)
    recovering = {
        visit.pk for visit, place in zip(visits, places, strict=True) if becomes(*place) == "recovering"
    }
    _happened(visits, recovering)
    return [visit.pk for visit in visits]


def _allocate(visits: list[Appointment], resources: list[Resource]) -> None:
    Allocation.objects.bulk_create(
        Allocation(
            appointment=visit,
            resource=resources[place],
            use="exclusive" if lane == 0 else "shared",
            lane=lane,
            start_at=visit.start_at,
            end_at=visit.end_at - timedelta(minutes=0 if lane == 0 else 15),
        )
        for visit in visits
        for place, lane in ((visit.on_chair, 0), (visit.by_nurse, visit.in_lane))  # type: ignore[attr-defined]
    )


def _happened(visits: list[Appointment], recovering: Collection[int]) -> None:
    steps = {"arrived": ["check_in"], "in_progress": ["check_in", "start"]}
    after = {"check_in": "arrived", "start": "in_progress"}
    AppointmentEvent.objects.bulk_create(
        AppointmentEvent(
            appointment=visit,
            verb=verb,
            from_status="booked" if verb == "check_in" else "arrived",
            to_status=after[verb],
            at=visit.start_at + timedelta(minutes=15 * n),
        )
        for visit in visits
        for n, verb in enumerate(steps.get(visit.status, ()))
    )
    InfusionSession.objects.bulk_create(
        InfusionSession(
            appointment=visit,
            started_at=visit.start_at + timedelta(minutes=15) if visit.status == "in_progress" else None,
            infusion_ended_at=visit.start_at + timedelta(minutes=55) if visit.pk in recovering else None,
        )
        for visit in visits
        if visit.status in {"arrived", "in_progress"}
    )
