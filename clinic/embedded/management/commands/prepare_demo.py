"""Migrate and seed in one process: starting Django once is most of a warm start."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """What the demo runs before its servers."""

    help = "Apply migrations, then seed the demo clinic. Safe to run again."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Both steps are idempotent."""
        call_command("migrate", interactive=False, verbosity=0)
        call_command("seed_demo")
