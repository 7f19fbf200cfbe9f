"""What must be true of an entry of the background, whatever door it comes through.

Pure: every fault is a FieldError. Codes of the catalogue are checked against the sets that are passed in.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from clinic.common.errors import FieldError

WORST = 10
"""Pain and other symptoms are rated 0 to 10."""
MOST_RESULTS = 30
_PLANNED = frozenset({"medicine"})
"""Kinds whose days may lie ahead: a medicine may be ordered from next week on."""


@dataclass(frozen=True)
class Person:
    """What the dates of an entry are held against."""

    born_on: date
    today: date


@dataclass(frozen=True)
class Codes:
    """The catalogue: list -> its codes; and which questions each pain test may answer."""

    by_list: Mapping[str, Collection[str]]
    answers: Mapping[str, Collection[str]]


CODED: Mapping[str, Mapping[str, str]] = {
    "symptom": {
        "symptom": "symptom",
        "origin": "pain_origin",
        "body_sites": "body_site",
        "radiates_to": "body_site",
    },
    "medicine": {"medicine_class": "medicine_class"},
    "relative": {"condition": "condition"},
    "other_condition": {"concern": "concern"},
}
"""Kind of entry -> field -> the list of the catalogue its codes come from."""

_RESULT_CODED = {"test": "pain_test", "body_sites": "body_site"}


def faults(kind: str, given: Mapping[str, Any], *, person: Person, codes: Codes) -> list[FieldError]:
    """Everything wrong with an entry of this kind, field by field; empty when nothing is."""
    found = [*_unknown(given, CODED.get(kind, {}), codes, at=""), *_days(kind, given, person)]
    if kind == "symptom":
        found += _severity(given.get("severity"))
    if kind == "relative":
        found += _relative(given)
    if kind == "other_condition" and given.get("concern") == "other" and not given.get("name"):
        found.append(_fault("/name", "blank", "Say which condition it is."))
    if kind == "pain_assessment":
        found += _results(given.get("results") or (), codes)
    return found


def _unknown(
    given: Mapping[str, Any], coded: Mapping[str, str], codes: Codes, *, at: str
) -> Iterator[FieldError]:
    for field, name in coded.items():
        value = given.get(field) or ()
        for code in (value,) if isinstance(value, str) else value:
            if code not in codes.by_list[name]:
                words = name.replace("_", " ")
                detail = f"Use the code of a {words} in the catalogue."
                yield _fault(f"{at}/{field}", "unknown_code", detail)
                break
        if not isinstance(value, str) and len(set(value)) < len(value):
            yield _fault(f"{at}/{field}", "named_twice", "Name each one once.")


def _days(kind: str, given: Mapping[str, Any], person: Person) -> Iterator[FieldError]:
    ranges = (("since_on", "until_on"), ("from_on", "until_on"), ("as_of_on", "expires_on"))
    for first, last in ranges:
        start, end = given.get(first), given.get(last)
        if start and end and end < start:
            yield _fault(f"/{last}", "ends_before_it_begins", "The last day is before the first.")
    for field in ("since_on", "until_on", "from_on", "as_of_on", "assessed_on"):
        day = given.get(field)
        if day and day > person.today and kind not in _PLANNED:
            yield _fault(f"/{field}", "in_the_future", "This date is in the future.")
        if day and day < person.born_on:
            yield _fault(f"/{field}", "before_birth", "This date is before the patient's birth.")


def _severity(value: int | None) -> list[FieldError]:
    if value is None or 0 <= value <= WORST:
        return []
    return [_fault("/severity", "out_of_range", f"Rate it from 0 to {WORST}.")]


def _relative(given: Mapping[str, Any]) -> list[FieldError]:
    if given.get("condition") or given.get("condition_text") or given.get("medicine"):
        return []
    detail = "Say which condition the relative has, or which medicine they took."
    return [_fault("/condition", "nothing_said", detail)]


def _results(results: Sequence[Mapping[str, Any]], codes: Codes) -> Iterator[FieldError]:
    if not results:
        yield _fault("/results", "blank", "Give at least one result.")
    if len(results) > MOST_RESULTS:
        yield _fault("/results", "too_many", f"Give at most {MOST_RESULTS} results of one day.")
    for number, result in enumerate(results):
        at = f"/results/{number}"
        yield from _unknown(result, _RESULT_CODED, codes, at=at)
        possible = codes.answers.get(result["test"], ())
        if possible and result["question"] not in possible:
            detail = f"This test does not answer that question; it may answer: {', '.join(possible)}."
            yield _fault(f"{at}/question", "not_answered_by_test", detail)
        if result.get("value") is None and not result.get("finding"):
            yield _fault(f"{at}/finding", "nothing_said", "Give a value or a finding in words.")


def _fault(pointer: str, code: str, detail: str) -> FieldError:
    return FieldError(pointer=pointer, code=code, detail=detail)
