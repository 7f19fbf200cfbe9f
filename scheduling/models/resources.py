"""What a visit occupies: chairs, nurses, prescribers, pumps, rooms."""

from django.db import models

from clinic.access.policy import Actor
from clinic.common.versions import Versioned


class SetupQuerySet(models.QuerySet["Resource"]):
    """Reusable filters on what managers set up per site."""

    def visible_to(self, actor: Actor) -> "SetupQuerySet":
        """Rows of the sites at which this actor has any role."""
        return self if actor.sees_every_site else self.filter(site_id__in=actor.sites("setup.read"))


class Resource(Versioned):
    """One chair, person or thing. ``capacity`` is how many patients it serves at once (shared use)."""

    class Kind(models.TextChoices):
        CHAIR = "chair"
        NURSE = "nurse"
        PRESCRIBER = "prescriber"
        PUMP = "pump"
        ROOM = "room"

    site = models.ForeignKey("access.Site", on_delete=models.PROTECT, related_name="resources")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    name = models.CharField(max_length=80)
    capacity = models.PositiveSmallIntegerField(
        help_text="Patients at once: a nurse watches 3 by default, everything else serves 1."
    )
    active = models.BooleanField(default=True)
    user = models.ForeignKey(
        "access.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="resources"
    )

    objects = SetupQuerySet.as_manager()

    class Meta:
        ordering = ("site_id", "kind", "name")
        constraints = (
            models.UniqueConstraint(fields=("site", "kind", "name"), name="resource_name_once"),
            models.CheckConstraint(
                condition=models.Q(capacity__gte=1, capacity__lte=20), name="resource_capacity"
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["chair", "nurse", "prescriber", "pump", "room"]),
                name="resource_kind",
            ),
        )

    def __str__(self) -> str:
        return self.name
