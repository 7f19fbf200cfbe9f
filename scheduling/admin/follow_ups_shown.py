"""How follow-ups read wherever the admin shows them: on their own pages, on Today, on a patient's pages."""

from datetime import datetime

from clinic.access import shown
from scheduling.models import FollowUp


def due_text(row: FollowUp) -> str:
    """``Tue, Jan 5, 2027, 12:00 PM MST``: the patient's site must be there."""
    if row.due_time is None:
        return shown.local_day(row.due_on)
    return shown.local_time(row.due_at, row.patient.site.zone)


def origin_text(row: FollowUp) -> str:
    """What made it, as staff say it."""
    words = {
        "after_visit": "After a visit",
        "after_course": "After a course",
        "after_check_in": "After a check-in",
    }
    kind, _colon, _number = row.origin.partition(":")
    return words.get(row.origin, "Treatment plan" if kind == "plan_item" else row.origin.capitalize())


def follow_up_label(row: FollowUp, *, now: datetime) -> str:
    """Its status, or that it is overdue."""
    if row.status == FollowUp.Status.DUE and row.due_at <= now:
        return shown.label("missed", "Overdue")
    return shown.label(row.status, row.get_status_display())
