"""Names: kept as written, found however they are typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic.common.errors import Invalid
from patients.domain import names


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("O'Neil-Peña", ["oneil", "pena"]),
        ("O\u2019NEIL\u2013PEÑA", ["oneil", "pena"]),
        ("Łukasz Åkesson", ["lukasz", "akesson"]),
        ("Straße", ["strasse"]),
        ("Ærøskøbing", ["aeroskobing"]),
        ("St. John, Jr.", ["st", "john", "jr"]),
        ("İstanbul", ["istanbul"]),
        ("José", ["jose"]),  # e with a combining accent
        ("Мария", ["мария"]),
        ("'-.", []),
    ],
)
def test_plain_words_lose_case_accents_and_punctuation(written: str, words: list[str]) -> None:
    assert names.plain_words(written) == words


@pytest.mark.parametrize(
    "good", ["Ana", "d'Arc", "\u2019t Hooft", "Anne-Marie", "José", "X Æ A-12", 'Bo "B" Li', "李"]
)
def test_names_are_kept_as_written(good: str) -> None:
    assert names.tidy(f"  {good} ") == good


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("", "blank"),
        (" \t ", "blank"),
        ("A" * 81, "too_long"),
        ("=HYPERLINK(A1)", "not_a_name"),
        ("+1", "not_a_name"),
        ("-Ana", "not_a_name"),
        ("@SUM(A1)", "not_a_name"),
        ("Ana<b>", "not_a_name"),
        ("A\x07na", "not_a_name"),
        ("A\u202ena", "not_a_name"),
        ("...", "not_a_name"),
        ("12", "not_a_name"),
    ],
)
def test_what_is_no_name_is_refused(bad: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        names.tidy(bad)
    assert refused.value.code == code


def test_composed_and_decomposed_spellings_are_stored_alike() -> None:
    assert names.tidy("Jose\u0301  Luis") == "Jos\u00e9 Luis"


def test_a_sort_name_begins_with_the_last_name_and_ends_with_compounds() -> None:
    made = names.sort_name(first_name="Ana María", last_name="Smith-Jones", preferred_name="Annie")
    assert made == "smith jones ana maria annie smithjones anamaria"


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_a_sort_name_always_fits_and_is_plain(first: str, last: str, preferred: str) -> None:
    made = names.sort_name(first_name=first, last_name=last, preferred_name=preferred)
    assert len(made) <= names.MAX_SORT_NAME
    assert all(character.isalnum() or character == " " for character in made)


def test_one_person_spelled_twice_has_one_key() -> None:
    key = names.same_person_key(first_name="José", last_name="De la Cruz")
    assert key == names.same_person_key(first_name="JOSE", last_name="Delacruz")
    assert key != names.same_person_key(first_name="Cruz", last_name="De la José")


def test_syntheas_digits_leave() -> None:
    assert names.without_digits("Freeman822") == "Freeman"
    assert names.without_digits("Ana12 María7") == "Ana María"
