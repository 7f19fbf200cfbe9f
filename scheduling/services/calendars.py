"""Working hours and closures, written by managers.

A closure cancels nothing: it lists the visits it hits and opens a work item for each. It locks the
resources it closes, as bookings do, so that of a booking and a closure at the same moment either the
booking sees the closure or the closure lists the booking.
"""

from datetime import date, datetime, time
from typing import TypedDict

from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.access.services import lock_site
from clinic.common import changes as named
from clinic.common.errors import Conflict, FieldError, Invalid, NotFound
from clinic.common.transactions import durable
from clinic.common.versions import require_version
from scheduling.domain.calendars import DateOutOfRange, NonexistentLocalTime, refuse_skipped
from scheduling.models import Appointment, Closure, Resource, WorkingHours
from scheduling.selectors.closures import affected_appointments, with_affected
from scheduling.services import displaced, freed
from scheduling.services.allocations import lock_resources


class HoursChanges(TypedDict, total=False):
    """What may change about working hours."""

    weekday: int
    start: time
    end: time
    valid_from: date | None
    valid_until: date | None


class ClosureChanges(TypedDict, total=False):
    """What may change about a closure; instants keep the offset they were written with."""

    start_at: datetime
    end_at: datetime
    reason: str


@durable
def add_hours(
    *,
    actor: Actor,
    now: datetime,
    weekday: int,
    start: time,
    end: time,
    site_id: int | None = None,
    resource_id: int | None = None,
    valid_from: date | None = None,
    valid_until: date | None = None,
) -> WorkingHours:
    """Open a site, or one resource, every week from ``start`` to ``end`` on the clocks of the site.

    ``weekday`` is 0 for Monday. ``end`` at or before ``start`` is on the next day. Rows that overlap add up.
    A resource with rows of its own no longer follows its site's. Raises Invalid (``one_owner``,
    ``not_after_start``), NotFound, Forbidden.
    """
    owner_site = _site_of_owner(actor, site_id, resource_id)
    actor.require("setup.write", owner_site.pk)
    _check_validity(valid_from, valid_until)
    return WorkingHours.objects.create(
        site_id=site_id,
        resource_id=resource_id,
        weekday=weekday,
        start=start,
        end=end,
        valid_from=valid_from,
        valid_until=valid_until,
    )


@durable
def change_hours(
    *,
    actor: Actor,
    now: datetime,
    hours_id: int,
    expected_version: int | None,
    changes: HoursChanges,
) -> WorkingHours:
    """Change working hours. Bookings made under the old hours stay.

    Raises Invalid (``not_after_start``), StaleVersion, NotFound, Forbidden.
    """
    hours = _locked_hours(actor, hours_id, expected_version)
    _check_validity(
        changes.get("valid_from", hours.valid_from), changes.get("valid_until", hours.valid_until)
    )
    named.apply(hours, changes)
    return hours


@durable
def remove_hours(
    *,
    actor: Actor,
    now: datetime,
    hours_id: int,
    expected_version: int | None = None,
) -> None:
    """Remove working hours. Bookings made under them stay. Raises StaleVersion, NotFound, Forbidden."""
    _locked_hours(actor, hours_id, expected_version).delete()


@durable
def add_closure(
    *,
    actor: Actor,
    now: datetime,
    start: datetime,
    end: datetime,
    reason: str,
    site_id: int | None = None,
    resource_id: int | None = None,
) -> Closure:
    """Close a site, or one resource, from ``start`` up to ``end``; read what it hits with the selector.

    ``start`` and ``end`` keep the offset they were written with, so that a local time which the clocks skip
    is refused. Raises Invalid (``one_owner``, ``not_after_start``, ``nonexistent_local_time``), NotFound,
    Forbidden.
    """
    site = _site_of_owner(actor, site_id, resource_id)
    actor.require("setup.write", site.pk)
    start_at, end_at = _checked_span(start, end, site)
    if resource_id is not None:
        lock_resources([resource_id])
        closure = Closure.objects.create(
            resource_id=resource_id, start_at=start_at, end_at=end_at, reason=reason
        )
        return _announced(closure, now)
    return close(now=now, site=site, start_at=start_at, end_at=end_at, reason=reason)


def close(*, now: datetime, site: Site, start_at: datetime, end_at: datetime, reason: str) -> Closure:
    """Close a whole site, inside a caller's transaction. Visits that are hit get a work item each."""
    _lock_owner(site_id=site.pk, resource_id=None)
    closure = Closure.objects.create(site=site, start_at=start_at, end_at=end_at, reason=reason)
    return _announced(closure, now)


@durable
def change_closure(
    *,
    actor: Actor,
    now: datetime,
    closure_id: int,
    expected_version: int | None,
    changes: ClosureChanges,
) -> Closure:
    """Change when or why something is closed.

    Visits that it newly hits get a work item; the items of visits it no longer hits are resolved.
    Raises Invalid (``not_after_start``, ``nonexistent_local_time``), StaleVersion, NotFound, Forbidden.
    """
    known = _visible_closure(actor, closure_id)
    site = _site_of(known)
    actor.require("setup.write", site.pk)
    _lock_owner(site_id=known.site_id, resource_id=known.resource_id)
    closure = _locked_closure(closure_id, expected_version)
    start_at, end_at = _checked_span(
        changes.get("start_at", closure.start_at), changes.get("end_at", closure.end_at), site
    )
    named.apply(closure, {**changes, "start_at": start_at, "end_at": end_at})
    return _announced(closure, now)


@durable
def remove_closure(
    *, actor: Actor, now: datetime, closure_id: int, expected_version: int | None = None
) -> None:
    """Take back a closure that has not begun, and its work items with it.

    Raises Conflict (``closure_begun``: its past belongs to the record), StaleVersion, NotFound, Forbidden.
    """
    known = _visible_closure(actor, closure_id)
    actor.require("setup.write", _site_of(known).pk)
    closure = _locked_closure(closure_id, expected_version)
    if closure.start_at <= now:
        raise Conflict(
            "This closure has begun and stays on record. Change its end to reopen earlier.",
            code="closure_begun",
        )
    displaced.no_longer(cause=_cause(closure), still=(), note="The closure was taken back.", now=now)
    freed.reopened(closure, site_id=_site_of(known).pk, now=now)
    closure.delete()


def _announced(closure: Closure, now: datetime) -> Closure:
    """The closure with what it hits: a work item open for each, none left for what it no longer hits."""
    found = with_affected(Closure.objects.select_related("site", "resource__site")).get(pk=closure.pk)
    affected = affected_appointments(found)
    what = "The site is closed" if closure.site_id else "A person, chair or other resource is not available"
    displaced.ask_somebody(
        Appointment.objects.filter(pk__in=affected),
        kind="closure_hit",
        cause=_cause(closure),
        what=what,
        now=now,
    )
    displaced.no_longer(cause=_cause(closure), still=affected, note="The closure no longer hits it.", now=now)
    freed.closed(closure, site_id=_site_of(found).pk, now=now)
    return found


def _cause(closure: Closure) -> str:
    return f"closure:{closure.pk}"


def _lock_owner(*, site_id: int | None, resource_id: int | None) -> None:
    """Make bookings on what closes wait: the resource, or the site and all its resources in id order."""
    if resource_id is not None:
        lock_resources([resource_id])
    elif site_id is not None:
        lock_site(site_id=site_id)
        lock_resources(Resource.objects.filter(site_id=site_id).values_list("pk", flat=True))


def _site_of_owner(actor: Actor, site_id: int | None, resource_id: int | None) -> Site:
    """The site whose clocks and managers count. Raises Invalid (``one_owner``), NotFound."""
    if (site_id is None) == (resource_id is None):
        detail = "Give either a site or a resource."
        pointer = "/site" if site_id is None else "/resource"
        raise Invalid(detail, code="one_owner", errors=[FieldError(pointer, "one_owner", detail)])
    if site_id is not None:
        site = Site.objects.visible_to(actor).filter(pk=site_id).first()
    else:
        site = Site.objects.visible_to(actor).filter(resources=resource_id).first()
    if site is None:
        raise NotFound("This site or resource does not exist.")
    return site


def _site_of(row: Closure | WorkingHours) -> Site:
    if row.site is not None:
        return row.site
    assert row.resource is not None  # noqa: S101 - the constraints hours_one_owner and closure_one_owner
    return row.resource.site


def _locked_hours(actor: Actor, hours_id: int, expected_version: int | None) -> WorkingHours:
    hours = (
        WorkingHours.objects.visible_to(actor)
        .select_for_update(of=("self",))
        .select_related("site", "resource__site")
        .filter(pk=hours_id)
        .first()
    )
    if hours is None:
        raise NotFound("These working hours do not exist.")
    actor.require("setup.write", _site_of(hours).pk)
    require_version(hours, expected_version)
    return hours


def _visible_closure(actor: Actor, closure_id: int) -> Closure:
    found = (
        Closure.objects.visible_to(actor)
        .select_related("site", "resource__site")
        .filter(pk=closure_id)
        .first()
    )
    if found is None:
        raise NotFound("This closure does not exist.")
    return found


def _locked_closure(closure_id: int, expected_version: int | None) -> Closure:
    closure = Closure.objects.select_for_update().filter(pk=closure_id).first()
    if closure is None:
        raise NotFound("This closure does not exist.")
    require_version(closure, expected_version)
    return closure


def _checked_span(start: datetime, end: datetime, site: Site) -> tuple[datetime, datetime]:
    start_at = _instant(start, site, "/start")
    end_at = _instant(end, site, "/end")
    if end_at <= start_at:
        raise _not_after_start("/end", "The end must be after the start.")
    return start_at, end_at


def _instant(value: datetime, site: Site, pointer: str) -> datetime:
    try:
        return refuse_skipped(value, site.zone)
    except (NonexistentLocalTime, DateOutOfRange) as error:
        error.errors = (FieldError(pointer, error.code, error.detail),)
        raise


def _check_validity(valid_from: date | None, valid_until: date | None) -> None:
    if valid_from and valid_until and valid_until < valid_from:
        raise _not_after_start("/valid_until", "The last day must not be before the first.")


def _not_after_start(pointer: str, detail: str) -> Invalid:
    return Invalid(detail, code="not_after_start", errors=[FieldError(pointer, "not_after_start", detail)])
