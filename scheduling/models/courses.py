"""Courses of treatment, and the templates they are made from.

A course keeps the stages it was booked with: changing a template (or the course's own maintenance interval)
never changes what an earlier course was meant to be. Its sessions are appointments that point to it.
"""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from clinic.access.policy import Actor
from clinic.common.versions import Versioned
from scheduling.domain import courses as domain


def validate_stages(value: object) -> None:
    """Accept what the domain can read; its message names the fault."""
    try:
        domain.parse(value)
    except domain.InvalidStages as error:
        raise ValidationError(error.detail, code=error.code) from error


def validate_weekdays(value: object) -> None:
    """Accept None (any day) or a list of different weekdays, 0 for Monday."""
    days = value if isinstance(value, list) else []
    if value is None or (days and set(days) <= set(range(7)) and len(set(days)) == len(days)):
        return
    raise ValidationError("Use a list of weekdays, 0 for Monday to 6 for Sunday.", code="invalid_weekdays")


class CourseTemplateQuerySet(models.QuerySet["CourseTemplate"]):
    """Reusable filters on course templates."""

    def visible_to(self, actor: Actor) -> "CourseTemplateQuerySet":
        """Templates are the same for every site."""
        return self if actor.may("setup.read") else self.none()


class CourseTemplate(Versioned):
    """How many sessions of which visit, how far apart, and how it goes on. Defaults: DOMAIN section 2."""

    code = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    visit_type = models.ForeignKey("scheduling.VisitType", on_delete=models.PROTECT)
    stages = models.JSONField(
        validators=[validate_stages], help_text="Each stage with its sessions, gaps, source and mark."
    )
    allowed_weekdays = models.JSONField(
        null=True, blank=True, validators=[validate_weekdays], help_text="0 is Monday; empty means any day."
    )
    active = models.BooleanField(default=True)
    source = models.CharField(max_length=120, blank=True)
    mark = models.CharField(max_length=1, default="D")

    objects = CourseTemplateQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class CourseQuerySet(models.QuerySet["Course"]):
    """Reusable filters on courses."""

    def visible_to(self, actor: Actor) -> "CourseQuerySet":
        """Courses at the sites whose schedule this actor reads."""
        return self if actor.sees_every_site else self.filter(site_id__in=actor.sites("appointments.read"))


class Course(Versioned):
    """One patient's course. Whoever changes it, or the dates of its sessions, has the patient row locked."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        STOPPED = "stopped"

    patient = models.ForeignKey("patients.Patient", on_delete=models.PROTECT, related_name="courses")
    template = models.ForeignKey(CourseTemplate, on_delete=models.PROTECT)
    template_version = models.PositiveIntegerField(editable=False)
    visit_type = models.ForeignKey("scheduling.VisitType", on_delete=models.PROTECT)
    site = models.ForeignKey("access.Site", on_delete=models.PROTECT, related_name="courses")
    stages = models.JSONField(validators=[validate_stages])
    allowed_weekdays = models.JSONField(null=True, blank=True, validators=[validate_weekdays])
    sessions_planned = models.PositiveSmallIntegerField(help_text="Sessions meant in all, held or not.")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.ACTIVE)
    prescription_note = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(editable=False)

    objects = CourseQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.CheckConstraint(condition=Q(status__in=["active", "stopped"]), name="course_status"),
            models.CheckConstraint(condition=Q(sessions_planned__gte=1), name="course_has_sessions"),
        )
        indexes = (
            models.Index(fields=("site", "-created_at", "-id"), name="course_by_site"),
            models.Index(fields=("patient", "-created_at"), name="course_by_patient"),
        )

    def __str__(self) -> str:
        return f"course {self.pk}"


class CourseEvent(models.Model):
    """One decision about a course. Append-only; what happened to each session is in the session's history."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="events")
    verb = models.CharField(max_length=16)
    at = models.DateTimeField()
    by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    override_reason = models.CharField(
        max_length=200, blank=True, help_text="Why gaps or weekdays outside their range were accepted."
    )

    class Meta:
        ordering = ("at", "id")

    def __str__(self) -> str:
        return self.verb
