"""What the page of a session can do: each act has one form and one call of one service.

Every call carries the version that the page showed, so that the second of two people is told instead of
overwriting.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django import forms
from django.http import Http404
from django.utils.datastructures import MultiValueDict

from clinic.access.policy import Actor
from clinic.common.errors import DomainError
from scheduling.admin import session_forms as the
from scheduling.admin.session_facts import SessionFacts
from scheduling.domain.session_stages import SessionVerb
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, DoseProtocol
from scheduling.selectors import gates as gate_selector
from scheduling.services import (
    dosing,
    drug_log,
    gates,
    rems,
    session_steps,
    visit_steps,
    vitals,
)
from scheduling.services.dosing import Effect


@dataclass(frozen=True, kw_only=True)
class Doing:
    """Who does what to which session, as the page showed it."""

    actor: Actor
    now: datetime
    visit: Appointment
    key: str
    version: int
    visit_version: int

    @property
    def to_session(self) -> dict[str, Any]:
        """What the services of a session take first."""
        return {**self.to_visit, "expected_version": self.version}

    @property
    def to_visit(self) -> dict[str, Any]:
        """What every service takes first."""
        return {"actor": self.actor, "now": self.now, "appointment_id": self.visit.pk}

    @property
    def number(self) -> int:
        """The row that is meant. Raises Http404."""
        if not (self.key.isascii() and self.key.isdecimal() and len(self.key) < 19):  # noqa: PLR2004 - a bigint
            raise Http404("There is no such entry.")
        return int(self.key)


Make = Callable[[SessionFacts, str, Mapping[str, Any]], forms.BaseForm]
Work = Callable[[Doing, Any], str]


@dataclass(frozen=True)
class Act:
    """A form, made from what is known of the session; ``work`` calls the service and says what was done."""

    make: Make
    work: Work


def form_of(
    facts: SessionFacts, act: str, key: str = "", data: MultiValueDict[str, Any] | None = None
) -> forms.BaseForm:
    """The form of an act, with what was typed if this is the one that was sent. Raises Http404."""
    found = ACTS.get(act)
    if found is None:
        raise Http404("There is no such form.")
    return found.make(facts, key, {"data": data, "prefix": f"{act}-{key}" if key else act})


def _plain(form_class: type[forms.BaseForm]) -> Make:
    def make(_facts: SessionFacts, _key: str, options: Mapping[str, Any]) -> forms.BaseForm:
        return form_class(**options)

    return make


def _gate_form(facts: SessionFacts, key: str, options: Mapping[str, Any]) -> forms.BaseForm:
    return the.AnswersForm(**options, gates=[facts.gate(key)])


def _override_form(facts: SessionFacts, key: str, options: Mapping[str, Any]) -> forms.BaseForm:
    return the.OverrideForm(**options, initial={"about": facts.gate(key).about})


def _discharge_form(facts: SessionFacts, _key: str, options: Mapping[str, Any]) -> forms.BaseForm:
    return the.AnswersForm(**options, gates=facts.gates)


def _dose_form(facts: SessionFacts, _key: str, options: Mapping[str, Any]) -> forms.BaseForm:
    protocol = facts.doses.protocol if facts.doses else None
    fixed = protocol is not None and protocol.basis == DoseProtocol.Basis.FIXED_MG
    return the.DoseForm(**options, choices_mg=protocol.choices_mg if protocol and fixed else ())


def _rems_form(facts: SessionFacts, _key: str, options: Mapping[str, Any]) -> forms.BaseForm:
    if facts.rems is None:
        raise Http404("There is no REMS record yet.")
    return the.RemsForm(**options, instance=facts.rems.record)


def _step(doing: Doing, _form: Any) -> str:
    if doing.key == "undo":
        visit_steps.undo(**doing.to_visit, expected_version=doing.visit_version)
        return "The last step is taken back."
    if doing.key == SessionVerb.END:
        session_steps.end(**doing.to_session)
        return "The infusion has ended: recovery begins."
    try:
        verb = Verb(doing.key)
    except ValueError:
        raise Http404("There is no such step.") from None
    visit_steps.step(**doing.to_visit, verb=verb, expected_version=doing.visit_version)
    return _STEPPED.get(verb, "Done.")


_STEPPED = {
    Verb.CHECK_IN: "The patient is here.",
    Verb.START: "Started.",
    Verb.COMPLETE: "The visit is complete.",
}


def _answer(doing: Doing, form: Any) -> str:
    try:
        gates.answer(**doing.to_session, given=form.answers())
    except DomainError as refusal:
        raise the.at_questions(refusal) from None
    return "Answered."


def _override(doing: Doing, form: Any) -> str:
    given = form.cleaned_data
    gates.override(**doing.to_session, gate=doing.key, reason=given["reason"], about=given["about"])
    return "Decided: going on without it."


def _discharge(doing: Doing, form: Any) -> str:
    try:
        found = session_steps.discharge(**doing.to_session, given=form.answers(only_given=True))
    except DomainError as refusal:
        raise the.at_questions(refusal) from None
    if found.open:
        raise gate_selector.refusal(found.open, step="Going home")
    return "Discharged."


def _weigh(doing: Doing, form: Any) -> str:
    weighed = dosing.weigh(**doing.to_session, weight_kg=form.cleaned_data["weight_kg"])
    order = weighed.order
    dose = f"{order.mg.normalize():f} mg over {order.minutes} min" if order else ""
    return {
        Effect.PROPOSED: f"Weighed. The dose by protocol: {dose}.",
        Effect.RECALCULATED: f"The weight changed, so the dose was calculated anew: {dose}.",
        Effect.UNCHANGED: f"Weighed. The dose stays {dose}.",
        Effect.KEPT: f"Weighed. The dose stays {dose}: a prescriber looks at it again.",
        Effect.NONE: "Weighed. No dose follows by itself: order one.",
    }[weighed.effect]


def _order(doing: Doing, form: Any) -> str:
    order = dosing.order(**doing.to_session, **form.cleaned_data)
    return f"Ordered: {order.mg.normalize():f} mg over {order.minutes} min."


def _reading(doing: Doing, form: Any) -> str:
    given = dict(form.cleaned_data)
    symptoms, at = given.pop("symptoms"), given.pop("measured_at")
    reading = vitals.record(**doing.to_session, values=given, symptoms=symptoms, measured_at=at)
    return _LEVELS.get(reading.level, "Recorded.")


_LEVELS = {
    "acknowledge": "Recorded. It reached a threshold: acknowledge it.",
    "review": "Recorded. A prescriber reviews it: they have been asked.",
    "urgent": "Recorded as URGENT. Stay with the patient; a prescriber has been called.",
}


def _acknowledge(doing: Doing, form: Any) -> str:
    vitals.acknowledge(**doing.to_session, reading_id=doing.number, note=form.cleaned_data["note"])
    return "Acknowledged."


def _strike_reading(doing: Doing, form: Any) -> str:
    vitals.strike(**doing.to_session, reading_id=doing.number, reason=form.cleaned_data["reason"])
    return "Struck. It stays to be seen, and counts no more."


def _drug(doing: Doing, form: Any) -> str:
    entry = drug_log.record(**doing.to_session, **form.cleaned_data)
    return f"Logged: {entry.mg.normalize():f} mg {entry.get_kind_display().lower()}."


def _witness(doing: Doing, _form: Any) -> str:
    drug_log.witness(**doing.to_session, entry_id=doing.number)
    return "Signed as the witness."


def _strike_entry(doing: Doing, form: Any) -> str:
    drug_log.strike(**doing.to_session, entry_id=doing.number, reason=form.cleaned_data["reason"])
    return "Struck. It stays in the log, and counts no more."


def _fill_in(doing: Doing, form: Any) -> str:
    rems.fill_in(**doing.to_session, answers={name: form.cleaned_data[name] for name in rems.FIELDS})
    return "Saved."


def _submit(doing: Doing, _form: Any) -> str:
    rems.submit(**doing.to_session)
    return "The form is marked as submitted."


ACTS: Mapping[str, Act] = MappingProxyType(
    {
        "step": Act(_plain(the.StepForm), _step),
        "gate": Act(_gate_form, _answer),
        "override": Act(_override_form, _override),
        "weigh": Act(_plain(the.WeightForm), _weigh),
        "dose": Act(_dose_form, _order),
        "reading": Act(_plain(the.ReadingForm), _reading),
        "acknowledge": Act(_plain(the.NoteForm), _acknowledge),
        "strike-reading": Act(_plain(the.ReasonForm), _strike_reading),
        "drug": Act(_plain(the.DrugForm), _drug),
        "witness": Act(_plain(the.StepForm), _witness),
        "strike-entry": Act(_plain(the.ReasonForm), _strike_entry),
        "rems": Act(_rems_form, _fill_in),
        "rems-submit": Act(_plain(the.StepForm), _submit),
        "discharge": Act(_discharge_form, _discharge),
    }
)


@dataclass(frozen=True)
class Sent:
    """The form that was sent and refused."""

    act: str
    key: str
    form: forms.BaseForm


class Forms:
    """The forms of the page; the one that was sent takes the place of a fresh one."""

    def __init__(self, facts: SessionFacts, sent: Sent | None) -> None:
        self._facts, self._sent = facts, sent

    def get(self, act: str, key: object = "") -> dict[str, Any]:
        """The form with its act and key, for the template."""
        mine = self._sent is not None and (act, str(key)) == (self._sent.act, self._sent.key)
        form = self._sent.form if self._sent and mine else form_of(self._facts, act, str(key))
        return {"act": act, "key": str(key), "form": form, "sent": mine}
