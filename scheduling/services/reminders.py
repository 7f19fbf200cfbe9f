"""Keeps a visit's messages equal to what its plan wants, in the transaction that changed the visit."""

from datetime import datetime

from django.db.models import Q

from patients.models import Patient
from patients.services import outreach
from scheduling.domain import reminders as domain
from scheduling.domain.transitions import Status
from scheduling.models import Appointment, ReminderRule

SUBJECT = "appointment"


def refresh(*, appointment: Appointment, patient: Patient, now: datetime, reason: str) -> None:
    """Queue, replace or withdraw the messages of a visit. The patient row is locked by the caller."""
    status = Status(appointment.status)
    wanted = []
    if status in domain.AWAITED:
        visit = domain.Visit(
            start_at=appointment.start_at,
            zone=patient.zone,
            scheduled_at=appointment.scheduled_at,
            status=status,
            first_visit=_is_first(appointment),
            context={
                "start_at": appointment.start_at.isoformat(),
                "end_at": appointment.end_at.isoformat(),
                "timezone": appointment.site.timezone,
                "site": appointment.site.discreet_name,
                "phone": appointment.site.phone,
            },
        )
        wanted = domain.plan(visit=visit, rules=_rules(appointment))
    outreach.reconcile(
        patient=patient,
        subject_kind=SUBJECT,
        subject_id=appointment.pk,
        plan_version=appointment.plan_version,
        wanted=wanted,
        now=now,
        reason=reason,
    )


def _rules(appointment: Appointment) -> list[domain.Rule]:
    rows = ReminderRule.objects.filter(
        Q(visit_type=None) | Q(visit_type=appointment.visit_type_id),
        Q(site=None) | Q(site=appointment.site_id),
        active=True,
    )
    return [
        domain.Rule(
            kind=row.kind,
            anchor=domain.Anchor(row.anchor),
            minutes_before=row.minutes_before,
            late_minutes=row.late_minutes,
            first_visit_only=row.first_visit_only,
            email=row.email,
            sms=row.sms,
            specificity=2 * (row.visit_type_id is not None) + (row.site_id is not None),
        )
        for row in rows
    ]


def _is_first(appointment: Appointment) -> bool:
    """Whether the patient has no earlier visit that took or will take place."""
    earlier = Appointment.objects.filter(
        patient_id=appointment.patient_id, start_at__lt=appointment.start_at
    ).exclude(status__in=Appointment.FREES_RESOURCES)
    return not earlier.exists()
