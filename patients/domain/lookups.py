"""What somebody typed to find a patient, read as a person would: name, birth date, phone number, MRN.

One text may mean several things ("5550101" ends a phone number and may be an MRN), so it becomes several
readings, any of which may find the patient; what stands together in one reading must all fit.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from clinic.common.errors import Invalid
from patients.domain import mrn, names, phones

MAX_LENGTH = 160
_MOST_MRN_PARTS = 4
_CENTURY = 100
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_YEAR = r"(?P<year>(?:18|19|20)\d\d)"
_YEAR_OR_SHORT = r"(?P<year>(?:18|19|20)\d\d|\d\d)"
_FIRST, _SECOND = r"(?P<first>\d{1,2})", r"(?P<second>\d{1,2})"
_ORDINAL = r"(?:st|nd|rd|th)?"


def _alone(pattern: str) -> re.Pattern[str]:
    """The pattern where it is no part of a longer number or word, such as a phone number with dots."""
    return re.compile(rf"(?<!\w)(?<!\d[-./]){pattern}(?!\w)(?![-./]\d)", re.IGNORECASE | re.ASCII)


_WRITTEN_DATES = tuple(
    map(
        _alone,
        (
            rf"{_YEAR}(?P<mark>[-/.]){_FIRST}(?P=mark){_SECOND}",
            rf"{_FIRST}(?P<mark>[-/.]){_SECOND}(?P=mark){_YEAR_OR_SHORT}",
            rf"{_SECOND}{_ORDINAL}[\s.-]*{_MONTH}[\s.,-]*{_YEAR_OR_SHORT}",
            rf"{_MONTH}[\s.]*{_SECOND}{_ORDINAL}[\s,]+{_YEAR_OR_SHORT}",
        ),
    )
)
"""``first`` is the month and ``second`` the day, as written in the US; the ISO form has them so anyway."""
_BARE_DATES = (
    re.compile(rf"(?P<first>\d\d)(?P<second>\d\d){_YEAR}"),
    re.compile(rf"{_YEAR}(?P<first>\d\d)(?P<second>\d\d)"),
    re.compile(rf"{_FIRST} {_SECOND} {_YEAR}"),
)
"""Typed on the number pad without marks; these may as well be a phone number."""
_LABELS = re.compile(r"\b(?:dob|born|mrn|tel|phone)\s*[:#]\s*", re.IGNORECASE)
_DIGIT, _LETTER = re.compile(r"[0-9]"), re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class Reading:
    """One way to understand the text; everything that is not None must fit."""

    query: str | None = None
    date_of_birth: date | None = None
    phone: str | None = None
    mrn: str | None = None

    def criteria(self) -> dict[str, Any]:
        """As the search takes it."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def read(text: str, *, today: date) -> list[Reading]:
    """What the text may mean, the likeliest first.

    Raises Invalid that says what to write instead: ``nothing_to_search_for``, ``too_short`` (one Latin
    letter), ``no_such_day``.
    """
    text = unicodedata.normalize("NFKC", text[:MAX_LENGTH])
    text = " ".join(_LABELS.sub(" ", text).split())
    days, rest = _birth_dates(text, today=today)
    readings = list(_without_dates(rest.split(), today=today))
    if days:
        others = readings or [Reading()]
        readings = [replace(other, date_of_birth=day) for day in days for other in others]
    if not readings:
        raise Invalid(
            "Write a name, a date of birth, a phone number or an MRN.", code="nothing_to_search_for"
        )
    if all(_is_too_short(reading) for reading in readings):
        raise Invalid("Write at least two letters of the name.", code="too_short")
    return readings


def _without_dates(words: list[str], *, today: date) -> Iterator[Reading]:
    """The readings of words none of which is a written date."""
    named = " ".join(word for word in words if _LETTER.search(word) and not _DIGIT.search(word)) or None
    coded = [word for word in words if _LETTER.search(word) and _DIGIT.search(word)]
    number = " ".join(word for word in words if _DIGIT.search(word) and not _LETTER.search(word))
    whole = " ".join(words)
    if not coded and not number:
        if named:
            yield Reading(query=named)
        return
    digits = len(_DIGIT.findall(number))
    if number and not coded:
        if digits >= phones.FEWEST_SEARCH_DIGITS:
            yield Reading(query=named, phone=number)
            for day in _bare_dates(number, today=today):
                yield Reading(query=named, date_of_birth=day)
        if named:
            yield Reading(query=named, mrn=number)
    elif len(coded) == 1 and named and not number:
        yield Reading(query=named, mrn=coded[0])
    if len(words) <= _MOST_MRN_PARTS and len(mrn.plain(whole)) <= mrn.MAX_LENGTH:
        yield Reading(mrn=whole)
    if coded or (named and digits < phones.FEWEST_SEARCH_DIGITS):
        yield Reading(query=whole)  # some names have digits


def _is_too_short(reading: Reading) -> bool:
    if reading.criteria().keys() != {"query"}:
        return False
    plain = "".join(names.plain_words(reading.query or ""))
    return len(plain) == 1 and plain.isascii()


def _birth_dates(text: str, *, today: date) -> tuple[list[date], str]:
    """The days that a date in the text may be (two when its year is short), and the text without it.

    Raises Invalid (``no_such_day``) for what is surely meant as a date, and is none that has come.
    """
    for pattern in _WRITTEN_DATES:
        for found in pattern.finditer(text):
            days = _days(found, today=today)
            if days:
                return days, f"{text[: found.start()]} {text[found.end() :]}"
            if found.groupdict().get("mark") not in {"-", "."}:
                raise Invalid(
                    "There was no such day. Write a date of birth like 1980-03-04 or 3/4/1980.",
                    code="no_such_day",
                )
    return [], text


def _bare_dates(number: str, *, today: date) -> list[date]:
    matches = (pattern.fullmatch(number) for pattern in _BARE_DATES)
    return [day for found in matches if found for day in _days(found, today=today)]


def _days(found: re.Match[str], *, today: date) -> list[date]:
    """The days until today that are written so; day before month only where it can be nothing else."""
    parts = found.groupdict()
    year, second = int(parts["year"]), int(parts["second"])
    first = _MONTHS.index(parts["month"][:3].lower()) + 1 if parts.get("month") else int(parts["first"])
    if first > len(_MONTHS) and not found.group().startswith(parts["year"]):
        first, second = second, first
    years = (year,) if year >= _CENTURY else (1900 + year, 2000 + year)
    days = (_day(each, first, second) for each in years)
    return [day for day in days if day is not None and day <= today]


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
