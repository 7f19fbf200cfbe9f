"""GET /availability/: when a visit can start, or why it cannot."""

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.models import Site
from clinic.api.fields import InstantField
from clinic.api.filters import refuse_unknown
from clinic.api.related import VisibleByCodeField, VisibleInQueryField
from clinic.api.views import OnsetViewSet
from clinic.common.intervals import Interval
from patients.models import Patient
from scheduling.domain import refusals
from scheduling.models import Resource, VisitType
from scheduling.selectors.availability import Question, search

MAX_DAYS = 100
"""The longest range of one search: a bound on its work."""
_DEFAULT_DAYS = 14


class AvailabilityQuery(serializers.Serializer[Any]):
    """What is asked."""

    visit_type = VisibleByCodeField(queryset=VisitType.objects, help_text="Id or code.")
    site = VisibleInQueryField(queryset=Site.objects)
    start = InstantField(required=False, help_text="Default: now.")
    end = InstantField(required=False, help_text=f"Default: {_DEFAULT_DAYS} days after start.")
    patient = VisibleInQueryField(
        queryset=Patient.objects, required=False, help_text="Leaves out times at which the patient is busy."
    )
    resource = VisibleInQueryField(
        queryset=Resource.objects, required=False, help_text="Only times at which this one is free."
    )
    limit = serializers.IntegerField(min_value=1, max_value=2000, default=100)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The range is forward and bounded, and the resource belongs to the site."""
        now = self.context["view"].now
        start = attrs.setdefault("start", now)
        end = attrs.setdefault("end", start + timedelta(days=_DEFAULT_DAYS))
        if end <= start:
            raise serializers.ValidationError({"end": "End must be after start."}, code="end_before_start")
        if end - start > timedelta(days=MAX_DAYS):
            raise serializers.ValidationError(
                {"end": f"Ask for at most {MAX_DAYS} days at once."}, code="range_too_long"
            )
        resource = attrs.get("resource")
        if resource and resource.site_id != attrs["site"].pk:
            raise serializers.ValidationError(
                {"resource": "This resource belongs to another site."}, code="other_site"
            )
        return attrs


class SlotSerializer(serializers.Serializer[Any]):
    """A time at which everything the visit needs is free."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    site = serializers.IntegerField()


class ReasonSerializer(serializers.Serializer[Any]):
    """Why a day has no slot."""

    day = serializers.DateField()
    kind = serializers.CharField(allow_null=True, help_text="The resource kind that blocks, if one does.")
    code = serializers.CharField()
    detail = serializers.CharField()


class AvailabilitySerializer(serializers.Serializer[Any]):
    """Slots in order, and a reason for every day of the range without one."""

    slots = SlotSerializer(many=True)
    reasons = ReasonSerializer(many=True)


class AvailabilityViewSet(OnsetViewSet):
    """Search for free times."""

    permissions = {"list": "appointments.read"}
    pagination_class = None
    filter_backends = ()

    @extend_schema(
        operation_id="availability_search",
        parameters=[AvailabilityQuery],
        examples=[
            OpenApiExample("By code", "ketamine-mood", parameter_only=("visit_type", "query")),
            OpenApiExample("By its id", 1, parameter_only=("site", "query")),
            OpenApiExample("From", "2027-01-11T00:00:00-07:00", parameter_only=("start", "query")),
            OpenApiExample("Until", "2027-01-18T00:00:00-07:00", parameter_only=("end", "query")),
        ],
        responses={200: AvailabilitySerializer},
    )
    def list(self, request: Request) -> Response:
        """The first ``limit`` free times in the range."""
        refuse_unknown(request, set(AvailabilityQuery().fields))
        query = AvailabilityQuery(data=request.query_params.dict(), context=self.get_serializer_context())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        patient, resource, site = asked.get("patient"), asked.get("resource"), asked["site"]
        found = search(
            Question(
                visit_type=asked["visit_type"],
                site=site,
                window=Interval(asked["start"], asked["end"]),
                now=self.now,
                patient_id=patient.pk if patient else None,
                resource_ids=frozenset({resource.pk}) if resource else frozenset(),
            )
        )
        starts, ends = found.local_starts(limit=asked["limit"])
        return Response(
            {
                "slots": [
                    {"start": start, "end": end, "site": site.pk}
                    for start, end in zip(starts, ends, strict=True)
                ],
                "reasons": [
                    {
                        "day": reason.day.isoformat(),
                        "kind": reason.kind,
                        "code": reason.rule,
                        "detail": refusals.sentence(reason),
                    }
                    for reason in found.reasons()
                ],
            }
        )
