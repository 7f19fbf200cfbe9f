"""The next visit of each patient that a search found; patients reaches it by settings.NEXT_VISITS."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q
from django.urls import reverse

from clinic.access import shown
from clinic.access.policy import Actor
from patients.admin.matches import NextVisit
from patients.models import Patient
from scheduling.models import Appointment


def next_visits(*, actor: Actor, patients: Sequence[Patient], now: datetime) -> dict[int, NextVisit]:
    """Patient id -> who is here is here; of the others, the first visit that is not over. One query."""
    if not actor.may("appointments.read"):
        return {}
    status = Appointment.Status
    here = Q(status__in=(status.ARRIVED, status.IN_PROGRESS))
    to_come = Q(status__in=(status.BOOKED, status.CONFIRMED), end_at__gt=now)
    rows = (
        Appointment.objects.visible_to(actor)
        .filter(here | to_come, patient__in=patients)
        .select_related("site")
        .order_by("patient_id", "start_at")
        .distinct("patient_id")
    )
    return {
        row.patient_id: NextVisit(
            when=shown.local_time(row.start_at, row.site.zone),
            status=row.status,
            status_text=row.get_status_display(),
            url=reverse("admin:scheduling_appointment_change", args=[row.pk]),
        )
        for row in rows
    }
