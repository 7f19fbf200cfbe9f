"""When resources work: weekly hours and dated closures, for a resource or a whole site."""

from typing import TypeVar

from django.db import models
from django.db.models import Q

from clinic.access.policy import Actor
from clinic.common.versions import Versioned

_Row = TypeVar("_Row", bound=models.Model)
_ONE_OWNER = Q(site__isnull=False, resource__isnull=True) | Q(site__isnull=True, resource__isnull=False)


class CalendarQuerySet(models.QuerySet[_Row]):
    """Reusable filters on hours and closures."""

    def visible_to(self, actor: Actor) -> "CalendarQuerySet[_Row]":
        """Rows of the actor's sites and of the resources there."""
        if actor.sees_every_site:
            return self
        sites = actor.sites("setup.read")
        return self.filter(Q(site_id__in=sites) | Q(resource__site_id__in=sites))


class WorkingHours(Versioned):
    """Open hours of one weekday, in the site's zone. ``end`` at or before ``start`` crosses midnight.

    A resource with rows of its own follows only those; the others follow their site's.
    """

    site = models.ForeignKey("access.Site", on_delete=models.CASCADE, null=True, blank=True)
    resource = models.ForeignKey("scheduling.Resource", on_delete=models.CASCADE, null=True, blank=True)
    weekday = models.PositiveSmallIntegerField(
        choices=list(
            enumerate(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"])
        )
    )
    start = models.TimeField()
    end = models.TimeField()
    valid_from = models.DateField(null=True, blank=True)
    valid_until = models.DateField(null=True, blank=True, help_text="The last day, included.")

    objects = CalendarQuerySet.as_manager()

    class Meta:
        ordering = ("weekday", "start", "id")
        verbose_name_plural = "working hours"
        constraints = (
            models.CheckConstraint(condition=_ONE_OWNER, name="hours_one_owner"),
            models.CheckConstraint(condition=Q(weekday__lte=6), name="hours_weekday"),
            models.CheckConstraint(
                condition=Q(valid_from__isnull=True)
                | Q(valid_until__isnull=True)
                | Q(valid_until__gte=models.F("valid_from")),
                name="hours_valid_order",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.start:%H:%M}-{self.end:%H:%M}"


class Closure(Versioned):
    """A stretch of time in which a site or one resource does not work."""

    site = models.ForeignKey("access.Site", on_delete=models.CASCADE, null=True, blank=True)
    resource = models.ForeignKey("scheduling.Resource", on_delete=models.CASCADE, null=True, blank=True)
    start_at = models.DateTimeField("start")
    end_at = models.DateTimeField("end")
    reason = models.CharField(max_length=120)

    objects = CalendarQuerySet.as_manager()

    class Meta:
        ordering = ("start_at", "id")
        constraints = (
            models.CheckConstraint(condition=_ONE_OWNER, name="closure_one_owner"),
            models.CheckConstraint(condition=Q(end_at__gt=models.F("start_at")), name="closure_order"),
        )
        indexes = (models.Index(fields=("end_at",), name="closure_end"),)

    def __str__(self) -> str:
        return self.reason
