"""The founding document's lists as rows: symptoms, body sites, factors a prescriber weighs, and their kin.

One table holds every plain list; ``kind`` says which. A code, once used, keeps its meaning: the database
refuses to rename or delete a row, so that records may hold codes.
"""

from typing import Any

from django.db import models

from clinic.access.policy import Actor


class SharedQuerySet(models.QuerySet[Any]):
    """Rows that are the same for every site."""

    def visible_to(self, actor: Actor) -> "SharedQuerySet":
        """All of them, for whoever reads set-up."""
        return self if actor.may("setup.read") else self.none()


class Term(models.Model):
    """One word of one list, in force for a range of dates."""

    class Kind(models.TextChoices):
        SYMPTOM = "symptom"
        BODY_SITE = "body_site"
        PAIN_ORIGIN = "pain_origin"
        FACTOR = "factor", "factor in choosing"
        TREATMENT = "treatment", "kind of treatment"
        MEDICINE_CLASS = "medicine_class"
        CONCERN = "concern", "other condition that matters"
        PAIN_TEST = "pain_test"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    code = models.SlugField()
    name = models.CharField(max_length=160)
    answers = models.JSONField(
        default=list, blank=True, help_text="Of a pain test: which questions its result may answer."
    )
    position = models.PositiveSmallIntegerField(default=100)
    valid_from = models.DateField(null=True, blank=True)
    valid_until = models.DateField(null=True, blank=True)
    source = models.CharField(max_length=120)
    mark = models.CharField(max_length=1, help_text="S source read, K to be confirmed, D our default.")

    objects = SharedQuerySet.as_manager()

    class Meta:
        ordering = ("kind", "position", "name")
        constraints = (models.UniqueConstraint(fields=("kind", "code"), name="term_once"),)

    def __str__(self) -> str:
        return self.name
