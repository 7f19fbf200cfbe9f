"""What messages say and when people may be reached: versioned rows that a clinic edits."""

from datetime import time

from django.db import models
from django.db.models import F, Q


class MessageTemplate(models.Model):
    """The words of one kind of message, per channel and language. The newest active version counts."""

    kind = models.CharField(max_length=32)
    channel = models.CharField(max_length=8, choices=[("email", "email"), ("sms", "SMS")])
    language = models.CharField(max_length=2, choices=[("en", "English"), ("es", "Español")])
    version = models.PositiveIntegerField(default=1)
    subject = models.CharField(max_length=120, blank=True)
    body = models.TextField(
        help_text="Filled in: ${site}, ${when}, ${day}, ${time}, ${phone}, ${link}, ${name}."
    )
    active = models.BooleanField(default=True)
    source = models.CharField(max_length=120, default="Onset default")

    class Meta:
        ordering = ("kind", "channel", "language", "-version")
        constraints = (
            models.UniqueConstraint(
                fields=("kind", "channel", "language", "version"), name="template_version_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.channel} {self.language} v{self.version}"


class ContactPolicy(models.Model):
    """When a site may reach its patients. The row without a site is the default."""

    site = models.OneToOneField("access.Site", on_delete=models.CASCADE, null=True, blank=True)
    quiet_from = models.TimeField(help_text="In the patient's own zone.")
    quiet_until = models.TimeField()
    pull_to = models.TimeField(
        default=time(18),
        help_text="When a message that would fall into the quiet hours goes out before them.",
    )
    texts_per_day = models.PositiveSmallIntegerField(
        default=1, help_text="More texts to one patient in a day of theirs need recorded consent."
    )
    texts_per_week = models.PositiveSmallIntegerField(
        default=3, help_text="More texts to one patient in any seven days need recorded consent."
    )
    source = models.CharField(max_length=120)
    mark = models.CharField(max_length=1)

    class Meta:
        verbose_name_plural = "contact policies"
        constraints = (
            models.UniqueConstraint(
                models.Value(1), condition=models.Q(site__isnull=True), name="contact_policy_one_default"
            ),
            models.CheckConstraint(
                condition=Q(quiet_from=F("quiet_until"))
                | Q(
                    quiet_from__gt=F("quiet_until"),
                    pull_to__gte=F("quiet_until"),
                    pull_to__lt=F("quiet_from"),
                )
                | Q(
                    Q(pull_to__lt=F("quiet_from")) | Q(pull_to__gte=F("quiet_until")),
                    quiet_from__lt=F("quiet_until"),
                ),
                name="contact_policy_pull_to_is_not_quiet",
            ),
        )

    def __str__(self) -> str:
        return f"quiet {self.quiet_from:%H:%M} to {self.quiet_until:%H:%M}"
