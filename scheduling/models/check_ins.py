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


class CheckInQuerySet(models.QuerySet["CheckIn"]):
    """Reusable filters on check-ins."""

    def visible_to(self, actor: Actor) -> "CheckInQuerySet":
        """Check-ins of patients at the sites where this actor reads them."""
        if actor.sees_every_site:
            return self
        return self.filter(patient__site_id__in=actor.sites("check_ins.read"))


class CheckIn(Versioned):
    """One moment at which we ask a patient how a medicine is doing. Dates are in the patient's zone."""

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
    merged_into = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PLANNED)
    mandatory = models.BooleanField(default=False)
    staff_contact = models.BooleanField(default=False)
    asks = models.JSONField(default=list)
    anchor_kind = models.CharField(max_length=8)
    anchor_on = models.DateField()
    anchor_dose_mg = models.DecimalField(max_digits=8, decimal_places=3)
    explanation = models.CharField(max_length=160)
    answered_at = models.DateTimeField(null=True, blank=True)
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
        )
        indexes = (
            models.Index(
                fields=("window_end_on",),
                name="check_in_open",
                condition=Q(status__in=["planned", "sent"]),
            ),
            models.Index(fields=("patient", "due_on"), name="check_in_by_patient"),
        )

    def __str__(self) -> str:
        return f"{self.code} due {self.due_on}"
