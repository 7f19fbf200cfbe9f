"""Medical record numbers: the ones we make carry a check digit, the ones a clinic brings are kept.

Ours read ``ONS`` + a running number of at least seven digits + one check digit, such as
``ONS00000013``. The check digit is Damm's: it catches every single wrong digit and every two
neighbours swapped, which is how numbers go wrong over the phone.
"""

import re

from clinic.common.errors import Invalid

MAX_LENGTH = 32
_ALLOWED = re.compile(r"[A-Z0-9][A-Z0-9._/-]{0,31}")
_OURS = re.compile(r"ONS([0-9]{7,})([0-9])")

# Damm, "Total anti-symmetrische Quasigruppen" (2004): the quasigroup of order 10.
_DAMM = (
    "0317598642",
    "7092154863",
    "4206871359",
    "1750983426",
    "6123045978",
    "3674209581",
    "5869720134",
    "8945362017",
    "9438617205",
    "2581436790",
)


def made_from(number: int) -> str:
    """The MRN for a running number: 1 gives ``ONS00000013``."""
    digits = f"{number:07d}"
    return f"ONS{digits}{_check_digit(digits)}"


def plain(written: str) -> str:
    """What an MRN is found by, however it is typed: "ons-0000001 3" and "ONS00000013" are one."""
    return re.sub(r"[^A-Z0-9]", "", written.upper())


def tidy(given: str) -> str:
    """A given MRN as it is stored: upper case, no spaces.

    Raises Invalid: ``not_an_mrn`` for other characters or more than 32 of them, ``mistyped`` for
    one in our own form whose check digit is wrong.
    """
    mrn = "".join(given.upper().split())
    if not _ALLOWED.fullmatch(mrn):
        raise Invalid(
            f"Use 1 to {MAX_LENGTH} letters, digits, hyphens, slashes, full stops or underscores.",
            code="not_an_mrn",
        )
    ours = _OURS.fullmatch(mrn)
    if ours and _check_digit(ours[1]) != ours[2]:
        raise Invalid("This number is mistyped: its last digit does not fit the others.", code="mistyped")
    return mrn


def _check_digit(digits: str) -> str:
    interim = 0
    for digit in digits:
        interim = int(_DAMM[interim][int(digit)])
    return str(interim)
