"""``manage.py check_migrations``: may the new migrations run while the code before them still does?"""

from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from clinic.operations import migration_rules
from clinic.operations.errors import Refused


class Command(BaseCommand):
    """A part of `make check`. Asks no database."""

    help = "Refuses migrations that lock tables for long or break the code that still runs."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Judging, or writing down what a release ships."""
        parser.add_argument(
            "--record", action="store_true", help="with a release: all of today's are released"
        )

    def handle(self, *_args: object, record: bool, **_options: object) -> None:
        """Raises CommandError naming each thing that is wrong."""
        every = migration_rules.ours(below=settings.BASE_DIR)
        if record:
            head = "# Released migrations, and those let pass with a reason (check_migrations --record).\n"
            migration_rules.RELEASED.write_text(head + "".join(f"{name}\n" for name in every))
            return
        fresh = {name: path for name, path in every.items() if name not in migration_rules.released()}
        try:
            found = migration_rules.judge(fresh)
        except Refused as error:
            raise CommandError(str(error)) from None
        if found:
            raise CommandError("\n".join(["Not while Onset runs:", *map(str, found)]))
        self.stdout.write(f"{len(fresh)} migrations are new; none of them stops a running clinic.")
