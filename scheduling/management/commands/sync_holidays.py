"""``manage.py sync_holidays --years 2027 2028``: close each site on the public holidays it keeps."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common import clock
from clinic.common.errors import DomainError
from scheduling.models import SiteHolidayCalendar
from scheduling.services import holidays

_FIRST_YEAR, _LAST_YEAR = 2000, 2100


class Command(BaseCommand):
    """Safe to repeat; what managers changed or removed stays so."""

    help = (
        "Turn the public holidays of each site's calendar into closures. With --site and --country, choose "
        "the calendar of that site first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Years, and optionally a site with its calendar."""
        parser.add_argument("--years", nargs="+", type=int, help="Default: this year and the next.")
        parser.add_argument("--site", type=int, help="Only this site (id).")
        parser.add_argument("--country", help="ISO 3166-1, such as US.")
        parser.add_argument("--subdivision", default="", help="Of ISO 3166-2, such as CO.")
        parser.add_argument("--names", nargs="+", default=(), help="Only these holidays.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """One transaction per site."""
        now = clock.now()
        years = options["years"] or [now.year, now.year + 1]
        if not all(_FIRST_YEAR <= year <= _LAST_YEAR for year in years):
            raise CommandError(f"Use years from {_FIRST_YEAR} to {_LAST_YEAR}.")
        if options["country"] and not options["site"]:
            raise CommandError("Say with --site whose calendar it is.")
        try:
            if options["country"]:
                holidays.choose(
                    actor=SYSTEM,
                    now=now,
                    site_id=options["site"],
                    country=options["country"],
                    subdivision=options["subdivision"],
                    names=options["names"],
                )
            for site in self._sites(options["site"]):
                made = holidays.sync(actor=SYSTEM, now=now, site_id=site.pk, years=years)
                self.stdout.write(f"{site.name}: {len(made)} closed days added")
        except DomainError as error:
            raise CommandError(error.detail) from error

    def _sites(self, only: int | None) -> list[Site]:
        if only is not None:
            return list(Site.objects.filter(pk=only))
        kept = SiteHolidayCalendar.objects.values("site_id")
        return list(Site.objects.filter(pk__in=kept, active=True))
