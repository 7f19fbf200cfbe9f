"""Opens CSV files that people made, whatever they were saved as, and writes the report of refused rows."""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TextIO

from clinic.common.errors import Invalid
from patients.domain import csv_rows
from patients.domain.csv_rows import CsvRow, Refusal

_CHUNK = 1 << 20
_ENCODINGS = {"cp1252": "Windows-1252"}


def rows(
    path: Path,
    *,
    required: Collection[str],
    known: Collection[str] | None,
    opened: ExitStack,
    notice: Callable[[str], None],
) -> Iterator[CsvRow | Refusal]:
    """The rows of a file, which ``opened`` closes. Raises Invalid (``unusable_file``) with the reason."""
    try:
        raw = opened.enter_context(path.open("rb"))
        encoding = csv_rows.encoding_of(iter(partial(raw.read, _CHUNK), b""))
        raw.seek(0)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.", code="unusable_file") from error
    except Invalid as fault:
        raise Invalid(f"{path}: {fault.detail}", code=fault.code) from fault
    if encoding in _ENCODINGS:
        notice(
            f"{path.name} is not UTF-8; it is read as {_ENCODINGS[encoding]}. "
            "Check the accents of a few names."
        )
    text = opened.enter_context(io.TextIOWrapper(raw, encoding=encoding, newline=None))
    lines = csv_rows.numbered_lines(text.readline)
    try:
        return csv_rows.read(lines, file=path.name, required=required, known=known)
    except Invalid as fault:
        raise Invalid(f"{path}: {fault.detail}", code=fault.code) from fault


def open_report(path: Path, opened: ExitStack) -> TextIO:
    """The report's file, opened before anything is loaded. Raises Invalid when it cannot be written."""
    try:
        return opened.enter_context(path.open("w", encoding="utf-8", newline=""))
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error.strerror}.", code="unusable_file") from error


def write_report(report: TextIO, refusals: Iterable[Refusal]) -> None:
    """File, line, column and reason of each refused row; nothing of what stood there."""
    writer = csv.writer(report)
    writer.writerow(("file", "line", "column", "reason"))
    writer.writerows((row.file, row.line, row.column, row.reason) for row in refusals)
