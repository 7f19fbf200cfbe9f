"""Public holidays become closures of a site, once each; managers change and remove them like any other.

The idea to know: one row per site and date says that its closure was made. Who removes the closure keeps
the row, so the date stays open however often the calendar is read again.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.access.services import lock_site
from clinic.common import changes as named
from clinic.common.errors import NotFound
from clinic.common.transactions import durable
from scheduling.domain.calendars import day_start
from scheduling.domain.public_holidays import public_holidays, require_known
from scheduling.models import Closure, SiteHoliday, SiteHolidayCalendar
from scheduling.services.calendars import close

_ONE_DAY = timedelta(days=1)
_REASON_LENGTH = 120


@durable
def choose(
    *,
    actor: Actor,
    now: datetime,
    site_id: int,
    country: str,
    subdivision: str = "",
    names: Collection[str] = (),
) -> SiteHolidayCalendar:
    """Say which public holidays a site keeps: those of a country and subdivision, or only these names.

    What was closed before stays closed. Raises Invalid (``unknown_country``, ``unknown_holiday``),
    NotFound, Forbidden.
    """
    site = _site(actor, site_id)
    year = now.astimezone(site.zone).year
    require_known(country=country, subdivision=subdivision, years=(year, year + 1), names=names)
    lock_site(site_id=site_id)
    chosen = {"country": country, "subdivision": subdivision, "names": sorted(set(names))}
    calendar, created = SiteHolidayCalendar.objects.select_for_update().get_or_create(
        site=site, defaults=chosen
    )
    if not created:
        named.apply(calendar, chosen)
    return calendar


@durable
def sync(*, actor: Actor, now: datetime, site_id: int, years: Collection[int]) -> list[Closure]:
    """Close a site on its holidays of these years that have not passed, and return the new closures.

    A date is closed once: repeating this does nothing, and a closure that a manager changed or took back
    stays so. Visits that are hit get a work item each, as with any closure. Raises NotFound, Forbidden.
    """
    site = _site(actor, site_id)
    calendar = SiteHolidayCalendar.objects.filter(site=site).first()
    if calendar is None:
        raise NotFound("No holiday calendar is chosen for this site.")
    lock_site(site_id=site_id)  # two at once would both find a date missing
    found = public_holidays(
        country=calendar.country, subdivision=calendar.subdivision, years=years, names=calendar.names
    )
    known = set(SiteHoliday.objects.filter(site=site, on__in=found).values_list("on", flat=True))
    made = []
    for day, name in found.items():
        start, end = day_start(day, site.zone), day_start(day + _ONE_DAY, site.zone)
        if day in known or end <= now:
            continue
        closure = close(now=now, site=site, start_at=start, end_at=end, reason=name[:_REASON_LENGTH])
        SiteHoliday.objects.create(site=site, on=day, closure=closure)
        made.append(closure)
    return made


def _site(actor: Actor, site_id: int) -> Site:
    site = Site.objects.visible_to(actor).filter(pk=site_id).first()
    if site is None:
        raise NotFound("This site does not exist.")
    actor.require("setup.write", site_id)
    return site
