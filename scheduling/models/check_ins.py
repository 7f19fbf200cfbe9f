"""Onset check-ins: the rules as data, and the rows planned from a prescription's history."""

from django.db import models
from django.db.models import Q

from clinic.access.policy import Actor
from clinic.common.versions import Versioned


class CheckInRule(models.Model):
    """One row of the check-in schedule (DOMAIN section 3), as a clinic may change it."""

    code = models.CharField(max_length=12)
    day = models.PositiveSmallIntegerField(help_text="Days after the anchor.")
    window_before = models.PositiveSmallIntegerField()
    window_after = models.PositiveSmallIntegerField()
    purpose = models.CharField(max_length=120)
    asks = models.JSONField(default=list, help_text="Instrument codes.")
    mandatory = models.BooleanField(default=False)
    staff_contact = models.BooleanField(default=False, help_text="A clinician makes contact.")
    follows = models.CharField(
        max_length=12,
        choices=[
            ("each_dose", "after every new dose"),
            ("target_dose", "after the target dose"),
            ("reduction", "after every decrease or stop"),
        ],
    )
    max_age = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Up to this age, included.")
    risk_flag = models.BooleanField(default=False, help_text="Also for patients with a risk flag.")
    drug_classes = models.JSONField(default=list, help_text="Empty means every class.")
    indications = models.JSONField(default=list, help_text="Empty means every indication.")
    replaces = models.CharField(max_length=12, blank=True)
    applies = models.CharField(max_length=120, blank=True)
    source = models.CharField(max_length=120)
    mark = models.CharField(max_length=1)
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ("day", "code")
        constraints = (
            models.UniqueConstraint(
                fields=("code", "day"), condition=Q(active=True), name="check_in_rule_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.code} (day {self.day})"


class CheckInPolicy(models.Model):
    """When patients are asked, and how near check-ins are asked together. The row without a site is the
    default."""

    site = models.OneToOneField("access.Site", on_delete=models.CASCADE, null=True, blank=True)
    ask_at = models.TimeField(help_text="On the patient's own clock.")
    merge_within_days = models.PositiveSmallIntegerField(
        help_text="Check-ins of one patient due at most this many days apart become one contact."
    )
    source = models.CharField(max_length=120)
    mark = models.CharField(max_length=1)

    class Meta:
        verbose_name_plural = "check-in policies"
        constraints = (
            models.UniqueConstraint(
                models.Value(1), condition=Q(site__isnull=True), name="check_in_policy_one_default"
            ),
        )

    def __str__(self) -> str:
        return f"asked at {self.ask_at:%H:%M}"


class CheckInQuerySet(models.QuerySet["CheckIn"]):
    """Reusable filters on check-ins."""

    def visible_to(self, actor: Actor) -> "CheckInQuerySet":
        """Check-ins of patients at the sites where this actor reads them."""
        if actor.sees_every_site:
            return self
        return self.filter(patient__site_id__in=actor.sites("check_ins.read"))


class CheckIn(Versioned):
    """One moment at which we ask a patient how a medicine is doing. Dates are in the patient's zone.

    Check-ins asked together are one contact: one of them leads it, the others are ``merged_into`` it. Only
    the lead has an ``ask_at``.
    """

    class Status(models.TextChoices):
        PLANNED = "planned"
        SENT = "sent"
        ANSWERED = "answered"
        MISSED = "missed"
        SUPERSEDED = "superseded"
        CANCELLED = "cancelled"

    OPEN = (Status.PLANNED, Status.SENT)

    patient = models.ForeignKey("patients.Patient", on_delete=models.PROTECT, related_name="check_ins")
    prescription = models.ForeignKey(
        "scheduling.Prescription", on_delete=models.PROTECT, related_name="check_ins"
    )
    key = models.CharField(max_length=60, editable=False)
    code = models.CharField(max_length=12)
    due_on = models.DateField()
    window_start_on = models.DateField()
    window_end_on = models.DateField()
    contact_on = models.DateField(help_text="The day on which the patient is asked, after merging.")
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="merged"
    )
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PLANNED)
    mandatory = models.BooleanField(default=False)
    staff_contact = models.BooleanField(default=False)
    asks = models.JSONField(default=list)
    day = models.PositiveSmallIntegerField(help_text="Days after the anchor.")
    anchor_sequence = models.PositiveSmallIntegerField(help_text="Number of the dose event it counts from.")
    anchor_kind = models.CharField(max_length=8)
    anchor_on = models.DateField()
    anchor_dose_mg = models.DecimalField(max_digits=8, decimal_places=3)
    explanation = models.CharField(max_length=160)
    ask_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its contact is made; leads only."
    )
    asked_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When a message went to the patient, at the latest."
    )
    reminded_at = models.DateTimeField(null=True, blank=True, editable=False)
    next_action_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When there is next something to do about it."
    )
    answered_on = models.DateField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True, help_text="When the answer was recorded.")
    answered_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    note = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(editable=False)

    objects = CheckInQuerySet.as_manager()

    class Meta:
        ordering = ("due_on", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("prescription", "key"),
                condition=~Q(status="superseded"),
                name="check_in_once",
            ),
            models.CheckConstraint(
                condition=Q(window_start_on__lte=models.F("due_on"), window_end_on__gte=models.F("due_on")),
                name="check_in_window",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["planned", "sent", "answered", "missed", "superseded", "cancelled"]),
                name="check_in_status",
            ),
            models.CheckConstraint(
                condition=Q(status="answered", answered_on__isnull=False)
                | (~Q(status="answered") & Q(answered_on__isnull=True)),
                name="check_in_answered_on",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["planned", "sent"], next_action_at__isnull=False)
                | (~Q(status__in=["planned", "sent"]) & Q(next_action_at__isnull=True)),
                name="check_in_never_forgotten",
            ),
        )
        indexes = (
            models.Index(
                fields=("next_action_at",),
                name="check_in_next",
                condition=Q(next_action_at__isnull=False),
            ),
            models.Index(fields=("patient", "due_on"), name="check_in_by_patient"),
            models.Index(fields=("window_end_on",), name="check_in_by_window"),
        )

    def __str__(self) -> str:
        return f"{self.code} due {self.due_on}"
