"""What must be true of a patient's details, and the form in which each is stored.

One rule per field, shared by registration, changes, the API's serializers and every import, so
that a patient is the same wherever the row came from.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cache
from types import MappingProxyType
from typing import Any
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from clinic.common.errors import FieldError, Invalid
from patients.domain import mrn, names, phones
from patients.models import Patient

OLDEST_YEARS = 130
REQUIRED = ("first_name", "last_name", "date_of_birth")
MAY_BE_BLANK = frozenset({"preferred_name", "email", "phone"})

_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Rule = Callable[[Any, date], Any]


def clean(field: str, value: Any, *, today: date) -> Any:
    """One value as it is stored. Raises Invalid, whose ``code`` and ``detail`` name the fault."""
    if value is None or value == "":
        if field in MAY_BE_BLANK:
            return ""
        raise Invalid("This is needed.", code="blank")
    if isinstance(value, str) and "\x00" in value:
        raise Invalid("Remove the null character.", code="null_character")
    return RULES[field](value, today)


def clean_all(given: Mapping[str, Any], *, today: date) -> tuple[dict[str, Any], list[FieldError]]:
    """Every value as it is stored, and a FieldError for each that cannot be."""
    cleaned: dict[str, Any] = {}
    faults: list[FieldError] = []
    for field, value in given.items():
        try:
            cleaned[field] = clean(field, value, today=today)
        except Invalid as fault:
            faults.append(FieldError(pointer=f"/{field}", code=fault.code, detail=fault.detail))
    return cleaned, faults


def require_clean(given: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Every value as it is stored. Raises Invalid (``invalid_patient``) that names each fault."""
    cleaned, faults = clean_all(given, today=now.date())
    if faults:
        raise Invalid(
            "Some details of the patient are wrong. See errors for each one.",
            code="invalid_patient",
            errors=faults,
        )
    return cleaned


def _name(value: str, _today: date) -> str:
    return names.tidy(value)


def _date_of_birth(value: date | str, today: date) -> date:
    born = value if isinstance(value, date) else _iso_date(value)
    if born > today:
        raise Invalid("This date is in the future.", code="in_the_future")
    if (born.year + OLDEST_YEARS, born.month, born.day) < (today.year, today.month, today.day):
        raise Invalid(f"This date is more than {OLDEST_YEARS} years ago.", code="too_long_ago")
    return born


def _iso_date(text: str) -> date:
    # fromisoformat alone would also take 19800517 and 1980-W20-6, which nobody means.
    try:
        if _ISO_DATE.fullmatch(text.strip()):
            return date.fromisoformat(text.strip())
    except ValueError:
        pass  # such as 1980-02-30
    raise Invalid("Write a calendar date as YYYY-MM-DD, such as 1980-05-17.", code="not_an_iso_date")


def _email(value: str, _today: date) -> str:
    address = value.strip()
    try:
        validate_email(address)
    except ValidationError as error:
        raise Invalid("This is no e-mail address.", code="not_an_email") from error
    return address


def _phone(value: str, _today: date) -> str:
    return phones.to_e164(value)


def _mrn(value: str, _today: date) -> str:
    return mrn.tidy(value)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())  # reads the zone database: once is enough


def _timezone(value: str, _today: date) -> str:
    name = value.strip()
    if name not in _zones():
        raise Invalid("Use an IANA time zone such as America/Denver.", code="unknown_timezone")
    return name


def _one_of(choices: list[str]) -> Rule:
    def choose(value: str, _today: date) -> str:
        word = value.strip().casefold()
        if word not in choices:
            raise Invalid(f"Use one of: {', '.join(choices)}.", code="unknown_choice")
        return word

    return choose


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "mrn": _mrn,
        "first_name": _name,
        "last_name": _name,
        "preferred_name": _name,
        "date_of_birth": _date_of_birth,
        "sex": _one_of(Patient.Sex.values),
        "email": _email,
        "phone": _phone,
        "timezone": _timezone,
        "language": _one_of(Patient.Language.values),
        "status": _one_of(Patient.Status.values),
    }
)
