"""What a prescriber must know of a person, as dated entries.

An entry is never rewritten. A correction is a new entry that supersedes the old one; what was never true is
marked as entered in error. The database refuses anything else, so what was known on a day can be read back.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from clinic.access.policy import Actor
from clinic.common.versions import Versioned

MOST_SITES = 20


class RecordedQuerySet(models.QuerySet[Any]):
    """Reusable filters on entries of every kind."""

    def visible_to(self, actor: Actor) -> "RecordedQuerySet":
        """Entries about patients of the sites where this actor's role is clinical."""
        if actor.sees_every_site:
            return self
        return self.filter(patient__site_id__in=actor.sites("background.read"))

    def current(self) -> "RecordedQuerySet":
        """What is held true now."""
        return self.filter(status="current")


class Recorded(Versioned):
    """One entry about one person: who recorded it when, and what became of it.

    ``first`` is the entry that began the chain of corrections (None for that one itself).
    """

    class Status(models.TextChoices):
        CURRENT = "current"
        SUPERSEDED = "superseded"
        ENTERED_IN_ERROR = "entered_in_error", "entered in error"

    patient = models.ForeignKey(
        "patients.Patient", on_delete=models.PROTECT, related_name="%(class)s_entries"
    )
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.CURRENT)
    note = models.CharField(max_length=500, blank=True)
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, related_name="+")
    supersedes = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="superseded_by"
    )
    first = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, related_name="+")
    closed_reason = models.CharField(max_length=200, blank=True)

    if TYPE_CHECKING:
        first_id: int | None
        supersedes_id: int | None

    objects = RecordedQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ("-id",)
        constraints: ClassVar[tuple[models.BaseConstraint, ...]] = (
            models.CheckConstraint(
                condition=Q(status="current", closed_at__isnull=True)
                | Q(status__in=["superseded", "entered_in_error"], closed_at__isnull=False),
                name="%(class)s_closed",
            ),
        )
        indexes = (models.Index(fields=("patient", "status"), name="%(class)s_of"),)

    @property
    def thread(self) -> int:
        """What stays the same through corrections."""
        return self.first_id or self.pk


def _codes(**options: Any) -> ArrayField[Any, Any]:
    return ArrayField(models.CharField(max_length=50), size=MOST_SITES, default=list, blank=True, **options)


def _in_order(start: str, end: str, name: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=Q(**{f"{start}__isnull": True})
        | Q(**{f"{end}__isnull": True})
        | Q(**{f"{end}__gte": models.F(start)}),
        name=name,
    )


class Symptom(Recorded):
    """A symptom over a stretch of time; of a pain also where it is, where it goes and how bad it is."""

    symptom = models.CharField(max_length=50)
    body_sites = _codes()
    radiates_to = _codes()
    severity = models.PositiveSmallIntegerField(null=True, blank=True, help_text="0 to 10.")
    origin = models.CharField(max_length=50, blank=True)
    since_on = models.DateField(null=True, blank=True)
    until_on = models.DateField(null=True, blank=True)

    class Meta(Recorded.Meta):
        constraints = (
            *Recorded.Meta.constraints,
            models.CheckConstraint(
                condition=Q(severity__isnull=True) | Q(severity__lte=10), name="symptom_severity"
            ),
            _in_order("since_on", "until_on", "symptom_order"),
        )

    def __str__(self) -> str:
        return self.symptom


class Allergy(Recorded):
    """What must not be given, and what happened when it was."""

    class Severity(models.TextChoices):
        UNKNOWN = "unknown"
        MILD = "mild"
        MODERATE = "moderate"
        SEVERE = "severe"
        LIFE_THREATENING = "life_threatening", "life-threatening"

    substance = models.CharField(max_length=120)
    reaction = models.CharField(max_length=200, blank=True)
    severity = models.CharField(max_length=16, choices=Severity.choices, default=Severity.UNKNOWN)
    since_on = models.DateField(null=True, blank=True)
    until_on = models.DateField(null=True, blank=True)

    class Meta(Recorded.Meta):
        verbose_name_plural = "allergies"
        constraints = (*Recorded.Meta.constraints, _in_order("since_on", "until_on", "allergy_order"))

    def __str__(self) -> str:
        return self.substance


class OtherMedicine(Recorded):
    """A medicine that somebody else prescribed or that the person takes by themselves."""

    class Source(models.TextChoices):
        PATIENT = "patient", "the patient"
        RELATIVE = "relative", "a relative"
        PHARMACY = "pharmacy"
        PRESCRIBER = "prescriber", "another prescriber"
        RECORD = "record", "a record or letter"

    name = models.CharField(max_length=120)
    medicine_class = models.CharField(max_length=50, help_text="Of the catalogue; decides which flags rise.")
    dose = models.CharField(max_length=120, blank=True, help_text="In words, such as 75 mg in the morning.")
    from_on = models.DateField(null=True, blank=True)
    until_on = models.DateField(null=True, blank=True, help_text="The last day on which it was taken.")
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.PATIENT)

    class Meta(Recorded.Meta):
        constraints = (*Recorded.Meta.constraints, _in_order("from_on", "until_on", "other_medicine_order"))

    def __str__(self) -> str:
        return self.name


class FamilyHistory(Recorded):
    """What a relative had, and how well a medicine worked for them: some of it runs in families."""

    class Relation(models.TextChoices):
        MOTHER = "mother"
        FATHER = "father"
        SISTER = "sister"
        BROTHER = "brother"
        DAUGHTER = "daughter"
        SON = "son"
        GRANDPARENT = "grandparent"
        AUNT_OR_UNCLE = "aunt_or_uncle", "aunt or uncle"
        COUSIN = "cousin"
        OTHER = "other"

    class Response(models.TextChoices):
        UNKNOWN = "unknown", "not known"
        VERY_WELL = "very_well", "worked very well"
        SOMEWHAT = "somewhat", "worked somewhat"
        NOT = "not", "did not work"
        NOT_TOLERATED = "not_tolerated", "was not tolerated"

    relation = models.CharField(max_length=13, choices=Relation.choices)
    condition = models.CharField(max_length=50, blank=True, help_text="Its code among the conditions.")
    condition_text = models.CharField(max_length=120, blank=True, help_text="What is not in the catalogue.")
    medicine = models.CharField(max_length=120, blank=True)
    response = models.CharField(max_length=13, choices=Response.choices, default=Response.UNKNOWN)

    class Meta(Recorded.Meta):
        verbose_name_plural = "family history"

    def __str__(self) -> str:
        return self.relation


class Pregnancy(Recorded):
    """What was known about pregnancy on a day, and until when that may be relied on."""

    class State(models.TextChoices):
        NOT_PREGNANT = "not_pregnant", "not pregnant"
        PREGNANT = "pregnant"
        POSSIBLE = "possible"
        NOT_APPLICABLE = "not_applicable", "not applicable"
        NOT_SAID = "not_said", "not said"

    class Basis(models.TextChoices):
        SAID = "said", "said by the patient"
        TEST = "test"

    state = models.CharField(max_length=14, choices=State.choices)
    basis = models.CharField(max_length=4, choices=Basis.choices, default=Basis.SAID)
    as_of_on = models.DateField()
    expires_on = models.DateField(null=True, blank=True, help_text="The last day on which it counts.")

    class Meta(Recorded.Meta):
        verbose_name_plural = "pregnancies"
        constraints = (*Recorded.Meta.constraints, _in_order("as_of_on", "expires_on", "pregnancy_order"))

    def __str__(self) -> str:
        return self.state


class OtherCondition(Recorded):
    """Another condition that bears on the choice: mental illness, cancer, heart, liver, pressure."""

    concern = models.CharField(max_length=50, help_text="Of the catalogue; decides which flags rise.")
    name = models.CharField(max_length=160, blank=True, help_text="More exactly, in words.")
    code_text = models.CharField("diagnosis code", max_length=20, blank=True)
    since_on = models.DateField(null=True, blank=True)
    until_on = models.DateField(null=True, blank=True)

    class Meta(Recorded.Meta):
        constraints = (*Recorded.Meta.constraints, _in_order("since_on", "until_on", "other_condition_order"))

    def __str__(self) -> str:
        return self.name or self.concern


class PainAssessment(Recorded):
    """No single test diagnoses neuropathic pain: several results of one day, each answering a question."""

    assessed_on = models.DateField()

    def __str__(self) -> str:
        return f"pain assessment of {self.assessed_on}"


class PainResult(models.Model):
    """One result, and which question it answers."""

    class Question(models.TextChoices):
        PAIN = "pain", "Is it this pain?"
        SEVERITY = "severity", "How bad is it?"
        SOURCE = "source", "Where does it come from?"

    assessment = models.ForeignKey(PainAssessment, on_delete=models.PROTECT, related_name="results")
    number = models.PositiveSmallIntegerField()
    test = models.CharField(max_length=50)
    question = models.CharField(max_length=8, choices=Question.choices)
    body_sites = _codes()
    value = models.DecimalField(max_digits=10, decimal_places=3, null=True, blank=True)
    unit = models.CharField(max_length=20, blank=True)
    finding = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(fields=("assessment", "number"), name="pain_result_number"),
            models.CheckConstraint(
                condition=Q(value__isnull=False) | ~Q(finding=""), name="pain_result_says_something"
            ),
        )

    def __str__(self) -> str:
        return self.test
