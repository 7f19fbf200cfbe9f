"""The calendar entry that goes with an appointment's e-mails. Neutral words, one UID per appointment, so
that a later version replaces the earlier one in the patient's calendar."""

from datetime import datetime

from icalendar import Calendar, Event

from patients.gateways.base import Attachment

_TITLES = {"en": "appointment", "es": "cita"}


def entry(
    *,
    uid: str,
    sequence: int,
    site: str,
    language: str,
    start_at: datetime,
    end_at: datetime | None,
    stamped_at: datetime,
    cancelled: bool,
) -> Attachment:
    """An .ics file. PUBLISH, not REQUEST: calendars must not mail answers that nobody reads."""
    method = "CANCEL" if cancelled else "PUBLISH"
    event = Event()
    event.add("uid", uid)
    event.add("sequence", sequence)
    event.add("dtstamp", stamped_at)
    event.add("dtstart", start_at)
    if end_at is not None:
        event.add("dtend", end_at)
    event.add("summary", f"{site}: {_TITLES.get(language, _TITLES['en'])}")
    event.add("class", "PRIVATE")
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    calendar = Calendar()
    calendar.add("prodid", "-//Onset//Appointments//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    calendar.add_component(event)
    return Attachment(
        name="appointment.ics",
        content=calendar.to_ical(),
        content_type=f"text/calendar; method={method}; charset=utf-8",
    )
