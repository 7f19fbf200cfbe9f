"""Phone numbers: any way of writing one becomes E.164, the only form that is stored and dialled."""

import re

import phonenumbers

from clinic.common.errors import Invalid

REGION = "US"
"""Where our sites are: a number without a country code is read as dialled there."""

FEWEST_SEARCH_DIGITS = 4
MAX_WRITTEN = 40
_WRITTEN = re.compile(r"(?:tel:)?\+?[0-9\s().\-\u2010-\u2015/]+", re.IGNORECASE)  # with typographic dashes
_EXTENSION = re.compile(r"(?:x|ext\.?|extension|#)\s*[0-9]{1,7}\s*$", re.IGNORECASE)


def to_e164(written: str, *, region: str = REGION) -> str:
    """The number in E.164, such as ``+13035550123``.

    Raises Invalid: ``extension`` when it ends in one (nothing we send reaches an extension),
    ``not_a_phone`` for anything that cannot be dialled.
    """
    text = written.strip()
    if len(text) > MAX_WRITTEN:
        raise Invalid(f"Use at most {MAX_WRITTEN} characters.", code="too_long")
    if _EXTENSION.search(text):
        raise Invalid("Give a direct number: messages cannot reach an extension.", code="extension")
    number = _parse(text, region) if _WRITTEN.fullmatch(text) else None
    if number is None:
        raise Invalid("This is no phone number. Write it like +1 303 555 0123.", code="not_a_phone")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def search_forms(written: str, *, region: str = REGION) -> tuple[str | None, str]:
    """How to look for a number: its E.164 form when it is a whole number, and its digits to match at the end.

    Raises Invalid (``too_few_digits``) below FEWEST_SEARCH_DIGITS.
    """
    digits = re.sub(r"[^0-9]", "", written)
    if len(digits) < FEWEST_SEARCH_DIGITS:
        raise Invalid(f"Give at least the last {FEWEST_SEARCH_DIGITS} digits.", code="too_few_digits")
    try:
        return to_e164(written, region=region), digits
    except Invalid:
        return None, digits


def _parse(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None
