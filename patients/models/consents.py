"""Consent per channel and purpose: an append-only record; the latest row is in force."""

from django.db import models


class Consent(models.Model):
    """A person said yes or no to being reached on a channel, and how we know."""

    class Channel(models.TextChoices):
        EMAIL = "email"
        SMS = "sms", "SMS"

    class Purpose(models.TextChoices):
        CARE = "care"
        FREQUENT = "frequent", "more than one text a day or three a week"

    class Source(models.TextChoices):
        REGISTRATION = "registration", "given at registration"
        STAFF = "staff", "recorded by staff"
        REPLY = "reply", "reply to a message"
        PAGE = "page", "patient page"
        IMPORT = "import"

    patient = models.ForeignKey("patients.Patient", on_delete=models.CASCADE, related_name="consents")
    channel = models.CharField(max_length=8, choices=Channel.choices)
    purpose = models.CharField(max_length=12, choices=Purpose.choices, default=Purpose.CARE)
    granted = models.BooleanField()
    source = models.CharField(max_length=16, choices=Source.choices)
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, blank=True)

    class Meta:
        ordering = ("-recorded_at", "-id")
        indexes = (models.Index(fields=("patient", "-recorded_at"), name="consent_latest"),)

    def __str__(self) -> str:
        return f"{self.channel}: {'yes' if self.granted else 'no'}"
