"""Questionnaires as versioned data, what patients answered, and what it came to.

The idea to know: an assessment is never changed. A correction is a new row that supersedes the old one,
and both keep the numbers that were shown when they were stored.
"""

from decimal import Decimal

from django.db import models
from django.db.models import Q

from clinic.access.policy import Actor, Via
from patients.domain import scoring
from patients.domain.change import BaselineRule, Meaning
from patients.domain.instruments import Instrument as Rules
from patients.domain.instruments import Method


class InstrumentQuerySet(models.QuerySet["Instrument"]):
    """Reusable filters on instruments."""

    def visible_to(self, actor: Actor) -> "InstrumentQuerySet":
        """All of them, for whoever reads set-up."""
        return self if actor.may("setup.read") else self.none()


class Instrument(models.Model):
    """One version of a questionnaire: its words in every language, its items, and how it is scored."""

    code = models.CharField(max_length=20)
    version = models.PositiveSmallIntegerField(default=1)
    name = models.CharField(max_length=80)
    method = models.CharField(max_length=8, choices=[(each.value, each.value) for each in Method])
    texts = models.JSONField(help_text="Language to title and stem.")
    scales = models.JSONField(help_text="Name to options: value and words in each language.")
    items = models.JSONField(help_text="Code, words, scale; asked_if for follow-up questions.")
    loinc = models.CharField("LOINC", max_length=12, blank=True)
    total_loinc = models.CharField("LOINC of the total", max_length=12, blank=True)
    source = models.CharField(max_length=200)
    licence = models.CharField(max_length=200)
    mark = models.CharField(max_length=1, help_text="S source read, K to be confirmed, D our default.")
    active = models.BooleanField(default=True)

    objects = InstrumentQuerySet.as_manager()

    class Meta:
        ordering = ("code", "-version")
        constraints = (
            models.UniqueConstraint(fields=("code", "version"), name="instrument_version_once"),
            models.UniqueConstraint(
                fields=("code",), condition=Q(active=True), name="instrument_one_active_version"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def rules(self) -> Rules:
        """The questionnaire without its words."""
        return Rules.from_rows(code=self.code, method=self.method, items=self.items, scales=self.scales)


class Threshold(models.Model):
    """One number of an instrument: where a band begins, which change matters, which answer is critical."""

    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="thresholds")
    kind = models.CharField(max_length=12, choices=[(kind.value, kind.value) for kind in scoring.Kind])
    value = models.DecimalField(max_digits=6, decimal_places=2)
    unit = models.CharField(max_length=8, choices=[(unit.value, unit.value) for unit in scoring.Unit])
    item = models.CharField(max_length=20, blank=True, help_text="Of a critical answer; empty: any item.")
    code = models.CharField(max_length=30, blank=True, help_text="Of a band.")
    en = models.CharField("English", max_length=60, blank=True)
    es = models.CharField("Spanish", max_length=60, blank=True)
    opens = models.CharField(
        max_length=8, blank=True, choices=[("review", "a work item"), ("alarm", "a safety alarm")]
    )
    severity = models.CharField(
        max_length=8, blank=True, choices=[(word, word) for word in ("positive", "acute", "severe")]
    )
    owner_role = models.CharField(max_length=16, blank=True, help_text="Who reviews it.")
    within_minutes = models.PositiveIntegerField(null=True, blank=True, help_text="How soon it is reviewed.")
    source = models.CharField(max_length=160)
    mark = models.CharField(max_length=1)
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ("instrument", "kind", "value", "item", "id")
        constraints = (
            models.CheckConstraint(
                condition=~Q(opens="review") | (Q(within_minutes__isnull=False) & ~Q(owner_role="")),
                name="threshold_review_has_owner",
            ),
            models.CheckConstraint(
                condition=~Q(opens="alarm") | Q(severity__in=["positive", "acute"]),
                name="threshold_alarm_has_severity",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.value.normalize():f} {self.unit}"

    @property
    def rule(self) -> scoring.Threshold:
        """As the domain reads it."""
        return scoring.Threshold(
            kind=scoring.Kind(self.kind),
            value=Decimal(self.value),
            unit=scoring.Unit(self.unit),
            code=self.code,
            item=self.item,
            opens=scoring.Opens(self.opens),
            severity=self.severity,
            owner_role=self.owner_role,
            within_minutes=self.within_minutes,
        )


class AssessmentQuerySet(models.QuerySet["Assessment"]):
    """Reusable filters on assessments."""

    def visible_to(self, actor: Actor) -> "AssessmentQuerySet":
        """Of patients at the sites where this actor reads scores."""
        if actor.sees_every_site:
            return self
        return self.filter(patient__site_id__in=actor.sites("assessments.read"))

    def current(self) -> "AssessmentQuerySet":
        """Those that no correction has superseded."""
        return self.filter(superseded_by__isnull=True)


class Assessment(models.Model):
    """One patient's answers to one questionnaire, what they came to, and against which baseline."""

    class Source(models.TextChoices):
        PAGE = "page", "the patient, on a page"
        PHONE = "phone", "told to staff by phone"
        IN_CLINIC = "in_clinic", "in the clinic"

    patient = models.ForeignKey("patients.Patient", on_delete=models.CASCADE, related_name="assessments")
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT)
    code = models.CharField(max_length=20, editable=False, help_text="The instrument's, of any version.")
    answers = models.JSONField()
    language = models.CharField(max_length=2, choices=[("en", "English"), ("es", "Español")], default="en")
    answered_at = models.DateTimeField()
    complete = models.BooleanField()
    score = models.PositiveSmallIntegerField(null=True, blank=True)
    band = models.CharField(max_length=30, blank=True)
    baseline = models.ForeignKey("self", on_delete=models.RESTRICT, null=True, blank=True, related_name="+")
    baseline_rule = models.CharField(
        max_length=16, blank=True, choices=[(rule.value, rule.value) for rule in BaselineRule]
    )
    change_points = models.SmallIntegerField(null=True, blank=True, help_text="Negative is a fall.")
    change_percent = models.DecimalField(max_digits=6, decimal_places=1, null=True, blank=True)
    meaning = models.CharField(
        max_length=20, blank=True, choices=[(each.value, each.value) for each in Meaning]
    )
    meets = models.JSONField(default=list)
    reviews = models.JSONField(default=list, help_text="What made it need a review: kind and items.")
    source = models.CharField(max_length=9, choices=Source.choices)
    subject_kind = models.CharField(max_length=20, blank=True, help_text="check_in, appointment, or empty.")
    subject_id = models.BigIntegerField(null=True, blank=True)
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    via = models.CharField(max_length=8, choices=[(via.value, via.value) for via in Via])
    supersedes = models.OneToOneField(
        "self", on_delete=models.RESTRICT, null=True, blank=True, related_name="superseded_by"
    )
    reason = models.CharField(max_length=200, blank=True, help_text="Why it was corrected.")

    objects = AssessmentQuerySet.as_manager()

    class Meta:
        ordering = ("-answered_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("subject_kind", "subject_id", "code"),
                condition=Q(subject_id__isnull=False, supersedes__isnull=True),
                name="assessment_once_per_subject",
            ),
            models.UniqueConstraint(
                fields=("patient", "code", "answered_at"),
                condition=Q(supersedes__isnull=True),
                name="assessment_once_per_moment",
            ),
            models.CheckConstraint(
                condition=Q(complete=True) | Q(score__isnull=True, band=""), name="assessment_never_imputed"
            ),
            models.CheckConstraint(
                condition=Q(subject_kind="", subject_id__isnull=True)
                | (~Q(subject_kind="") & Q(subject_id__isnull=False)),
                name="assessment_subject_whole",
            ),
            models.CheckConstraint(
                condition=Q(supersedes__isnull=True) | ~Q(reason=""), name="assessment_correction_has_reason"
            ),
        )
        indexes = (models.Index(fields=("patient", "code", "answered_at"), name="assessment_of_patient"),)

    def __str__(self) -> str:
        return f"{self.code} of {self.answered_at:%Y-%m-%d}"
