"""What patients asks of scheduling through settings: whether anybody is at a clinic to see a safety alarm,
and when a treatment began. patients does not know scheduling; only these two answers leave it."""

from datetime import datetime, timedelta

from django.db.models import Min

from clinic.access.models import Site
from clinic.common.intervals import Interval
from patients.domain.alarms import Watch
from patients.models import Patient
from scheduling.domain.calendars import ONE_DAY, WeeklyHours, day_start, open_intervals
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, AppointmentEvent, Closure, Prescription, Resource, WorkingHours

LOOK_AHEAD = timedelta(days=21)
"""A clinic that is closed for longer has no next opening that an alarm could wait for."""
_WATCHING = (Resource.Kind.NURSE, Resource.Kind.PRESCRIBER)
_BEGUN = (Appointment.Status.IN_PROGRESS, Appointment.Status.COMPLETED)


def watch(*, site_id: int, now: datetime) -> Watch:
    """Whether the site is open at ``now``, and if not, when next (within three weeks). Three queries.

    A site without hours of its own is open while its nurses or prescribers are; without those either,
    nobody is known to watch.
    """
    site = Site.objects.get(pk=site_id)
    today = now.astimezone(site.zone).date()
    closed = Closure.objects.filter(site=site, end_at__gt=now, start_at__lt=now + LOOK_AHEAD + 2 * ONE_DAY)
    stretches = open_intervals(
        hours=_hours(site),
        closures=[Interval(*row) for row in closed.values_list("start_at", "end_at")],
        first=today,
        last=today + LOOK_AHEAD,
        zone=site.zone,
    )
    if any(each.contains(now) for each in stretches):
        return Watch(watched=True)
    return Watch(watched=False, next_open=min((s.start for s in stretches if s.start > now), default=None))


def treatment_began(*, patient_id: int, by: datetime) -> datetime | None:
    """When the latest treatment that had begun by then began; None without one. Three queries.

    A course begins when its first session was started, an infusion outside a course by itself, and a
    medicine at the end of the day of its first dose, in the patient's zone: on that day it does not work yet.
    """
    zone = Patient.objects.get(pk=patient_id).zone
    started = AppointmentEvent.objects.filter(
        appointment__patient_id=patient_id, appointment__status__in=_BEGUN, verb=Verb.START, at__lte=by
    ).filter(appointment__visit_type__kind__in=("infusion", "esketamine"))
    sessions = started.values("appointment__course_id", "appointment_id").annotate(began=Min("at"))
    firsts: dict[tuple[str, int], datetime] = {}
    for row in sessions:
        course_id = row["appointment__course_id"]
        treatment = ("course", course_id) if course_id else ("visit", row["appointment_id"])
        firsts[treatment] = min(row["began"], firsts.get(treatment, row["began"]))
    doses = Prescription.objects.filter(
        patient_id=patient_id, first_dose_on__lt=by.astimezone(zone).date()
    ).values_list("first_dose_on", flat=True)
    medicines = [day_start(day + ONE_DAY, zone) for day in doses]
    return max([*firsts.values(), *medicines], default=None)


def _hours(site: Site) -> list[WeeklyHours]:
    columns = ("weekday", "start", "end", "valid_from", "valid_until")
    own = WorkingHours.objects.filter(site=site).values_list(*columns)
    staff = WorkingHours.objects.filter(
        resource__site=site, resource__active=True, resource__kind__in=_WATCHING
    ).values_list(*columns)
    return [WeeklyHours(*row) for row in own] or [WeeklyHours(*row) for row in staff]
