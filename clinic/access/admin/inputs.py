"""Form fields of the pages that call one service: Unfold's looks, browsers' own date pickers."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)


class Text(forms.CharField):
    """A line of text."""

    widget = UnfoldAdminTextInputWidget


class Note(forms.CharField):
    """A few lines of text."""

    widget = UnfoldAdminTextareaWidget


class Day(forms.DateField):
    """A calendar date."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"widget": UnfoldAdminTextInputWidget({"type": "date"}), **kwargs})


class Time(forms.TimeField):
    """A time of day."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"widget": UnfoldAdminTextInputWidget({"type": "time"}), **kwargs})


class Amount(forms.DecimalField):
    """An exact number."""

    widget = UnfoldAdminDecimalFieldWidget


class Phrases(forms.Field):
    """A list of words or phrases as text: one to a line, or with commas between them."""

    widget = UnfoldAdminTextareaWidget

    def __init__(self, *, separator: str = ",", **kwargs: Any) -> None:
        super().__init__(**{"required": False, **kwargs})
        self.separator = separator
        self.widget.attrs["rows"] = 2

    def to_python(self, value: Any) -> list[str]:
        """The parts that say anything."""
        return [part.strip() for part in str(value or "").split(self.separator) if part.strip()]

    def prepare_value(self, value: Any) -> Any:
        """The list as text; what was typed stays as it was typed."""
        glue = self.separator if self.separator == "\n" else f"{self.separator} "
        return glue.join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compared as lists."""
        return self.to_python(data) != list(initial or [])


class Tick(forms.BooleanField):
    """Yes or no."""

    widget = UnfoldBooleanWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, **kwargs})


class Choice(forms.ChoiceField):
    """One of a few."""

    widget = UnfoldAdminSelectWidget


class Version(forms.IntegerField):
    """The version of the record that the page showed."""

    def __init__(self) -> None:
        super().__init__(min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)
