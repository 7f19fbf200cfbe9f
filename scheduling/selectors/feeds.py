"""What a calendar feed holds: the visits that need a resource, without anything about who comes for what."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from clinic.access.actors import actor_of
from clinic.common.intervals import Interval
from clinic.common.tokens import hash_of
from scheduling.models import Allocation, Appointment, CalendarFeed, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One visit, as long as it needs the resources of the feed."""

    appointment_id: int
    sequence: int
    planned_at: datetime
    start_at: datetime
    end_at: datetime
    zone: ZoneInfo
    place: str
    cancelled: bool


def find(token: str) -> CalendarFeed | None:
    """The feed behind a token; None when it is unknown or revoked, or its person works here no more."""
    feed = (
        CalendarFeed.objects.select_related("resource__site", "user")
        .filter(token_hash=hash_of(token), revoked_at=None)
        .first()
    )
    if feed is None or feed.user is None:
        return feed
    return feed if feed.user.is_active and actor_of(feed.user).may("appointments.read") else None


def visits(feed: CalendarFeed, *, during: Interval) -> list[Entry]:
    """In order of start; a fixed number of queries. Cancelled visits and no-shows stay, as cancelled."""
    held = (
        Allocation.objects.filter(
            resource_id__in=_resources(feed),
            appointment__isnull=False,
            start_at__lt=during.end,
            end_at__gt=during.start,
        )
        .select_related("appointment__site")
        .order_by("appointment_id", "start_at")
    )
    seen: dict[int, Appointment] = {}
    needed: dict[int, list[Allocation]] = defaultdict(list)
    for row in held:
        visit = row.appointment
        if visit is not None and (visit.status in Appointment.FREES_RESOURCES or row.released_at is None):
            seen[visit.pk] = visit
            needed[visit.pk].append(row)
    chairs = _chairs(seen)
    entries = [_entry(visit, needed[pk], chairs.get(pk, "")) for pk, visit in seen.items()]
    return sorted(entries, key=lambda entry: (entry.start_at, entry.appointment_id))


def _resources(feed: CalendarFeed) -> list[int]:
    if feed.user is None:
        return [] if feed.resource_id is None else [feed.resource_id]
    actor = actor_of(feed.user)
    theirs = Resource.objects.filter(user=feed.user)
    if not actor.sees_every_site:
        theirs = theirs.filter(site_id__in=actor.sites("appointments.read"))
    return list(theirs.values_list("pk", flat=True))


def _chairs(visit_ids: Collection[int]) -> dict[int, str]:
    """Where each visit takes place."""
    rows = Allocation.objects.filter(appointment_id__in=visit_ids, resource__kind=Resource.Kind.CHAIR)
    named = rows.order_by("appointment_id", "released_at", "pk").values_list(
        "appointment_id", "resource__name"
    )
    found: dict[int, str] = {}
    for visit_id, name in named:
        found.setdefault(int(visit_id or 0), name)
    return found


def _entry(visit: Appointment, rows: list[Allocation], chair: str) -> Entry:
    where = [visit.site.discreet_name, chair]
    return Entry(
        appointment_id=visit.pk,
        sequence=visit.plan_version,
        planned_at=visit.scheduled_at,
        start_at=min(row.start_at for row in rows),
        end_at=max(row.end_at for row in rows),
        zone=visit.site.zone,
        place=", ".join(part for part in where if part),
        cancelled=visit.status in Appointment.FREES_RESOURCES,
    )
