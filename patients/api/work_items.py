"""/work-items/: what needs a person, and the three things a person does about it."""

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.policy import Role
from clinic.api.fields import LARGEST_ID, IdFilter, InstantField
from clinic.api.views import OnsetViewSet, ReadMixin
from patients.models import WorkItem
from patients.services import work_items

_OWNERS = [(role.value, role.label) for role in Role]


class WorkItemSerializer(serializers.ModelSerializer[WorkItem]):
    """One thing to do. ``summary`` says what happened and what to do, without names."""

    site = serializers.IntegerField(source="site_id")
    patient = serializers.IntegerField(source="patient_id", allow_null=True)
    assigned_to = serializers.IntegerField(source="assigned_to_id", allow_null=True)
    opened_at = InstantField()
    due_at = InstantField()
    acknowledged_at = InstantField(allow_null=True)
    acknowledged_by = serializers.IntegerField(source="acknowledged_by_id", allow_null=True)
    resolved_at = InstantField(allow_null=True)
    resolved_by = serializers.IntegerField(source="resolved_by_id", allow_null=True)

    class Meta:
        model = WorkItem
        fields = (
            "id",
            "kind",
            "severity",
            "site",
            "patient",
            "summary",
            "owner_role",
            "assigned_to",
            "status",
            "opened_at",
            "due_at",
            "acknowledged_at",
            "acknowledged_by",
            "resolved_at",
            "resolved_by",
            "note",
            "version",
        )
        read_only_fields = fields


class NothingSerializer(serializers.Serializer[Any]):
    """Nothing needs to be said."""


class AssignSerializer(serializers.Serializer[Any]):
    """To whom."""

    assigned_to = serializers.IntegerField(min_value=1, max_value=LARGEST_ID, help_text="User id.")


class ResolveSerializer(serializers.Serializer[Any]):
    """What was done."""

    note = serializers.CharField(max_length=2000)


class WorkItemFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    status = django_filters.MultipleChoiceFilter(choices=WorkItem.Status.choices)
    severity = django_filters.ChoiceFilter(choices=WorkItem.Severity.choices)
    kind = django_filters.CharFilter(max_length=40)
    patient = IdFilter(field_name="patient_id")
    owner_role = django_filters.ChoiceFilter(choices=_OWNERS)
    site = IdFilter(field_name="site_id")
    assigned_to = IdFilter(field_name="assigned_to_id")


class WorkItemViewSet(ReadMixin, OnsetViewSet):
    """Work items of the sites where the caller works, the first due first."""

    queryset = WorkItem.objects.all()
    serializer_class = WorkItemSerializer
    filterset_class = WorkItemFilters
    page_ordering = ("due_at", "id")
    permissions = {
        "list": "work_items.read",
        "retrieve": "work_items.read",
        "acknowledge": "work_items.write",
        "assign": "work_items.write",
        "resolve": "work_items.write",
    }

    @extend_schema(request=NothingSerializer, responses={200: WorkItemSerializer})
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, pk: str) -> Response:
        """I have seen it and take care of it."""
        self.parse(NothingSerializer)
        item = work_items.acknowledge(
            actor=self.actor, item_id=int(pk), expected_version=self.expected_version(), now=self.now
        )
        return self.show(item)

    @extend_schema(request=AssignSerializer, responses={200: WorkItemSerializer})
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: str) -> Response:
        """Give it to a member of staff of its site."""
        item = work_items.assign(
            actor=self.actor,
            item_id=int(pk),
            user_id=self.parse(AssignSerializer)["assigned_to"],
            expected_version=self.expected_version(),
        )
        return self.show(item)

    @extend_schema(request=ResolveSerializer, responses={200: WorkItemSerializer})
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: str) -> Response:
        """It is done; the note says what was done."""
        item = work_items.resolve(
            actor=self.actor,
            item_id=int(pk),
            note=self.parse(ResolveSerializer)["note"],
            expected_version=self.expected_version(),
            now=self.now,
        )
        return self.show(item)
