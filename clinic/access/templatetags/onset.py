"""Template tags of the admin: the same words and times as in its lists."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django import template
from django.utils.safestring import SafeString

from clinic.access import shown

register = template.Library()


@register.filter
def local(instant: datetime | None, zone: ZoneInfo) -> str:
    """``{{ appointment.start_at|local:zone }}``."""
    return shown.local_time(instant, zone)


@register.filter
def clock(instant: datetime, zone: ZoneInfo) -> str:
    """``{{ appointment.start_at|clock:zone }}``."""
    return shown.clock_time(instant, zone)


@register.filter
def day(value: date | None) -> str:
    """``{{ follow_up.due_on|day }}``."""
    return shown.local_day(value)


@register.filter
def born(value: date) -> str:
    """``{{ patient.date_of_birth|born }}``."""
    return shown.birth_date(value)


@register.simple_tag
def status_label(value: str, text: str = "") -> SafeString:
    """``{% status_label item.status item.get_status_display %}``."""
    return shown.label(value, text)
