"""What is typed into the box that finds a patient, and every way it is understood."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic.common.errors import Invalid
from patients.domain import lookups, mrn, names

TODAY = date(2027, 1, 4)
BORN = date(1980, 3, 4)


def read(text: str) -> list[dict[str, Any]]:
    return [reading.criteria() for reading in lookups.read(text, today=TODAY)]


@pytest.mark.parametrize(
    "written",
    [
        "1980-03-04",
        "1980/3/4",
        "03/04/1980",
        "3/4/1980",
        "3-4-1980",
        "03.04.1980",
        "3/4/80",
        "03-04-80",
        "4 Mar 1980",
        "4-Mar-1980",
        "04MAR1980",
        "4th March 1980",
        "Mar 4, 1980",
        "march 4 1980",
        "Mar. 4, 1980",
        "4 mar 80",
        "DOB: 3/4/1980",
    ],
)
def test_a_birth_date_is_one_however_it_is_written(written: str) -> None:
    assert read(written) == [{"date_of_birth": BORN}]
    assert read(f"Reyes {written}") == [{"query": "Reyes", "date_of_birth": BORN}]
    assert read(f"{written} reyes ana") == [{"query": "reyes ana", "date_of_birth": BORN}]
    assert {"phone": "0101", "date_of_birth": BORN} in read(f"{written} 0101")


def test_a_day_that_cannot_be_a_month_comes_first() -> None:
    assert read("13/04/1980") == [{"date_of_birth": date(1980, 4, 13)}]


def test_a_short_year_is_every_year_that_has_come() -> None:
    assert read("3/4/20") == [{"date_of_birth": date(1920, 3, 4)}, {"date_of_birth": date(2020, 3, 4)}]
    assert read("3/4/27") == [{"date_of_birth": date(1927, 3, 4)}]


@pytest.mark.parametrize("typed", ["03041980", "19800304", "03 04 1980", "3 4 1980"])
def test_digits_alone_may_be_a_birth_date_a_phone_number_or_an_mrn(typed: str) -> None:
    assert {"date_of_birth": BORN} in read(typed)
    assert {"phone": typed} in read(typed)
    assert {"mrn": typed} in read(typed)


@pytest.mark.parametrize("phone", ["+1 (303) 555-0101", "303.555.0101", "5550101", "555-0101", "0101"])
def test_a_phone_number_stands_alone_or_with_a_name(phone: str) -> None:
    assert read(phone) == [{"phone": phone}, {"mrn": phone}]
    for text in (f"Ana Reyes {phone}", f"{phone} Ana Reyes", f"Ana {phone} Reyes", f"Tel: {phone} Ana Reyes"):
        assert read(text)[:2] == [
            {"query": "Ana Reyes", "phone": phone},
            {"query": "Ana Reyes", "mrn": phone},
        ]


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("re", [{"query": "re"}]),
        ("Reyes, Ana", [{"query": "Reyes, Ana"}]),
        ("A-77", [{"mrn": "A-77"}, {"query": "A-77"}]),
        ("MRN# a 77", [{"query": "a", "mrn": "77"}, {"mrn": "a 77"}, {"query": "a 77"}]),
        ("12", [{"mrn": "12"}]),
        ("\uff13\uff10\uff13\uff15", [{"phone": "3035"}, {"mrn": "3035"}]),  # digits of full width
        ("李", [{"query": "李"}]),
        ("May", [{"query": "May"}]),
        ("o 1980-03-04", [{"query": "o", "date_of_birth": BORN}]),
        (
            "reyes ons00000013",
            [
                {"query": "reyes", "mrn": "ons00000013"},
                {"mrn": "reyes ons00000013"},
                {"query": "reyes ons00000013"},
            ],
        ),
    ],
)
def test_other_texts(text: str, readings: list[dict[str, Any]]) -> None:
    assert read(text) == readings


@pytest.mark.parametrize("phone", ["55-12-34-5678", "1.303.555.0101", "303-555-0101", "12.34.56"])
def test_a_phone_number_is_no_date(phone: str) -> None:
    assert read(phone) == [{"phone": phone}, {"mrn": phone}]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "nothing_to_search_for"),
        ("  ", "nothing_to_search_for"),
        ("'-", "nothing_to_search_for"),
        ("🙂", "nothing_to_search_for"),
        ("a", "too_short"),
        ("É", "too_short"),
        ("2/30/1980", "no_such_day"),
        ("reyes 1/1/2028", "no_such_day"),
        ("31 Apr 1980", "no_such_day"),
        ("13/13/80", "no_such_day"),
    ],
)
def test_what_says_too_little_says_what_to_write(text: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(text)
    assert refused.value.code == code


@given(st.text(max_size=200))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        readings = read(text)
    except Invalid:
        return
    assert 1 <= len(readings) <= 8
    assert all(readings)


@given(st.dates(min_value=date(1880, 1, 1), max_value=TODAY), st.sampled_from(["iso", "us", "words"]))
def test_every_day_is_read_back(day: date, form: str) -> None:
    written = {
        "iso": day.isoformat(),
        "us": f"{day.month}/{day.day}/{day.year}",
        "words": f"{day:%B} {day.day}, {day.year}",
    }[form]
    assert read(f"reyes {written}") == [{"query": "reyes", "date_of_birth": day}]


def test_a_name_without_spaces_parts_anywhere() -> None:
    assert names.halves("李小龙") == [("李", "小龙"), ("李小", "龙")]
    assert names.halves(*names.plain_words("김철")) == [tuple(names.plain_words("김 철"))]
    for other in ("reyes", "李reyes", "李" * 9, ""):
        assert names.halves(other) == []


@pytest.mark.parametrize("typed", ["ons-0000001-3", "ONS 0000 0013", " ons00000013", "ONS.0000001/3"])
def test_an_mrn_is_one_however_it_is_typed(typed: str) -> None:
    assert mrn.plain(typed) == mrn.plain("ONS00000013")
