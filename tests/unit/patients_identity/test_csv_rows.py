"""CSV as people make it: what is wrong is named by line and column, and spoils nothing else."""

import io

import pytest

from clinic.common.errors import Invalid
from patients.domain import csv_rows
from patients.domain.csv_rows import CsvRow, Refusal

REQUIRED = ("first_name", "last_name")
KNOWN = (*REQUIRED, "phone")


def read(text: str, known: tuple[str, ...] | None = KNOWN) -> list[CsvRow | Refusal]:
    lines = csv_rows.numbered_lines(io.StringIO(text, newline=None).readline)
    return list(csv_rows.read(lines, file="p.csv", required=REQUIRED, known=known))


def test_rows_are_read_whatever_ends_their_lines() -> None:
    rows = read('first_name,last_name\r\nAna,"Reyes, Jr."\r\n\r\n,\nBo , Li\rCy,Ma')
    assert rows == [
        CsvRow("p.csv", 2, {"first_name": "Ana", "last_name": "Reyes, Jr."}),
        CsvRow("p.csv", 5, {"first_name": "Bo", "last_name": "Li"}),
        CsvRow("p.csv", 6, {"first_name": "Cy", "last_name": "Ma"}),
    ]


def test_a_stray_quote_spoils_its_own_line_only() -> None:
    rows = read('first_name,last_name\n"Ana,Reyes\nBo,"L"i\nCy,Ma\n')
    assert [(row.line, isinstance(row, Refusal)) for row in rows] == [(2, True), (3, True), (4, False)]


def test_ragged_rows_name_the_first_column_without_a_cell() -> None:
    short, long, padded = read("first_name,last_name,phone\nAna,Reyes\nA,B,C,D\nBo,Li,1,,,\n")
    assert short == Refusal("p.csv", 2, "phone", "The row has 2 cells, the header has 3.")
    assert long == Refusal("p.csv", 3, "", "The row has 4 cells, the header has 3.")
    assert isinstance(padded, CsvRow)


def test_an_endless_line_is_passed_over_without_being_kept() -> None:
    rows = read("first_name,last_name\n" + "x" * 10_000_000 + ",y\nBo,Li\n" + "z" * 70_000)
    assert [(row.line, isinstance(row, Refusal)) for row in rows] == [(2, True), (3, False), (4, True)]


@pytest.mark.parametrize(
    ("header", "sentences"),
    [
        ("first_name,phne", ["Column last_name is missing", "phne is unknown: did you mean phone?"]),
        ("first_name,last_name,phone,Phone", ["Column phone appears more than once"]),
        ("first_name,,last_name", ["Column number 2 has no name"]),
        ("first_name,last_name,\x1b[31m", ["Column ?[31m is unknown"]),
        ("first_name;last_name", ["with commas between the names"]),
        ("", ["The file is empty"]),
        ("\n", ["The file is empty"]),
        ('"first_name', ["The file is empty or its first line is not a header"]),
    ],
)
def test_header_faults_name_their_column(header: str, sentences: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        read(header)
    assert refused.value.code == "unusable_file"
    for sentence in sentences:
        assert sentence in refused.value.detail


def test_a_missing_header_does_not_repeat_somebodys_details() -> None:
    with pytest.raises(Invalid) as refused:
        read("Ana,Reyes,+13035550123\n")
    assert "Ana" not in refused.value.detail
    assert "3035550123" not in refused.value.detail


def test_header_names_may_differ_in_case_and_others_be_ignored_when_asked() -> None:
    (row,) = read("First_Name,LAST_NAME,extra\nAna,Reyes,1\n", known=None)
    assert isinstance(row, CsvRow)
    assert row.cells == {"first_name": "Ana", "last_name": "Reyes", "extra": "1"}


@pytest.mark.parametrize(
    ("chunks", "encoding"),
    [
        ([b"Ana"], "utf-8-sig"),
        (["\ufeffPeña".encode()], "utf-8-sig"),
        ([b"Pe\xc3", b"\xb1a"], "utf-8-sig"),
        ([b"Pe\xf1a"], "cp1252"),
        ([b"a" * 9, b"Pe\xc3"], "cp1252"),
        ([], "utf-8-sig"),
    ],
)
def test_the_encoding_is_found_across_chunks(chunks: list[bytes], encoding: str) -> None:
    assert csv_rows.encoding_of(chunks) == encoding


@pytest.mark.parametrize(
    ("start", "word"),
    [
        (b"PK\x03\x04", "spreadsheet"),
        (b"\xd0\xcf\x11\xe0", "spreadsheet"),
        ("Ana".encode("utf-16"), "UTF-16"),
        (b"\x81\xff", "neither"),
    ],
)
def test_files_that_are_no_csv_say_what_to_do(start: bytes, word: str) -> None:
    with pytest.raises(Invalid) as refused:
        csv_rows.encoding_of([start])
    assert word in refused.value.detail
