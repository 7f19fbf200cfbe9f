"""Follow-ups: something owed to a patient by a day, fulfilled by a visit, a call or a check-in; and the rules
by which visits, courses and check-ins bring them."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from clinic.access.policy import Actor
from clinic.common.versions import Versioned
from scheduling.domain import follow_ups as domain


class FollowUpKind(models.TextChoices):
    """What is owed."""

    VISIT = "visit"
    CALL = "call"
    CHECK_IN = "check_in", "Check-in"


class FollowUpRule(models.Model):
    """What an event brings, how many days later, and by when. The row without visit type and site is the
    default; of several for one event and kind the narrowest counts, and an inactive one switches it off."""

    class After(models.TextChoices):
        TREATMENT = domain.After.TREATMENT.value, "a treatment visit"
        COURSE = domain.After.COURSE.value, "the last session of a course"
        CHECK_IN = domain.After.CHECK_IN.value, "a check-in that was answered"

    after = models.CharField(max_length=9, choices=After.choices)
    check_in_code = models.CharField(
        "check-in", max_length=12, blank=True, help_text="Code of the check-in; only after check-ins."
    )
    site = models.ForeignKey("access.Site", on_delete=models.CASCADE, null=True, blank=True)
    visit_type = models.ForeignKey(
        "scheduling.VisitType", on_delete=models.CASCADE, null=True, blank=True, help_text="Of the visit."
    )
    kind = models.CharField(max_length=8, choices=FollowUpKind.choices)
    days = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(domain.FARTHEST_DAYS)],
        help_text="Days after it; a closed day moves to the next open one.",
    )
    due_time = models.TimeField(
        null=True,
        blank=True,
        help_text="By this time on the site's clock; empty means by the end of the day.",
    )
    early_days = models.PositiveSmallIntegerField(
        default=domain.EARLY_DAYS, help_text="What happens up to so many days before the day fulfils it too."
    )
    active = models.BooleanField(default=True)
    source = models.CharField(max_length=160)
    mark = models.CharField(max_length=1)

    class Meta:
        verbose_name = "follow-up rule"
        ordering = ("after", "days", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("after", "check_in_code", "kind", "visit_type", "site"),
                name="follow_up_rule_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(days__gte=1, days__lte=domain.FARTHEST_DAYS), name="follow_up_rule_days"
            ),
            models.CheckConstraint(
                condition=(Q(after="check_in") & ~Q(check_in_code="") & Q(visit_type__isnull=True))
                | (~Q(after="check_in") & Q(check_in_code="")),
                name="follow_up_rule_event",
                violation_error_message="Name a check-in after check-ins, and only there; those have no "
                "visit type.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.days} days after {self.get_after_display()}"


class FollowUpQuerySet(models.QuerySet["FollowUp"]):
    """Reusable filters on follow-ups."""

    def visible_to(self, actor: Actor) -> "FollowUpQuerySet":
        """Follow-ups of patients at the sites where this actor reads them."""
        if actor.sees_every_site:
            return self
        return self.filter(patient__site_id__in=actor.sites("follow_ups.read"))


class FollowUp(Versioned):
    """One thing owed by a day on the calendar of the patient's site.

    ``due_at`` is that day's ``due_time`` as an instant, or the midnight that ends the day: from then on it is
    overdue. Only services write the two together.
    """

    Kind = FollowUpKind

    class Status(models.TextChoices):
        DUE = "due"
        DONE = "done"
        CANCELLED = "cancelled"

    patient = models.ForeignKey("patients.Patient", on_delete=models.PROTECT, related_name="follow_ups")
    kind = models.CharField(max_length=8, choices=FollowUpKind.choices)
    due_on = models.DateField()
    due_time = models.TimeField(null=True, blank=True, help_text="On the site's clock; empty: all day.")
    due_at = models.DateTimeField(editable=False, help_text="From this moment it is overdue.")
    early_days = models.PositiveSmallIntegerField(default=domain.EARLY_DAYS, editable=False)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.DUE)
    origin = models.CharField(max_length=60, help_text="What made it: staff, or after which kind of event.")
    rule = models.ForeignKey(
        FollowUpRule, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    appointment = models.ForeignKey(
        "scheduling.Appointment", on_delete=models.PROTECT, null=True, blank=True, related_name="follow_ups"
    )
    check_in = models.ForeignKey(
        "scheduling.CheckIn", on_delete=models.PROTECT, null=True, blank=True, related_name="follow_ups"
    )
    note = models.CharField(max_length=500, blank=True)
    fulfilled_by = models.CharField(
        max_length=40, blank=True, help_text="staff, or the visit or check-in that did it, as visit:12."
    )
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    closed_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    surfaced_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When a work item said that it is overdue."
    )
    created_at = models.DateTimeField(editable=False)

    objects = FollowUpQuerySet.as_manager()

    class Meta:
        verbose_name = "follow-up"
        ordering = ("due_on", "id")
        constraints = (
            # What a rule makes, it makes once. Staff may owe as much as they like after one visit.
            models.UniqueConstraint(
                fields=("appointment", "rule"),
                condition=Q(appointment__isnull=False, rule__isnull=False) & ~Q(status="cancelled"),
                name="follow_up_once_per_visit",
            ),
            models.UniqueConstraint(
                fields=("check_in", "rule"),
                condition=Q(check_in__isnull=False, rule__isnull=False) & ~Q(status="cancelled"),
                name="follow_up_once_per_check_in",
            ),
            models.CheckConstraint(
                condition=Q(status="due", closed_at__isnull=True, fulfilled_by="")
                | (Q(status__in=["done", "cancelled"]) & Q(closed_at__isnull=False)),
                name="follow_up_closed_at",
            ),
        )
        indexes = (
            models.Index(
                fields=("due_at",), name="follow_up_next", condition=Q(status="due", surfaced_at__isnull=True)
            ),
            models.Index(fields=("patient", "due_on"), name="follow_up_of"),
        )

    def __str__(self) -> str:
        return f"{self.kind} due {self.due_on}"
