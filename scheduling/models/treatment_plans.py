"""Treatment plans: any mix of antidepressant, infusions, fitness, diet and therapy, with dates and goals.

They live in scheduling because an item points at a prescription or a course, and patients knows neither.
"""

from django.db import models
from django.db.models import Q

from clinic.access.policy import Actor
from clinic.common.versions import Versioned


class TreatmentPlanQuerySet(models.QuerySet["TreatmentPlan"]):
    """Reusable filters on plans."""

    def visible_to(self, actor: Actor) -> "TreatmentPlanQuerySet":
        """Plans of patients at the sites where this actor reads them."""
        if actor.sees_every_site:
            return self
        return self.filter(patient__site_id__in=actor.sites("treatment_plans.read"))


class PlanItemQuerySet(models.QuerySet["PlanItem"]):
    """Reusable filters on items."""

    def visible_to(self, actor: Actor) -> "PlanItemQuerySet":
        """Items of plans that this actor reads."""
        if actor.sees_every_site:
            return self
        return self.filter(plan__patient__site_id__in=actor.sites("treatment_plans.read"))


class PlanStatus(models.TextChoices):
    """Where a plan or an item stands."""

    ACTIVE = "active"
    ACHIEVED = "achieved"
    STOPPED = "stopped"


class TreatmentPlan(Versioned):
    """What is tried for one person, and towards what. Dates are on the calendar of the patient's site."""

    Status = PlanStatus

    patient = models.ForeignKey("patients.Patient", on_delete=models.PROTECT, related_name="treatment_plans")
    title = models.CharField(max_length=120)
    goal = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=8, choices=PlanStatus.choices, default=PlanStatus.ACTIVE)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(editable=False)
    created_by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, related_name="+")

    objects = TreatmentPlanQuerySet.as_manager()

    class Meta:
        ordering = ("-starts_on", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=models.F("starts_on")),
                name="treatment_plan_order",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["active", "achieved", "stopped"]), name="treatment_plan_status"
            ),
        )
        indexes = (models.Index(fields=("patient", "-starts_on"), name="treatment_plan_of"),)

    def __str__(self) -> str:
        return self.title


class PlanItem(Versioned):
    """One treatment of a plan. Follow-ups it owes carry ``origin`` in their own ``origin``."""

    class Kind(models.TextChoices):
        ANTIDEPRESSANT = "antidepressant"
        INFUSIONS = "infusion-course", "ketamine infusions"
        FITNESS = "fitness-plan", "fitness plan"
        DIET = "dietary-guidelines", "dietary guidelines"
        THERAPY = "therapy"

    Status = PlanStatus

    plan = models.ForeignKey(TreatmentPlan, on_delete=models.PROTECT, related_name="items")
    kind = models.CharField(max_length=18, choices=Kind.choices)
    goal = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=8, choices=PlanStatus.choices, default=PlanStatus.ACTIVE)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)
    prescription = models.ForeignKey(
        "scheduling.Prescription", on_delete=models.PROTECT, null=True, blank=True, related_name="plan_items"
    )
    course = models.ForeignKey(
        "scheduling.Course", on_delete=models.PROTECT, null=True, blank=True, related_name="plan_items"
    )

    objects = PlanItemQuerySet.as_manager()

    class Meta:
        ordering = ("starts_on", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=models.F("starts_on")),
                name="plan_item_order",
            ),
            models.CheckConstraint(
                condition=(Q(prescription__isnull=True) | Q(kind="antidepressant"))
                & (Q(course__isnull=True) | Q(kind="infusion-course")),
                name="plan_item_link_fits",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["active", "achieved", "stopped"]), name="plan_item_status"
            ),
        )

    def __str__(self) -> str:
        return self.get_kind_display()

    @property
    def origin(self) -> str:
        """What its follow-ups say they come from."""
        return f"plan_item:{self.pk}"


class PlanEvent(models.Model):
    """One decision about a plan or one of its items. Append-only."""

    plan = models.ForeignKey(TreatmentPlan, on_delete=models.PROTECT, related_name="events")
    item = models.ForeignKey(PlanItem, on_delete=models.PROTECT, null=True, related_name="events")
    verb = models.CharField(max_length=12)
    at = models.DateTimeField()
    by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, related_name="+")
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("at", "id")

    def __str__(self) -> str:
        return self.verb
