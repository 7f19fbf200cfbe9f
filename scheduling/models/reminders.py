"""Which messages a visit brings with it, and when: policy as data, per visit type and site."""

from django.db import models
from django.db.models import Q


class ReminderRule(models.Model):
    """One message of a visit's plan (DOMAIN section 5). The most specific active rule of a kind counts."""

    class Anchor(models.TextChoices):
        BOOKING = "booking", "when booked"
        START = "start", "before the start"

    kind = models.CharField(max_length=32)
    visit_type = models.ForeignKey("scheduling.VisitType", on_delete=models.CASCADE, null=True, blank=True)
    site = models.ForeignKey("access.Site", on_delete=models.CASCADE, null=True, blank=True)
    anchor = models.CharField(max_length=8, choices=Anchor.choices)
    minutes_before = models.PositiveIntegerField(default=0)
    late_minutes = models.PositiveIntegerField(help_text="How late it may still be sent.")
    first_visit_only = models.BooleanField(default=False)
    email = models.BooleanField(default=True)
    sms = models.BooleanField("SMS", default=True)
    active = models.BooleanField(default=True)
    source = models.CharField(max_length=120)
    mark = models.CharField(max_length=1)

    class Meta:
        ordering = ("kind", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("kind", "visit_type", "site"),
                condition=Q(active=True),
                nulls_distinct=False,
                name="reminder_rule_once",
            ),
        )

    def __str__(self) -> str:
        return self.kind
