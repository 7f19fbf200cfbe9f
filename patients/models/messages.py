"""The outbox and its ledger: one row per subject, kind, channel and version, with its whole story."""

from django.db import models

from clinic.access.policy import Actor


class MessageQuerySet(models.QuerySet["Message"]):
    """Reusable filters on messages."""

    def visible_to(self, actor: Actor) -> "MessageQuerySet":
        """Messages to patients of the sites at which this actor reads the ledger."""
        if actor.sees_every_site:
            return self
        return self.filter(patient__site_id__in=actor.sites("messages.read"))

    def unfinished(self) -> "MessageQuerySet":
        """What a worker still has to look at."""
        return self.filter(status__in=Message.UNFINISHED)


class Message(models.Model):
    """Something a patient is to be told once, on one channel, at one moment.

    The address and the words are looked up when it is sent, so that a changed number or a withdrawn
    consent counts up to the last moment.
    """

    class Channel(models.TextChoices):
        EMAIL = "email"
        SMS = "sms", "SMS"

    class Status(models.TextChoices):
        QUEUED = "queued"
        SENDING = "sending"
        SENT = "sent"
        DELIVERED = "delivered"
        FAILED = "failed"
        UNCERTAIN = "uncertain"
        WITHDRAWN = "withdrawn"
        SUPPRESSED = "suppressed"

    UNFINISHED = (Status.QUEUED, Status.SENDING)

    patient = models.ForeignKey("patients.Patient", on_delete=models.CASCADE, related_name="messages")
    subject_kind = models.CharField(max_length=20, help_text="appointment, check_in, offer, reply")
    subject_id = models.BigIntegerField()
    kind = models.CharField(max_length=32)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    plan_version = models.PositiveIntegerField(default=1)
    context = models.JSONField(default=dict, help_text="What its template may show; never clinical.")
    planned_at = models.DateTimeField(help_text="What the plan asked for, before quiet hours and retries.")
    due_at = models.DateTimeField(help_text="When a worker next looks at it.")
    not_after = models.DateTimeField(help_text="Later than this it helps nobody and is not sent.")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.QUEUED)
    reason = models.CharField(
        max_length=64, blank=True, help_text="On a message being sent: it was taken back meanwhile, and why."
    )
    attempts_made = models.PositiveSmallIntegerField(default=0)
    in_reply_to = models.ForeignKey(
        "patients.InboundMessage",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="answers",
        help_text="The text this answers: whoever has just written is answered at any hour, beyond any cap.",
    )
    claim = models.UUIDField(null=True, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ("-due_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("subject_kind", "subject_id", "kind", "channel", "plan_version"), name="message_once"
            ),
            models.CheckConstraint(
                condition=models.Q(status="sending", claim__isnull=False, leased_until__isnull=False)
                | (~models.Q(status="sending") & models.Q(claim__isnull=True, leased_until__isnull=True)),
                name="message_claim_while_sending",
            ),
        )
        indexes = (
            models.Index(fields=("due_at", "id"), name="message_queue", condition=models.Q(status="queued")),
            models.Index(
                fields=("leased_until",), name="message_leases", condition=models.Q(status="sending")
            ),
            models.Index(fields=("patient", "-due_at"), name="message_by_patient"),
        )

    def __str__(self) -> str:
        return f"{self.kind} by {self.channel} ({self.status})"


class Attempt(models.Model):
    """One try to hand a message to a gateway. Holds no address and no text."""

    class Outcome(models.TextChoices):
        STARTED = "started"
        ACCEPTED = "accepted"
        TEMPORARY = "temporary", "temporary failure"
        PERMANENT = "permanent", "permanent failure"
        UNKNOWN = "unknown", "outcome unknown"
        NOT_SENT = "not_sent", "never handed over"

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    handed_over_at = models.DateTimeField(
        null=True, blank=True, help_text="Committed just before the gateway is called."
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.STARTED)
    provider_id = models.CharField(max_length=255, blank=True)
    template = models.ForeignKey(
        "patients.MessageTemplate",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        help_text="The version of the words that went out.",
    )
    error = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=("message", "number"), name="attempt_number"),)
        indexes = (
            models.Index(
                fields=("provider_id",), name="attempt_provider", condition=~models.Q(provider_id="")
            ),
        )

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.outcome}"
