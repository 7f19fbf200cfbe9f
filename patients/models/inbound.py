"""What patients and providers tell us back: texts that came in, and reports on texts that went out.

Both are append-only and keyed by what the provider calls them, so that a webhook may come twice.
"""

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from clinic.access.models import Site
from clinic.access.policy import Actor
from patients.models.patients import Patient


def site_of_strangers() -> Site | None:
    """Where the texts of unknown numbers are read: DEFAULT_SITE, else the first site that is open."""
    active = Site.objects.filter(active=True).order_by("id")
    return active.filter(name=settings.DEFAULT_SITE).first() or active.first()


class InboundMessageQuerySet(models.QuerySet["InboundMessage"]):
    """Reusable filters on texts that came in."""

    def visible_to(self, actor: Actor) -> "InboundMessageQuerySet":
        """Texts of patients at the sites at which this actor reads the ledger. A text that is not one
        patient's is read where a patient has its number, or else where strangers' texts are read."""
        if actor.sees_every_site:
            return self
        mine = actor.sites("messages.read")
        having = Patient.objects.filter(phone=OuterRef("sender"))
        nobodys = Q(Exists(having.filter(site_id__in=mine)), patient=None)
        strangers = site_of_strangers()
        if strangers is not None and strangers.pk in mine:
            nobodys |= Q(~Exists(having), patient=None)
        return self.filter(Q(patient__site_id__in=mine) | nobodys)


class InboundMessage(models.Model):
    """One text somebody sent to our number, and what we made of it."""

    class Intent(models.TextChoices):
        CONFIRM = "confirm"
        MOVE = "move", "asks to move"
        STOP = "stop", "opts out"
        START = "start", "opts in"
        HELP = "help"
        OTHER = "other", "something else"

    provider_id = models.CharField(max_length=64, unique=True)
    sender = models.CharField(max_length=32, help_text="The number it came from; E.164 where it is one.")
    body = models.TextField(blank=True)
    received_at = models.DateTimeField()
    intent = models.CharField(max_length=8, choices=Intent.choices)
    patient = models.ForeignKey(
        "patients.Patient",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="inbound_messages",
        help_text="Empty when the number is nobody's, or it is unclear whose of several.",
    )
    outcome = models.CharField(max_length=32, blank=True, help_text="What it led to.")

    objects = InboundMessageQuerySet.as_manager()

    class Meta:
        ordering = ("-received_at", "-id")
        indexes = (
            models.Index(fields=("patient", "-received_at"), name="inbound_by_patient"),
            models.Index(fields=("sender", "-received_at"), name="inbound_by_sender"),
        )

    def __str__(self) -> str:
        return f"{self.get_intent_display()} ({self.outcome or 'new'})"


class DeliveryReport(models.Model):
    """What a provider later said of a message it had accepted. May arrive twice, late, or out of order."""

    provider_id = models.CharField(max_length=255)
    status = models.CharField(max_length=20)
    error = models.CharField(max_length=32, blank=True)
    reported_at = models.DateTimeField()

    class Meta:
        ordering = ("reported_at", "id")
        constraints = (
            models.UniqueConstraint(fields=("provider_id", "status"), name="delivery_report_once"),
        )

    def __str__(self) -> str:
        return self.status
