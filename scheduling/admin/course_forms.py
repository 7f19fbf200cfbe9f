"""What a person is asked before a course is planned, and before it is changed."""

from typing import Any

from django import forms

from clinic.access.admin.inputs import Day, Text, Tick, Version
from clinic.access.models import Site
from clinic.access.policy import Actor
from scheduling.admin.fields import Count, Pick, TimeOfDay, Weekdays, sites_to_book_at
from scheduling.domain.courses import MAX_GAP_DAYS, MAX_SESSIONS
from scheduling.models import CourseTemplate
from scheduling.selectors.course_plans import Preferences


class WishesForm(forms.Form):
    """What suits the patient, on the clocks of the site."""

    weekdays = Weekdays()
    earliest = TimeOfDay(label="Earliest start")
    latest = TimeOfDay(label="Latest start")
    preferred_hour = TimeOfDay(label="Preferred start")
    same_nurse = Tick(label="Same nurse if possible")

    def clean(self) -> dict[str, Any]:
        """An empty window would be answered with reasons that lead nowhere."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        earliest, latest = given.get("earliest"), given.get("latest")
        if earliest and latest and latest < earliest:
            self.add_error("latest", "The latest start is before the earliest.")
        return given

    def preferences(self) -> Preferences:
        """As the planner takes them."""
        given = self.cleaned_data
        return Preferences(
            weekdays=None if given["weekdays"] is None else frozenset(given["weekdays"]),
            earliest=given["earliest"],
            latest=given["latest"],
            preferred=given["preferred_hour"],
            same_nurse=given["same_nurse"],
        )


class NewCourseForm(WishesForm):
    """Which course, where, from when on."""

    template = Pick(CourseTemplate.objects, label="Course", empty_label="Choose")
    site = Pick(Site.objects, empty_label=None)
    start_on = Day(label="Start on", help_text="That day or soon after.")
    sessions = Count(
        required=False, min_value=1, max_value=MAX_SESSIONS, help_text="Empty: the whole first series."
    )
    field_order = ("template", "site", "start_on", "sessions")

    def __init__(self, *args: Any, actor: Actor, **options: Any) -> None:
        super().__init__(*args, **options)
        templates = CourseTemplate.objects.visible_to(actor).filter(active=True, visit_type__active=True)
        self.fields["template"].queryset = templates.select_related("visit_type")  # type: ignore[attr-defined]
        self.fields["site"].queryset = sites_to_book_at(actor)  # type: ignore[attr-defined]


class MoreSessionsForm(WishesForm):
    """How many sessions to add."""

    count = Count(label="Sessions to add", min_value=1, max_value=MAX_SESSIONS, initial=1)
    field_order = ("count",)


class RestForm(WishesForm):
    """From when on to plan what is still to come."""

    start_on = Day(label="From", required=False, help_text="Empty: from tomorrow.")
    count = Count(
        label="Sessions",
        required=False,
        min_value=1,
        max_value=MAX_SESSIONS,
        help_text="Empty: those to come and those lost.",
    )
    field_order = ("start_on", "count")


class StopForm(forms.Form):
    """Why a course ends."""

    version = Version()
    reason = Text(max_length=200, label="Why it ends")


class IntervalForm(forms.Form):
    """One interval for everything after the series."""

    version = Version()
    interval_days = Count(label="Days between sessions", min_value=2, max_value=MAX_GAP_DAYS - 60)
    tolerance_days = Count(
        label="Give or take (days)",
        required=False,
        min_value=0,
        max_value=60,
        help_text="Empty: a seventh of the interval, at least one day.",
    )
    reason = Text(max_length=200, required=False)
