"""/safety-alarms/: who needs a clinician now, and the three things a clinician does about it."""

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import FlagFilter, IdFilter, InstantField
from clinic.api.views import OnsetViewSet, ReadMixin
from patients.models import SafetyAlarm, SafetyAlarmEvent
from patients.services import alarms


class SafetyAlarmEventSerializer(serializers.ModelSerializer[SafetyAlarmEvent]):
    """What happened to it."""

    at = InstantField()
    by = serializers.IntegerField(source="by_id", allow_null=True)

    class Meta:
        model = SafetyAlarmEvent
        fields = ("kind", "at", "by", "owner_role", "level", "note")
        read_only_fields = fields


class SafetyAlarmSerializer(serializers.ModelSerializer[SafetyAlarm]):
    """One alarm with its whole story. Without ``cleared_at`` the patient's next infusion is held."""

    patient = serializers.IntegerField(source="patient_id")
    site = serializers.IntegerField(source="site_id")
    assessment = serializers.IntegerField(source="assessment_id")
    work_item = serializers.IntegerField(source="work_item_id")
    items = serializers.ListField(child=serializers.CharField())
    opened_at = InstantField()
    next_open_at = InstantField(allow_null=True)
    next_escalation_at = InstantField(allow_null=True)
    acknowledged_at = InstantField(allow_null=True)
    acknowledged_by = serializers.IntegerField(source="acknowledged_by_id", allow_null=True)
    resolved_at = InstantField(allow_null=True)
    resolved_by = serializers.IntegerField(source="resolved_by_id", allow_null=True)
    cleared_at = InstantField(allow_null=True)
    cleared_by = serializers.IntegerField(source="cleared_by_id", allow_null=True)
    events = SafetyAlarmEventSerializer(many=True)

    class Meta:
        model = SafetyAlarm
        fields = (
            "id",
            "patient",
            "site",
            "assessment",
            "work_item",
            "severity",
            "items",
            "status",
            "owner_role",
            "level",
            "opened_at",
            "watched",
            "next_open_at",
            "next_escalation_at",
            "acknowledged_at",
            "acknowledged_by",
            "resolved_at",
            "resolved_by",
            "note",
            "plan",
            "cleared_at",
            "cleared_by",
            "events",
            "version",
        )
        read_only_fields = fields


class RemarkSerializer(serializers.Serializer[Any]):
    """What there is to say, if anything."""

    note = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class ResolveAlarmSerializer(serializers.Serializer[Any]):
    """What was found and done, and what is planned. Only a prescriber may clear for treatment."""

    note = serializers.CharField(max_length=2000)
    plan = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")
    cleared_for_treatment = serializers.BooleanField(default=False)


class SafetyAlarmFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    patient = IdFilter(field_name="patient_id")
    site = IdFilter(field_name="site_id")
    assessment = IdFilter(field_name="assessment_id")
    status = django_filters.MultipleChoiceFilter(choices=SafetyAlarm.Status.choices)
    severity = django_filters.ChoiceFilter(choices=SafetyAlarm.Severity.choices)
    holding = FlagFilter(field_name="cleared_at", lookup_expr="isnull")


class SafetyAlarmViewSet(ReadMixin, OnsetViewSet):
    """Alarms of the sites where the caller's role is clinical, the latest first."""

    queryset = SafetyAlarm.objects.prefetch_related("events")
    serializer_class = SafetyAlarmSerializer
    filterset_class = SafetyAlarmFilters
    page_ordering = "-id"
    permissions = {
        "list": "assessments.read",
        "retrieve": "assessments.read",
        "acknowledge": "assessments.write",
        "resolve": "assessments.write",
        "clear": "treatment.clear",
    }

    @extend_schema(request=RemarkSerializer, responses={200: SafetyAlarmSerializer})
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, pk: str) -> Response:
        """I have seen it and take care of it; it is handed on no more."""
        given = self.parse(RemarkSerializer)
        return self.show(alarms.acknowledge(alarm_id=int(pk), **self._who_and_when(), **given))

    @extend_schema(request=ResolveAlarmSerializer, responses={200: SafetyAlarmSerializer})
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: str) -> Response:
        """It is dealt with; there is no way back."""
        given = self.parse(ResolveAlarmSerializer)
        return self.show(alarms.resolve(alarm_id=int(pk), **self._who_and_when(), **given))

    @extend_schema(request=RemarkSerializer, responses={200: SafetyAlarmSerializer})
    @action(detail=True, methods=["post"])
    def clear(self, request: Request, pk: str) -> Response:
        """A prescriber signs off: the next infusion may start."""
        given = self.parse(RemarkSerializer)
        return self.show(alarms.clear_for_treatment(alarm_id=int(pk), **self._who_and_when(), **given))

    def _who_and_when(self) -> dict[str, Any]:
        return {"actor": self.actor, "now": self.now, "expected_version": self.expected_version()}
