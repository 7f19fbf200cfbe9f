"""A feed as an .ics file: visits in local time with their zones; the same plan gives the same bytes."""

from collections.abc import Sequence
from datetime import date, timedelta

import icalendar

from clinic.common.intervals import Interval
from scheduling.selectors.feeds import Entry

REFRESHED_EVERY = timedelta(hours=1)
_SUMMARY = "Visit"


def written(entries: Sequence[Entry], *, name: str, host: str, during: Interval) -> bytes:
    """The file. ``during`` bounds the changes of the clocks that it tells of."""
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Onset//Visits//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", REFRESHED_EVERY, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", REFRESHED_EVERY)
    for entry in entries:
        calendar.add_component(_event(entry, host=host))
    calendar.add_missing_timezones(
        first_date=date(during.start.year, 1, 1), last_date=date(during.end.year + 1, 1, 1)
    )
    content: bytes = calendar.to_ical()
    return content


def _event(entry: Entry, *, host: str) -> icalendar.Event:
    event = icalendar.Event()
    event.add("uid", f"visit-{entry.appointment_id}@{host}")
    event.add("sequence", entry.sequence)
    event.add("dtstamp", entry.planned_at)
    event.add("dtstart", entry.start_at.astimezone(entry.zone))
    event.add("dtend", entry.end_at.astimezone(entry.zone))
    event.add("summary", _SUMMARY)
    event.add("location", entry.place)
    event.add("class", "PRIVATE")
    event.add("status", "CANCELLED" if entry.cancelled else "CONFIRMED")
    return event
