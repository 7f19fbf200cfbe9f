"""``manage.py reset_second_factor``: on the server, when nobody is left who may do it in the admin."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from clinic.access import second_factor
from clinic.access.models import User
from clinic.common import clock


class Command(BaseCommand):
    """Takes away somebody's second factor and ends their sign-ins."""

    help = "Takes away the second factor of an account and ends its sign-ins."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose, and why."""
        parser.add_argument("username")
        parser.add_argument("--reason", required=True, help="It stays on record.")

    def handle(self, *args: object, username: str, reason: str, **options: object) -> None:
        """Raises CommandError for no such account."""
        with transaction.atomic():
            user = User.objects.select_for_update(of=("self",)).filter(username=username).first()
            if user is None:
                raise CommandError(f"There is no account {username!r}.")
            second_factor.take_away(user=user, by_id=None, reason=reason, wall=clock.wall())
        self.stdout.write(f"The second factor of {username} is reset; every sign-in has ended.")
