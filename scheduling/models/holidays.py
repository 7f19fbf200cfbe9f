"""Which public holidays close a site, and what was decided about each of their dates.

The idea to know: a holiday becomes an ordinary closure that a manager may change or take back. What was
made of a date is remembered apart from the closure, so that one taken back does not return.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from clinic.access.policy import Actor
from clinic.common.versions import Versioned


class HolidayCalendarQuerySet(models.QuerySet["SiteHolidayCalendar"]):
    """Reusable filters on holiday calendars."""

    def visible_to(self, actor: Actor) -> "HolidayCalendarQuerySet":
        """Calendars of the sites at which this actor has any role."""
        return self if actor.sees_every_site else self.filter(site_id__in=actor.sites("setup.read"))


class SiteHolidayCalendar(Versioned):
    """The public holidays of a country (and its subdivision) at which a site is closed.

    ``names`` chooses among them, as the calendar of the country calls them; empty means all. Dates on which
    a chosen holiday is observed are closed as well.
    """

    site = models.OneToOneField("access.Site", on_delete=models.CASCADE, related_name="holiday_calendar")
    country = models.CharField(max_length=2, help_text="ISO 3166-1, such as US.")
    subdivision = models.CharField(max_length=6, blank=True, help_text="Of ISO 3166-2, such as CO.")
    names = ArrayField(models.CharField(max_length=120), default=list, blank=True)

    objects = HolidayCalendarQuerySet.as_manager()

    class Meta:
        ordering = ("site_id",)

    def __str__(self) -> str:
        return f"{self.country}-{self.subdivision}" if self.subdivision else self.country


class SiteHoliday(models.Model):
    """One date that became a closure. Without one, a manager has taken it back, and it stays open."""

    site = models.ForeignKey("access.Site", on_delete=models.CASCADE, related_name="holidays")
    on = models.DateField()
    closure = models.OneToOneField(
        "scheduling.Closure", on_delete=models.SET_NULL, null=True, blank=True, related_name="holiday"
    )

    class Meta:
        ordering = ("site_id", "on")
        constraints = (models.UniqueConstraint(fields=("site", "on"), name="site_holiday_once"),)

    def __str__(self) -> str:
        return f"{self.on}"
