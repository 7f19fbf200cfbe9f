"""/sites/: where the clinic works. Managers open and change sites; a site is made inactive, never deleted."""

from typing import Any

import django_filters
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access import services
from clinic.access.models import Site
from clinic.access.models.sites import validate_timezone
from clinic.api.fields import FlagFilter
from clinic.api.views import OnsetViewSet, ReadMixin

_PHONE = r"^\+[1-9][0-9]{6,14}$"


class SiteSerializer(serializers.Serializer[Site]):
    """One location with its own time zone."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=120)
    discreet_name = serializers.CharField(
        max_length=40, help_text="Shown in messages: must not reveal what is treated here."
    )
    timezone = serializers.CharField(
        max_length=64, validators=[validate_timezone], help_text="IANA name, such as America/Denver."
    )
    phone = serializers.RegexField(
        _PHONE,
        max_length=16,
        required=False,
        allow_blank=True,
        help_text="E.164, such as +13035550100.",
        error_messages={"invalid": "Write the number with its country, such as +13035550100."},
    )
    address = serializers.CharField(max_length=250, required=False, allow_blank=True)
    active = serializers.BooleanField(required=False, help_text="An inactive site takes no new bookings.")
    version = serializers.IntegerField(read_only=True)


class SiteFilters(django_filters.FilterSet):
    """What a list of sites can be narrowed by."""

    active = FlagFilter()


class SiteViewSet(ReadMixin, OnsetViewSet):
    """Locations."""

    queryset = Site.objects.all()
    serializer_class = SiteSerializer
    filterset_class = SiteFilters
    permissions = {
        "list": "setup.read",
        "retrieve": "setup.read",
        "create": "setup.write",
        "partial_update": "setup.write",
    }

    def create(self, request: Request) -> Response:
        """Open a site. Whoever opens it becomes its manager."""
        site = services.add_site(actor=self.actor, now=self.now, **self.parse(SiteSerializer))
        return self.show(site, status=201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a site. A new time zone moves no appointment."""
        site = self.get_object()
        expected = self.expected_version(required=True)
        changes: Any = self.parse(SiteSerializer, instance=site, partial=True)
        changed = services.change_site(
            actor=self.actor, now=self.now, site_id=site.pk, expected_version=expected, changes=changes
        )
        return self.show(changed)
