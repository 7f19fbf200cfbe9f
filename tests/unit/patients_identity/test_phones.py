"""Phone numbers in any format become E.164 or are refused."""

import pytest

from clinic.common.errors import Invalid
from patients.domain import phones


@pytest.mark.parametrize(
    "written",
    [
        "+13035550123",
        "(303) 555-0123",
        "303.555.0123",
        "1-303-555-0123",
        " 303 555 0123 ",
        "303\u2010555\u20130123",
        "303\u00a0555\u00a00123",
        "tel:303-555-0123",
    ],
)
def test_every_way_of_writing_a_number_is_one_number(written: str) -> None:
    assert phones.to_e164(written) == "+13035550123"


def test_other_countries_need_their_code_or_their_region() -> None:
    assert phones.to_e164("+52 55 1234 5678") == "+525512345678"
    assert phones.to_e164("020 7946 0018", region="GB") == "+442079460018"


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("", "not_a_phone"),
        ("12", "not_a_phone"),
        ("+1 103 555 0123", "not_a_phone"),
        ("=1+3035550123", "not_a_phone"),
        ("call 303 555 0123", "not_a_phone"),
        ("3035550123\x00", "not_a_phone"),
        ("303 555 0123 x12", "extension"),
        ("303 555 0123 ext. 7", "extension"),
        ("3" * 10_000, "too_long"),
    ],
)
def test_what_cannot_be_dialled_is_refused(written: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        phones.to_e164(written)
    assert refused.value.code == code


def test_a_search_takes_whole_numbers_and_last_digits() -> None:
    assert phones.search_forms("(303) 555-0123") == ("+13035550123", "3035550123")
    assert phones.search_forms("0123") == (None, "0123")
    with pytest.raises(Invalid) as refused:
        phones.search_forms("12-3")
    assert refused.value.code == "too_few_digits"
