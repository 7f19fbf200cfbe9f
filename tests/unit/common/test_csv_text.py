"""CSV that no spreadsheet takes for formulas, and that reads back as it was."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from clinic.common.csv_text import csv_text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", '=HYPERLINK("http://x","y")'])
def test_what_begins_like_a_formula_gets_an_apostrophe(text: str) -> None:
    (row,) = list(csv.reader(io.StringIO(csv_text(["a"], [[text]]), newline="")))[1:]
    assert row == [f"'{text}"]


def test_numbers_dates_and_words_stay_as_they_are() -> None:
    noon = datetime(2027, 1, 4, 12, tzinfo=UTC)
    text = csv_text(
        ["a", "b"],
        [[Decimal("-5.00"), date(2027, 1, 4)], [noon, None], [True, False], ['say "hi", you', "a=b"]],
    )
    assert text == (
        'a,b\r\n-5.00,2027-01-04\r\n2027-01-04T12:00:00+00:00,\r\nyes,no\r\n"say ""hi"", you",a=b\r\n'
    )
