"""Antidepressants prescribed, and every dose event that (re)anchors their check-ins."""

from django.db import models
from django.db.models import Q

from clinic.access.policy import Actor
from clinic.common.versions import Versioned


class PrescriptionQuerySet(models.QuerySet["Prescription"]):
    """Reusable filters on prescriptions."""

    def visible_to(self, actor: Actor) -> "PrescriptionQuerySet":
        """Prescriptions of patients at the sites where this actor reads them."""
        if actor.sees_every_site:
            return self
        return self.filter(patient__site_id__in=actor.sites("prescriptions.read"))


class Prescription(Versioned):
    """One medicine for one patient. ``dose_mg`` is the dose in force; the history is its dose events."""

    class DrugClass(models.TextChoices):
        SSRI = "ssri", "SSRI"
        SNRI = "snri", "SNRI"
        TCA = "tca", "TCA"
        MAOI = "maoi", "MAOI"
        OTHER = "other"

    class Status(models.TextChoices):
        ACTIVE = "active"
        STOPPED = "stopped"

    patient = models.ForeignKey("patients.Patient", on_delete=models.PROTECT, related_name="prescriptions")
    medication = models.CharField(max_length=80)
    drug_class = models.CharField(max_length=5, choices=DrugClass.choices)
    dose_mg = models.DecimalField("dose (mg)", max_digits=8, decimal_places=3)
    first_dose_on = models.DateField()
    indication = models.CharField(max_length=80, blank=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.ACTIVE)
    switched_from = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="switched_to"
    )
    prescribed_by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True)
    next_change_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When an ordered change of dose takes effect."
    )
    created_at = models.DateTimeField(editable=False)

    objects = PrescriptionQuerySet.as_manager()

    class Meta:
        ordering = ("-first_dose_on", "-id")
        constraints = (
            models.CheckConstraint(condition=Q(dose_mg__gt=0), name="prescription_dose"),
            models.CheckConstraint(condition=Q(status__in=["active", "stopped"]), name="prescription_status"),
        )
        indexes = (
            models.Index(
                fields=("next_change_at",),
                name="prescription_next_change",
                condition=Q(next_change_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.medication} {self.dose_mg.normalize():f} mg"


class DoseEvent(models.Model):
    """A start, step, decrease, switch, stop or restart: ordered on one day, in effect from another."""

    class Kind(models.TextChoices):
        START = "start"
        INCREASE = "increase"
        DECREASE = "decrease"
        SWITCH = "switch"
        STOP = "stop"
        RESTART = "restart"

    prescription = models.ForeignKey(Prescription, on_delete=models.CASCADE, related_name="dose_events")
    sequence = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    dose_mg = models.DecimalField(max_digits=8, decimal_places=3)
    ordered_on = models.DateField()
    effective_on = models.DateField()
    planned = models.BooleanField(default=False, help_text="A titration step set when prescribing.")
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True)

    class Meta:
        ordering = ("sequence",)
        constraints = (
            models.UniqueConstraint(fields=("prescription", "sequence"), name="dose_event_sequence"),
            models.CheckConstraint(condition=Q(dose_mg__gte=0), name="dose_event_dose"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.effective_on}"
