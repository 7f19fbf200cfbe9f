"""Follow-ups: something owed to a patient by a day, fulfilled by a visit, a call or a check-in."""

from django.db import models

from clinic.access.policy import Actor
from clinic.common.versions import Versioned


class FollowUpQuerySet(models.QuerySet["FollowUp"]):
    """Reusable filters on follow-ups."""

    def visible_to(self, actor: Actor) -> "FollowUpQuerySet":
        """Follow-ups of patients at the sites where this actor reads them."""
        if actor.sees_every_site:
            return self
        return self.filter(patient__site_id__in=actor.sites("follow_ups.read"))


class FollowUp(Versioned):
    """One thing owed by a day on the calendar of the patient's site."""

    class Kind(models.TextChoices):
        VISIT = "visit"
        CALL = "call"
        CHECK_IN = "check_in", "Check-in"

    class Status(models.TextChoices):
        DUE = "due"
        DONE = "done"
        CANCELLED = "cancelled"

    patient = models.ForeignKey("patients.Patient", on_delete=models.PROTECT, related_name="follow_ups")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    due_on = models.DateField()
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.DUE)
    origin = models.CharField(max_length=60, help_text="What made it: staff, or after which visit.")
    appointment = models.ForeignKey(
        "scheduling.Appointment", on_delete=models.PROTECT, null=True, blank=True, related_name="follow_ups"
    )
    note = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(editable=False)

    objects = FollowUpQuerySet.as_manager()

    class Meta:
        ordering = ("due_on", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("appointment", "origin"),
                condition=models.Q(appointment__isnull=False) & ~models.Q(status="cancelled"),
                name="follow_up_once_per_origin",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} due {self.due_on}"
