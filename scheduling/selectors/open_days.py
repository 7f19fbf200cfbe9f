"""On which dates a site is open: what follow-ups and contacts made by staff fall on.

A shift belongs to the day it starts on. A site whose own weekly hours are not set (only its resources
have hours, or nothing is set up yet) counts as open on weekdays.
"""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from clinic.access.models import Site
from clinic.common.intervals import Interval, subtract
from scheduling.domain.calendars import WeeklyHours
from scheduling.models import Closure, WorkingHours

_ONE_DAY = timedelta(days=1)
_WEEKDAYS = tuple(WeeklyHours(weekday, time(0), time(0)) for weekday in range(5))


def open_days(*, site: Site, first: date, last: date) -> Callable[[date], bool]:
    """Whether a date from ``first`` to ``last`` (both included) is open at the site. Two queries."""
    hours = [
        WeeklyHours(*row)
        for row in WorkingHours.objects.filter(site=site).values_list(
            "weekday", "start", "end", "valid_from", "valid_until"
        )
    ] or list(_WEEKDAYS)
    span_start, span_end = _midnight(first, site), _midnight(last + 2 * _ONE_DAY, site)
    closures = [
        Interval(start, end)
        for start, end in Closure.objects.filter(
            site=site, start_at__lt=span_end, end_at__gt=span_start
        ).values_list("start_at", "end_at")
    ]
    zone = site.zone
    found = set()
    for offset in range((last - first).days + 1):
        day = first + _ONE_DAY * offset
        shifts = [rule.on(day, zone) for rule in hours if rule.applies_on(day)]
        if subtract([shift for shift in shifts if shift is not None], closures):
            found.add(day)
    return found.__contains__


def _midnight(day: date, site: Site) -> datetime:
    return datetime.combine(day, time.min, site.zone)
