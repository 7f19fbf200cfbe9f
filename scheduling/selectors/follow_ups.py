"""Reads about what is owed to patients by a day, on the calendar of the patient's site."""

from collections import defaultdict
from datetime import date, datetime

from django.db.models import Q, QuerySet

from clinic.access.models import Site
from scheduling.models import FollowUp


def overdue(*, now: datetime) -> QuerySet[FollowUp]:
    """Follow-ups whose day is over at their patient's site and that nobody has done or cancelled."""
    sites_by_day: dict[date, list[int]] = defaultdict(list)
    for site in Site.objects.only("id", "timezone"):
        sites_by_day[now.astimezone(site.zone).date()].append(site.pk)
    late = Q(pk__in=())
    for today, site_ids in sites_by_day.items():
        late |= Q(patient__site_id__in=site_ids, due_on__lt=today)
    return FollowUp.objects.filter(late, status=FollowUp.Status.DUE)
