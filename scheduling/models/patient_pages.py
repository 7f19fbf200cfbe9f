"""What patients may do on their pages, per site."""

from django.db import models
from django.db.models import Q


class PatientPagePolicy(models.Model):
    """The row without a site is every site's default. What a patient may not do becomes "please call"."""

    site = models.OneToOneField("access.Site", on_delete=models.CASCADE, null=True, blank=True)
    confirm = models.BooleanField(default=True, help_text="Patients confirm their visits.")
    move = models.BooleanField(default=True, help_text="Patients choose another time themselves.")
    cancel = models.BooleanField(default=True, help_text="Patients cancel visits themselves.")
    move_until_minutes = models.PositiveIntegerField(
        default=1440, help_text="Until so long before the start; later they are asked to call."
    )
    cancel_until_minutes = models.PositiveIntegerField(
        default=1440, help_text="Until so long before the start; later they are asked to call."
    )
    notice_minutes = models.PositiveIntegerField(
        default=1440, help_text="A new time is at least so far away: fasting and a way home need it."
    )
    days_ahead = models.PositiveSmallIntegerField(default=28, help_text="How far ahead new times go.")
    days_shown = models.PositiveSmallIntegerField(default=5, help_text="Days on one page.")
    times_shown = models.PositiveSmallIntegerField(default=8, help_text="Times on one day.")
    source = models.CharField(max_length=200)
    mark = models.CharField(max_length=1)

    class Meta:
        verbose_name_plural = "patient page policies"
        constraints = (
            models.UniqueConstraint(
                models.Value(1), condition=Q(site__isnull=True), name="page_policy_one_default"
            ),
            models.CheckConstraint(
                condition=Q(days_ahead__gte=1, days_ahead__lte=120), name="page_policy_days_ahead"
            ),
            models.CheckConstraint(
                condition=Q(days_shown__gte=1, days_shown__lte=14), name="page_policy_days_shown"
            ),
            models.CheckConstraint(
                condition=Q(times_shown__gte=2, times_shown__lte=40), name="page_policy_times_shown"
            ),
        )

    def __str__(self) -> str:
        return "what patients may do on their pages"
