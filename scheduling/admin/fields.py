"""Form fields of scheduling's own pages: weekdays, times of day and instants on the clocks of a site."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.db.models import QuerySet
from unfold.widgets import (
    CHECKBOX_CLASSES,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from clinic.access.models import Site
from clinic.access.policy import Actor

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def spoken_weekdays(days: list[int] | None) -> str:
    """``Mon, Wed, Fri``; none at all means any day."""
    return ", ".join(WEEKDAYS[day][:3] for day in sorted(days)) if days else "any day"


class WeekdayBoxes(forms.CheckboxSelectMultiple):
    """Seven boxes on a line."""

    template_name = "admin/scheduling/weekdays.html"
    input_type = "checkboxes"
    """Unfold puts the label of what says "checkbox" behind it, as for a single box."""

    def __init__(self) -> None:
        super().__init__(attrs={"class": " ".join(CHECKBOX_CLASSES)})

    def create_option(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Each is a box all the same."""
        return {**super().create_option(*args, **options), "type": "checkbox"}


class Weekdays(forms.TypedMultipleChoiceField):
    """Days of the week as a list of numbers, 0 for Monday; nothing chosen is ``empty``."""

    def __init__(self, *, empty: Any = None, **options: Any) -> None:
        super().__init__(
            **{
                "choices": [(number, day[:3]) for number, day in enumerate(WEEKDAYS)],
                "coerce": int,
                "empty_value": empty,
                "widget": WeekdayBoxes,
                "required": False,
                "help_text": "None chosen means any day.",
                **options,
            }
        )

    def clean(self, value: Any) -> Any:
        """In order."""
        chosen = super().clean(value)
        return sorted(chosen) if chosen else self.empty_value

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compared as days, whatever the order."""
        return {str(day) for day in initial or ()} != {str(day) for day in data or ()}


class TimeOfDay(forms.TimeField):
    """Hours and minutes on the clocks of the site."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **{"widget": UnfoldAdminTextInputWidget({"type": "time"}), "required": False, **options}
        )


class Moment(forms.DateTimeField):
    """A day and a time as the clocks of the site show them; :func:`on_clocks` makes an instant of it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"widget": UnfoldAdminTextInputWidget({"type": "datetime-local"}), **options})


class Count(forms.IntegerField):
    """A whole number within bounds."""

    widget = UnfoldAdminIntegerFieldWidget


def on_clocks(value: datetime, zone: ZoneInfo) -> datetime:
    """What was typed, read on the clocks of the place."""
    return value.replace(tzinfo=zone)


class Pick(forms.ModelChoiceField[Any]):
    """One of some rows, chosen from a list that the page sets."""

    def __init__(self, rows: Any, **options: Any) -> None:
        super().__init__(rows.none(), **{"widget": UnfoldAdminSelectWidget, **options})


def sites_to_book_at(actor: Actor) -> QuerySet[Site]:
    """Where this person may book."""
    sites = Site.objects.filter(active=True).order_by("name")
    return sites if actor.sees_every_site else sites.filter(pk__in=actor.sites("appointments.write"))
