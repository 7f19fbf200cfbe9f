"""Repairs: a proposal of where visits could go that lost their place, and what became of it.

The row is the work: ``queued`` waits for a worker, ``running`` is leased to one by PostgreSQL's clock, and
a lease that ran out is anybody's again. Nothing is moved before a person accepts.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from clinic.access.policy import Actor
from clinic.common.versions import Versioned


class RepairQuerySet(models.QuerySet["Repair"]):
    """Reusable filters on repairs."""

    def visible_to(self, actor: Actor) -> "RepairQuerySet":
        """Repairs at the sites whose schedule this actor reads."""
        return self if actor.sees_every_site else self.filter(site_id__in=actor.sites("appointments.read"))


class Repair(Versioned):
    """What was asked, how far it is, and how disruptive the proposal is.

    What is hit comes from a closure, from a stretch of time in which one resource or the whole site is
    away, or from a list of visits; exactly one of them.
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        PROPOSED = "proposed"
        FAILED = "failed"
        ACCEPTED = "accepted"
        DISCARDED = "discarded"

    UNFINISHED = (Status.QUEUED, Status.RUNNING)

    site = models.ForeignKey("access.Site", on_delete=models.PROTECT, related_name="repairs")
    closure = models.ForeignKey("scheduling.Closure", on_delete=models.SET_NULL, null=True, blank=True)
    resource = models.ForeignKey("scheduling.Resource", on_delete=models.PROTECT, null=True, blank=True)
    start_at = models.DateTimeField("start", null=True, blank=True)
    end_at = models.DateTimeField("end", null=True, blank=True)
    appointment_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)
    time_limit_seconds = models.PositiveSmallIntegerField()
    horizon_days = models.PositiveSmallIntegerField()
    requested_by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, blank=True)
    requested_at = models.DateTimeField()

    status = models.CharField(max_length=9, choices=Status.choices, default=Status.QUEUED)
    claim = models.UUIDField(null=True, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    failure = models.CharField(max_length=40, blank=True, help_text="A code; see docs/api.md.")
    proposed_at = models.DateTimeField(null=True, blank=True)
    optimal = models.BooleanField(default=False, help_text="Proven that nothing is less disruptive.")
    unplaced = models.PositiveIntegerField(default=0)
    patients_moved = models.PositiveIntegerField(default=0)
    confirmed_moved = models.PositiveIntegerField(default=0)
    to_another_day = models.PositiveIntegerField(default=0)
    minutes_shifted = models.PositiveIntegerField(default=0)
    resources_changed = models.PositiveIntegerField(default=0)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = RepairQuerySet.as_manager()

    class Meta:
        ordering = ("-requested_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running", "proposed", "failed", "accepted", "discarded"]),
                name="repair_status",
            ),
            models.CheckConstraint(
                condition=Q(start_at__isnull=True, end_at__isnull=True) | Q(end_at__gt=F("start_at")),
                name="repair_order",
            ),
            models.CheckConstraint(
                condition=Q(time_limit_seconds__gte=1, time_limit_seconds__lte=60) & Q(horizon_days__lte=14),
                name="repair_bounds",
            ),
            models.CheckConstraint(
                condition=Q(status="running") ^ Q(leased_until__isnull=True, claim__isnull=True),
                name="repair_leased_while_running",
            ),
        )
        indexes = (
            models.Index(fields=("site", "-requested_at", "-id"), name="repair_by_site"),
            models.Index(
                fields=("requested_at",),
                name="repair_unfinished",
                condition=Q(status__in=["queued", "running"]),
            ),
        )

    def __str__(self) -> str:
        return f"repair {self.pk}"


class RepairChange(models.Model):
    """One visit of a proposal: where it was, where it could go, and what came of it.

    ``appointment_version`` is the version the proposal was made from. ``to_start_at`` is empty when there is
    no place; ``reason`` then says why.
    """

    class Outcome(models.TextChoices):
        MOVED = "moved"
        REASSIGNED = "reassigned"
        UNCHANGED = "unchanged"
        STALE = "stale"
        REFUSED = "refused"

    repair = models.ForeignKey(Repair, on_delete=models.CASCADE, related_name="changes")
    appointment = models.ForeignKey("scheduling.Appointment", on_delete=models.CASCADE)
    appointment_version = models.PositiveIntegerField()
    sequence = models.PositiveSmallIntegerField(help_text="The order in which accepting carries them out.")
    together = models.PositiveSmallIntegerField(
        help_text="Changes of one number trade places, so they happen in one transaction or not at all."
    )
    from_start_at = models.DateTimeField()
    from_resources = ArrayField(models.BigIntegerField(), default=list)
    to_start_at = models.DateTimeField(null=True, blank=True)
    to_resources = ArrayField(models.BigIntegerField(), default=list)
    reason = models.CharField(max_length=40, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    outcome_code = models.CharField(max_length=40, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("repair_id", "sequence")
        constraints = (
            models.UniqueConstraint(fields=("repair", "appointment"), name="repair_change_once"),
            models.CheckConstraint(
                condition=Q(to_start_at__isnull=True) ^ Q(reason=""), name="repair_change_place_or_reason"
            ),
            models.CheckConstraint(
                condition=Q(outcome="", settled_at__isnull=True)
                | Q(
                    outcome__in=["moved", "reassigned", "unchanged", "stale", "refused"],
                    settled_at__isnull=False,
                ),
                name="repair_change_outcome",
            ),
        )

    def __str__(self) -> str:
        return f"appointment {self.appointment_id}"

    @property
    def pending(self) -> bool:
        """Whether it could be accepted: it has a place, and nothing was done about it yet."""
        return self.to_start_at is not None and not self.outcome
