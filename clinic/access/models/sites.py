"""A site is one clinic location: the unit that staff belong to and that time is local to.

It lives on the ground floor, not in scheduling, because patients and staff belong to it too
(docs/adr/0003-site-on-the-ground-floor.md).
"""

from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.db import models

from clinic.access.policy import Actor
from clinic.common.versions import Versioned


def validate_timezone(value: str) -> None:
    """Accept IANA zone names only."""
    if value not in available_timezones():
        raise ValidationError(
            "“%(value)s” is not a time zone. Use an IANA name such as America/Denver.",
            code="unknown_timezone",
            params={"value": value[:64]},
        )


class SiteQuerySet(models.QuerySet["Site"]):
    """Reusable filters on sites."""

    def visible_to(self, actor: Actor) -> "SiteQuerySet":
        """The sites at which this actor has any role."""
        return self if actor.sees_every_site else self.filter(pk__in=actor.sites())


class Site(Versioned):
    """One location with its own zone, phone and the discreet name that messages use."""

    name = models.CharField(max_length=120, unique=True)
    discreet_name = models.CharField(
        max_length=40, help_text="Shown in messages: must not reveal what is treated here."
    )
    timezone = models.CharField(max_length=64, validators=[validate_timezone])
    phone = models.CharField(max_length=20, blank=True)
    address = models.CharField(max_length=250, blank=True)
    active = models.BooleanField(default=True)

    objects = SiteQuerySet.as_manager()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which this site's calendar is read."""
        return ZoneInfo(self.timezone)
