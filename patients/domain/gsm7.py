"""The alphabet of a text message (GSM 03.38). One idea: 160 of its places make one SMS, but a single
character outside it turns the whole text into 70-character UCS-2 parts; so we write inside it."""

import unicodedata

SINGLE_SMS = 160
"""Places in one SMS."""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€\f")
"""Each takes two places."""

_PUNCTUATION = str.maketrans(
    {
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}": '"',
        "\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}": '"',
        "\N{HYPHEN}": "-",
        "\N{NON-BREAKING HYPHEN}": "-",
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{MINUS SIGN}": "-",
        "\N{HORIZONTAL ELLIPSIS}": "...",
        "\N{NO-BREAK SPACE}": " ",
        "\N{NARROW NO-BREAK SPACE}": " ",
        "\N{THIN SPACE}": " ",
        "\N{BULLET}": "*",
        "\N{DEGREE SIGN}": "o",
        "\N{MASCULINE ORDINAL INDICATOR}": "o",
        "\N{FEMININE ORDINAL INDICATOR}": "a",
        "\t": " ",
        "`": "'",
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "Đ": "D",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
        "œ": "oe",
        "Œ": "OE",
    }
)


def is_gsm7(text: str) -> bool:
    """Whether every character is in the alphabet."""
    return set(text) <= _BASIC | _EXTENDED


def transliterate(text: str) -> str:
    """The text inside the alphabet: é, ñ, ü, ¿ and ¡ stay, á becomes a, curly quotes become straight,
    and what has no equivalent becomes ``?``."""
    return "".join(
        _closest(character) for character in unicodedata.normalize("NFC", text).translate(_PUNCTUATION)
    )


def places(text: str) -> int:
    """How many of the 160 places it takes. Raises ValueError outside the alphabet."""
    if not is_gsm7(text):
        raise ValueError("the text has characters outside GSM 03.38: transliterate it first")
    return len(text) + sum(character in _EXTENDED for character in text)


def shorten(text: str, most: int) -> str:
    """At most ``most`` places of the text; what is cut off is shown by a full stop."""
    if places(text) <= most:
        return text
    kept = text
    while kept and places(kept) > most - 1:
        kept = kept[:-1]
    return kept.rstrip() + "." if most > 0 else ""


def _closest(character: str) -> str:
    if character in _BASIC or character in _EXTENDED:
        return character
    plain = "".join(
        part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)
    )
    if plain and is_gsm7(plain):
        return plain
    return "" if unicodedata.category(character) in {"Cf", "Mn", "Me"} else "?"
