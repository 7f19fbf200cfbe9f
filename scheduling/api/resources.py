"""/resources/: what a visit occupies. Managers of the site write; nothing is deleted, only made inactive."""

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.models import Site
from clinic.api.fields import FlagFilter, IdFilter, VisibleField, chosen_at_creation
from clinic.api.views import OnsetViewSet, ReadMixin
from scheduling.models import Resource
from scheduling.services import resources

_LARGEST_CAPACITY = 20


class ResourceSerializer(serializers.Serializer[Resource]):
    """One chair, person or thing."""

    id = serializers.IntegerField(read_only=True)
    site = VisibleField(queryset=Site.objects.all(), help_text="Chosen at creation.")
    kind = serializers.ChoiceField(Resource.Kind.choices, help_text="Fixed once it has had a booking.")
    name = serializers.CharField(max_length=80)
    capacity = serializers.IntegerField(
        min_value=1,
        max_value=_LARGEST_CAPACITY,
        required=False,
        help_text="Patients at once. A nurse watches 3 unless you say otherwise, everything else serves 1.",
    )
    active = serializers.BooleanField(required=False)
    version = serializers.IntegerField(read_only=True)

    validate_site = chosen_at_creation("site")


class ChangedResourceSerializer(ResourceSerializer):
    """A changed resource and the visits that need another one now."""

    affected_appointments = serializers.ListField(
        child=serializers.IntegerField(),
        read_only=True,
        help_text="Visits to come on a resource that this change took out of service; each has a work item.",
    )


class ResourceFilters(django_filters.FilterSet):
    """What a list of resources can be narrowed by."""

    site = IdFilter()
    kind = django_filters.ChoiceFilter(choices=Resource.Kind.choices)
    active = FlagFilter()


class ResourceViewSet(ReadMixin, OnsetViewSet):
    """Chairs, nurses, prescribers, pumps and rooms."""

    queryset = Resource.objects.all()
    serializer_class = ResourceSerializer
    filterset_class = ResourceFilters
    permissions = {
        "list": "setup.read",
        "retrieve": "setup.read",
        "create": "setup.write",
        "partial_update": "setup.write",
    }

    def create(self, request: Request) -> Response:
        """Add a resource to a site."""
        body = self.parse(ResourceSerializer)
        site = body.pop("site")
        resource = resources.add_resource(actor=self.actor, now=self.now, site_id=site.pk, **body)
        return self.show(resource, status=201)

    @extend_schema(request=ResourceSerializer(partial=True), responses=ChangedResourceSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a resource. A capacity below what is booked at once is 409 `capacity_in_use`."""
        resource = self.get_object()
        expected = self.expected_version(required=True)
        changes: Any = self.parse(ResourceSerializer, instance=resource, partial=True)
        done = resources.change_resource(
            actor=self.actor,
            now=self.now,
            resource_id=resource.pk,
            expected_version=expected,
            changes=changes,
        )
        return self.show(done.resource, extra={"affected_appointments": done.affected_appointments})
