"""The catalogue of conditions we treat, with dated ICD-10-CM codes, and who has which."""

from django.db import models


class Condition(models.Model):
    """A pain type or a mood disorder of the founding list (DOMAIN section 1)."""

    code = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    synonyms = models.JSONField(default=list, help_text="Descriptions that imports map to this condition.")
    source = models.CharField(max_length=120)
    mark = models.CharField(max_length=1, help_text="S source read, K to be confirmed, D our default.")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class ConditionCode(models.Model):
    """An ICD-10-CM code for a condition, in force for a range of dates."""

    condition = models.ForeignKey(Condition, on_delete=models.CASCADE, related_name="codes")
    icd10cm = models.CharField("ICD-10-CM", max_length=10)
    valid_from = models.DateField(null=True, blank=True)
    valid_until = models.DateField(null=True, blank=True)
    mark = models.CharField(max_length=1)

    class Meta:
        ordering = ("icd10cm",)
        constraints = (models.UniqueConstraint(fields=("condition", "icd10cm"), name="condition_code_once"),)

    def __str__(self) -> str:
        return self.icd10cm


class PatientCondition(models.Model):
    """A condition of one person."""

    patient = models.ForeignKey("patients.Patient", on_delete=models.CASCADE, related_name="conditions")
    condition = models.ForeignKey(Condition, on_delete=models.PROTECT)
    onset_on = models.DateField(null=True, blank=True)
    resolved_on = models.DateField(null=True, blank=True)
    source = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ("onset_on", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("patient", "condition", "onset_on"),
                name="patient_condition_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=models.Q(resolved_on__isnull=True)
                | models.Q(onset_on__isnull=True)
                | models.Q(resolved_on__gte=models.F("onset_on")),
                name="patient_condition_order",
            ),
        )

    def __str__(self) -> str:
        return f"{self.condition}"
