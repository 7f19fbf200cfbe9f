"""``manage.py backup --to DIR``: a verified base backup of the whole server."""

from argparse import ArgumentParser
from pathlib import Path

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from clinic.common import clock
from clinic.operations import taking
from clinic.operations.errors import Refused

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Needs no table of ours, so it works whatever the migrations are."""

    help = "Takes a base backup, verifies it, and removes what is older than is kept."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to, and how many stay."""
        parser.add_argument("--to", type=Path, required=True, help="the directory of the backups")
        parser.add_argument("--keep", type=int, default=7, help="how many base backups stay (7)")

    def handle(self, *_args: object, to: Path, keep: int, **_options: object) -> None:
        """One line in the log; CommandError, and exit status 1, for what cannot be done."""
        if keep < 1:
            raise CommandError("--keep must be at least 1.")
        try:
            taken = taking.take(url=settings.BACKUP_DATABASE_URL, root=to, keep=keep, wall=clock.wall())
        except Refused as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{error.filename or 'The disk'} cannot be used: {error.strerror}.") from None
        log.info(
            "backup_taken",
            backup=taken.path.name,
            megabytes=taken.megabytes,
            seconds=taken.seconds,
            pruned=taken.pruned,
        )
