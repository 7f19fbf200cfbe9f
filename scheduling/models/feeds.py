"""Calendar feeds: addresses under which a calendar program reads when somebody or something is needed.

The address is the key, so only a hash of its token is kept, and it can be replaced or taken back.
"""

from django.db import models
from django.db.models import Q

from clinic.access.models import Membership
from clinic.access.policy import Actor
from clinic.common.versions import Versioned


class CalendarFeedQuerySet(models.QuerySet["CalendarFeed"]):
    """Reusable filters on feeds."""

    def visible_to(self, actor: Actor) -> "CalendarFeedQuerySet":
        """One's own, those of the resources whose schedule one reads, and those of the people one manages."""
        if actor.sees_every_site:
            return self
        managed = Membership.objects.filter(site_id__in=actor.sites("staff.write")).values("user_id")
        return self.filter(
            Q(user_id=actor.user_id)
            | Q(resource__site_id__in=actor.sites("appointments.read"))
            | Q(user_id__in=managed)
        )


class CalendarFeed(Versioned):
    """One address: for a resource, or for a person and all the resources that they are."""

    resource = models.ForeignKey(
        "scheduling.Resource", on_delete=models.PROTECT, null=True, blank=True, related_name="feeds"
    )
    user = models.ForeignKey(
        "access.User", on_delete=models.CASCADE, null=True, blank=True, related_name="calendar_feeds"
    )
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, related_name="+")
    issued_at = models.DateTimeField(help_text="When its present address was made.")
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the hour.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = CalendarFeedQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(resource__isnull=False, user__isnull=True)
                | Q(resource__isnull=True, user__isnull=False),
                name="calendar_feed_of_one",
            ),
        )

    def __str__(self) -> str:
        return str(self.resource or self.user)
