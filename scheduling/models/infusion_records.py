"""What was measured and what was handled in a session: vital signs, the Schedule III log, the REMS record.

A mistake is struck with a reason and stays to be seen; nothing is edited or deleted.
"""

from django.db import models
from django.db.models import F, Q

from clinic.access.policy import Actor
from clinic.common.versions import Versioned
from scheduling.models.infusion_rules import VitalThreshold
from scheduling.models.infusion_sessions import InfusionSession


class _Struck(models.Model):
    """Recorded by somebody at some time, and perhaps struck later."""

    recorded_at = models.DateTimeField()
    by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, related_name="+")
    struck_at = models.DateTimeField(null=True, blank=True)
    struck_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    struck_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        abstract = True


class VitalReading(_Struck):
    """One set of vital signs: what was measured, and the gravest level it reached."""

    session = models.ForeignKey(InfusionSession, on_delete=models.CASCADE, related_name="readings")
    measured_at = models.DateTimeField()
    systolic = models.PositiveSmallIntegerField("systolic, mmHg", null=True, blank=True)
    diastolic = models.PositiveSmallIntegerField("diastolic, mmHg", null=True, blank=True)
    heart_rate = models.PositiveSmallIntegerField("heart rate, /min", null=True, blank=True)
    spo2 = models.PositiveSmallIntegerField("SpO2, %", null=True, blank=True)
    respiratory_rate = models.PositiveSmallIntegerField("respiratory rate, /min", null=True, blank=True)
    temperature_c = models.DecimalField(
        "temperature, °C", max_digits=4, decimal_places=1, null=True, blank=True
    )
    symptoms = models.CharField(max_length=300, blank=True)
    level = models.CharField(max_length=11, choices=VitalThreshold.Level.choices, blank=True)
    findings = models.JSONField(default=list, blank=True, help_text="Which thresholds, as they were.")
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    acknowledged_note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("measured_at", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(systolic__isnull=True, diastolic__isnull=True)
                | Q(systolic__gte=30, systolic__lte=300, diastolic__gte=10, diastolic__lt=F("systolic")),
                name="reading_pressure",
            ),
            models.CheckConstraint(condition=Q(spo2__isnull=True) | Q(spo2__lte=100), name="reading_spo2"),
            models.CheckConstraint(
                condition=Q(systolic__isnull=False)
                | Q(heart_rate__isnull=False)
                | Q(spo2__isnull=False)
                | Q(respiratory_rate__isnull=False)
                | Q(temperature_c__isnull=False)
                | ~Q(symptoms=""),
                name="reading_not_empty",
            ),
        )
        indexes = (models.Index(fields=("session", "measured_at"), name="reading_of_session"),)

    def __str__(self) -> str:
        return f"reading {self.pk}"


class DrugLogQuerySet(models.QuerySet["DrugLogEntry"]):
    """Reusable filters on the log."""

    def visible_to(self, actor: Actor) -> "DrugLogQuerySet":
        """The log of the sites where this actor reads it."""
        return self if actor.sees_every_site else self.filter(site_id__in=actor.sites("drug_log.read"))


class DrugLogEntry(_Struck):
    """Schedule III: an amount drawn, given or wasted. Per session, drawn = given + wasted."""

    class Kind(models.TextChoices):
        DRAWN = "drawn"
        GIVEN = "given"
        WASTED = "wasted"

    session = models.ForeignKey(InfusionSession, on_delete=models.PROTECT, related_name="drug_log")
    site = models.ForeignKey("access.Site", on_delete=models.PROTECT)
    kind = models.CharField(max_length=6, choices=Kind.choices)
    drug = models.CharField(max_length=40)
    mg = models.DecimalField("mg", max_digits=8, decimal_places=2)
    lot = models.CharField(max_length=40, blank=True)
    at = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True)
    witness = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    witnessed_at = models.DateTimeField(null=True, blank=True)

    objects = DrugLogQuerySet.as_manager()

    class Meta:
        ordering = ("at", "id")
        verbose_name_plural = "drug log entries"
        constraints = (
            models.CheckConstraint(condition=Q(mg__gt=0), name="drug_log_amount"),
            models.CheckConstraint(condition=Q(kind__in=["drawn", "given", "wasted"]), name="drug_log_kind"),
            models.CheckConstraint(
                condition=Q(witness__isnull=True, witnessed_at__isnull=True)
                | (Q(witness__isnull=False, witnessed_at__isnull=False) & ~Q(witness=F("by"))),
                name="drug_log_witness_is_another",
            ),
        )
        indexes = (
            models.Index(fields=("site", "at", "id"), name="drug_log_by_site"),
            models.Index(fields=("session", "at"), name="drug_log_of_session"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.mg} mg"


class RemsRecord(Versioned):
    """What the esketamine REMS asks of each session; its form is due within days (a row says how many)."""

    session = models.OneToOneField(
        InfusionSession, on_delete=models.CASCADE, primary_key=True, related_name="rems"
    )
    dose_mg = models.DecimalField(max_digits=7, decimal_places=2, null=True, blank=True)
    lot = models.CharField(max_length=40, blank=True)
    dosed_at = models.DateTimeField(null=True, blank=True, help_text="First device.")
    benzodiazepine = models.BooleanField(null=True, blank=True)
    stimulant = models.BooleanField(null=True, blank=True)
    maoi = models.BooleanField("MAOI", null=True, blank=True)
    opioid = models.BooleanField(null=True, blank=True)
    sedation_resolved_at = models.DateTimeField(null=True, blank=True)
    dissociation_resolved_at = models.DateTimeField(null=True, blank=True)
    serious_event = models.CharField(max_length=500, blank=True)
    readings_not_taken = models.CharField(
        max_length=200, blank=True, db_default="", help_text="Why a blood pressure is missing, if one is."
    )
    due_on = models.DateField(
        help_text="The last day for sending the monitoring form, on the site's calendar."
    )
    submitted_at = models.DateTimeField(null=True, blank=True)
    submitted_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"REMS record {self.pk}"
