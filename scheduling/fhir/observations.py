"""Observations come from several tables: each source is one sort of them, and pages go from source to source.

An id says its source: ``score-7``, ``bp-12``, ``weight-3``.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from clinic.access.policy import Actor
from scheduling.fhir import parameters
from scheduling.fhir.kinds import Kind, Page, Wanted, no_cursor, ordered
from scheduling.fhir.mappers import elements, observations
from scheduling.fhir.mappers.observations import PRESSURE, SIGNS, WEIGHT, Sign
from scheduling.fhir.parameters import Asked, Parameter
from scheduling.selectors import fhir as rows

CATEGORIES = ("survey", "vital-signs")
_ID = re.compile(r"([a-z0-9]{2,6})-([0-9]{1,18})")


@dataclass(frozen=True)
class Source:
    """One sort of observation: its rows, and what its columns mean."""

    name: str
    category: str
    rows: Callable[[Actor], QuerySet[Any]]
    show: Callable[[Any], Mapping[str, Any]]
    patient: str
    zone: str
    measured_at: str
    code: Callable[[set[str]], Q]
    """Which rows have one of these LOINC codes."""


def _has(sign: Sign) -> Callable[[set[str]], Q]:
    return lambda wanted: Q() if wanted & set(sign.loinc) else Q(pk__in=[])


def _measured(sign: Sign) -> Callable[[Actor], QuerySet[Any]]:
    columns = ("systolic", "diastolic") if sign is PRESSURE else (sign.column,)
    there = {f"{column}__isnull": False for column in columns}
    return lambda actor: rows.readings(actor).filter(**there)


def _score(row: Any) -> Mapping[str, Any]:
    return observations.score(row, points=row.score, corrected_at=row.corrected_at, home=settings.PUBLIC_URL)


def _weight(row: Any) -> Mapping[str, Any]:
    return observations.weight(row, measured_at=row.weighed_at, kg=row.weight_kg)


SOURCES = (
    Source(
        "score",
        "survey",
        lambda actor: rows.assessments(actor).filter(score__isnull=False),
        _score,
        "patient_id",
        "patient__site__timezone",
        "answered_at",
        lambda wanted: Q(instrument__total_loinc__in=wanted - {""}),
    ),
    *(
        Source(
            sign.name,
            "vital-signs",
            _measured(sign),
            partial(observations.vital, sign=sign),
            "session__appointment__patient_id",
            "session__appointment__site__timezone",
            "measured_at",
            _has(sign),
        )
        for sign in SIGNS
    ),
    Source(
        WEIGHT.name,
        "vital-signs",
        rows.weights,
        _weight,
        "appointment__patient_id",
        "appointment__site__timezone",
        "weighed_at",
        _has(WEIGHT),
    ),
)


def _in_each(_value: str, _asked: Asked) -> Q:
    """Columns differ from source to source: see Observations."""
    return Q()


PARAMETERS = (
    Parameter("_id", "token", "The logical id.", _in_each),
    Parameter("patient", "reference", "Whose they are.", _in_each),
    Parameter("code", "token", "LOINC codes; of blood pressure, the panel's.", _in_each),
    Parameter("category", "token", "survey or vital-signs.", _in_each),
    Parameter("date", "date", "When it was measured or answered.", _in_each, repeats=True),
)


@dataclass(frozen=True)
class Observations(Kind):
    """At most one query for each source, whatever the size of the page."""

    def read(self, pk: str, asked: Asked) -> Mapping[str, Any] | None:
        """By its source and the id there."""
        match = _ID.fullmatch(pk)
        for source in SOURCES:
            if match and source.name == match[1]:
                row = source.rows(asked.actor).filter(pk=int(match[2])).first()
                return None if row is None else source.show(row)
        return None

    def search(self, wanted: Wanted, asked: Asked) -> Page:
        """Sources in their order, each by id."""
        first, behind = _begin(wanted)
        page: list[Mapping[str, Any]] = []
        for at, source in enumerate(SOURCES):
            narrowed = _narrowed(source, wanted, asked)
            if at < first or narrowed is None:
                continue
            left = wanted.count - len(page)
            after = behind if at == first else ()
            found = ordered(source.rows(asked.actor).filter(narrowed), ("pk",), after=after, count=left)
            page += [source.show(row) for row in found[:left]]
            if len(found) > left:
                return Page(page, after=[at, found[left - 1].pk if left else 0])
        return Page(page)


def _begin(wanted: Wanted) -> tuple[int, list[Any]]:
    """In which source to begin, and behind which id there."""
    if not wanted.after:
        return 0, []
    if len(wanted.after) != len(("source", "pk")) or wanted.after[0] not in range(len(SOURCES)):
        raise no_cursor()
    return int(wanted.after[0]), [wanted.after[1]]


def _narrowed(source: Source, wanted: Wanted, asked: Asked) -> Q | None:
    """What the parameters leave of this source, or None when it cannot have any. Raises ValidationError."""
    left = Q()
    if categories := wanted.one("category"):
        named = {part.rpartition("|")[2] for part in categories.split(",")}
        if not named <= set(CATEGORIES):
            raise parameters.refused("category", f"Use one of: {', '.join(CATEGORIES)}.")
        if source.category not in named:
            return None
    if keys := wanted.one("_id"):
        matches = [_ID.fullmatch(key) for key in keys.split(",")]
        left &= Q(pk__in=[int(match[2]) for match in matches if match and match[1] == source.name])
    if people := wanted.one("patient"):
        left &= Q(**{f"{source.patient}__in": parameters.ids("patient", people, "Patient")})
    if code := wanted.one("code"):
        left &= source.code(_loinc(code))
    for value in wanted.values.get("date", ()):
        when = parameters.moment("date", source.measured_at, zone=source.zone, documentation="")
        left &= when.narrow(value, asked)
    return left


def _loinc(value: str) -> set[str]:
    """The codes asked for; those of other systems are nobody's."""
    asked = [part.rpartition("|") for part in value.split(",")]
    return {code for system, _bar, code in asked if system in {"", elements.LOINC}}


OBSERVATIONS = Observations("Observation", "assessments.read", PARAMETERS)
