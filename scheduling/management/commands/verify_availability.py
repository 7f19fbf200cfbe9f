"""`manage.py verify_availability [--rebuild]`: are the stored days what the allocations say?"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from scheduling.models import Resource
from scheduling.services import resource_days

_SHOWN = 20


class Command(BaseCommand):
    """Reads only, and may run at any time; with --rebuild it corrects what it finds, resource by resource."""

    help = "Hold the stored availability against the bookings. Exits with 1 when they differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which resources, and whether to correct them."""
        parser.add_argument("--site", type=int, help="only the resources of the site with this id")
        parser.add_argument("--rebuild", action="store_true", help="derive what is wrong anew")

    def handle(self, *_args: Any, **options: Any) -> None:
        """One resource at a time, so that nothing waits long."""
        resources = Resource.objects.order_by("pk")
        if options["site"] is not None:
            resources = resources.filter(site=options["site"])
        ids = list(resources.values_list("pk", flat=True))
        wrong = [found for each in ids for found in resource_days.drift(resource_id=each)]
        for found in wrong[:_SHOWN]:
            self.stdout.write(f"resource {found.resource_id} differs on {found.day} (UTC)")
        if len(wrong) > _SHOWN:
            self.stdout.write(f"and {len(wrong) - _SHOWN} more")
        if wrong and options["rebuild"]:
            for each in sorted({found.resource_id for found in wrong}):
                resource_days.rebuild(resource_id=each)
            self.stdout.write(f"Corrected {len(wrong)} days.")
        elif wrong:
            raise CommandError(
                f"{len(wrong)} days are stored wrongly. Run verify_availability --rebuild, and report it."
            )
        else:
            self.stdout.write(f"The stored days of {len(ids)} resources are right.")
