"""``manage.py hold_messages``: after a restore to an earlier moment, before anything is started on it."""

from django.core.management.base import BaseCommand

from clinic.common import clock
from patients.services import restored


class Command(BaseCommand):
    """What `restore --until` runs by itself."""

    help = "Makes every message that was due by now uncertain, instead of sending it again."

    def handle(self, *_args: object, **_options: object) -> None:
        """Says how many."""
        held = restored.hold_messages(now=clock.now())
        self.stdout.write(f"{held} messages are held; a work item asks somebody to call about each.")
