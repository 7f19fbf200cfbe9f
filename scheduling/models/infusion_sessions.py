"""The treatment part of a visit: from arrival to going home, with its gates and its doses.

What was answered, overridden or ordered is never changed: a later row counts instead. The stage follows from
the moments kept here and the status of the appointment (domain/session_stages.py).
"""

from django.db import models
from django.db.models import F, Q

from clinic.access.policy import Actor
from clinic.common.versions import Versioned
from scheduling.models.infusion_rules import DoseProtocol


class InfusionSessionQuerySet(models.QuerySet["InfusionSession"]):
    """Reusable filters on sessions."""

    def visible_to(self, actor: Actor) -> "InfusionSessionQuerySet":
        """Sessions at the sites where this actor has a part in the day."""
        if actor.sees_every_site:
            return self
        return self.filter(appointment__site_id__in=actor.sites("gates.read"))


class InfusionSession(Versioned):
    """One appointment's treatment. Every write of the day counts its version, so that boards see it."""

    appointment = models.OneToOneField(
        "scheduling.Appointment", on_delete=models.CASCADE, primary_key=True, related_name="session"
    )
    weight_kg = models.DecimalField(max_digits=5, decimal_places=1, null=True, blank=True)
    weighed_at = models.DateTimeField(null=True, blank=True)
    infusion_minutes = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="When it differs from the visit type's."
    )
    started_at = models.DateTimeField(null=True, blank=True)
    infusion_ended_at = models.DateTimeField(null=True, blank=True)
    discharged_at = models.DateTimeField(null=True, blank=True)

    objects = InfusionSessionQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(weight_kg__isnull=True) | Q(weight_kg__gte=20, weight_kg__lte=400),
                name="session_weight",
            ),
            models.CheckConstraint(
                condition=Q(weight_kg__isnull=True, weighed_at__isnull=True)
                | Q(weight_kg__isnull=False, weighed_at__isnull=False),
                name="session_weighed_at",
            ),
            models.CheckConstraint(
                condition=Q(infusion_ended_at__isnull=True) | Q(infusion_ended_at__gte=F("started_at")),
                name="session_ended_after_start",
            ),
            models.CheckConstraint(
                condition=Q(discharged_at__isnull=True) | Q(discharged_at__gte=F("infusion_ended_at")),
                name="session_discharged_after_end",
            ),
        )

    def __str__(self) -> str:
        return f"session {self.pk}"


class GateCheck(models.Model):
    """One answer about one gate, or the decision to go on without it. Append-only; the latest counts."""

    class Result(models.TextChoices):
        ANSWERED = "answered"
        OVERRIDDEN = "overridden"

    session = models.ForeignKey(InfusionSession, on_delete=models.CASCADE, related_name="gate_checks")
    gate = models.CharField(max_length=32)
    stage = models.CharField(max_length=9)
    result = models.CharField(max_length=10, choices=Result.choices)
    answers = models.JSONField(default=dict, blank=True)
    about = models.CharField(
        max_length=64, blank=True, help_text="Of an override: the facts it was decided on. New facts end it."
    )
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()
    by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ("at", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(result="answered") | (Q(result="overridden") & ~Q(reason="")),
                name="gate_override_with_reason",
            ),
        )
        indexes = (models.Index(fields=("session", "gate", "-id"), name="gate_check_latest"),)

    def __str__(self) -> str:
        return f"{self.gate}: {self.result}"


class DoseOrder(models.Model):
    """What shall be given from then on: calculated, capped, and what was ordered. The latest counts."""

    session = models.ForeignKey(InfusionSession, on_delete=models.CASCADE, related_name="dose_orders")
    sequence = models.PositiveSmallIntegerField()
    protocol = models.ForeignKey(DoseProtocol, on_delete=models.PROTECT)
    protocol_read = models.JSONField(help_text="The protocol's numbers as they were.")
    weight_kg = models.DecimalField(max_digits=5, decimal_places=1, null=True, blank=True)
    calculated_mg = models.DecimalField(
        max_digits=8, decimal_places=2, help_text="By weight and protocol, before the caps."
    )
    capped_by = models.CharField(max_length=12, blank=True, help_text="The cap that lowered it.")
    mg = models.DecimalField("total, mg", max_digits=8, decimal_places=2)
    mg_per_h = models.DecimalField("rate, mg/h", max_digits=8, decimal_places=2, null=True, blank=True)
    minutes = models.PositiveSmallIntegerField()
    override_reason = models.CharField(max_length=300, blank=True)
    ordered_at = models.DateTimeField()
    by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ("session", "sequence")
        constraints = (
            models.UniqueConstraint(fields=("session", "sequence"), name="dose_order_once"),
            models.CheckConstraint(condition=Q(mg__gt=0), name="dose_order_amount"),
            models.CheckConstraint(condition=Q(minutes__gte=1, minutes__lte=1440), name="dose_order_minutes"),
        )

    def __str__(self) -> str:
        return f"dose {self.sequence}"
