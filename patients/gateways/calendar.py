"""The calendar file that goes with e-mails about visits. Neutral words, one UID per appointment, so that a
later version replaces the earlier one in the patient's calendar."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import icalendar

from patients.gateways.base import Attachment

_TITLES = {"en": "appointment", "es": "cita"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One visit. The higher ``sequence`` of the same appointment counts."""

    appointment_id: int
    sequence: int
    start_at: datetime
    end_at: datetime | None


def entries(
    events: Iterable[Event], *, host: str, site: str, language: str, stamped_at: datetime, cancelled: bool
) -> Attachment:
    """An .ics file. PUBLISH, not REQUEST: calendars must not mail answers that nobody reads."""
    method = "CANCEL" if cancelled else "PUBLISH"
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Onset//Appointments//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    for each in events:
        event = icalendar.Event()
        event.add("uid", f"appointment-{each.appointment_id}@{host}")
        event.add("sequence", each.sequence)
        event.add("dtstamp", stamped_at)
        event.add("dtstart", each.start_at)
        if each.end_at is not None:
            event.add("dtend", each.end_at)
        event.add("summary", f"{site}: {_TITLES.get(language, _TITLES['en'])}")
        event.add("class", "PRIVATE")
        event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
        calendar.add_component(event)
    return Attachment(
        name="appointment.ics",
        content=calendar.to_ical(),
        content_type=f"text/calendar; method={method}; charset=utf-8",
    )
