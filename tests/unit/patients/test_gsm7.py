"""The alphabet of text messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.domain.gsm7 import is_gsm7, places, shorten, transliterate


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("José María", "José Maria"),
        ("¿Cómo está? ¡Señor Núñez!", "¿Como esta? ¡Señor Nuñez!"),
        ("Zoë\N{RIGHT SINGLE QUOTATION MARK}s “café” \N{EN DASH} now…", 'Zoe\'s "café" - now...'),
        ("Łódź naïve Ōsaka", "Lodz naive Osaka"),
        ("9:00\N{NARROW NO-BREAK SPACE}AM", "9:00 AM"),
        ("a\N{ZERO WIDTH JOINER}b", "ab"),
        ("日本", "??"),
        ("😀", "?"),
        ("e\N{COMBINING ACUTE ACCENT}", "é"),
        ("½ ﬁ", "? fi"),
    ],
)
def test_transliteration(text: str, written: str) -> None:
    assert transliterate(text) == written


@given(st.text(max_size=200))
def test_the_result_is_always_inside_and_stays(text: str) -> None:
    once = transliterate(text)
    assert is_gsm7(once)
    assert transliterate(once) == once


@given(st.text(alphabet="aé@€[]~ \n", max_size=200))
def test_what_is_inside_already_is_kept(text: str) -> None:
    assert transliterate(text) == text
    assert places(text) == sum(2 if character in "€[]~" else 1 for character in text)


def test_counting_needs_the_alphabet() -> None:
    with pytest.raises(ValueError, match="transliterate"):
        places("á")


@given(st.text(alphabet="ab €", max_size=60), st.integers(0, 60))
def test_shortening_fits_and_keeps_what_fits(text: str, most: int) -> None:
    short = shorten(text, most)
    assert places(short) <= most
    if places(text) <= most:
        assert short == text
    elif most:
        assert short.endswith(".")
        assert text.startswith(short[:-1])
