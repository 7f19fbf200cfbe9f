"""Our MRNs catch the mistakes that people make when they read numbers aloud."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clinic.common.errors import Invalid
from patients.domain import mrn

NUMBERS = st.integers(min_value=1, max_value=10**12)


def test_the_published_example_of_damms_check_digit() -> None:
    assert mrn.made_from(572)[-1] == "4"
    assert mrn.made_from(1) == "ONS00000013"


@given(NUMBERS)
def test_what_we_make_we_accept(number: int) -> None:
    made = mrn.made_from(number)
    assert mrn.tidy(f" {made.lower()} ") == made
    assert len(made) <= mrn.MAX_LENGTH


@given(NUMBERS, st.data())
def test_any_wrong_digit_is_noticed(number: int, data: st.DataObject) -> None:
    made = mrn.made_from(number)
    at = data.draw(st.integers(3, len(made) - 1))
    wrong = data.draw(st.sampled_from("0123456789"))
    assume(wrong != made[at])
    with pytest.raises(Invalid) as refused:
        mrn.tidy(made[:at] + wrong + made[at + 1 :])
    assert refused.value.code == "mistyped"


@given(NUMBERS, st.data())
def test_any_two_neighbours_swapped_are_noticed(number: int, data: st.DataObject) -> None:
    made = mrn.made_from(number)
    at = data.draw(st.integers(3, len(made) - 2))
    assume(made[at] != made[at + 1])
    with pytest.raises(Invalid):
        mrn.tidy(made[:at] + made[at + 1] + made[at] + made[at + 2 :])


@pytest.mark.parametrize("kept", ["12345", "A-77/3", "SYN-B63EDFDA-D82B", "ONS1", "P_1.2"])
def test_a_clinics_own_numbers_are_kept(kept: str) -> None:
    assert mrn.tidy(kept) == kept


@pytest.mark.parametrize("bad", ["", "-1", "=1", "a b,c", "ä1", "1" * 33, "1\x00"])
def test_what_is_no_number_is_refused(bad: str) -> None:
    with pytest.raises(Invalid) as refused:
        mrn.tidy(bad)
    assert refused.value.code == "not_an_mrn"
