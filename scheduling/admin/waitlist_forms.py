"""What a patient waits for, asked in days and hours; the service takes instants."""

from datetime import timedelta
from typing import Any

from django import forms

from clinic.access.admin.inputs import Day, Text, Tick, Version
from clinic.access.models import Site
from clinic.access.policy import Actor
from patients.models import Patient
from scheduling.admin.fields import Count, Pick, TimeOfDay, Weekdays, sites_to_book_at
from scheduling.domain.calendars import day_start
from scheduling.models import Course, VisitType, WaitlistEntry
from scheduling.services.waitlist import Wishes

_ONE_DAY = timedelta(days=1)
_MINUTES = 60


class WishesForm(forms.Form):
    """Between which days, on which weekdays, at what hours."""

    earliest = Day(label="From day")
    latest = Day(label="Until day", help_text="The last day, included.")
    weekdays = Weekdays(empty=[])
    earliest_time = TimeOfDay(label="Earliest start")
    latest_time = TimeOfDay(label="Latest start")
    priority = Count(
        min_value=0, max_value=9, required=False, help_text="0 to 9; 9 is asked first. Empty means 0."
    )
    notice_hours = Count(
        label="Hours of notice they need",
        min_value=0,
        max_value=14 * 24,
        required=False,
        help_text="Between hearing of it and the start. Empty: what is usual at the site.",
    )
    has_escort = Tick(label="An adult can take the patient home at short notice")
    note = Text(max_length=200, required=False)

    def wishes(self, site: Site) -> Wishes:
        """As the service takes them, days read on the calendar of the site."""
        given = self.cleaned_data
        hours = given["notice_hours"]
        return {
            "earliest_at": day_start(given["earliest"], site.zone),
            "latest_at": day_start(given["latest"] + _ONE_DAY, site.zone),
            "weekdays": given["weekdays"],
            "earliest_time": given["earliest_time"],
            "latest_time": given["latest_time"],
            "priority": given["priority"] or 0,
            "notice_minutes": None if hours is None else hours * _MINUTES,
            "has_escort": given["has_escort"],
            "note": given["note"],
        }


class NewForm(WishesForm):
    """With what is waited for: a kind of visit, or a session of one of the patient's courses."""

    site = Pick(Site.objects, empty_label=None)
    visit_type = Pick(VisitType.objects, required=False, empty_label="Choose")
    course = Pick(Course.objects, label="Or a session of", required=False, empty_label="No course")
    field_order = ("site", "visit_type", "course")

    def __init__(self, *args: Any, actor: Actor, patient: Patient, **options: Any) -> None:
        super().__init__(*args, **options)
        sites = sites_to_book_at(actor)
        self.fields["site"].queryset = sites  # type: ignore[attr-defined]
        types = VisitType.objects.visible_to(actor).filter(active=True)
        self.fields["visit_type"].queryset = types  # type: ignore[attr-defined]
        courses = Course.objects.visible_to(actor).filter(patient=patient, status=Course.Status.ACTIVE)
        course: Any = self.fields["course"]
        course.queryset = courses.filter(site__in=sites).select_related("template", "site")
        course.label_from_instance = _named
        if not course.queryset.exists():
            course.widget = forms.HiddenInput()


class ChangeForm(WishesForm):
    """With the version that was shown."""

    version = Version()

    @classmethod
    def initial_of(cls, entry: WaitlistEntry) -> dict[str, Any]:
        """What the entry says now."""
        zone, minutes = entry.site.zone, entry.notice_minutes
        last = entry.latest_at.astimezone(zone) - timedelta(microseconds=1)
        return {
            "version": entry.version,
            "earliest": entry.earliest_at.astimezone(zone).date().isoformat(),
            "latest": last.date().isoformat(),
            "weekdays": entry.weekdays,
            "earliest_time": entry.earliest_time,
            "latest_time": entry.latest_time,
            "priority": entry.priority,
            "notice_hours": None if minutes is None else -(-minutes // _MINUTES),
            "has_escort": entry.has_escort,
            "note": entry.note,
        }


def _named(course: Course) -> str:
    return f"{course.template.name}, {course.site.name}"
