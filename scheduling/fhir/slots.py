"""Slots are not kept: they are what the search for a visit finds free, on one resource, in a bounded time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from clinic.api.fields import Unreadable, read_instant
from clinic.common.intervals import Interval
from scheduling.fhir import parameters
from scheduling.fhir.kinds import Kind, Page, Wanted, no_cursor
from scheduling.fhir.mappers import appointments
from scheduling.fhir.parameters import Asked, Parameter, refused
from scheduling.models import Resource, VisitType
from scheduling.selectors import fhir as rows
from scheduling.selectors.availability import Visit
from scheduling.selectors.fhir import Free

MOST = timedelta(days=31)
_USUAL = timedelta(days=14)
_MINUTE = timedelta(minutes=1)
_ID = re.compile(r"([0-9]{1,18})-([0-9]{1,18})-([0-9]{8}T[0-9]{6}Z)")


def _searched(_value: str, _asked: Asked) -> Q:
    """There are no rows to narrow: see Slots."""
    return Q()


PARAMETERS = (
    Parameter("schedule", "reference", "Required: whose time.", _searched),
    Parameter(
        "start",
        "date",
        f"From now for {_USUAL.days} days by default, at most {MOST.days}.",
        _searched,
        repeats=True,
    ),
    Parameter("status", "token", "free: no others are given.", _searched),
    Parameter("service-type", "token", "The code of a visit type; all by default.", _searched),
)


@dataclass(frozen=True)
class Slots(Kind):
    """A bounded number of searches: one for each visit type that needs such a resource."""

    def read(self, pk: str, asked: Asked) -> Mapping[str, Any] | None:
        """The slot, as long as it is free."""
        match = _ID.fullmatch(pk)
        resource = match and _resource(int(match[1]), asked)
        if not match or not resource:
            return None
        try:
            start = datetime.fromisoformat(match[3])
        except ValueError:
            return None
        if not asked.now <= start <= asked.now + timedelta(days=1000):
            return None
        types = rows.bookable(pk=int(match[2]))
        window = Interval(start, start + _MINUTE)
        found = rows.free(resource, visit_types=types, window=window, now=asked.now)
        return _shown(resource, types, found[0]) if found else None

    def search(self, wanted: Wanted, asked: Asked) -> Page:
        """In order of start."""
        schedules = wanted.one("schedule")
        if schedules is None:
            raise refused("schedule", "Say whose time: schedule=Schedule/7.")
        ids = parameters.ids("schedule", schedules, "Schedule")
        if len(ids) > 1:
            raise refused("schedule", "Ask for one schedule at a time.")
        status = wanted.one("status") or "free"
        if parameters.words("status", status, value_set="slotstatus") != {"free"}:
            raise refused("status", "Only free slots are given. Appointments say what is taken.")
        types = _types(wanted.one("service-type"))
        resource = _resource(ids[0], asked)
        if resource is None:
            return Page([])
        window = _window(wanted, resource, asked)
        if window is None:
            return Page([])
        return _page(resource, types, window, wanted, asked)


def _page(resource: Resource, types: list[VisitType], window: Interval, wanted: Wanted, asked: Asked) -> Page:
    last = _last(wanted.after)
    if last is not None:
        if not window.start <= last.start < window.end:
            raise no_cursor()
        window = Interval(last.start, window.end)
    found = rows.free(resource, visit_types=types, window=window, now=asked.now)
    left = [each for each in found if last is None or each > last]
    page = left[: wanted.count]
    after = [page[-1].start, page[-1].visit_type_id] if len(left) > wanted.count else []
    return Page([_shown(resource, types, each) for each in page], after=after)


def _last(after: Any) -> Free | None:
    if not after:
        return None
    match after:
        case [str(start), int(visit_type_id)]:
            try:
                return Free(read_instant(start), visit_type_id)
            except Unreadable:
                raise no_cursor() from None
    raise no_cursor()


def _resource(pk: int, asked: Asked) -> Resource | None:
    return rows.resources(asked.actor).select_related("site").filter(pk=pk).first()


def _types(value: str | None) -> list[VisitType]:
    types = rows.bookable()
    if value is None:
        return types
    wanted = {part.rpartition("|")[2] for part in value.split(",")}
    if not wanted <= {each.code for each in types}:
        known = ", ".join(each.code for each in types)
        raise refused("service-type", f"Use one of: {known}.")
    return [each for each in types if each.code in wanted]


def _window(wanted: Wanted, resource: Resource, asked: Asked) -> Interval | None:
    """What ``start`` allows, none of it past. Raises ValidationError (400)."""
    since, until = [asked.now], []
    for value in wanted.values.get("start", ()):
        asked_for = parameters.period("start", value, zone=resource.site.zone)
        match asked_for.prefix:
            case "ne":
                raise refused(
                    "start", "Say from when to when, such as start=ge2027-01-04 and start=lt2027-01-11."
                )
            case "ge":
                since.append(asked_for.start)
            case "gt" | "sa":
                since.append(asked_for.end)
            case "lt" | "eb":
                until.append(asked_for.start)
            case "le":
                until.append(asked_for.end)
            case _:
                since.append(asked_for.start)
                until.append(asked_for.end)
    start = max(since)
    end = min(until, default=start + _USUAL)
    if end <= start:
        return None
    if end - start > MOST:
        raise refused("start", f"Ask for at most {MOST.days} days at once.", code="range_too_long")
    return Interval(start, end)


def _shown(resource: Resource, types: list[VisitType], free: Free) -> Mapping[str, Any]:
    visit_type = next(each for each in types if each.pk == free.visit_type_id)
    return appointments.slot(
        resource_id=resource.pk,
        visit_type=visit_type,
        start=free.start,
        minutes=Visit.of(visit_type).minutes,
        home=settings.PUBLIC_URL,
    )


SLOTS = Slots("Slot", "appointments.read", PARAMETERS, versioned=False)
