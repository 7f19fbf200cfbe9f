"""People's names: how they are kept for display, and the plain form in which they sort and are found.

The display form keeps what the person wrote. The plain form is case-folded, without accents and
punctuation, so that "O'Neil-Peña" is found by "oneil pena", "o neil" and "ONEIL".
"""

import functools
import re
import unicodedata

from clinic.common.errors import Invalid

MAX_LENGTH = 80
MAX_SORT_NAME = 170
MAX_QUERY_WORDS = 8

_APOSTROPHES = "'’‘ʼʻ`´′"  # noqa: RUF001 - exactly the look-alikes that people type
_PUNCTUATION = frozenset(_APOSTROPHES + '"“”.,()-‐‑–· ')  # noqa: RUF001
_FOLDED_APART = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t"}  # noqa: RUF001
)
_WITHOUT_APOSTROPHES = str.maketrans("", "", _APOSTROPHES)
_UNSPACED = ("CJK UNIFIED", "HIRAGANA", "KATAKANA", "HANGUL")
_LONGEST_UNSPACED = 8
_DIGITS = re.compile(r"\d+")


def tidy(name: str) -> str:
    """A name as it is stored: composed characters, single spaces.

    Raises Invalid (``blank``, ``too_long``, ``not_a_name``) for what is no name, such as a formula.
    """
    composed = " ".join(unicodedata.normalize("NFC", name).split())
    if not composed:
        raise Invalid("Give a name.", code="blank")
    if len(composed) > MAX_LENGTH:
        raise Invalid(f"Use at most {MAX_LENGTH} characters.", code="too_long")
    opening = composed.lstrip(_APOSTROPHES + '("“')
    if not opening[:1].isalpha() or not all(map(_may_stand_in_a_name, composed)):
        raise Invalid(
            "Use letters, digits, spaces, apostrophes, hyphens, full stops, commas and brackets, "
            "beginning with a letter.",
            code="not_a_name",
        )
    return composed


def without_digits(name: str) -> str:
    """A name freed of the digits that Synthea appends: "Freeman822" becomes "Freeman"."""
    return " ".join(_DIGITS.sub("", name).split())


def plain_words(text: str) -> list[str]:
    """The words of a name or a query in plain form: "O'Neil-Peña" gives ``["oneil", "pena"]``."""
    joined = text.translate(_WITHOUT_APOSTROPHES)
    decomposed = unicodedata.normalize("NFKD", joined.casefold().translate(_FOLDED_APART))
    plain = "".join(_plain(character) for character in decomposed)
    return plain.casefold().split()


def halves(word: str) -> list[tuple[str, str]]:
    """Where a plain word may part in scripts that set no space between the names.

    "李小龙" gives 李 小龙 and 李小 龙: one word then finds who is kept under two. Nothing for other scripts.
    """
    whole = unicodedata.normalize("NFC", word)  # Hangul is parted between syllables, not within them
    if len(whole) > _LONGEST_UNSPACED or not all(
        unicodedata.name(character, "").startswith(_UNSPACED) for character in whole
    ):
        return []
    plain = functools.partial(unicodedata.normalize, "NFKD")
    return [(plain(whole[:at]), plain(whole[at:])) for at in range(1, len(whole))]


def sort_name(*, first_name: str, last_name: str, preferred_name: str = "") -> str:
    """What a patient sorts by and is found by: last, first, preferred, in plain form.

    Compound names follow once more as one word ("smithjones"), because people leave the hyphen out.
    At most MAX_SORT_NAME characters; the compounds give way first.
    """
    parts = [plain_words(name) for name in (last_name, first_name, preferred_name)]
    words = [word for part in parts for word in part]
    compounds = ["".join(part) for part in parts if len(part) > 1]
    kept = " ".join([*words, *compounds])
    if len(kept) <= MAX_SORT_NAME:
        return kept
    return kept[:MAX_SORT_NAME].rsplit(" ", 1)[0]


def same_person_key(*, first_name: str, last_name: str) -> str:
    """Two patients with equal keys and birth dates may be one person: "De la Cruz" equals "delacruz"."""
    return f"{''.join(plain_words(last_name))}|{''.join(plain_words(first_name))}"


def _may_stand_in_a_name(character: str) -> bool:
    return character in _PUNCTUATION or unicodedata.category(character)[0] in "LMN"


def _plain(character: str) -> str:
    """The character itself when it carries a word, nothing for an accent, a space for the rest."""
    category = unicodedata.category(character)[0]
    if category in "LN":
        return character
    return "" if category == "M" else " "
