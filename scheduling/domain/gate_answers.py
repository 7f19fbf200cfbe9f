"""What the gates ask people, and how strictly an answer is read. Gates not listed here are measured.

A missing answer is never guessed: every question that is not optional must be answered by name.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from clinic.common.errors import FieldError, Invalid

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST_YEAR = 1900
_MOST_POINTS = 2


class Kind(StrEnum):
    """What an answer looks like in JSON."""

    YES_NO = "yes_no"
    """true or false"""
    DAY = "day"
    INSTANT = "instant"
    POINTS = "points"
    """0, 1 or 2"""
    CHOICE = "choice"
    TEXT = "text"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing to answer. ``null_means`` says what an answer of null stands for, where it stands for
    something."""

    name: str
    words: str
    kind: Kind
    null_means: str = ""
    choices: tuple[str, ...] = ()
    longest: int = 0
    optional: bool = False


def _yes_no(name: str, words: str) -> tuple[Question, ...]:
    return (Question(name=name, words=words, kind=Kind.YES_NO),)


def _eaten(name: str, words: str) -> Question:
    return Question(name=name, words=words, kind=Kind.INSTANT, null_means="not since yesterday evening")


def _points(name: str) -> Question:
    return Question(name=name, words=name.replace("_", " ").capitalize(), kind=Kind.POINTS)


QUESTIONS: Mapping[str, tuple[Question, ...]] = MappingProxyType(
    {
        "consent": (
            Question(name="signed_on", words="Consent signed on", kind=Kind.DAY, null_means="not signed"),
        ),
        "identity": _yes_no("checked", "Name and date of birth checked"),
        "escort": (
            Question(name="name", words="Who takes the patient home", kind=Kind.TEXT, longest=120),
            Question(name="phone", words="Their phone", kind=Kind.TEXT, longest=32, optional=True),
        ),
        "driving": _yes_no("acknowledged", "The patient will not drive until after a night's sleep"),
        "fasting": (
            _eaten("clear_fluids_at", "Last clear fluids"),
            _eaten("light_meal_at", "Last light meal"),
            _eaten("fatty_meal_at", "Last fatty meal"),
        ),
        "rescreen": (
            Question(
                name="pregnancy",
                words="Could be pregnant",
                kind=Kind.CHOICE,
                choices=("no", "yes", "not_applicable"),
            ),
            Question(name="new_medicines", words="New medicines", kind=Kind.CHOICE, choices=("no", "yes")),
            Question(name="substances", words="Substances", kind=Kind.CHOICE, choices=("no", "yes")),
        ),
        "aldrete": (
            _points("activity"),
            _points("respiration"),
            _points("circulation"),
            _points("consciousness"),
            _points("oxygen_saturation"),
        ),
        "oriented": _yes_no("oriented", "Oriented to person, place and time"),
        "gait": _yes_no("steady", "Walks steadily"),
        "escort_present": _yes_no("present", "The escort is here"),
        "driving_advice": _yes_no("told", "Told not to drive until after a night's sleep"),
    }
)
"""Gate -> its questions, in the order asked."""

BEFORE_ARRIVAL = frozenset({"consent", "escort", "driving"})
"""What may be answered before the patient is here."""


class _Refused(ValueError):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True)
class _Moment:
    """When it is, as questions about time need it."""

    now: datetime
    today: date


def read(
    gate: str, given: object, *, now: datetime, today: date, pointer: str = "/answers"
) -> dict[str, Any]:
    """The answers to one gate as they are stored: days and instants as ISO text, instants in UTC.

    ``today`` is the site's. Raises Invalid (``invalid_answers``) naming each field below ``pointer``.
    """
    questions = QUESTIONS[gate]
    if not isinstance(given, Mapping):
        detail = f"Send an object with {', '.join(each.name for each in questions)}."
        raise Invalid(
            detail, code="invalid_answers", errors=[FieldError(f"{pointer}/{gate}", "invalid", detail)]
        )
    moment, errors, answers = _Moment(now, today), [], {}
    for question in questions:
        if question.name not in given and question.optional:
            continue
        try:
            answers[question.name] = _read(question, given, moment)
        except _Refused as refused:
            errors.append(FieldError(f"{pointer}/{gate}/{question.name}", refused.code, refused.detail))
    known = {each.name for each in questions}
    if any(name not in known for name in given):
        detail = f"This gate asks {', '.join(each.name for each in questions)} only."
        errors.append(FieldError(f"{pointer}/{gate}", "unknown_field", detail))
    if errors:
        raise Invalid("Some answers cannot be used.", code="invalid_answers", errors=errors)
    return answers


def _read(question: Question, given: Mapping[Any, Any], moment: _Moment) -> Any:
    if question.name not in given:
        raise _Refused("required", f"Answer this: {question.words}.")
    value = given[question.name]
    if value is None and question.null_means:
        return None
    return _READERS[question.kind](question, value, moment)


def _yes_or_no(_question: Question, value: Any, _moment: _Moment) -> bool:
    if not isinstance(value, bool):
        raise _Refused("invalid", "Send true or false.")
    return value


def _day(_question: Question, value: Any, moment: _Moment) -> str:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) and _DAY.fullmatch(value) else None
    except ValueError:
        day = None
    if day is None or day.year < _FIRST_YEAR:
        raise _Refused("invalid", "Send a day, such as 2027-01-04.")
    if day > moment.today:
        raise _Refused("in_the_future", "This day has not come yet.")
    return day.isoformat()


def _instant(_question: Question, value: Any, moment: _Moment) -> str:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.year < _FIRST_YEAR:
        raise _Refused("invalid", "Send a date and time, such as 2027-01-04T06:30:00-07:00.")
    if instant.tzinfo is None:
        raise _Refused("offset_required", "Add the offset from UTC, such as -07:00 or Z.")
    if instant > moment.now:
        raise _Refused("in_the_future", "This moment has not come yet.")
    return instant.astimezone(UTC).isoformat()


def _how_many_points(_question: Question, value: Any, _moment: _Moment) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_POINTS:
        raise _Refused("invalid", "Send 0, 1 or 2.")
    return value


def _choice(question: Question, value: Any, _moment: _Moment) -> str:
    if not isinstance(value, str) or value not in question.choices:
        raise _Refused("unknown_choice", f"Use one of: {', '.join(question.choices)}.")
    return value


def _text(question: Question, value: Any, _moment: _Moment) -> str:
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if not text and question.optional and isinstance(value, str):
        return ""
    if not text or not text.isprintable() or len(text) > question.longest:
        raise _Refused("invalid", f"Write 1 to {question.longest} characters.")
    return text


_READERS: Mapping[Kind, Callable[[Question, Any, _Moment], Any]] = MappingProxyType(
    {
        Kind.YES_NO: _yes_or_no,
        Kind.DAY: _day,
        Kind.INSTANT: _instant,
        Kind.POINTS: _how_many_points,
        Kind.CHOICE: _choice,
        Kind.TEXT: _text,
    }
)
