"""``manage.py import_patients``: patients from a CSV file or a Synthea directory, each refusal explained.

Exit code 0: everything is loaded or was there already. 1: some rows were refused, or the database
was too busy to finish. 2: the file, the site or an option cannot be used; nothing was loaded.
"""

import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import OperationalError
from tqdm import tqdm

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common import clock
from clinic.common.errors import Busy, Invalid
from patients.domain import import_rows, synthea
from patients.domain.csv_rows import Refusal
from patients.domain.import_rows import PatientRow
from patients.management import csv_files
from patients.services import imports
from patients.services import synthea as synthea_reading

_MOST_DESCRIPTIONS = 8


class Command(BaseCommand):
    """Parses arguments, opens files, shows what services.imports did."""

    help = (
        f"Loads patients from FILE.csv or from a Synthea export. Columns of FILE.csv: "
        f"{', '.join(import_rows.COLUMNS)}; needed are {', '.join(import_rows.REQUIRED_COLUMNS)}. "
        "Dates are YYYY-MM-DD, contact preferences yes or no, the text UTF-8. Whoever is already there "
        "is left alone, so the same file can be run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """FILE or --synthea DIR, and --site where there is a choice."""
        parser.add_argument("file", nargs="?", type=Path, metavar="FILE.csv")
        parser.add_argument("--synthea", type=Path, metavar="DIR", help="holds patients.csv, conditions.csv")
        parser.add_argument(
            "--site",
            default="",
            metavar="NAME_OR_ID",
            help="where they are patients; by default the only site, or the one DEFAULT_SITE names",
        )
        parser.add_argument("--all-or-nothing", action="store_true", help="load none if a row is refused")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, load nothing")
        parser.add_argument("--report", type=Path, metavar="REPORT.csv", help="write refused rows there")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Raises CommandError with exit code 1 or 2, see the module."""
        if (options["file"] is None) == (options["synthea"] is None):
            raise CommandError("Give either FILE.csv or --synthea DIR.", returncode=2)
        with ExitStack() as opened:
            try:
                site = _site(options["site"])
                report = csv_files.open_report(options["report"], opened) if options["report"] else None
                outcome = self._load(options, site, opened)
            except Invalid as fault:
                raise CommandError(fault.detail, returncode=2) from fault
            except (Busy, OperationalError) as error:
                sentence = "The database is busy or cannot be reached. What was loaded stays: run this again."
                raise CommandError(sentence, returncode=1) from error
            if report:
                csv_files.write_report(report, outcome.refusals)
        self._show(outcome, site, dry_run=options["dry_run"])
        if outcome.refused:
            rest = "nothing was loaded" if options["all_or_nothing"] else "all others were in order"
            raise CommandError(
                f"{_count(outcome.refused, 'row')} refused, listed above; {rest}.", returncode=1
            )

    def _load(self, options: dict[str, Any], site: Site, opened: ExitStack) -> imports.Outcome:
        now = clock.now()
        rows: Iterable[PatientRow | Refusal]
        if options["synthea"]:
            rows = self._from_synthea(options["synthea"], opened, now)
        else:
            rows = self._from_csv(options["file"], opened)
        with tqdm(rows, unit=" rows", file=sys.stderr, disable=None) as shown:  # None: only on a terminal
            return imports.load(
                actor=SYSTEM,
                now=now,
                site=site,
                rows=shown,
                all_or_nothing=options["all_or_nothing"],
                dry_run=options["dry_run"],
            )

    def _from_csv(self, path: Path, opened: ExitStack) -> Iterable[PatientRow | Refusal]:
        read = csv_files.rows(
            path,
            required=import_rows.REQUIRED_COLUMNS,
            known=import_rows.COLUMNS,
            opened=opened,
            notice=self._notice,
        )
        return (row if isinstance(row, Refusal) else import_rows.from_csv(row) for row in read)

    def _from_synthea(
        self, directory: Path, opened: ExitStack, now: datetime
    ) -> Iterable[PatientRow | Refusal]:
        read = partial(csv_files.rows, known=None, opened=opened, notice=self._notice)
        reading = synthea_reading.read(
            patients=read(
                directory / synthea.PATIENTS_FILE, required=tuple(synthea.PATIENT_COLUMNS.values())
            ),
            conditions=read(directory / synthea.CONDITIONS_FILE, required=synthea.CONDITION_COLUMNS),
            now=now,
        )
        self._notice(_left_out(reading.unmapped))
        return reading.rows

    def _notice(self, sentence: str) -> None:
        if sentence:
            self.stderr.write(self.style.NOTICE(sentence))

    def _show(self, outcome: imports.Outcome, site: Site, *, dry_run: bool) -> None:
        _table(outcome.refusals, self.stderr)
        counts = [
            f"{_count(outcome.added, 'patient')} {'would be loaded' if dry_run else 'loaded'}",
            f"{outcome.deceased} of them deceased" if outcome.deceased else "",
            f"{_count(outcome.conditions, 'condition')} recorded" if outcome.conditions else "",
            f"{outcome.already_there} already there",
            f"{_count(outcome.refused, 'row')} refused",
        ]
        self.stdout.write(
            f"{'Dry run at ' if dry_run else ''}{site.name}: {', '.join(count for count in counts if count)}."
        )


def _site(name_or_id: str) -> Site:
    """The active site. Raises Invalid that lists the sites there are."""
    sites = Site.objects.filter(active=True)
    wanted = name_or_id or settings.DEFAULT_SITE
    if not wanted and sites.count() == 1:
        return sites.get()
    found = sites.filter(name__iexact=wanted).first()
    if found is None and name_or_id.isascii() and name_or_id.isdigit():
        found = sites.filter(pk=int(name_or_id)).first()
    if found is None:
        known = ", ".join(f"{site.name} ({site.pk})" for site in sites) or "none yet: make one in the admin"
        fault = "There is no such site" if wanted else "Say where they are patients with --site"
        raise Invalid(f"{fault}. Sites: {known}.", code="unknown_site")
    return found


def _table(refusals: tuple[Refusal, ...], out: OutputWrapper) -> None:
    rows = [("File", "Line", "Column", "Reason")]
    rows += [(row.file, str(row.line), row.column or "-", row.reason) for row in refusals]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    for row in rows if refusals else ():
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        out.write("  ".join((*cells, row[3])))


def _left_out(unmapped: Counter[str]) -> str:
    if not unmapped:
        return ""
    most = ", ".join(f"{name} ({count})" for name, count in unmapped.most_common(_MOST_DESCRIPTIONS))
    return (
        f"{_count(unmapped.total(), 'row')} of {synthea.CONDITIONS_FILE} left out: "
        f"{_count(len(unmapped), 'description')} not in our catalogue. The most frequent: {most}."
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
