"""/check-ins/: what patients are asked after a change of dose, and the answers staff record."""

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import DayField, FlagFilter, IdFilter
from clinic.api.views import OnsetViewSet, ReadMixin
from scheduling.models import CheckIn
from scheduling.services import check_ins


class DoseField(serializers.DecimalField):
    """Milligrams, a JSON number with up to three decimals. What is absurd is the service's to say."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_digits": 20, "decimal_places": 3, "coerce_to_string": False, **options})

    def to_representation(self, value: Any) -> Any:
        """37.5, not "37.500"."""
        return float(value)


class CheckInSerializer(serializers.ModelSerializer[CheckIn]):
    """One check-in. Dates are in the patient's zone; ``explanation`` says why it is there."""

    patient = serializers.IntegerField(source="patient_id")
    prescription = serializers.IntegerField(source="prescription_id")
    merged_into = serializers.IntegerField(
        source="merged_into_id", allow_null=True, help_text="The check-in together with which it is asked."
    )
    asks = serializers.ListField(child=serializers.CharField(), help_text="Codes of instruments.")
    anchor_dose_mg = DoseField()

    class Meta:
        model = CheckIn
        fields = (
            "id",
            "patient",
            "prescription",
            "code",
            "due_on",
            "window_start_on",
            "window_end_on",
            "contact_on",
            "merged_into",
            "status",
            "mandatory",
            "staff_contact",
            "asks",
            "day",
            "anchor_kind",
            "anchor_on",
            "anchor_dose_mg",
            "explanation",
            "answered_on",
            "answered_at",
            "note",
            "version",
        )
        read_only_fields = fields


class CheckInsSerializer(serializers.Serializer[Any]):
    """All check-ins of one prescription, by due date."""

    results = CheckInSerializer(many=True)


class RecordSerializer(serializers.Serializer[Any]):
    """What the patient said, and on which day (their own date; today when left out)."""

    note = serializers.CharField(max_length=1000, required=False, allow_blank=True, default="")
    answered_on = DayField(required=False, allow_null=True, default=None)


class CheckInFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    patient = IdFilter(field_name="patient_id")
    prescription = IdFilter(field_name="prescription_id")
    site = IdFilter(field_name="patient__site_id")
    status = django_filters.ChoiceFilter(choices=CheckIn.Status.choices)
    code = django_filters.CharFilter()
    due_before = django_filters.DateFilter(field_name="due_on", lookup_expr="lt")
    due_after = django_filters.DateFilter(field_name="due_on", lookup_expr="gte")
    mandatory = FlagFilter()


class CheckInViewSet(ReadMixin, OnsetViewSet):
    """Check-ins of patients at the sites where the caller reads them."""

    queryset = CheckIn.objects.all()
    serializer_class = CheckInSerializer
    filterset_class = CheckInFilters
    page_ordering = ("due_on", "id")
    permissions = {
        "list": "check_ins.read",
        "retrieve": "check_ins.read",
        "record": "check_ins.write",
    }

    @extend_schema(request=RecordSerializer, responses={200: CheckInSerializer})
    @action(detail=True, methods=["post"])
    def record(self, request: Request, pk: str) -> Response:
        """Write down an answer given to staff; it answers everything asked in the same contact."""
        given = self.parse(RecordSerializer)
        recorded = check_ins.record(
            actor=self.actor,
            now=self.now,
            check_in_id=int(pk),
            note=given["note"],
            answered_on=given["answered_on"],
            expected_version=self.expected_version(),
        )
        return self.show(recorded)
