"""Screening flags: what a prescriber must have seen before going on. A flag warns; it never decides.

Kinds of flags and washouts are dated rows that a clinic can change; which data raise which flag is in them.
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from clinic.access.policy import Actor
from clinic.common.versions import Versioned
from patients.models.catalogue import SharedQuerySet


def _words(help_text: str) -> ArrayField[Any, Any]:
    return ArrayField(models.CharField(max_length=50), default=list, blank=True, help_text=help_text)


class Severity(models.TextChoices):
    """How much stands against going on. From most to least."""

    ABSOLUTE = "absolute", "absolute contraindication"
    RELATIVE = "relative", "relative contraindication"
    CAUTION = "caution"


class FlagKind(models.Model):
    """What is warned of, how gravely, and which entries raise it by themselves."""

    code = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    advice = models.CharField(max_length=300, blank=True, help_text="What to look at before going on.")
    volatile = models.BooleanField(default=False, help_text="Asked again before every session.")
    early_contact = models.BooleanField(
        default=False, help_text="Somebody with this flag gets the safety check-in after a week, at any age."
    )
    valid_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="For how many days an entry counts, unless it says so itself."
    )
    medicine_classes = _words("Raised by medicines of these classes.")
    medicine_words = _words("Raised by medicines with these names.")
    concerns = _words("Raised by these other conditions.")
    allergy_words = _words("Raised by allergies to these.")
    pregnancy_states = _words("Raised by these answers about pregnancy.")
    valid_from = models.DateField(null=True, blank=True)
    source = models.CharField(max_length=120)
    mark = models.CharField(max_length=1)
    active = models.BooleanField(default=True)

    objects = SharedQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=Q(severity__in=["absolute", "relative", "caution"]), name="flag_kind_severity"
            ),
        )

    def __str__(self) -> str:
        return self.name


class Washout(models.Model):
    """Days that must lie between the end of one medicine and the beginning of another."""

    code = models.SlugField(unique=True)
    from_classes = _words("The medicine that ends is of one of these classes.")
    from_words = _words("Or it has one of these names; a name beats a class.")
    to_classes = _words("The medicine that begins is of one of these classes.")
    days = models.PositiveSmallIntegerField(help_text="Days without the first, before the second.")
    valid_from = models.DateField(null=True, blank=True)
    source = models.CharField(max_length=120)
    mark = models.CharField(max_length=1)
    active = models.BooleanField(default=True)

    objects = SharedQuerySet.as_manager()

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return f"{self.code}: {self.days} days"


class FlagQuerySet(models.QuerySet["ScreeningFlag"]):
    """Reusable filters on flags."""

    def visible_to(self, actor: Actor) -> "FlagQuerySet":
        """Flags of patients at the sites where this actor's role is clinical."""
        if actor.sees_every_site:
            return self
        return self.filter(patient__site_id__in=actor.sites("background.read"))


class ScreeningFlag(Versioned):
    """One warning about one person. ``key`` names its cause, so that a cause raises it once."""

    class Status(models.TextChoices):
        OPEN = "open"
        ACKNOWLEDGED = "acknowledged"
        WITHDRAWN = "withdrawn"

    class Origin(models.TextChoices):
        RULE = "rule", "raised by a rule"
        STAFF = "staff", "raised by staff"

    patient = models.ForeignKey("patients.Patient", on_delete=models.PROTECT, related_name="flags")
    kind = models.ForeignKey(FlagKind, on_delete=models.PROTECT)
    key = models.CharField(max_length=240, editable=False)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    value = models.CharField(max_length=300, help_text="What was found.")
    source = models.CharField(max_length=160, help_text="Why it matters: the rule's source, or who said so.")
    origin = models.CharField(max_length=5, choices=Origin.choices)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.OPEN)
    raised_at = models.DateTimeField()
    raised_by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, related_name="+")
    expires_on = models.DateField(null=True, blank=True, help_text="The last day on which it counts.")
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, related_name="+")
    acknowledged_until = models.DateField(
        null=True, blank=True, help_text="The last day on which the acknowledgement holds."
    )
    reason = models.CharField(max_length=300, blank=True, help_text="Why the prescriber goes on.")
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = FlagQuerySet.as_manager()

    class Meta:
        ordering = ("-raised_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("patient", "key"), condition=~Q(status="withdrawn"), name="flag_once_per_cause"
            ),
            models.CheckConstraint(
                condition=~Q(status="acknowledged") | (Q(acknowledged_at__isnull=False) & ~Q(reason="")),
                name="flag_acknowledged_with_reason",
            ),
            models.CheckConstraint(
                condition=Q(status="withdrawn", withdrawn_at__isnull=False)
                | (~Q(status="withdrawn") & Q(withdrawn_at__isnull=True)),
                name="flag_withdrawn_at",
            ),
        )
        indexes = (models.Index(fields=("patient", "status"), name="flag_of"),)

    def __str__(self) -> str:
        return self.value


class FlagEvent(models.Model):
    """What was done about a flag, by whom and why. Append-only."""

    flag = models.ForeignKey(ScreeningFlag, on_delete=models.PROTECT, related_name="events")
    verb = models.CharField(max_length=12)
    at = models.DateTimeField()
    by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=300, blank=True)
    until = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ("at", "id")

    def __str__(self) -> str:
        return self.verb
