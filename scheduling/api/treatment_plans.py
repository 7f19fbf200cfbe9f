"""/treatment-plans/ and /treatment-plan-items/: any mix of treatments, with dates, goals and follow-ups."""

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.etags import etag_of
from clinic.api.fields import DayField, IdFilter, InstantField, VisibleField
from clinic.api.views import OnsetViewSet, ReadMixin
from patients.models import Patient
from scheduling.api.follow_ups import FollowUpSerializer
from scheduling.models import Course, FollowUp, PlanEvent, PlanItem, Prescription, TreatmentPlan
from scheduling.services import treatment_plans as plans

_OVER = [choice for choice in PlanItem.Status.choices if choice[0] != PlanItem.Status.ACTIVE]


class PlanItemSerializer(serializers.ModelSerializer[PlanItem]):
    """One treatment, with the prescription or course that carries it out."""

    starts_on = DayField(read_only=True)
    ends_on = DayField(read_only=True, allow_null=True)

    class Meta:
        model = PlanItem
        fields = (
            "id",
            "plan",
            "kind",
            "goal",
            "status",
            "starts_on",
            "ends_on",
            "prescription",
            "course",
            "version",
        )
        read_only_fields = fields


class PlanEventSerializer(serializers.ModelSerializer[PlanEvent]):
    """One decision."""

    at = InstantField(read_only=True)

    class Meta:
        model = PlanEvent
        fields = ("verb", "item", "at", "by", "note")
        read_only_fields = fields


class TreatmentPlanSerializer(serializers.ModelSerializer[TreatmentPlan]):
    """A plan with its treatments and what was decided about them."""

    starts_on = DayField(read_only=True)
    ends_on = DayField(read_only=True, allow_null=True)
    items = PlanItemSerializer(many=True, read_only=True)
    events = PlanEventSerializer(many=True, read_only=True)

    class Meta:
        model = TreatmentPlan
        fields = (
            "id",
            "patient",
            "title",
            "goal",
            "status",
            "starts_on",
            "ends_on",
            "items",
            "events",
            "version",
        )
        read_only_fields = fields


class _DatesSerializer(serializers.Serializer[Any]):
    goal = serializers.CharField(max_length=500, required=False, allow_blank=True)
    starts_on = DayField()
    ends_on = DayField(required=False, allow_null=True)


class ItemChangeSerializer(_DatesSerializer):
    """What can change about a treatment."""

    prescription = VisibleField(queryset=Prescription.objects, required=False, allow_null=True)
    course = VisibleField(queryset=Course.objects, required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """As the service takes them."""
        for link in ("prescription", "course"):
            if link in attrs:
                linked = attrs.pop(link)
                attrs[f"{link}_id"] = linked.pk if linked else None
        return attrs


class NewItemSerializer(ItemChangeSerializer):
    """A treatment to add."""

    kind = serializers.ChoiceField(choices=PlanItem.Kind.choices)


class PlanChangeSerializer(_DatesSerializer):
    """What can change about a plan."""

    title = serializers.CharField(max_length=120)


class NewPlanSerializer(PlanChangeSerializer):
    """A plan to begin."""

    patient = VisibleField(queryset=Patient.objects)
    items = NewItemSerializer(
        many=True,
        required=False,
        default=list,
        max_length=plans.MOST_ITEMS,  # type: ignore[call-arg]  # taken by the list that many=True makes
    )


class FinishSerializer(serializers.Serializer[Any]):
    """How it ended."""

    outcome = serializers.ChoiceField(choices=_OVER)
    note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class OweSerializer(serializers.Serializer[Any]):
    """A follow-up of the treatment."""

    kind = serializers.ChoiceField(choices=FollowUp.Kind.choices)
    due_on = DayField()
    note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class PlanFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    patient = IdFilter(field_name="patient_id")
    site = IdFilter(field_name="patient__site_id")
    status = django_filters.ChoiceFilter(choices=TreatmentPlan.Status.choices)


class TreatmentPlanViewSet(ReadMixin, OnsetViewSet):
    """Plans of patients at the sites where the caller reads them."""

    queryset = TreatmentPlan.objects.prefetch_related("items", "events")
    serializer_class = TreatmentPlanSerializer
    filterset_class = PlanFilters
    page_ordering = ("-starts_on", "-id")
    permissions: ClassVar = {
        "list": "treatment_plans.read",
        "retrieve": "treatment_plans.read",
        "create": "treatment_plans.write",
        "partial_update": "treatment_plans.write",
        "add_item": "treatment_plans.write",
        "finish": "treatment_plans.write",
    }

    @extend_schema(request=NewPlanSerializer, responses={201: TreatmentPlanSerializer})
    def create(self, request: Request) -> Response:
        """Begin a plan with its treatments."""
        given = self.parse(NewPlanSerializer)
        patient = given.pop("patient")
        made = plans.create(actor=self.actor, now=self.now, patient_id=patient.pk, **given)
        return self.show(made, status=201)

    @extend_schema(request=PlanChangeSerializer(partial=True), responses=TreatmentPlanSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change title, goal or dates."""
        current = self.get_object()
        changed = plans.amend(
            actor=self.actor,
            now=self.now,
            plan_id=current.pk,
            expected_version=self.expected_version(required=True),
            changes=self.parse(PlanChangeSerializer, partial=True),
        )
        return self.show(changed)

    @extend_schema(request=NewItemSerializer, responses={201: PlanItemSerializer})
    @action(detail=True, methods=["post"], url_path="items")
    def add_item(self, request: Request, pk: str) -> Response:
        """Add a treatment."""
        current = self.get_object()
        expected = self.expected_version()
        item = plans.add_item(
            actor=self.actor,
            now=self.now,
            plan_id=current.pk,
            item=self.parse(NewItemSerializer),
            expected_version=expected,
        )
        return Response(PlanItemSerializer(item).data, status=201, headers={"ETag": etag_of(item)})

    @extend_schema(request=FinishSerializer, responses=TreatmentPlanSerializer)
    @action(detail=True, methods=["post"])
    def finish(self, request: Request, pk: str) -> Response:
        """Achieved or stopped, with every treatment that was still open."""
        current = self.get_object()
        expected = self.expected_version()
        over = plans.finish(
            actor=self.actor,
            now=self.now,
            plan_id=current.pk,
            expected_version=expected,
            **self.parse(FinishSerializer),
        )
        return self.show(over)


class PlanItemViewSet(OnsetViewSet):
    """Single treatments of plans."""

    queryset = PlanItem.objects.all()
    serializer_class = PlanItemSerializer
    permissions: ClassVar = {
        "retrieve": "treatment_plans.read",
        "partial_update": "treatment_plans.write",
        "finish": "treatment_plans.write",
        "follow_ups": "treatment_plans.write",
    }

    def retrieve(self, request: Request, pk: str) -> Response:
        """One treatment."""
        return self.show(self.get_object())

    @extend_schema(request=ItemChangeSerializer(partial=True), responses=PlanItemSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change goal, dates or link."""
        current = self.get_object()
        changed = plans.amend_item(
            actor=self.actor,
            now=self.now,
            item_id=current.pk,
            expected_version=self.expected_version(required=True),
            changes=self.parse(ItemChangeSerializer, partial=True),
        )
        return self.show(changed)

    @extend_schema(request=FinishSerializer, responses=PlanItemSerializer)
    @action(detail=True, methods=["post"])
    def finish(self, request: Request, pk: str) -> Response:
        """Achieved or stopped; follow-ups still due for it are cancelled."""
        current = self.get_object()
        expected = self.expected_version()
        over = plans.finish_item(
            actor=self.actor,
            now=self.now,
            item_id=current.pk,
            expected_version=expected,
            **self.parse(FinishSerializer),
        )
        return self.show(over)

    @extend_schema(request=OweSerializer, responses={201: FollowUpSerializer})
    @action(detail=True, methods=["post"], url_path="follow-ups")
    def follow_ups(self, request: Request, pk: str) -> Response:
        """Owe the patient a visit, a call or a check-in about this treatment."""
        current = self.get_object()
        expected = self.expected_version()
        owed = plans.owe(
            actor=self.actor,
            now=self.now,
            item_id=current.pk,
            expected_version=expected,
            **self.parse(OweSerializer),
        )
        return Response(FollowUpSerializer(owed).data, status=201, headers={"ETag": etag_of(owed)})
