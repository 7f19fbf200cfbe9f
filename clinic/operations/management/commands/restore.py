"""``manage.py restore --from DIR --to NEW_DATA_DIR``: the data as of the last commit, or of a moment."""

import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from clinic.operations import restoring
from clinic.operations.errors import Refused


class Command(BaseCommand):
    """Touches no running server: it writes into an empty directory and starts a server of its own there."""

    help = "Restores a base backup and the WAL that followed it into an empty directory."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """From where, to where, and to which moment."""
        parser.add_argument(
            "--from", dest="root", type=Path, required=True, help="the directory of the backups"
        )
        parser.add_argument("--to", dest="target", type=Path, required=True, help="a new or empty directory")
        parser.add_argument("--until", type=_moment, help='stop there, as in "2027-01-04T09:00:00-07:00"')
        parser.add_argument("--backup", help="the base backup to begin with (the newest that can)")
        parser.add_argument(
            "--check", action="store_true", help="run Onset's own checks on what was restored"
        )
        held = parser.add_mutually_exclusive_group()
        held.add_argument(
            "--hold-messages",
            action="store_true",
            default=None,
            help="messages due by now are not sent again, a person looks (the default with --until)",
        )
        held.add_argument("--send-messages", dest="hold_messages", action="store_false")

    def handle(self, *_args: object, root: Path, target: Path, **options: object) -> None:
        """Raises CommandError for what cannot be done; the target is then left empty."""
        until = options["until"] if isinstance(options["until"], datetime) else None
        hold = until is not None if options["hold_messages"] is None else bool(options["hold_messages"])
        steps = [["hold_messages"]] * hold + [["check_database"]] * bool(options["check"])

        def inside(url: str) -> None:
            for step in steps:
                _manage(url, *step)

        began = time.monotonic()
        try:
            restored = restoring.restore(
                root=root,
                target=target,
                url=settings.DATABASE_URL,
                until=until,
                name=str(options["backup"]) if options["backup"] else None,
                inside=inside,
            )
        except Refused as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{error.filename or 'The disk'} cannot be used: {error.strerror}.") from None
        last = restored.last_commit.isoformat() if restored.last_commit else f"that of {restored.backup.name}"
        self.stdout.write(
            f"Restored {restored.backup.name} into {target} in {time.monotonic() - began:.1f} s. "
            f"Last commit: {last}."
        )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment


def _manage(url: str, command: str) -> None:
    """Run a command of Onset's on the restored server. Raises Refused when it fails."""
    words = [sys.executable, str(settings.BASE_DIR / "manage.py"), command]
    done = subprocess.run(  # noqa: S603 - our own command
        words, env=os.environ | {"DATABASE_URL": url, "DATABASE_POOL": "0"}, check=False
    )
    if done.returncode != 0:
        raise Refused(f"{command} failed on what was restored; see above.")
