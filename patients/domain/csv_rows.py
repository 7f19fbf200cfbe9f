"""Reads CSV that people made: every row is one physical line, so a stray quote spoils its own line only.

What cannot be used is a Refusal that names line and column and gives a reason, never the content:
reports of an import hold no patient data.
"""

import codecs
import csv
import difflib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from clinic.common.errors import Invalid

LONGEST_LINE = 65_536
"""In characters. No row of patient details comes near it."""

_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is not loaded. ``column`` is empty when the fault is the row's as a whole."""

    file: str
    line: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row: column name -> cell, stripped of surrounding spaces."""

    file: str
    line: int
    cells: dict[str, str]


def encoding_of(chunks: Iterable[bytes]) -> str:
    """``utf-8-sig`` (with or without a byte-order mark) or, when the bytes are not UTF-8, ``cp1252``.

    Raises Invalid (``unusable_file``) for spreadsheets, UTF-16, and bytes that are neither.
    """
    decoders = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8-sig", "cp1252")}
    start = b""
    for chunk in chunks:
        if not start:
            start = chunk
            _refuse_other_formats(start)
        decoders = {name: decoder for name, decoder in decoders.items() if _decodes(decoder, chunk)}
    decoders = {name: decoder for name, decoder in decoders.items() if _decodes(decoder, b"", final=True)}
    if not decoders:
        raise _unusable("The file is neither UTF-8 nor Windows-1252 text. Save it as CSV UTF-8.")
    return next(iter(decoders))


def numbered_lines(readline: Callable[[int], str]) -> Iterator[tuple[int, str | None]]:
    """(line number, text) of each line; None in place of the text when it is longer than LONGEST_LINE."""
    number = 0
    while line := readline(LONGEST_LINE + 1):
        number += 1
        if len(line) <= LONGEST_LINE or line.endswith("\n"):
            yield number, line
            continue
        while line and not line.endswith("\n"):
            line = readline(LONGEST_LINE + 1)
        yield number, None


def read(
    lines: Iterable[tuple[int, str | None]],
    *,
    file: str,
    required: Collection[str],
    known: Collection[str] | None = None,
) -> Iterator[CsvRow | Refusal]:
    """Every row below the header, as a CsvRow or as the Refusal of it; blank rows are passed over.

    ``known``: the only columns there may be (None: others are ignored). Raises Invalid
    (``unusable_file``), before the first row, naming each column that is missing, unknown or repeated.
    """
    numbered = iter(lines)
    header = _header(next(numbered, (1, ""))[1], required=required, known=known)
    return _rows(numbered, file=file, header=header)


def _rows(
    lines: Iterator[tuple[int, str | None]], *, file: str, header: list[str]
) -> Iterator[CsvRow | Refusal]:
    for number, line in lines:
        if line is None:
            yield Refusal(file, number, "", f"The line is longer than {LONGEST_LINE:,} characters.")
            continue
        cells = _cells(line)
        if cells is None:
            yield Refusal(file, number, "", "A quotation mark is not closed or stands inside a cell.")
            continue
        while len(cells) > len(header) and not cells[-1]:
            cells.pop()
        if not any(cells):
            continue
        if len(cells) != len(header):
            column = header[len(cells)] if len(cells) < len(header) else ""
            reason = f"The row has {len(cells)} cells, the header has {len(header)}."
            yield Refusal(file, number, column, reason)
            continue
        yield CsvRow(file, number, dict(zip(header, cells, strict=True)))


def _cells(line: str) -> list[str] | None:
    try:
        parsed = next(csv.reader([line], strict=True), [])
    except csv.Error:
        return None
    return [cell.strip() for cell in parsed]


def _header(line: str | None, *, required: Collection[str], known: Collection[str] | None) -> list[str]:
    names = _cells(line) if line else None
    while names and not names[-1]:
        names.pop()
    if not names:
        raise _unusable("The file is empty or its first line is not a header of column names.")
    expected = {name.casefold(): name for name in (*required, *(known or ()))}
    names = [expected.get(name.casefold(), name) for name in names]
    if not expected.keys() & {name.casefold() for name in names}:
        # Not echoed: a file without a header starts with somebody's details.
        raise _unusable(
            f"The first line is no header. It must name the columns {', '.join(required)}, "
            "with commas between the names."
        )
    faults = [f"Column {name} is missing." for name in required if name not in names]
    faults += [f"Column {_shown(name)} appears more than once." for name in _repeated(names) if name]
    faults += [f"Column number {at} has no name." for at, name in enumerate(names, 1) if not name]
    if known is not None:
        allowed = set(expected.values())
        faults += [_unknown(name, allowed) for name in names if name and name not in allowed]
    if faults:
        raise _unusable(" ".join(faults))
    return names


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _unknown(name: str, allowed: Collection[str]) -> str:
    alike = difflib.get_close_matches(name.casefold(), sorted(allowed), n=1)
    hint = f"did you mean {alike[0]}?" if alike else f"known are {', '.join(sorted(allowed))}."
    return f"Column {_shown(name)} is unknown: {hint}"


def _shown(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name[:_SHOWN])


def _refuse_other_formats(start: bytes) -> None:
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise _unusable("This is a spreadsheet. Save it as CSV UTF-8, then import that file.")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _unusable("The file is UTF-16 text. Save it as CSV UTF-8.")


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _unusable(detail: str) -> Invalid:
    return Invalid(detail, code="unusable_file")
