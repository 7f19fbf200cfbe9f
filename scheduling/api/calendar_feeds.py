"""/calendar-feeds/: addresses that calendar programs subscribe to, each shown once, when it is made."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import InstantField, VisibleField
from clinic.api.views import OnsetViewSet, ReadMixin
from scheduling.models import CalendarFeed, Resource
from scheduling.services import calendar_feeds
from scheduling.services.calendar_feeds import Issued


class CalendarFeedSerializer(serializers.Serializer[CalendarFeed]):
    """A feed, without its address."""

    id = serializers.IntegerField(read_only=True)
    resource = serializers.IntegerField(read_only=True, allow_null=True, source="resource_id")
    user = serializers.IntegerField(
        read_only=True, allow_null=True, source="user_id", help_text="Whose visits, when it is a person's."
    )
    created_at = InstantField(read_only=True)
    issued_at = InstantField(read_only=True, help_text="When the present address was made.")
    last_used_at = InstantField(read_only=True, allow_null=True, help_text="To the hour.")
    revoked_at = InstantField(read_only=True, allow_null=True)
    version = serializers.IntegerField(read_only=True)


class IssuedFeedSerializer(CalendarFeedSerializer):
    """A feed whose address was just made."""

    address = serializers.URLField(
        read_only=True,
        required=False,
        help_text="Shown once. A reply that is repeated for an Idempotency-Key leaves it out.",
    )


class NewFeedSerializer(serializers.Serializer[Any]):
    """Whose visits."""

    resource = VisibleField(
        queryset=Resource.objects,
        required=False,
        allow_null=True,
        default=None,
        help_text="A resource of a site that you set up. Leave it out for your own visits.",
    )


class CalendarFeedViewSet(ReadMixin, OnsetViewSet):
    """One's own feeds and those of resources; for managers also those of their people."""

    queryset = CalendarFeed.objects.all()
    serializer_class = CalendarFeedSerializer
    permissions: ClassVar[Mapping[str, str]] = {
        "list": "appointments.read",
        "retrieve": "appointments.read",
        "create": "appointments.read",
        "rotate": "appointments.read",
        "revoke": "appointments.read",
    }

    @extend_schema(request=NewFeedSerializer, responses={201: IssuedFeedSerializer})
    def create(self, request: Request) -> Response:
        """A new address, of one's own visits or of a resource."""
        resource = self.parse(NewFeedSerializer)["resource"]
        issued = calendar_feeds.create(
            actor=self.actor, now=self.now, resource_id=None if resource is None else resource.pk
        )
        return self._shown_once(issued, status=201)

    @extend_schema(request=None, responses={200: IssuedFeedSerializer})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """A new address in place of the old one."""
        issued = calendar_feeds.rotate(
            actor=self.actor, now=self.now, feed_id=int(pk), expected_version=self.expected_version()
        )
        return self._shown_once(issued)

    @extend_schema(request=None, responses={200: CalendarFeedSerializer})
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """The address opens nothing from now on."""
        feed = calendar_feeds.revoke(
            actor=self.actor, now=self.now, feed_id=int(pk), expected_version=self.expected_version()
        )
        return self.show(feed)

    def _shown_once(self, issued: Issued, *, status: int = 200) -> Response:
        response = self.show(issued.feed, status=status, extra={"address": issued.address})
        response.shown_once = frozenset({"address"})  # type: ignore[attr-defined]  # read by idempotency
        return response
