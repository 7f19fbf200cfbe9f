"""What needs a person: opened by the system, owned by a role, never lapsing in silence."""

from django.db import models

from clinic.access.policy import Actor
from clinic.common.versions import Versioned


class WorkItemQuerySet(models.QuerySet["WorkItem"]):
    """Reusable filters on work items."""

    def visible_to(self, actor: Actor) -> "WorkItemQuerySet":
        """Items of the sites at which this actor works."""
        return self if actor.sees_every_site else self.filter(site_id__in=actor.sites("work_items.read"))


class WorkItem(Versioned):
    """One thing to do. ``key`` names its cause, so that one cause opens at most one item at a time."""

    class Severity(models.TextChoices):
        ROUTINE = "routine"
        URGENT = "urgent"

    class Status(models.TextChoices):
        OPEN = "open"
        ACKNOWLEDGED = "acknowledged"
        RESOLVED = "resolved"

    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=120)
    severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.ROUTINE)
    site = models.ForeignKey("access.Site", on_delete=models.PROTECT)
    patient = models.ForeignKey("patients.Patient", on_delete=models.CASCADE, null=True, blank=True)
    summary = models.CharField(max_length=200, help_text="What happened and what to do; no names.")
    owner_role = models.CharField(max_length=16)
    assigned_to = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="work_items"
    )
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.OPEN)
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    note = models.TextField(blank=True)

    objects = WorkItemQuerySet.as_manager()

    class Meta:
        ordering = ("-severity", "due_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("key",), condition=~models.Q(status="resolved"), name="work_item_open_once"
            ),
        )
        indexes = (models.Index(fields=("site", "status", "due_at"), name="work_item_list"),)

    def __str__(self) -> str:
        return self.summary
