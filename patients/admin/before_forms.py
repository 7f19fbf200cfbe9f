"""Forms of the page read before prescribing: one for each kind of entry, with the catalogue's choices."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from clinic.access.admin.inputs import Amount, Choice, Day, Note, Text, Version
from patients.models import (
    Allergy,
    FamilyHistory,
    FlagKind,
    OtherMedicine,
    PainAssessment,
    PainResult,
    Pregnancy,
    Recorded,
)
from patients.selectors.background import Catalogue

RESULTS = 3
"""How many results of a pain assessment the form has room for, or as many as the one it corrects has."""
_RESULT = ("test", "question", "body_sites", "value", "unit", "finding")
_NONE = [("", "–")]  # noqa: RUF001 - a dash, as typographers want it


class Sites(forms.MultipleChoiceField):
    """Any of the body sites."""

    widget = UnfoldAdminCheckboxSelectMultipleWidget


class EntryForm(forms.Form):
    """An entry of the background. ``coded``: field -> the list its choices come from."""

    coded: Mapping[str, str] = {}

    def __init__(
        self, *args: Any, catalogue: Catalogue, entry: Recorded | None = None, **kwargs: Any
    ) -> None:
        if entry is not None:
            kwargs["initial"] = self.shown(entry)
        super().__init__(*args, **kwargs)
        for field, name in self.coded.items():
            choices = list(catalogue.names[name].items())
            plain = self.fields[field]
            blank = [] if isinstance(plain, Sites) else _NONE  # nothing is chosen by not looking
            plain.choices = [*blank, *choices]  # type: ignore[attr-defined]  # a field with choices
        self.fields["note"] = Text(max_length=500, required=False)
        if entry is not None:
            self.fields["version"] = Version()
            self.initial["version"] = entry.version

    def shown(self, entry: Recorded) -> dict[str, Any]:
        """What the entry says, as the form's first values."""
        return {name: getattr(entry, name, None) for name in [*self.base_fields, "note"]}

    def values(self) -> dict[str, Any]:
        """As the service takes them."""
        return {name: value for name, value in self.cleaned_data.items() if name != "version"}


class SymptomForm(EntryForm):
    """A symptom over time."""

    coded = {
        "symptom": "symptom",
        "body_sites": "body_site",
        "radiates_to": "body_site",
        "origin": "pain_origin",
    }
    symptom = Choice()
    body_sites = Sites(required=False, label="Where")
    radiates_to = Sites(required=False, label="Spreads to")
    severity = forms.IntegerField(
        required=False, min_value=0, max_value=10, widget=Amount.widget, help_text="0 none, 10 worst."
    )
    origin = Choice(required=False, label="Comes from")
    since_on = Day(required=False, label="Since")
    until_on = Day(required=False, label="Until")


class AllergyForm(EntryForm):
    """What must not be given."""

    substance = Text(max_length=120)
    reaction = Text(max_length=200, required=False)
    severity = Choice(choices=Allergy.Severity.choices)
    since_on = Day(required=False, label="Since")
    until_on = Day(required=False, label="Until")


class MedicineForm(EntryForm):
    """A medicine from elsewhere."""

    coded = {"medicine_class": "medicine_class"}
    name = Text(max_length=120)
    medicine_class = Choice(label="Class", help_text="Flags and washouts go by it.")
    dose = Text(max_length=120, required=False, help_text="In words, such as 75 mg in the morning.")
    from_on = Day(required=False, label="From")
    until_on = Day(required=False, label="Last taken on")
    source = Choice(choices=OtherMedicine.Source.choices, label="Known from")


class RelativeForm(EntryForm):
    """What a relative had, and what worked for them."""

    coded = {"condition": "condition"}
    relation = Choice(choices=FamilyHistory.Relation.choices)
    condition = Choice(required=False)
    condition_text = Text(max_length=120, required=False, label="Or in words")
    medicine = Text(max_length=120, required=False, label="Medicine they took")
    response = Choice(choices=FamilyHistory.Response.choices, label="How it worked for them")


class PregnancyForm(EntryForm):
    """An answer about pregnancy."""

    state = Choice(choices=Pregnancy.State.choices, label="Answer")
    basis = Choice(choices=Pregnancy.Basis.choices, label="Known from")
    as_of_on = Day(label="On")
    expires_on = Day(required=False, label="Counts until", help_text="30 days unless you say otherwise.")


class OtherConditionForm(EntryForm):
    """Another condition that bears on the choice."""

    coded = {"concern": "concern"}
    concern = Choice(label="Kind", help_text="Flags go by it.")
    name = Text(max_length=160, required=False, label="More exactly")
    code_text = Text(max_length=20, required=False, label="Diagnosis code")
    since_on = Day(required=False, label="Since")
    until_on = Day(required=False, label="Until")


class PainAssessmentForm(EntryForm):
    """Several results of one day."""

    assessed_on = Day(label="On")

    def __init__(
        self, *args: Any, catalogue: Catalogue, entry: PainAssessment | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, catalogue=catalogue, entry=entry, **kwargs)
        self.room = range(1, 1 + max(RESULTS, entry.results.count() if entry else 0))
        tests = [*_NONE, *catalogue.names["pain_test"].items()]
        sites = list(catalogue.names["body_site"].items())
        for number in self.room:
            self.fields |= {
                f"test_{number}": Choice(choices=tests, required=False, label=f"Result {number}: test"),
                f"question_{number}": Choice(
                    choices=PainResult.Question.choices, required=False, label="Answers"
                ),
                f"body_sites_{number}": Sites(choices=sites, required=False, label="Where"),
                f"value_{number}": Amount(required=False, max_digits=10, decimal_places=3, label="Value"),
                f"unit_{number}": Text(max_length=20, required=False, label="Unit"),
                f"finding_{number}": Text(max_length=500, required=False, label="Finding"),
            }

    def shown(self, entry: Any) -> dict[str, Any]:
        """With its results."""
        first = super().shown(entry)
        for result in entry.results.all():
            first |= {f"{name}_{result.number}": getattr(result, name) for name in _RESULT}
        return first

    def values(self) -> dict[str, Any]:
        """The rows that name a test are the results."""
        given = super().values()
        rows = [{name: given.pop(f"{name}_{number}") for name in _RESULT} for number in self.room]
        return {**given, "results": [row for row in rows if row["test"]]}


class FlagForm(forms.Form):
    """A flag by hand."""

    kind = Choice()
    value = Note(max_length=300, label="What was found")
    source = Text(max_length=160, required=False, label="Who or what says so")
    expires_on = Day(required=False, label="Counts until")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds: Iterable[tuple[str, str]] = FlagKind.objects.filter(active=True).values_list("code", "name")
        self.fields["kind"].choices = [*_NONE, *kinds]  # type: ignore[attr-defined]  # a field with choices


class AcknowledgeForm(forms.Form):
    """Why the prescriber goes on."""

    version = Version()
    reason = Note(max_length=300, label="Why you go on")
    until_on = Day(
        required=False, label="Holds until", help_text="Flags asked again every session hold today."
    )


class WhyForm(forms.Form):
    """Why an entry or a flag does not count."""

    version = Version()
    reason = Note(max_length=200, label="Why")


FORMS: Mapping[str, tuple[type[EntryForm], str]] = {
    "symptom": (SymptomForm, "symptom"),
    "allergy": (AllergyForm, "allergy"),
    "medicine": (MedicineForm, "medicine from elsewhere"),
    "relative": (RelativeForm, "family history"),
    "pregnancy": (PregnancyForm, "answer about pregnancy"),
    "other_condition": (OtherConditionForm, "other condition"),
    "pain_assessment": (PainAssessmentForm, "pain assessment"),
}
"""Kind of entry -> its form, and what it is called."""
