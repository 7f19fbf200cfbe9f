"""/working-hours/ and /closures/: when sites and resources work. Managers of the site write."""

from datetime import tzinfo
from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.models import Site
from clinic.api.fields import (
    DayField,
    IdFilter,
    InstantField,
    InstantFilter,
    VisibleField,
    WallTimeField,
    chosen_at_creation,
)
from clinic.api.views import OnsetViewSet, ReadMixin
from scheduling.models import Closure, Resource, WorkingHours
from scheduling.selectors import closures as selector
from scheduling.services import calendars

_PERMISSIONS = {
    "list": "setup.read",
    "retrieve": "setup.read",
    "create": "setup.write",
    "partial_update": "setup.write",
    "destroy": "setup.write",
}


class OwnedSerializer(serializers.Serializer[Any]):
    """Whose calendar it is: one site's or one resource's, chosen at creation."""

    id = serializers.IntegerField(read_only=True)
    site = VisibleField(queryset=Site.objects.all(), required=False, allow_null=True)
    resource = VisibleField(queryset=Resource.objects.all(), required=False, allow_null=True)
    version = serializers.IntegerField(read_only=True)

    validate_site = chosen_at_creation("site")
    validate_resource = chosen_at_creation("resource")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Owners become ids, which is what services take."""
        for owner in {"site", "resource"} & attrs.keys():
            record = attrs.pop(owner)
            attrs[f"{owner}_id"] = record and record.pk
        return attrs


class WorkingHoursSerializer(OwnedSerializer):
    """Open every week on one weekday, on the clocks of the site. Rows that overlap add up."""

    weekday = serializers.IntegerField(min_value=0, max_value=6, help_text="0 is Monday.")
    start = WallTimeField()
    end = WallTimeField(help_text="At or before the start: on the next day.")
    valid_from = DayField(required=False, allow_null=True, help_text="The first day, included.")
    valid_until = DayField(required=False, allow_null=True, help_text="The last day, included.")


def _zone_of(closure: Closure) -> tzinfo:
    return _site_of(closure).zone


def _site_of(closure: Closure) -> Site:
    if closure.site is not None:
        return closure.site
    assert closure.resource is not None  # noqa: S101 - the constraint closure_one_owner
    return closure.resource.site


class ClosureSerializer(OwnedSerializer):
    """A stretch of time in which a site or a resource does not work."""

    withheld = frozenset({"affected_appointments"})

    start = InstantField(source="start_at", zone=_zone_of)
    end = InstantField(source="end_at", zone=_zone_of)
    reason = serializers.CharField(max_length=120)
    affected_appointments = serializers.SerializerMethodField(
        help_text="Visits it hits, by id; each has a work item. Only for who may read appointments."
    )

    replan = serializers.SerializerMethodField(
        help_text="Send this to /appointments/replan/ for a proposal where those visits could go."
    )

    @extend_schema_field({"type": "array", "items": {"type": "integer"}})
    def get_affected_appointments(self, closure: Closure) -> list[int]:
        """None is moved or cancelled by itself."""
        return selector.affected_appointments(closure)

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_replan(self, closure: Closure) -> dict[str, int]:
        """The body that asks for a repair."""
        return {"site": _site_of(closure).pk, "closure": closure.pk}

    def to_representation(self, instance: Closure) -> dict[str, Any]:
        """Whoever may not read appointments is not told their ids."""
        shown: dict[str, Any] = super().to_representation(instance)
        if not self.context["view"].actor.may("appointments.read", _site_of(instance).pk):
            del shown["affected_appointments"]
        return shown


@extend_schema_field({"type": "integer", "minimum": 0, "maximum": 6})
class _WeekdayFilter(django_filters.Filter):
    field_class = forms.IntegerField

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, min_value=0, max_value=6, **options)


class _OwnedFilters(django_filters.FilterSet):
    site = IdFilter(method="at_site", help_text="The site's own rows and those of its resources.")
    resource = IdFilter()

    def at_site(self, queryset: QuerySet[Any], _name: str, site_id: int) -> QuerySet[Any]:
        """Everything that bears on one site."""
        return queryset.filter(Q(site_id=site_id) | Q(resource__site_id=site_id))


class WorkingHoursFilters(_OwnedFilters):
    """What a list of working hours can be narrowed by."""

    weekday = _WeekdayFilter()


class ClosureFilters(_OwnedFilters):
    """What a list of closures can be narrowed by."""

    after = InstantFilter("end_at", "gt", help_text="Closures that end after this instant.")
    before = InstantFilter("start_at", "lt", help_text="Closures that start before this instant.")


class WorkingHoursViewSet(ReadMixin, OnsetViewSet):
    """Weekly hours. A resource with rows of its own follows only those; the others follow their site's."""

    queryset = WorkingHours.objects.all()
    serializer_class = WorkingHoursSerializer
    filterset_class = WorkingHoursFilters
    permissions = _PERMISSIONS

    def create(self, request: Request) -> Response:
        """Open a site or a resource on a weekday."""
        hours = calendars.add_hours(actor=self.actor, now=self.now, **self.parse(WorkingHoursSerializer))
        return self.show(hours, status=201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change hours. Bookings made under the old ones stay."""
        hours = self.get_object()
        expected = self.expected_version(required=True)
        changes: Any = self.parse(WorkingHoursSerializer, instance=hours, partial=True)
        changed = calendars.change_hours(
            actor=self.actor, now=self.now, hours_id=hours.pk, expected_version=expected, changes=changes
        )
        return self.show(changed)

    def destroy(self, request: Request, pk: str) -> Response:
        """Remove hours. Bookings made under them stay."""
        calendars.remove_hours(
            actor=self.actor,
            now=self.now,
            hours_id=self.get_object().pk,
            expected_version=self.expected_version(),
        )
        return Response(status=204)


class ClosureViewSet(ReadMixin, OnsetViewSet):
    """Closed times. What is booked in them stays booked until a person has dealt with it."""

    queryset = Closure.objects.all()
    serializer_class = ClosureSerializer
    filterset_class = ClosureFilters
    page_ordering = ("start_at", "id")
    permissions = _PERMISSIONS

    def get_queryset(self) -> QuerySet[Any]:
        """Each with its site, for its clocks, and with what it hits."""
        return selector.with_affected(super().get_queryset().select_related("site", "resource__site"))

    def create(self, request: Request) -> Response:
        """Close a site or a resource; the reply lists the visits that are hit."""
        body = self.parse(ClosureSerializer)
        start, end = body.pop("start_at"), body.pop("end_at")
        closure = calendars.add_closure(actor=self.actor, now=self.now, start=start, end=end, **body)
        return self.show(closure, status=201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a closure; visits that it hits only now get a work item."""
        closure = self.get_object()
        expected = self.expected_version(required=True)
        changes: Any = self.parse(ClosureSerializer, instance=closure, partial=True)
        changed = calendars.change_closure(
            actor=self.actor,
            now=self.now,
            closure_id=closure.pk,
            expected_version=expected,
            changes=changes,
        )
        return self.show(changed)

    def destroy(self, request: Request, pk: str) -> Response:
        """Take back a closure that has not begun."""
        calendars.remove_closure(
            actor=self.actor,
            now=self.now,
            closure_id=self.get_object().pk,
            expected_version=self.expected_version(),
        )
        return Response(status=204)
