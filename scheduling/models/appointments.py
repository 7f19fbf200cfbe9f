"""Appointments, the resources they occupy, and their history.

No double booking is a database fact: an allocation is (resource, lane, time range), and exclusion
constraints forbid overlap per resource and lane and per patient. Lane 0 is exclusive (hands-on)
use; lanes 1 to capacity are shared use, so a nurse's ratio holds whoever writes. A trigger
keeps lanes within the resource's capacity, and lets the exclusive use of a chair, pump or room
cover all its lanes (a person's hands-on lane runs beside the monitoring lanes).
"""

from datetime import datetime

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, DateTimeRangeField, IntegerRangeField
from django.db import models
from django.db.models import Case, Deferrable, F, Func, Q, Value, When

from clinic.access.policy import Actor, Via
from clinic.common.versions import Versioned

_LAST_LANE = 32767


def _same(column: str) -> Func:
    """One id as a range, so that equality needs no btree_gist extension."""
    return Func(F(column), F(column), Value("[]"), function="int8range", output_field=BigIntegerRangeField())


def _lanes() -> Func:
    """The allocation's lane, or every lane when nobody else may be served beside it."""
    last = Case(
        When(alone=True, then=Value(_LAST_LANE)), default=F("lane"), output_field=models.IntegerField()
    )
    return Func(F("lane"), last, Value("[]"), function="int4range", output_field=IntegerRangeField())


def _during() -> Func:
    return Func(F("start_at"), F("end_at"), function="tstzrange", output_field=DateTimeRangeField())


class AppointmentQuerySet(models.QuerySet["Appointment"]):
    """Reusable filters on appointments."""

    def visible_to(self, actor: Actor) -> "AppointmentQuerySet":
        """Appointments at the sites whose schedule this actor reads."""
        return self if actor.sees_every_site else self.filter(site_id__in=actor.sites("appointments.read"))


class Appointment(Versioned):
    """One visit of one patient. ``plan_version`` counts its moves; messages belong to one of them."""

    class Status(models.TextChoices):
        BOOKED = "booked"
        CONFIRMED = "confirmed"
        ARRIVED = "arrived"
        IN_PROGRESS = "in_progress", "In progress"
        COMPLETED = "completed"
        CANCELLED = "cancelled"
        NO_SHOW = "no_show", "No-show"

    FREES_RESOURCES = (Status.CANCELLED, Status.NO_SHOW)

    patient = models.ForeignKey("patients.Patient", on_delete=models.PROTECT, related_name="appointments")
    visit_type = models.ForeignKey("scheduling.VisitType", on_delete=models.PROTECT)
    site = models.ForeignKey("access.Site", on_delete=models.PROTECT, related_name="appointments")
    course = models.ForeignKey(
        "scheduling.Course", on_delete=models.PROTECT, null=True, blank=True, related_name="sessions"
    )
    session_number = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="Counts the sessions of its course by date; one that will not happen keeps its own.",
    )
    start_at = models.DateTimeField("start")
    end_at = models.DateTimeField("end")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.BOOKED)
    plan_version = models.PositiveIntegerField(default=1, editable=False)
    unconfirmed_version = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="The plan version about which somebody was asked to call, because nobody confirmed it.",
    )
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(editable=False)
    scheduled_at = models.DateTimeField(editable=False, help_text="When the present start was chosen.")

    objects = AppointmentQuerySet.as_manager()

    class Meta:
        ordering = ("start_at", "id")
        constraints = (
            models.CheckConstraint(condition=Q(end_at__gt=F("start_at")), name="appointment_order"),
            models.CheckConstraint(
                condition=Q(course__isnull=True, session_number__isnull=True)
                | Q(course__isnull=False, session_number__gte=1),
                name="appointment_session_of_course",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        "booked",
                        "confirmed",
                        "arrived",
                        "in_progress",
                        "completed",
                        "cancelled",
                        "no_show",
                    ]
                ),
                name="appointment_status",
            ),
            ExclusionConstraint(
                name="appointment_patient_free",
                expressions=[
                    (_same("patient"), "&&"),
                    (_during(), "&&"),
                ],
                condition=~Q(status__in=["cancelled", "no_show"]),
                # Looked at when a statement ends, so that one statement may move several sessions.
                deferrable=Deferrable.IMMEDIATE,
            ),
        )
        indexes = (
            models.Index(fields=("site", "start_at", "id"), name="appointment_by_site"),
            models.Index(fields=("patient", "start_at"), name="appointment_by_patient"),
            models.Index(
                fields=("start_at",),
                name="appointment_unconfirmed",
                condition=Q(status="booked", unconfirmed_version__lt=F("plan_version")),
            ),
        )

    def __str__(self) -> str:
        return f"{self.visit_type} {self.start_at:%Y-%m-%d %H:%M} UTC"


class AllocationQuerySet(models.QuerySet["Allocation"]):
    """Reusable filters on allocations."""

    def standing(self, now: datetime) -> "AllocationQuerySet":
        """What keeps its time at ``now``: neither given back nor an expired hold's."""
        unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
        return self.filter(unexpired, released_at__isnull=True)


class Allocation(models.Model):
    """A stretch of one lane of one resource: an appointment's until released, or a hold's until it expires.

    An expired row stands for nothing; whoever takes time on its resource removes it first.
    """

    class Use(models.TextChoices):
        EXCLUSIVE = "exclusive"
        SHARED = "shared"

    appointment = models.ForeignKey(
        Appointment, on_delete=models.CASCADE, related_name="allocations", null=True, blank=True
    )
    hold = models.ForeignKey(
        "scheduling.Hold",
        on_delete=models.CASCADE,
        related_name="allocations",
        null=True,
        blank=True,
        db_index=False,
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Of a hold: when it ends by itself.")
    resource = models.ForeignKey("scheduling.Resource", on_delete=models.PROTECT, related_name="allocations")
    use = models.CharField(max_length=9, choices=Use.choices)
    lane = models.PositiveSmallIntegerField()
    alone = models.BooleanField(default=False, editable=False, help_text="Set by a trigger.")
    start_at = models.DateTimeField("start")
    end_at = models.DateTimeField("end")
    released_at = models.DateTimeField(null=True, blank=True)

    objects = AllocationQuerySet.as_manager()

    class Meta:
        ordering = ("start_at", "resource_id", "lane")
        constraints = (
            models.CheckConstraint(condition=Q(end_at__gt=F("start_at")), name="allocation_order"),
            models.CheckConstraint(
                condition=Q(use="exclusive", lane=0) | Q(use="shared", lane__gte=1),
                name="allocation_lane_of_use",
            ),
            models.CheckConstraint(
                condition=Q(appointment__isnull=False, hold__isnull=True, expires_at__isnull=True)
                | Q(appointment__isnull=True, hold__isnull=False, expires_at__isnull=False),
                name="allocation_one_owner",
            ),
            ExclusionConstraint(
                name="allocation_lane_free",
                expressions=[
                    (_same("resource"), "&&"),
                    (_lanes(), "&&"),
                    (_during(), "&&"),
                ],
                condition=Q(released_at__isnull=True),
                deferrable=Deferrable.IMMEDIATE,
            ),
        )
        indexes = (
            models.Index(
                fields=("resource", "end_at"),
                name="allocation_by_resource",
                condition=Q(released_at__isnull=True),
            ),
            models.Index(fields=("hold",), name="allocation_by_hold", condition=Q(hold__isnull=False)),
            models.Index(
                fields=("resource", "end_at"), name="allocation_held", condition=Q(hold__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return f"{self.resource} ({self.use})"


class AppointmentEvent(models.Model):
    """One thing that happened to an appointment. Append-only."""

    appointment = models.ForeignKey(Appointment, on_delete=models.CASCADE, related_name="events")
    verb = models.CharField(max_length=16)
    from_status = models.CharField(max_length=12, blank=True)
    to_status = models.CharField(max_length=12)
    at = models.DateTimeField()
    by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, blank=True)
    via = models.CharField(
        max_length=8, choices=[(each.value, each.value) for each in Via], default=Via.STAFF
    )
    reason = models.CharField(max_length=200, blank=True)
    note = models.CharField(max_length=500, blank=True)
    moved_from = models.DateTimeField(null=True, blank=True)
    moved_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("at", "id")

    def __str__(self) -> str:
        return self.verb
