"""``manage.py stream_wal --to DIR``: keep every change from the moment it is made, until stopped."""

from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from clinic.operations import streaming
from clinic.operations.errors import Refused


class Command(BaseCommand):
    """Becomes pg_receivewal: SIGTERM ends it with status 0."""

    help = "Receives the WAL of the server into a directory of backups, until SIGTERM."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to."""
        parser.add_argument("--to", type=Path, required=True, help="the directory of the backups")

    def handle(self, *_args: object, to: Path, **_options: object) -> None:
        """Returns only with CommandError."""
        try:
            streaming.stream(url=settings.BACKUP_DATABASE_URL, root=to)
        except Refused as error:
            raise CommandError(str(error)) from None
