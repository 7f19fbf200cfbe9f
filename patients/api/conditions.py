"""/patients/{id}/conditions/: clinical background, for clinical roles only."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import DayField
from clinic.api.views import OnsetViewSet
from patients.models import Patient, PatientCondition
from patients.selectors import patients as finding
from patients.services import conditions as recording


class ConditionSerializer(serializers.ModelSerializer[PatientCondition]):
    """A condition of the catalogue that this patient has."""

    condition = serializers.CharField(source="condition.code", read_only=True)
    name = serializers.CharField(source="condition.name", read_only=True)

    class Meta:
        model = PatientCondition
        fields = ("id", "condition", "name", "onset_on", "resolved_on", "source")
        read_only_fields = fields


class NewConditionSerializer(serializers.Serializer[Any]):
    """A condition to record."""

    condition = serializers.CharField(max_length=50, help_text="Its code in the catalogue.")
    onset_on = DayField(required=False, allow_null=True, default=None)


class ConditionViewSet(OnsetViewSet):
    """The conditions of one patient."""

    queryset = Patient.objects.all()
    serializer_class = ConditionSerializer
    permissions: ClassVar = {"conditions": "background.read", "record_condition": "background.write"}

    @extend_schema(responses=ConditionSerializer(many=True))
    @action(detail=True, methods=["get"], url_path="conditions")
    def conditions(self, request: Request, pk: str) -> Response:
        """In the order in which they were recorded."""
        recorded = finding.conditions_of(self.get_object(), actor=self.actor)
        return self.get_paginated_response(
            self.get_serializer(self.paginate_queryset(recorded), many=True).data
        )

    @extend_schema(request=NewConditionSerializer, responses={201: ConditionSerializer})
    @conditions.mapping.post
    def record_condition(self, request: Request, pk: str) -> Response:
        """Record a condition with the day on which it began, if that is known."""
        patient = self.get_object()
        expected = self.expected_version()
        given = self.parse(NewConditionSerializer)
        recorded = recording.add(
            actor=self.actor,
            now=self.now,
            patient_id=patient.pk,
            code=given["condition"],
            onset_on=given["onset_on"],
            expected_version=expected,
        )
        return self.show(recorded, status=201)
