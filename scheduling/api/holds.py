"""/holds/: keep a time for some minutes while a person decides."""

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.models import Site
from clinic.api.fields import FlagFilter, IdFilter, InstantField, VisibleField, write_instant
from clinic.api.related import VisibleByCodeField
from clinic.api.views import OnsetViewSet, ReadMixin
from patients.models import Patient
from scheduling.api.appointments import ResourceIdsField
from scheduling.models import Hold, VisitType
from scheduling.services import holds


class HoldSerializer(serializers.Serializer[Hold]):
    """A time that is kept, as its site's clocks show it."""

    id = serializers.IntegerField()
    patient = serializers.IntegerField(help_text="Patient id.")
    visit_type = serializers.IntegerField()
    site = serializers.IntegerField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    status = serializers.ChoiceField(choices=Hold.Status.choices)
    resources = serializers.ListField(child=serializers.IntegerField())
    appointment = serializers.IntegerField(allow_null=True, help_text="The visit that it became.")
    version = serializers.IntegerField()

    def to_representation(self, instance: Hold) -> dict[str, Any]:
        """Whether it still stands is a matter of the present, so it is worked out here."""
        zone, now = instance.site.zone, self.context["view"].now
        status = instance.status_at(now)
        return {
            "id": instance.pk,
            "patient": instance.patient_id,
            "visit_type": instance.visit_type_id,
            "site": instance.site_id,
            "start": write_instant(instance.start_at, zone),
            "end": write_instant(instance.end_at, zone),
            "expires_at": write_instant(instance.expires_at, zone),
            "status": status,
            "resources": sorted({row.resource_id for row in instance.allocations.all()})
            if status == Hold.Status.HELD
            else [],
            "appointment": instance.appointment_id,
            "version": instance.version,
        }


class NewHoldSerializer(serializers.Serializer[Any]):
    """What to keep: as for a booking."""

    patient = VisibleField(queryset=Patient.objects)
    visit_type = VisibleByCodeField(queryset=VisitType.objects, help_text="Id or code.")
    site = VisibleField(queryset=Site.objects)
    start = InstantField()
    resources = ResourceIdsField()


class HoldFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    site = IdFilter(field_name="site_id")
    patient = IdFilter(field_name="patient_id")
    active = FlagFilter(method="by_active", help_text="Still keeps its time.")

    def by_active(self, rows: Any, _name: str, wanted: bool) -> Any:  # noqa: FBT001 - django_filters calls it
        """What keeps its time now, or everything else."""
        now = self.request.parser_context["view"].now
        return rows.active(now) if wanted else rows.exclude(pk__in=Hold.objects.active(now).values("pk"))


class HoldViewSet(ReadMixin, OnsetViewSet):
    """Holds of the sites at which the caller reads the schedule."""

    queryset = Hold.objects.select_related("site").prefetch_related("allocations")
    serializer_class = HoldSerializer
    filterset_class = HoldFilters
    page_ordering = ("-expires_at", "-id")
    permissions = {
        "list": "appointments.read",
        "retrieve": "appointments.read",
        "create": "appointments.write",
        "destroy": "appointments.write",
        "release": "appointments.write",
    }

    @extend_schema(request=NewHoldSerializer, responses={201: HoldSerializer})
    def create(self, request: Request) -> Response:
        """Keep a time for the patient until ``expires_at``; book it by sending ``hold`` with the booking."""
        wanted = self.parse(NewHoldSerializer)
        kept = holds.hold(
            actor=self.actor,
            now=self.now,
            patient_id=wanted["patient"].pk,
            visit_type=wanted["visit_type"],
            site=wanted["site"],
            start=wanted["start"],
            resource_ids=frozenset(wanted["resources"]),
        )
        return self.show(kept, status=201)

    @extend_schema(request=None, responses={200: HoldSerializer})
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str) -> Response:
        """Give the time back now."""
        return self.show(self._released(pk))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """The same as release."""
        self._released(pk)
        return Response(status=204)

    def _released(self, pk: str) -> Hold:
        return holds.release(
            actor=self.actor, now=self.now, hold_id=int(pk), expected_version=self.expected_version()
        )
