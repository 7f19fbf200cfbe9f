"""The search parameters of FHIR: each reads a value and says which rows it leaves.

The idea to know: a date without a time is a day at the site where things happened, so it is compared in every
zone that the caller's sites have. Whatever cannot be read is a 400 that names the parameter and never repeats
its value.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q
from rest_framework.exceptions import ValidationError

from clinic.access.policy import Actor
from clinic.api.fields import FIRST_YEAR, LAST_YEAR, Unreadable, read_instant
from scheduling.fhir import value_sets
from scheduling.selectors import fhir as rows

_DATE = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb)?([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_MOMENT = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb)?([0-9]{4}-[0-9]{2}-[0-9]{2}T.{1,40})")
_SECONDS = re.compile(r"T[0-9]{2}:[0-9]{2}:")
_ID = re.compile(r"[0-9]{1,18}")
_DECEMBER = 12


@dataclass
class Asked:
    """Who asks, and when. What several parameters need is read once."""

    actor: Actor
    now: datetime

    @cached_property
    def zones(self) -> list[str]:
        """The zones of the caller's sites."""
        return rows.zones(self.actor)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter, as the CapabilityStatement declares it. ``narrow`` raises ValidationError (400)."""

    name: str
    kind: str
    documentation: str
    narrow: Callable[[str, Asked], Q]
    personal: bool = False
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """A comparison, by FHIR's ``prefix``, with the time from ``start`` up to, not including, ``end``."""

    prefix: str
    start: Any
    end: Any

    def on(self, column: str) -> Q:
        """Which values of this column are meant."""
        from_start, from_end = Q(**{f"{column}__gte": self.start}), Q(**{f"{column}__gte": self.end})
        to_start, to_end = Q(**{f"{column}__lt": self.start}), Q(**{f"{column}__lt": self.end})
        return {
            "eq": from_start & to_end,
            "ne": to_start | from_end,
            "gt": from_end,
            "sa": from_end,
            "lt": to_start,
            "eb": to_start,
            "ge": from_start,
            "le": to_end,
        }[self.prefix]


def refused(name: str, detail: str, *, code: str = "invalid") -> ValidationError:
    """The 400 for one parameter."""
    return ValidationError({name: [detail]}, code=code)


def pk(value: str, _asked: Asked) -> Q:
    """``_id``: one id, or several with commas. What is no id of ours is nobody's."""
    return Q(pk__in=[int(part) for part in value.split(",") if _ID.fullmatch(part)])


def ids(name: str, value: str, *kinds: str) -> list[int]:
    """The ids in a reference parameter: ``7``, ``Patient/7`` or its whole address, several with commas."""
    here = f"{settings.PUBLIC_URL}/fhir/r4/"
    found = []
    for part in value.split(","):
        kind, _slash, plain = part.removeprefix(here).rpartition("/")
        if not _ID.fullmatch(plain) or (kind and kind not in kinds):
            raise refused(name, f"Write an id, such as 7 or {kinds[0]}/7.")
        found.append(int(plain))
    return found


def reference(name: str, column: str, *kinds: str, documentation: str, repeats: bool = False) -> Parameter:
    """Rows that point to one of these."""
    return Parameter(
        name,
        "reference",
        documentation,
        lambda value, _asked: Q(**{f"{column}__in": ids(name, value, *kinds)}),
        repeats=repeats,
    )


def words(name: str, value: str, *, value_set: str) -> set[str]:
    """The codes in a token parameter, of a required value set; ``system|code`` is read as its code."""
    asked = {part.rpartition("|")[2] for part in value.split(",")}
    known = value_sets.CODES[value_set]
    if not asked <= known:
        raise refused(name, f"Use one of: {', '.join(sorted(known))}.")
    return asked


def status(column: str, table: Mapping[Any, str], *, value_set: str) -> Parameter:
    """Rows whose status is shown as one of the codes."""

    def narrow(value: str, _asked: Asked) -> Q:
        wanted = words("status", value, value_set=value_set)
        return Q(**{f"{column}__in": [ours.value for ours, code in table.items() if code in wanted]})

    return Parameter("status", "token", f"A code of {value_sets.CANONICAL}{value_set}.", narrow)


def moment(name: str, column: str, *, zone: str, documentation: str) -> Parameter:
    """Rows by an instant. ``zone`` is the column with the zone of the site."""

    def narrow(value: str, asked: Asked) -> Q:
        zones = asked.zones or ["UTC"]
        if len(zones) == 1 or "T" in value:
            return period(name, value, zone=ZoneInfo(zones[0])).on(column)
        ways = Q(pk__in=[])
        for each in zones:
            ways |= Q(**{zone: each}) & period(name, value, zone=ZoneInfo(each)).on(column)
        return ways

    return Parameter(name, "date", documentation, narrow, repeats=True)


def period(name: str, value: str, *, zone: ZoneInfo) -> Period:
    """What a date parameter means: a date is its day, month or year in ``zone``, a time its second or minute.

    Raises ValidationError (400).
    """
    if exact := _MOMENT.fullmatch(value):
        try:
            start = read_instant(exact[2])
        except Unreadable as error:
            hint = " In an address, write + as %2B." if " " in value else ""
            raise refused(name, error.detail + hint, code=error.code) from None
        lasts = timedelta(seconds=1) if _SECONDS.search(exact[2]) else timedelta(minutes=1)
        return Period(exact[1] or "eq", start, start + lasts)
    prefix, first, last = dates(name, value)
    return Period(prefix, *(datetime.combine(day, time(), zone) for day in (first, last)))


def dates(name: str, value: str) -> tuple[str, date, date]:
    """The prefix of a date, and the first day in it and the first after it. Raises ValidationError (400)."""
    match = _DATE.fullmatch(value)
    if match is None:
        raise refused(
            name,
            "Write a date as 2027, 2027-01 or 2027-01-04, or a time as 2027-01-04T09:00:00-07:00, "
            "after one of eq, ne, gt, lt, ge, le, sa, eb, or none.",
        )
    prefix, year, month, day = match[1] or "eq", int(match[2]), match[3], match[4]
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise refused(name, f"Use a year from {FIRST_YEAR} to {LAST_YEAR}.", code="out_of_range")
    try:
        first = date(year, int(month or 1), int(day or 1))
    except ValueError:
        raise refused(name, "There is no such date.") from None
    if day:
        return prefix, first, first + timedelta(days=1)
    if month and first.month < _DECEMBER:
        return prefix, first, date(year, first.month + 1, 1)
    return prefix, first, date(year + 1, 1, 1)
