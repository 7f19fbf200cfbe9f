"""Which messages a visit brings with it, and when somebody calls instead: policy as data, per visit type
and site."""

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


class ConfirmationRule(models.Model):
    """How long before its start a visit that nobody confirmed asks for a call (DOMAIN section 5).

    The narrowest row counts (visit type before site); where that one is inactive, nobody is asked.
    """

    visit_type = models.ForeignKey("scheduling.VisitType", on_delete=models.CASCADE, null=True, blank=True)
    site = models.ForeignKey("access.Site", on_delete=models.CASCADE, null=True, blank=True)
    minutes_before = models.PositiveIntegerField(help_text="Minutes before the start, by the clock.")
    answer_minutes = models.PositiveIntegerField(help_text="How long the front desk has to call.")
    active = models.BooleanField(default=True)
    source = models.CharField(max_length=120)
    mark = models.CharField(max_length=1)

    class Meta:
        ordering = ("visit_type", "site")
        constraints = (
            models.UniqueConstraint(
                fields=("visit_type", "site"), nulls_distinct=False, name="confirmation_rule_once"
            ),
            models.CheckConstraint(
                condition=Q(minutes_before__gte=1, minutes_before__lte=14 * 24 * 60),
                name="confirmation_rule_before",
            ),
            models.CheckConstraint(
                condition=Q(answer_minutes__gte=1, answer_minutes__lte=14 * 24 * 60),
                name="confirmation_rule_answer",
            ),
        )

    def __str__(self) -> str:
        return f"{self.minutes_before} minutes before"
