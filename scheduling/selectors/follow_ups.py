"""Reads about what is owed to patients: what is overdue, and what waits for somebody to be told so."""

from datetime import datetime

from django.db.models import Min, QuerySet

from patients.models import Patient
from scheduling.models import FollowUp


def overdue(*, now: datetime) -> QuerySet[FollowUp]:
    """Follow-ups whose time is over at their patient's site and that nobody has done or cancelled."""
    return FollowUp.objects.filter(status=FollowUp.Status.DUE, due_at__lte=now)


def unsurfaced() -> QuerySet[FollowUp]:
    """What is due and nobody was told of yet. People who are not patients any more are left alone."""
    return FollowUp.objects.filter(
        status=FollowUp.Status.DUE, surfaced_at__isnull=True, patient__status=Patient.Status.ACTIVE
    )


def next_overdue_at() -> datetime | None:
    """The earliest moment at which a follow-up becomes overdue and somebody is to be told."""
    earliest: datetime | None = unsurfaced().aggregate(at=Min("due_at"))["at"]
    return earliest
