"""What managers read of a clinic, counted beforehand: a row per site, day, measure and visit type.

The idea to know: these rows are derived and may be deleted at any time; scheduling/services/measures.py
counts them anew. Days are the site's own, so one of them has 23 hours and one 25.
"""

from django.db import models
from django.db.models import Q

from clinic.access.policy import Actor


class MeasureDayQuerySet(models.QuerySet["MeasureDay"]):
    """Reusable filters on what was counted."""

    def visible_to(self, actor: Actor) -> "MeasureDayQuerySet":
        """Of the sites whose reports this actor reads."""
        return self if actor.sees_every_site else self.filter(site_id__in=actor.sites("reports.read"))


class MeasureDay(models.Model):
    """What one day of a site adds to a measure. The codes are those of scheduling/domain/measures.py.

    ``visit_type`` is empty where a measure has none. Every day that was counted has a row of chair
    utilisation, whether or not anything happened: that is how a day not counted yet is told.
    """

    site = models.ForeignKey("access.Site", on_delete=models.CASCADE, db_index=False)
    day = models.DateField(help_text="On the clocks of the site.")
    measure = models.CharField(max_length=24)
    visit_type = models.CharField(max_length=50, blank=True, help_text="Its code.")
    numerator = models.BigIntegerField()
    denominator = models.BigIntegerField()
    computed_at = models.DateTimeField()

    objects = MeasureDayQuerySet.as_manager()

    class Meta:
        ordering = ("site_id", "day", "measure", "visit_type")
        constraints = (
            models.UniqueConstraint(fields=("site", "day", "measure", "visit_type"), name="measure_day_once"),
            models.CheckConstraint(
                condition=Q(numerator__gte=0, denominator__gte=0), name="measure_day_counts"
            ),
        )

    def __str__(self) -> str:
        return f"{self.measure} on {self.day}"


class MeasuredSite(models.Model):
    """How far the counting of one site is. Whoever counts has this row locked.

    Two sweeps go back in time a few days at once: over the recent days, and over all older ones.
    ``…_next_on`` is where a sweep goes on, empty when it is to begin anew at ``…_due_at``.
    """

    site = models.OneToOneField(
        "access.Site", on_delete=models.CASCADE, primary_key=True, related_name="measured"
    )
    first_on = models.DateField(null=True, blank=True, help_text="Day of the site's first record.")
    recent_due_at = models.DateTimeField()
    recent_next_on = models.DateField(null=True, blank=True)
    older_due_at = models.DateTimeField()
    older_next_on = models.DateField(null=True, blank=True)

    def __str__(self) -> str:
        return f"measured site {self.pk}"


class MeasurePolicy(models.Model):
    """What counts as late, and how often it is counted. The row without a site is the default."""

    site = models.OneToOneField("access.Site", on_delete=models.CASCADE, null=True, blank=True)
    late_cancel_hours = models.PositiveSmallIntegerField(
        help_text="A visit cancelled less than so many hours before its start is cancelled late."
    )
    outcome_within_days = models.PositiveSmallIntegerField(
        help_text="How long after the last session of the first series an assessment says how a course ended."
    )
    recent_days = models.PositiveSmallIntegerField(help_text="So many days, today included, are recent.")
    recent_minutes = models.PositiveSmallIntegerField(help_text="How often recent days are counted anew.")
    older_days = models.PositiveSmallIntegerField(
        help_text="After how many days the older ones are counted anew, for late answers."
    )
    source = models.CharField(max_length=160)
    mark = models.CharField(max_length=1)

    class Meta:
        verbose_name_plural = "measure policies"
        constraints = (
            models.UniqueConstraint(
                models.Value(1), condition=Q(site__isnull=True), name="measure_policy_one_default"
            ),
            models.CheckConstraint(
                condition=Q(late_cancel_hours__gte=1, late_cancel_hours__lte=336), name="measure_policy_late"
            ),
            models.CheckConstraint(
                condition=Q(outcome_within_days__gte=1, outcome_within_days__lte=180),
                name="measure_policy_outcome",
            ),
            models.CheckConstraint(
                condition=Q(recent_days__gte=1, recent_days__lte=400), name="measure_policy_recent"
            ),
            models.CheckConstraint(
                condition=Q(recent_minutes__gte=5, recent_minutes__lte=1440)
                & Q(older_days__gte=1, older_days__lte=90),
                name="measure_policy_how_often",
            ),
        )

    def __str__(self) -> str:
        return f"late within {self.late_cancel_hours} h"
