"""Holds: a time kept for a patient for some minutes while a person decides.

The idea to know: a hold ends by the clock alone. Nothing has to be swept: whoever reads or takes time
leaves out the allocations whose ``expires_at`` has passed.
"""

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from clinic.access.policy import Actor
from clinic.common.versions import Versioned


class HoldQuerySet(models.QuerySet["Hold"]):
    """Reusable filters on holds."""

    def visible_to(self, actor: Actor) -> "HoldQuerySet":
        """Holds at the sites whose schedule this actor reads."""
        return self if actor.sees_every_site else self.filter(site_id__in=actor.sites("appointments.read"))

    def active(self, now: datetime) -> "HoldQuerySet":
        """Holds that keep their time at ``now``."""
        return self.filter(ended_at__isnull=True, expires_at__gt=now)


class Hold(Versioned):
    """One visit's resources and its patient's time, kept until ``expires_at`` unless it ends sooner."""

    class Status(models.TextChoices):
        HELD = "held"
        USED = "used"
        RELEASED = "released"
        EXPIRED = "expired"

    patient = models.ForeignKey("patients.Patient", on_delete=models.CASCADE, related_name="holds")
    visit_type = models.ForeignKey("scheduling.VisitType", on_delete=models.PROTECT)
    site = models.ForeignKey("access.Site", on_delete=models.PROTECT)
    start_at = models.DateTimeField("start")
    end_at = models.DateTimeField("end")
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()
    created_by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When it was used or given back.")
    noticed_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When the waiting list learned that it expired. Nothing else reads it.",
    )
    appointment = models.OneToOneField(
        "scheduling.Appointment", on_delete=models.CASCADE, null=True, blank=True, related_name="hold"
    )

    objects = HoldQuerySet.as_manager()

    class Meta:
        ordering = ("-expires_at", "-id")
        constraints = (
            models.CheckConstraint(condition=Q(end_at__gt=F("start_at")), name="hold_order"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="hold_expires_later"),
            models.CheckConstraint(
                condition=Q(appointment__isnull=True) | Q(ended_at__isnull=False), name="hold_used_has_ended"
            ),
        )
        indexes = (
            models.Index(
                fields=("patient", "expires_at"), name="hold_of_patient", condition=Q(ended_at__isnull=True)
            ),
            models.Index(fields=("site", "-expires_at"), name="hold_by_site"),
            models.Index(
                fields=("expires_at",),
                name="hold_unnoticed",
                condition=Q(ended_at__isnull=True, noticed_at__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return f"{self.visit_type} {self.start_at:%Y-%m-%d %H:%M} UTC, held"

    def status_at(self, now: datetime) -> Status:
        """Where it is at ``now``; expiry is never written."""
        if self.appointment_id is not None:
            return self.Status.USED
        if self.ended_at is not None:
            return self.Status.RELEASED
        return self.Status.HELD if now < self.expires_at else self.Status.EXPIRED


class HoldPolicy(models.Model):
    """How long a hold keeps its time. The row without a site is the default."""

    site = models.OneToOneField("access.Site", on_delete=models.CASCADE, null=True, blank=True)
    minutes = models.PositiveSmallIntegerField(default=10)
    source = models.CharField(max_length=120)
    mark = models.CharField(max_length=1)

    class Meta:
        verbose_name_plural = "hold policies"
        constraints = (
            models.UniqueConstraint(
                models.Value(1), condition=Q(site__isnull=True), name="hold_policy_one_default"
            ),
            models.CheckConstraint(condition=Q(minutes__gte=1, minutes__lte=60), name="hold_policy_minutes"),
        )

    def __str__(self) -> str:
        return f"{self.minutes} minutes"
