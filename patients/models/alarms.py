"""Safety alarms: opened with the answer, owned by a role, handed on until somebody takes them.

The idea to know: an open alarm always has a moment at which it goes on to the next role.
"""

from django.db import models
from django.db.models import Q

from clinic.access.policy import Actor
from clinic.common.versions import Versioned
from patients.domain.alarms import Status as Where


class AlarmPolicy(models.Model):
    """One role of the chain that owns alarms. A site with rows of its own follows only those."""

    site = models.ForeignKey("access.Site", on_delete=models.CASCADE, null=True, blank=True)
    position = models.PositiveSmallIntegerField(help_text="1 owns it first.")
    owner_role = models.CharField(
        max_length=16, choices=[("nurse", "Nurse"), ("prescriber", "Prescriber"), ("manager", "Manager")]
    )
    minutes = models.PositiveSmallIntegerField(help_text="Then it goes on to the next role.")
    source = models.CharField(max_length=120)
    mark = models.CharField(max_length=1)

    class Meta:
        ordering = ("site", "position")
        verbose_name_plural = "alarm policies"
        constraints = (
            models.UniqueConstraint(
                fields=("site", "position"), nulls_distinct=False, name="alarm_policy_position_once"
            ),
            models.CheckConstraint(
                condition=Q(minutes__gte=1, position__gte=1), name="alarm_policy_positive"
            ),
        )

    def __str__(self) -> str:
        return f"{self.position}. {self.owner_role}, {self.minutes} min"


class CrisisContact(models.Model):
    """Who helps at any hour: shown wherever a patient answers."""

    language = models.CharField(max_length=2, choices=[("en", "English"), ("es", "Español")])
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=120, help_text="As the patient reads it.")
    address = models.CharField(max_length=60, help_text="What a tap does, such as tel:988.")
    source = models.CharField(max_length=120)
    mark = models.CharField(max_length=1)

    class Meta:
        ordering = ("language", "position", "id")
        constraints = (
            models.UniqueConstraint(fields=("language", "position"), name="crisis_contact_position_once"),
        )

    def __str__(self) -> str:
        return self.name


class SafetyAlarmQuerySet(models.QuerySet["SafetyAlarm"]):
    """Reusable filters on alarms."""

    def visible_to(self, actor: Actor) -> "SafetyAlarmQuerySet":
        """Alarms of the sites where this actor reads scores."""
        return self if actor.sees_every_site else self.filter(site_id__in=actor.sites("assessments.read"))

    def holding(self) -> "SafetyAlarmQuerySet":
        """Those that hold the patient's next infusion: no prescriber has signed them off."""
        return self.filter(cleared_at__isnull=True)


class SafetyAlarm(Versioned):
    """An answer that needs a clinician now. Exactly one per assessment."""

    class Severity(models.TextChoices):
        POSITIVE = "positive"
        ACUTE = "acute"

    class Status(models.TextChoices):
        OPEN = Where.OPEN.value
        ACKNOWLEDGED = Where.ACKNOWLEDGED.value
        RESOLVED = Where.RESOLVED.value

    patient = models.ForeignKey("patients.Patient", on_delete=models.CASCADE, related_name="safety_alarms")
    site = models.ForeignKey("access.Site", on_delete=models.PROTECT)
    assessment = models.OneToOneField("patients.Assessment", on_delete=models.CASCADE, related_name="alarm")
    work_item = models.OneToOneField("patients.WorkItem", on_delete=models.RESTRICT, related_name="alarm")
    severity = models.CharField(max_length=8, choices=Severity.choices)
    items = models.JSONField(default=list, help_text="The answers that opened it.")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.OPEN)
    owner_role = models.CharField(max_length=16)
    level = models.PositiveSmallIntegerField(help_text="How far it has been handed on; 1 is the first owner.")
    opened_at = models.DateTimeField()
    watched = models.BooleanField(help_text="Whether the clinic was open when it was opened.")
    next_open_at = models.DateTimeField(null=True, blank=True)
    next_escalation_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    note = models.TextField(blank=True)
    plan = models.TextField(blank=True)
    cleared_at = models.DateTimeField("cleared for treatment", null=True, blank=True)
    cleared_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = SafetyAlarmQuerySet.as_manager()

    class Meta:
        ordering = ("-opened_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(status__in=["open", "acknowledged", "resolved"]), name="alarm_status"
            ),
            models.CheckConstraint(
                condition=Q(status="open", next_escalation_at__isnull=False)
                | (~Q(status="open") & Q(next_escalation_at__isnull=True)),
                name="alarm_never_forgotten",
            ),
            models.CheckConstraint(
                condition=Q(resolved_at__isnull=True) | ~Q(note=""), name="alarm_resolved_with_note"
            ),
            models.CheckConstraint(
                condition=Q(cleared_at__isnull=True) | Q(resolved_at__isnull=False), name="alarm_cleared_last"
            ),
        )
        indexes = (
            models.Index(
                fields=("next_escalation_at",),
                name="alarm_next",
                condition=Q(next_escalation_at__isnull=False),
            ),
            models.Index(fields=("patient",), name="alarm_holding", condition=Q(cleared_at__isnull=True)),
        )

    def __str__(self) -> str:
        return f"{self.get_severity_display()}, {self.get_status_display()}"


class SafetyAlarmEvent(models.Model):
    """What happened to an alarm. Append-only."""

    class Kind(models.TextChoices):
        OPENED = "opened"
        ADDED = "added", "More answers added"
        ESCALATED = "escalated"
        ACKNOWLEDGED = "acknowledged"
        RESOLVED = "resolved"
        CLEARED = "cleared"

    alarm = models.ForeignKey(SafetyAlarm, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    at = models.DateTimeField()
    by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    owner_role = models.CharField(max_length=16)
    level = models.PositiveSmallIntegerField()
    note = models.TextField(blank=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"
