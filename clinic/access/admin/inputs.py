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


class Amount(forms.DecimalField):
    """An exact number."""

    widget = UnfoldAdminDecimalFieldWidget


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
