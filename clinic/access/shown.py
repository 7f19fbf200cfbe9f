"""How the admin shows things: instants on the clocks of a place, statuses as text with a colour.

Colour never says anything that the text beside it does not say too.
"""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

NOTHING = "–"  # noqa: RUF001 - a dash, as typographers want it

VARIANTS: dict[str, str] = {
    "booked": "info",
    "confirmed": "primary",
    "arrived": "warning",
    "in_progress": "warning",
    "completed": "success",
    "no_show": "danger",
    "active": "success",
    "deceased": "danger",
    "queued": "info",
    "sending": "info",
    "sent": "success",
    "delivered": "success",
    "failed": "danger",
    "uncertain": "warning",
    "planned": "info",
    "answered": "success",
    "missed": "danger",
    "due": "info",
    "done": "success",
    "open": "info",
    "acknowledged": "primary",
    "resolved": "success",
    "urgent": "danger",
    "drift": "warning",
    "running": "info",
    "proposed": "warning",
    "accepted": "success",
    "moved": "success",
    "reassigned": "success",
    "stale": "warning",
    "refused": "danger",
    "offered": "warning",
    "taken": "success",
    "held": "warning",
    "used": "success",
}
"""Status word -> the variant of Unfold's label. What is not listed is over or unimportant: grey."""


def local_time(instant: datetime | None, zone: ZoneInfo) -> str:
    """``Mon, Jan 4, 2027, 9:00 AM MST``: the zone is always named."""
    if instant is None:
        return NOTHING
    return f"{local_day(instant.astimezone(zone).date())}, {clock_time(instant, zone)}"


def clock_time(instant: datetime, zone: ZoneInfo) -> str:
    """``9:00 AM MST``."""
    there = instant.astimezone(zone)
    return f"{there:%I:%M %p}".lstrip("0") + f" {there.tzname()}"


def local_day(day: date | None) -> str:
    """``Mon, Jan 4, 2027``."""
    return NOTHING if day is None else f"{day:%a, %b} {day.day}, {day.year}"


def short_day(day: date) -> str:
    """``Jan 4``, where the year is plain from what stands beside it."""
    return f"{day:%b} {day.day}"


def birth_date(day: date) -> str:
    """``May 17, 1980``: nobody asks for the weekday."""
    return f"{day:%b} {day.day}, {day.year}"


def label(value: str, text: str = "") -> SafeString:
    """A status as coloured text."""
    shown = {"text": text or value.replace("_", " "), "variant": VARIANTS.get(value, ""), "size": "md"}
    return SafeString(render_to_string("unfold/helpers/label.html", shown))


def link(url: str, text: object) -> SafeString:
    """A link in a table or a sentence."""
    return format_html('<a class="onset-link" href="{}">{}</a>', url, text)


def to(name: str, *args: Any, text: object) -> SafeString:
    """A link to an admin page by its name, such as ``patients_patient_change``."""
    return link(reverse(f"admin:{name}", args=args), text)


def stylesheet(_request: HttpRequest) -> str:
    """What UNFOLD's STYLES adds to every admin page."""
    return static("onset/admin.css")
