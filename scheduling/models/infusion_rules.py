"""What an infusion day goes by, as data: dose protocols, gates, vital-sign schedules and thresholds.

Rows are dated and carry their source. Of several rows for the same thing the narrowest counts (visit type
before kind of visit, then site), and where that one is inactive, nothing is asked.
"""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from clinic.common.errors import DomainError
from patients.models.catalogue import SharedQuerySet
from scheduling.domain import gates
from scheduling.models.visit_types import VisitType

INFUSED = (VisitType.Kind.INFUSION, VisitType.Kind.ESKETAMINE)
"""The kinds of visit in which something is given."""


class _Rule(models.Model):
    """What all these rows have in common."""

    site = models.ForeignKey("access.Site", on_delete=models.CASCADE, null=True, blank=True)
    active = models.BooleanField(default=True)
    valid_from = models.DateField(null=True, blank=True)
    source = models.CharField(max_length=160)
    mark = models.CharField(max_length=1, help_text="S source read, K to be confirmed, D our default.")

    objects = SharedQuerySet.as_manager()

    class Meta:
        abstract = True


class DoseProtocol(_Rule):
    """How the dose of a visit type follows from the weight on the day. All amounts are milligrams."""

    class Basis(models.TextChoices):
        MG_PER_KG = "mg_per_kg", "mg/kg over the infusion"
        MG_PER_KG_H = "mg_per_kg_h", "mg/kg/h"
        FIXED_MG = "fixed_mg", "one of fixed doses in mg"

    visit_type = models.ForeignKey("scheduling.VisitType", on_delete=models.CASCADE)
    name = models.CharField(max_length=80)
    drug = models.CharField(max_length=40)
    basis = models.CharField(max_length=12, choices=Basis.choices)
    amount = models.DecimalField(
        max_digits=7, decimal_places=3, null=True, blank=True, help_text="In the unit of the basis."
    )
    choices_mg = ArrayField(
        models.DecimalField(max_digits=7, decimal_places=2),
        default=list,
        blank=True,
        help_text="Of fixed doses: those that may be given; the first is proposed.",
    )
    minutes = models.PositiveSmallIntegerField(help_text="How long the infusion (or the dosing) lasts.")
    max_mg = models.DecimalField("cap, mg in all", max_digits=7, decimal_places=2, null=True, blank=True)
    max_mg_per_h = models.DecimalField("cap, mg/h", max_digits=7, decimal_places=2, null=True, blank=True)
    round_mg = models.DecimalField(
        "rounded to, mg", max_digits=4, decimal_places=2, default="0.1", help_text="Never up past a cap."
    )

    class Meta:
        ordering = ("visit_type", "site", "-valid_from")
        constraints = (
            models.UniqueConstraint(
                fields=("visit_type", "site", "valid_from"),
                nulls_distinct=False,
                name="dose_protocol_once",
            ),
            models.CheckConstraint(
                condition=Q(basis="fixed_mg", amount__isnull=True, choices_mg__len__gte=1)
                | Q(basis__in=["mg_per_kg", "mg_per_kg_h"], amount__gt=0, choices_mg__len=0),
                name="dose_protocol_basis",
            ),
            models.CheckConstraint(
                condition=Q(minutes__gte=1, minutes__lte=1440), name="dose_protocol_minutes"
            ),
            models.CheckConstraint(condition=Q(round_mg__gt=0), name="dose_protocol_rounding"),
        )

    def __str__(self) -> str:
        return self.name


class GateRule(_Rule):
    """Something that must be true before a treatment starts, or before the patient goes home.

    ``code`` names the check (domain/gates.py); ``limits`` holds its numbers.
    """

    class Stage(models.TextChoices):
        START = "start", "before start"
        DISCHARGE = "discharge", "before discharge"

    code = models.CharField(max_length=32, choices=[(code, code) for code in gates.CODES])
    stage = models.CharField(max_length=9, choices=Stage.choices)
    name = models.CharField(max_length=80)
    advice = models.CharField(max_length=200, blank=True, help_text="What to do about it.")
    visit_kind = models.CharField(
        max_length=12, blank=True, choices=[(kind.value, kind.label) for kind in INFUSED]
    )
    visit_type = models.ForeignKey("scheduling.VisitType", on_delete=models.CASCADE, null=True, blank=True)
    position = models.PositiveSmallIntegerField(default=100)
    clinical = models.BooleanField(
        default=True,
        help_text="Answered and read by clinical roles only; others see that it is open.",
    )
    overridable_by = ArrayField(
        models.CharField(max_length=16),
        default=list,
        blank=True,
        help_text="Roles that may go on without it, with a reason. Empty: nobody may.",
    )
    limits = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ("stage", "position", "code")
        constraints = (
            models.UniqueConstraint(
                fields=("code", "stage", "visit_kind", "visit_type", "site", "valid_from"),
                nulls_distinct=False,
                name="gate_rule_once",
            ),
            models.CheckConstraint(condition=Q(stage__in=["start", "discharge"]), name="gate_rule_stage"),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """The limits are those this check knows, and usable."""
        try:
            gates.read_limits(self.code, self.limits)
        except DomainError as error:
            raise ValidationError({"limits": error.detail}) from error


class VitalSchedule(_Rule):
    """When vital signs are due in a visit of this type."""

    class When(models.TextChoices):
        BEFORE = "before", "once before the start"
        DURING = "during", "every so many minutes of the infusion"
        RECOVERY = "recovery", "every so many minutes of recovery"
        ONCE = "once", "once, so many minutes after the start"
        LEAVING = "leaving", "once before leaving"

    visit_type = models.ForeignKey("scheduling.VisitType", on_delete=models.CASCADE)
    when = models.CharField(max_length=8, choices=When.choices)
    minutes = models.PositiveSmallIntegerField(null=True, blank=True)
    grace_minutes = models.PositiveSmallIntegerField(
        default=2, help_text="How late a reading may be before the board calls it overdue."
    )
    least_minutes = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Not more often than.")
    most_minutes = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Not less often than.")

    class Meta:
        ordering = ("visit_type", "when")
        constraints = (
            models.UniqueConstraint(
                fields=("visit_type", "when", "minutes", "site", "valid_from"),
                nulls_distinct=False,
                name="vital_schedule_once",
            ),
            models.CheckConstraint(
                condition=Q(when__in=["before", "leaving"], minutes__isnull=True)
                | Q(when__in=["during", "recovery", "once"], minutes__gte=1),
                name="vital_schedule_minutes",
            ),
            models.CheckConstraint(
                condition=Q(minutes__isnull=True)
                | (
                    (Q(least_minutes__isnull=True) | Q(minutes__gte=F("least_minutes")))
                    & (Q(most_minutes__isnull=True) | Q(minutes__lte=F("most_minutes")))
                ),
                name="vital_schedule_allowed",
            ),
        )

    def __str__(self) -> str:
        return f"{self.visit_type}: {self.get_when_display()}"


class VitalSign(models.TextChoices):
    """What is measured; LOINC codes are in domain/vitals.py."""

    SYSTOLIC = "systolic", "systolic pressure, mmHg"
    DIASTOLIC = "diastolic", "diastolic pressure, mmHg"
    HEART_RATE = "heart_rate", "heart rate, /min"
    SPO2 = "spo2", "oxygen saturation, %"
    RESPIRATORY_RATE = "respiratory_rate", "respiratory rate, /min"
    TEMPERATURE_C = "temperature_c", "temperature, °C"
    SYMPTOMS = "symptoms", "symptoms"


class VitalThreshold(_Rule):
    """A value from which on a reading is flagged. The software flags; a clinician decides."""

    class When(models.TextChoices):
        BEFORE = "before", "before the start"
        ANY = "any", "at any time"

    class Level(models.TextChoices):
        ACKNOWLEDGE = "acknowledge", "a nurse acknowledges"
        REVIEW = "review", "a prescriber reviews"
        URGENT = "urgent"

    visit_type = models.ForeignKey("scheduling.VisitType", on_delete=models.CASCADE, null=True, blank=True)
    when = models.CharField(max_length=6, choices=When.choices)
    measure = models.CharField(max_length=16, choices=VitalSign.choices)
    at_least = models.DecimalField(max_digits=6, decimal_places=1, null=True, blank=True)
    below = models.DecimalField(max_digits=6, decimal_places=1, null=True, blank=True)
    level = models.CharField(max_length=11, choices=Level.choices)

    class Meta:
        ordering = ("measure", "when", "level")
        constraints = (
            models.UniqueConstraint(
                fields=("when", "measure", "level", "visit_type", "site", "valid_from"),
                nulls_distinct=False,
                name="vital_threshold_once",
            ),
            models.CheckConstraint(
                condition=Q(measure="symptoms", at_least__isnull=True, below__isnull=True)
                | Q(at_least__isnull=False, below__isnull=True)
                | Q(at_least__isnull=True, below__isnull=False),
                name="vital_threshold_bound",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_measure_display()}: {self.level}"


class InfusionDayPolicy(_Rule):
    """The times within which people answer what an infusion day brings. The site's own row counts."""

    review_minutes = models.PositiveSmallIntegerField(
        default=15, help_text="How long a prescriber has to look at a reading to be reviewed."
    )
    urgent_minutes = models.PositiveSmallIntegerField(
        default=5, help_text="How long somebody has to answer an urgent reading."
    )
    drug_log_minutes = models.PositiveSmallIntegerField(
        default=60, help_text="How long the site has to explain a drug log that does not balance."
    )
    rems_form_days = models.PositiveSmallIntegerField(
        default=7, help_text="Within how many days of a session the REMS monitoring form is sent."
    )

    class Meta:
        verbose_name_plural = "infusion day policies"
        constraints = (
            models.UniqueConstraint(
                fields=("site", "valid_from"), nulls_distinct=False, name="infusion_day_policy_once"
            ),
        )

    def __str__(self) -> str:
        return str(self.site) if self.site else "Every site"
