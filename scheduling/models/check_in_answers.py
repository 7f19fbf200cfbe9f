"""Around the answers to a check-in: what was begun and not sent, and when too little effect needs review."""

from django.db import models
from django.db.models import Q

from clinic.common.versions import Versioned


class CheckInDraft(Versioned):
    """What a patient has filled in so far on the page of one contact, kept until it is sent.

    Nothing here is scored or counts as an answer; a critical answer never waits in a draft
    (scheduling/services/check_in_drafts.py).
    """

    check_in = models.OneToOneField("scheduling.CheckIn", on_delete=models.CASCADE, related_name="draft")
    answers = models.JSONField(
        default=dict, help_text="Instrument code to the version that was asked and the answers given."
    )
    started_at = models.DateTimeField()
    saved_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"begun on {self.started_at:%Y-%m-%d}"


class EfficacyRule(models.Model):
    """How much better a measure has to be at a check-in; less opens a review for the prescriber."""

    check_in = models.CharField(max_length=12, help_text="Code of the check-in, such as REV28.")
    instrument = models.CharField(max_length=20, help_text="Code of the questionnaire, such as PHQ-9.")
    better_by_percent = models.PositiveSmallIntegerField(help_text="Of the baseline's score, at least.")
    baseline_at_least = models.PositiveSmallIntegerField(
        help_text="A baseline below this has too little to fall by, and is not judged."
    )
    owner_role = models.CharField(
        max_length=16, choices=[("nurse", "Nurse"), ("prescriber", "Prescriber")], default="prescriber"
    )
    within_minutes = models.PositiveIntegerField(help_text="How soon it is reviewed.")
    source = models.CharField(max_length=160)
    mark = models.CharField(max_length=1)
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ("check_in", "instrument")
        constraints = (
            models.UniqueConstraint(
                fields=("check_in", "instrument"), condition=Q(active=True), name="efficacy_rule_once"
            ),
            models.CheckConstraint(
                condition=Q(better_by_percent__gte=1, better_by_percent__lte=100, baseline_at_least__gte=1),
                name="efficacy_rule_possible",
            ),
        )

    def __str__(self) -> str:
        return f"{self.check_in}: {self.instrument} {self.better_by_percent} % better"
