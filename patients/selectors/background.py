"""A person's background as it is held true now, and the catalogue that gives its codes their names."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from clinic.access.policy import Actor
from patients.domain.background import Codes
from patients.models import (
    Allergy,
    Condition,
    FamilyHistory,
    OtherCondition,
    OtherMedicine,
    PainAssessment,
    Patient,
    Pregnancy,
    Recorded,
    Symptom,
    Term,
)

MODELS: Mapping[str, type[Recorded]] = {
    "symptom": Symptom,
    "allergy": Allergy,
    "medicine": OtherMedicine,
    "relative": FamilyHistory,
    "pregnancy": Pregnancy,
    "other_condition": OtherCondition,
    "pain_assessment": PainAssessment,
}
"""Kind of entry -> where it is kept."""


@dataclass(frozen=True)
class Catalogue:
    """Every list at one reading: names by code, and what pain tests answer. ``condition`` is one of them."""

    names: Mapping[str, Mapping[str, str]]
    answers: Mapping[str, tuple[str, ...]]

    def name(self, kind: str, code: str) -> str:
        """What a code stands for; the code itself where the list has lost it."""
        return self.names.get(kind, {}).get(code, code)

    @property
    def codes(self) -> Codes:
        """As the rules take it."""
        return Codes(by_list=self.names, answers=self.answers)


def catalogue() -> Catalogue:
    """Two queries."""
    names: dict[str, dict[str, str]] = defaultdict(dict)
    answers: dict[str, tuple[str, ...]] = {}
    for term in Term.objects.order_by("kind", "position", "name"):
        names[term.kind][term.code] = term.name
        if term.kind == Term.Kind.PAIN_TEST:
            answers[term.code] = tuple(term.answers)
    names["condition"] = dict(Condition.objects.order_by("name").values_list("code", "name"))
    for kind in Term.Kind.values:
        names.setdefault(kind, {})
    return Catalogue(names=names, answers=answers)


def entries(kind: str, *, patient: Patient, actor: Actor) -> QuerySet[Any]:
    """Every entry of one kind, superseded ones and errors too. Raises Forbidden by role."""
    actor.require("background.read", patient.site_id)
    rows = MODELS[kind].objects.filter(patient=patient).select_related("superseded_by")
    return rows.prefetch_related("results") if kind == "pain_assessment" else rows


def background_of(patient: Patient, *, actor: Actor) -> dict[str, list[Any]]:
    """What is held true now, by kind, the latest recorded first. Raises Forbidden by role."""
    current = Recorded.Status.CURRENT
    return {kind: list(entries(kind, patient=patient, actor=actor).filter(status=current)) for kind in MODELS}


def told_of_pregnancy(patient: Patient) -> Pregnancy | None:
    """The answer that counts: the one about the latest day."""
    return Pregnancy.objects.filter(patient=patient).current().order_by("-as_of_on", "-id").first()


def reliable(told: Pregnancy, *, patient: Patient, now: datetime) -> bool:
    """Whether the answer may still be relied on, on the patient's calendar."""
    return told.expires_on is None or told.expires_on >= now.astimezone(patient.zone).date()
