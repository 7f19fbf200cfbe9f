"""`manage.py measures [--site 1] [--from 2027-01-01] [--to 2027-01-31]`: count what managers read anew."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clinic.access.models import Site
from clinic.common import clock
from scheduling.services import measures


class Command(BaseCommand):
    """May run at any time and any number of times, beside the workers too."""

    help = "Count the measures of some days anew. Without dates: from the site's first day to today."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which site and which of its days."""
        parser.add_argument("--site", type=int, help="only the site with this id")
        parser.add_argument("--from", dest="first", type=_day, help="first day, such as 2027-01-01")
        parser.add_argument("--to", dest="last", type=_day, help="last day, included; today when left out")

    def handle(self, *_args: Any, **options: Any) -> None:
        """A few days at a time, the latest first, so that nobody waits long."""
        now = clock.now()
        sites = Site.objects.filter(active=True)
        if options["site"] is not None:
            sites = Site.objects.filter(pk=options["site"])
            if not sites.exists():
                raise CommandError(f"There is no site with the id {options['site']}.")
        for site in sites.order_by("pk"):
            today = now.astimezone(site.zone).date()
            last = min(options["last"] or today, today)
            first = options["first"] or measures.first_day(site) or last
            if first > last:
                raise CommandError(f"From {first} to {last} there is no day. Give an earlier --from.")
            rows = sum(
                measures.count(site=site, first=begin, last=end, now=now)
                for begin, end in measures.batches(first=first, last=last)
            )
            days = (last - first).days + 1
            self.stdout.write(f"Site {site.pk}: counted {days} days from {first} to {last}, {rows} rows.")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text} is no date such as 2027-01-31.") from None
