"""Set-up of the background: the lists, the kinds of flags, the washouts. Rows are ended, never deleted."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from clinic.access.admin.inputs import Phrases
from patients.admin.catalogue import SharedAdmin, SharedForm
from patients.models import FlagKind, Term, Washout


@admin.register(Term)
class TermAdmin(SharedAdmin):
    """Symptoms, body sites, factors and their kin."""

    list_display = ("name", "kind", "code", "valid_from", "valid_until", "source", "mark")
    list_filter = (("kind", ChoicesDropdownFilter),)
    fields = (
        ("kind", "code"),
        ("name", "position"),
        "answers",
        ("valid_from", "valid_until"),
        ("source", "mark"),
    )
    empty_hint = "Add the words from which entries take their codes."

    def get_readonly_fields(self, request: HttpRequest, obj: Term | None = None) -> tuple[str, ...]:
        """A code keeps its meaning."""
        return ("kind", "code") if obj else ()


class FlagKindForm(SharedForm):
    """Words with commas between them."""

    medicine_classes = Phrases(help_text="Codes of medicine classes that raise it.")
    medicine_words = Phrases(help_text="Names of medicines that raise it.")
    concerns = Phrases(help_text="Codes of other conditions that raise it.")
    allergy_words = Phrases(help_text="Substances whose allergy raises it.")
    pregnancy_states = Phrases(help_text="Answers about pregnancy that raise it.")


@admin.register(FlagKind)
class FlagKindAdmin(SharedAdmin):
    """What is warned of, and what raises it. Changes count from the next change of a patient's record."""

    form = FlagKindForm
    list_display = ("name", "severity", "volatile", "early_contact", "source", "mark", "active")
    list_filter = (("severity", ChoicesDropdownFilter), "active")
    fields = (
        ("code", "name"),
        ("severity", "valid_days"),
        "advice",
        ("volatile", "early_contact", "active"),
        "medicine_classes",
        "medicine_words",
        "concerns",
        "allergy_words",
        "pregnancy_states",
        ("valid_from", "source", "mark"),
    )
    empty_hint = "Add what a prescriber should be warned of."

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A code keeps its meaning."""
        return ("code",) if obj else ()


class WashoutForm(SharedForm):
    """Words with commas between them."""

    from_classes = Phrases(help_text="The medicine that ends is of one of these classes.")
    from_words = Phrases(help_text="Or it has one of these names; a name beats a class.")
    to_classes = Phrases(help_text="The medicine that begins is of one of these classes.")


@admin.register(Washout)
class WashoutAdmin(SharedAdmin):
    """Days between one medicine and another."""

    form = WashoutForm
    list_display = ("code", "days", "source", "mark", "active")
    list_filter = ("active",)
    fields = (
        ("code", "days"),
        "from_classes",
        "from_words",
        "to_classes",
        ("valid_from", "source", "mark"),
        "active",
    )
    empty_hint = "Add the days that must lie between two medicines."
