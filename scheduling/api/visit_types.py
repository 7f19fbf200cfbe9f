"""/visit-types/: kinds of visit, the same at every site. Managers write; made inactive, never deleted."""

from collections.abc import Sequence
from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import FlagFilter, chosen_at_creation
from clinic.api.views import OnsetViewSet, ReadMixin
from scheduling.domain import phases
from scheduling.models import VisitType
from scheduling.services import visit_types

_GRIDS = (5, 10, 15, 20, 30, 60)
_LONGEST_NOTICE_MINUTES = 365 * 24 * 60
_LONGEST_HORIZON_DAYS = 730


class NeedSerializer(serializers.Serializer[Any]):
    """One resource of a kind, throughout a phase."""

    kind = serializers.ChoiceField([kind.value for kind in phases.Kind])
    use = serializers.ChoiceField([use.value for use in phases.Use])


class PhaseSerializer(serializers.Serializer[Any]):
    """A part of a visit and what it needs."""

    name = serializers.CharField(max_length=phases.MAX_NAME_LENGTH)
    minutes = serializers.IntegerField(min_value=1, max_value=phases.MAX_VISIT_MINUTES)
    needs = NeedSerializer(many=True, required=False)


@extend_schema_field(PhaseSerializer(many=True))
class PhasesField(serializers.Field[Any, Any, Any, Any]):
    """Phases as the domain reads them, every fault with its own pointer."""

    def to_internal_value(self, data: Any) -> Sequence[phases.Phase]:
        """Raises ValidationError whose pointers lead into the phases."""
        try:
            return phases.parse(data, pointer="")
        except phases.InvalidPhases as error:
            faults: dict[str, list[ErrorDetail]] = {}
            for fault in error.errors:
                faults.setdefault(fault.pointer.removeprefix("/"), []).append(
                    ErrorDetail(fault.detail, code=fault.code)
                )
            # A fault of the list as a whole is alone: the domain reads no further then.
            raise serializers.ValidationError(faults.get("", faults)) from None

    def to_representation(self, value: Any) -> Any:
        """As stored."""
        return value


class VisitTypeSerializer(serializers.Serializer[VisitType]):
    """A kind of visit."""

    id = serializers.IntegerField(read_only=True)
    code = serializers.SlugField(max_length=50, help_text="Chosen at creation; nothing else has it.")
    name = serializers.CharField(max_length=80)
    discreet_name = serializers.CharField(max_length=40, help_text="Used in messages: names no treatment.")
    kind = serializers.ChoiceField(VisitType.Kind.choices)
    phases = PhasesField(
        help_text="In order. A change counts for bookings made from then on; visits already booked keep the "
        "time and resources they have."
    )
    start_grid_minutes = serializers.IntegerField(
        required=False,
        help_text="Visits start at multiples of this after the full hour: 5, 10, 15, 20, 30, 60.",
    )
    min_notice_minutes = serializers.IntegerField(
        min_value=0, max_value=_LONGEST_NOTICE_MINUTES, required=False
    )
    horizon_days = serializers.IntegerField(min_value=1, max_value=_LONGEST_HORIZON_DAYS, required=False)
    active = serializers.BooleanField(required=False)
    version = serializers.IntegerField(read_only=True)

    validate_code = chosen_at_creation("code")

    def validate_start_grid_minutes(self, value: int) -> int:
        """Raises ValidationError (``invalid_choice``) for a grid that does not divide the hour."""
        if value not in _GRIDS:
            raise serializers.ValidationError("Use 5, 10, 15, 20, 30 or 60.", code="invalid_choice")
        return value


class VisitTypeFilters(django_filters.FilterSet):
    """What a list of visit types can be narrowed by."""

    kind = django_filters.ChoiceFilter(choices=VisitType.Kind.choices)
    active = FlagFilter()


class VisitTypeViewSet(ReadMixin, OnsetViewSet):
    """Phases, their needs, and how such a visit may be booked."""

    queryset = VisitType.objects.all()
    serializer_class = VisitTypeSerializer
    filterset_class = VisitTypeFilters
    permissions = {
        "list": "setup.read",
        "retrieve": "setup.read",
        "create": "setup.write",
        "partial_update": "setup.write",
    }

    def create(self, request: Request) -> Response:
        """Add a kind of visit."""
        details: Any = self.parse(VisitTypeSerializer)
        visit_type = visit_types.add_visit_type(
            actor=self.actor, now=self.now, code=details.pop("code"), details=details
        )
        return self.show(visit_type, status=201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a kind of visit for bookings made from now on; visits already booked keep what they have."""
        visit_type = self.get_object()
        expected = self.expected_version(required=True)
        changes: Any = self.parse(VisitTypeSerializer, instance=visit_type, partial=True)
        changed = visit_types.change_visit_type(
            actor=self.actor,
            now=self.now,
            visit_type_id=visit_type.pk,
            expected_version=expected,
            changes=changes,
        )
        return self.show(changed)
