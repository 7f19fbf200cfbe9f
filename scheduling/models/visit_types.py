"""Kinds of visit: their phases, what each phase needs, and how they may be booked."""

from django.core.exceptions import ValidationError
from django.db import models

from clinic.access.policy import Actor
from clinic.common.versions import Versioned
from scheduling.domain import phases as domain


def validate_phases(value: object) -> None:
    """Accept what the domain can read; its message names the fault."""
    try:
        domain.parse(value)
    except ValueError as error:
        raise ValidationError(str(error), code="invalid_phases") from error


class VisitTypeQuerySet(models.QuerySet["VisitType"]):
    """Reusable filters on visit types."""

    def visible_to(self, actor: Actor) -> "VisitTypeQuerySet":
        """Visit types are the same for every site."""
        return self if actor.may("setup.read") else self.none()


class VisitType(Versioned):
    """Phases in minutes with their needs. Defaults and sources: DOMAIN section 2."""

    class Kind(models.TextChoices):
        INFUSION = "infusion"
        ESKETAMINE = "esketamine"
        CONSULTATION = "consultation"
        FOLLOW_UP = "follow_up"

    code = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    discreet_name = models.CharField(max_length=40, help_text="Used in messages: names no treatment.")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    phases = models.JSONField(validators=[validate_phases])
    start_grid_minutes = models.PositiveSmallIntegerField(default=15)
    min_notice_minutes = models.PositiveIntegerField(default=0)
    horizon_days = models.PositiveSmallIntegerField(default=365)
    active = models.BooleanField(default=True)
    source = models.CharField(max_length=120, blank=True)
    mark = models.CharField(max_length=1, default="D")

    objects = VisitTypeQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(start_grid_minutes__in=[5, 10, 15, 20, 30, 60]), name="visit_type_grid"
            ),
            models.CheckConstraint(
                condition=models.Q(horizon_days__gte=1, horizon_days__lte=730), name="visit_type_horizon"
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["infusion", "esketamine", "consultation", "follow_up"]),
                name="visit_type_kind",
            ),
        )

    def __str__(self) -> str:
        return self.name
