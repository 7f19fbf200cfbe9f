"""The small forms on the page of an infusion session. Each belongs to one service, which judges its values.

The forms read text as values and no more: what is missing, impossible or not allowed the service says, and
the sentence appears at the form.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone

from clinic.access.admin.inputs import Amount, Day, Note, Text, Tick
from clinic.common.errors import DomainError, FieldError
from scheduling.domain.dosing import MOST_MINUTES
from scheduling.domain.gate_answers import QUESTIONS, Kind, Question
from scheduling.domain.gates import Gate
from scheduling.domain.vitals import MEASURES
from scheduling.models import DrugLogEntry, RemsRecord

_YES_NO = (("yes", "Yes"), ("no", "No"))
_POINTS = (("2", "2"), ("1", "1"), ("0", "0"))
NONE = "__none"
"""Of a day or an instant: the tick that says there is none."""


class Moment(forms.DateTimeField):
    """A date and time on the clocks of the site (the page is made in its zone)."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(**{"required": False, "widget": widget, **kwargs})


class Count(forms.IntegerField):
    """A whole number, on a phone with the digits at hand."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput({"inputmode": "numeric", "autocomplete": "off"})
        super().__init__(**{"required": False, "widget": widget, **kwargs})


class Decimals(Amount):
    """An exact number, on a phone with digits and the point at hand."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput({"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(**{"required": False, "widget": widget, **kwargs})


class OneOf(forms.ChoiceField):
    """One of a few, as buttons to tap."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "widget": forms.RadioSelect, **kwargs})


class AnswersForm(forms.Form):
    """The questions of one gate, or of several at once: ``<gate>__<question>``."""

    def __init__(self, *args: Any, gates: Sequence[Gate], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gates = [gate for gate in gates if gate.code in QUESTIONS]
        for gate in self._gates:
            for question in QUESTIONS[gate.code]:
                self._ask(gate, question)

    def _ask(self, gate: Gate, question: Question) -> None:
        name = f"{gate.code}__{question.name}"
        known = gate.answers or {}
        self.fields[name] = _field(question)
        if question.null_means:
            self.fields[f"{name}{NONE}"] = Tick(label=question.null_means.capitalize())
        if question.name not in known:
            return
        value = known[question.name]
        if value is None:
            self.initial[f"{name}{NONE}"] = True
        else:
            self.initial[name] = _shown(question, value)

    def answers(self, *, only_given: bool = False) -> dict[str, dict[str, Any]]:
        """As the services take them; questions left open are not among them. ``only_given``: nor are gates of
        which nothing was answered."""
        found = {
            gate.code: {
                question.name: value
                for question in QUESTIONS[gate.code]
                if (value := self._given(f"{gate.code}__{question.name}", question)) is not _OPEN
            }
            for gate in self._gates
        }
        return {code: given for code, given in found.items() if given or not only_given}

    def _given(self, name: str, question: Question) -> Any:
        value = self.cleaned_data.get(name)
        if value in {None, ""}:
            return None if self.cleaned_data.get(f"{name}{NONE}") else _OPEN
        match question.kind:
            case Kind.YES_NO:
                return value == "yes"
            case Kind.POINTS:
                return int(value)
            case Kind.DAY | Kind.INSTANT:
                return value.isoformat()
        return value


_OPEN = object()


def _field(question: Question) -> forms.Field:
    label = question.words
    match question.kind:
        case Kind.YES_NO:
            return OneOf(label=label, choices=_YES_NO)
        case Kind.POINTS:
            return OneOf(label=label, choices=_POINTS)
        case Kind.CHOICE:
            choices = [(each, each.replace("_", " ").capitalize()) for each in question.choices]
            return OneOf(label=label, choices=choices)
        case Kind.DAY:
            return Day(label=label, required=False)
        case Kind.INSTANT:
            return Moment(label=label)
    return Text(label=label, required=False, max_length=question.longest)


def _shown(question: Question, value: Any) -> Any:
    if question.kind == Kind.YES_NO:
        return "yes" if value else "no"
    if question.kind == Kind.INSTANT:
        return datetime.fromisoformat(value).astimezone(timezone.get_current_timezone())
    return value


def at_questions(refusal: DomainError) -> DomainError:
    """A refusal of answers with its faults at the fields of :class:`AnswersForm`."""
    refusal.errors = tuple(_at_question(error) for error in refusal.errors)
    return refusal


def _at_question(error: FieldError) -> FieldError:
    root, _slash, rest = error.pointer.strip("/").partition("/")
    if root != "answers" or not rest:
        return error
    return FieldError(f"/{rest.replace('/', '__')}", error.code, error.detail)


class StepForm(forms.Form):
    """A step needs nothing but the tap."""


class OverrideForm(forms.Form):
    """To go on although a gate is not passed."""

    reason = Text(label="Why it is right to go on without it", max_length=300, required=False)
    about = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)


class ReasonForm(forms.Form):
    """To strike something entered in error."""

    reason = Text(label="What was wrong", max_length=200, required=False)


class NoteForm(forms.Form):
    """To acknowledge a reading."""

    note = Text(label="What was done", max_length=300, required=False)


class WeightForm(forms.Form):
    """The weight on the day."""

    weight_kg = Decimals(label="Weight, kg", max_digits=5, decimal_places=1, required=True)


class DoseForm(forms.Form):
    """What is left empty is as calculated."""

    mg = Decimals(label="Total, mg", max_digits=8, decimal_places=2)
    mg_per_h = Decimals(label="or rate, mg/h", max_digits=8, decimal_places=2)
    minutes = Count(label="Over minutes", min_value=1, max_value=MOST_MINUTES)
    reason = Text(label="Reason, when it differs from the protocol", max_length=300, required=False)

    def __init__(self, *args: Any, choices_mg: Sequence[Any] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if choices_mg:
            shown = [(f"{each.normalize():f}", f"{each.normalize():f} mg") for each in choices_mg]
            self.fields["mg"] = forms.TypedChoiceField(
                label="Dose",
                choices=shown,
                required=False,
                empty_value=None,
                widget=forms.RadioSelect,
                coerce=forms.DecimalField().to_python,
            )
            del self.fields["mg_per_h"]


class ReadingForm(forms.Form):
    """One set of vital signs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, measure in MEASURES.items():
            label = f"{_SHORT[name]}, {measure.unit}"
            exact = name == "temperature_c"
            self.fields[name] = Decimals(label=label, decimal_places=1) if exact else Count(label=label)
        self.fields["symptoms"] = Text(
            label="Symptoms",
            max_length=300,
            required=False,
            help_text="Only when there are any: whatever is written here is urgent.",
        )
        self.fields["measured_at"] = Moment(label="Measured", help_text="Empty: just now.")


_SHORT: Mapping[str, str] = {
    "systolic": "Systolic",
    "diastolic": "Diastolic",
    "heart_rate": "Pulse",
    "spo2": "SpO2",
    "respiratory_rate": "Breaths",
    "temperature_c": "Temperature",
}


class DrugForm(forms.Form):
    """Drawn, given or wasted."""

    kind = OneOf(label="What", choices=DrugLogEntry.Kind.choices, required=True)
    mg = Decimals(label="Amount, mg", max_digits=8, decimal_places=2, min_value=0, required=True)
    lot = Text(label="Lot", max_length=40, required=False)
    note = Text(label="Note", max_length=200, required=False)
    at = Moment(label="When", help_text="Empty: just now.")


class RemsForm(forms.ModelForm[RemsRecord]):
    """What the monitoring form asks of people. Empty answers are taken back."""

    class Meta:
        model = RemsRecord
        fields = (
            "dose_mg",
            "lot",
            "dosed_at",
            "benzodiazepine",
            "stimulant",
            "maoi",
            "opioid",
            "sedation_resolved_at",
            "dissociation_resolved_at",
            "serious_event",
            "readings_not_taken",
        )

    dose_mg = Decimals(label="Dose, mg", max_digits=7, decimal_places=2)
    dosed_at = Moment(label="First device used")
    sedation_resolved_at = Moment(
        label="Sedation resolved", help_text="When it was looked for, if there was none."
    )
    dissociation_resolved_at = Moment(
        label="Dissociation resolved", help_text="When it was looked for, if there was none."
    )
    lot = Text(label="Lot of the devices", max_length=40, required=False)
    serious_event = Note(label="Serious adverse event, if there was one", max_length=500, required=False)
    readings_not_taken = Text(
        label="Why a blood pressure was not taken, if one was not", max_length=200, required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in (
            ("benzodiazepine", "Takes a benzodiazepine"),
            ("stimulant", "Takes a stimulant"),
            ("maoi", "Takes an MAO inhibitor"),
            ("opioid", "Takes an opioid"),
        ):
            self.fields[name] = forms.TypedChoiceField(
                label=label,
                choices=(("True", "Yes"), ("False", "No")),
                required=False,
                empty_value=None,
                coerce=lambda value: value == "True",
                widget=forms.RadioSelect,
            )

    def _post_clean(self) -> None:
        """The service decides; the record itself is not touched here."""
