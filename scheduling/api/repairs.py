"""/appointments/replan/ and /repairs/: where visits that lost their place could go, and what is decided."""

from datetime import tzinfo
from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.models import Site
from clinic.api.fields import LARGEST_ID, IdFilter, InstantField, VisibleField, write_instant
from clinic.api.views import OnsetViewSet, ReadMixin
from scheduling.domain.repair import REASONS
from scheduling.models import Closure, Repair, RepairChange, Resource
from scheduling.selectors.repairs import MAX_HIT
from scheduling.services import repairs


def _zone(repair: Repair) -> tzinfo:
    return repair.site.zone


class ReplanSerializer(serializers.Serializer[Any]):
    """What to repair: a closure, a stretch of time (of one resource or of the site), or some visits."""

    site = VisibleField(queryset=Site.objects)
    closure = VisibleField(queryset=Closure.objects, required=False, allow_null=True, default=None)
    resource = VisibleField(queryset=Resource.objects, required=False, allow_null=True, default=None)
    start = InstantField(required=False, allow_null=True, default=None)
    end = InstantField(required=False, allow_null=True, default=None)
    appointments = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID),
        max_length=MAX_HIT,
        required=False,
        default=list,
        help_text="Ids. Visits whose present place still stands stay where they are.",
    )
    time_limit_seconds = serializers.IntegerField(min_value=1, max_value=60, default=20)
    horizon_days = serializers.IntegerField(
        min_value=0, max_value=14, default=14, help_text="By how many days a visit may move at most."
    )


class AcceptSerializer(serializers.Serializer[Any]):
    """Which part of the proposal to carry out."""

    appointments = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID),
        max_length=2 * MAX_HIT,
        required=False,
        allow_null=True,
        default=None,
        help_text="Ids; everything that is pending when left out.",
    )


class PlaceSerializer(serializers.Serializer[Any]):
    """When and on what."""

    start = serializers.DateTimeField()
    resources = serializers.ListField(child=serializers.IntegerField())


class ChangeSerializer(serializers.Serializer[Any]):
    """One visit of the proposal."""

    appointment = serializers.IntegerField()
    appointment_version = serializers.IntegerField()
    before = PlaceSerializer()
    to = PlaceSerializer(allow_null=True, help_text="Empty when it cannot be placed.")
    reason = serializers.ChoiceField(choices=list(REASONS), allow_blank=True)
    detail = serializers.CharField(allow_blank=True)
    outcome = serializers.ChoiceField(choices=RepairChange.Outcome.choices, allow_blank=True)
    outcome_code = serializers.CharField(allow_blank=True)

    def get_fields(self) -> dict[str, Any]:
        """``from`` is a word of Python's."""
        fields = super().get_fields()
        return {{"before": "from"}.get(name, name): field for name, field in fields.items()}


class FiguresSerializer(serializers.Serializer[Any]):
    """How disruptive the proposal is."""

    unplaced = serializers.IntegerField()
    patients_moved = serializers.IntegerField()
    confirmed_moved = serializers.IntegerField()
    to_another_day = serializers.IntegerField()
    minutes_shifted = serializers.IntegerField()
    resources_changed = serializers.IntegerField()


class RepairSummarySerializer(serializers.Serializer[Repair]):
    """A repair without its visits."""

    id = serializers.IntegerField()
    site = serializers.IntegerField(source="site_id")
    closure = serializers.IntegerField(source="closure_id", allow_null=True)
    resource = serializers.IntegerField(source="resource_id", allow_null=True)
    start = InstantField(source="start_at", zone=_zone, allow_null=True)
    end = InstantField(source="end_at", zone=_zone, allow_null=True)
    appointments = serializers.ListField(child=serializers.IntegerField(), source="appointment_ids")
    time_limit_seconds = serializers.IntegerField()
    horizon_days = serializers.IntegerField()
    status = serializers.ChoiceField(choices=Repair.Status.choices)
    failure = serializers.CharField(allow_blank=True)
    requested_by = serializers.IntegerField(source="requested_by_id", allow_null=True)
    requested_at = InstantField(zone=_zone)
    proposed_at = InstantField(zone=_zone, allow_null=True)
    settled_by = serializers.IntegerField(source="settled_by_id", allow_null=True)
    settled_at = InstantField(zone=_zone, allow_null=True)
    optimal = serializers.BooleanField(help_text="Proven that nothing is less disruptive.")
    figures = FiguresSerializer(source="*")
    version = serializers.IntegerField()


class RepairSerializer(RepairSummarySerializer):
    """A repair with its proposal."""

    changes = serializers.SerializerMethodField()

    @extend_schema_field(ChangeSerializer(many=True))
    def get_changes(self, repair: Repair) -> list[dict[str, Any]]:
        """In the order in which they are carried out."""
        zone = repair.site.zone
        return [
            {
                "appointment": change.appointment_id,
                "appointment_version": change.appointment_version,
                "from": {
                    "start": write_instant(change.from_start_at, zone),
                    "resources": change.from_resources,
                },
                "to": {"start": write_instant(change.to_start_at, zone), "resources": change.to_resources}
                if change.to_start_at
                else None,
                "reason": change.reason,
                "detail": REASONS.get(change.reason, ""),
                "outcome": change.outcome,
                "outcome_code": change.outcome_code,
            }
            for change in repair.changes.all()
        ]


class RepairFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    site = IdFilter(field_name="site_id")
    closure = IdFilter(field_name="closure_id")
    status = django_filters.MultipleChoiceFilter(choices=Repair.Status.choices)


class _Repairs(OnsetViewSet):
    queryset = Repair.objects.select_related("site")
    serializer_class = RepairSerializer

    def shown(self, repair: Repair, *, status: int = 200) -> Response:
        """As it is now, with its changes."""
        return self.show(Repair.objects.select_related("site").get(pk=repair.pk), status=status)


class ReplanViewSet(_Repairs):
    """Ask for a repair."""

    permissions = {"create": "appointments.write"}

    @extend_schema(request=ReplanSerializer, responses={202: RepairSerializer})
    def create(self, request: Request) -> Response:
        """A background job proposes where the visits could go; nothing moves before somebody accepts.

        Visits stay at their time on other resources where that is possible; otherwise as few patients as
        possible are moved, as little as possible. Read the proposal at /repairs/{id}/.
        """
        wanted = self.parse(ReplanSerializer)
        closure, resource = wanted["closure"], wanted["resource"]
        repair = repairs.request(
            actor=self.actor,
            now=self.now,
            site_id=wanted["site"].pk,
            closure_id=closure and closure.pk,
            resource_id=resource and resource.pk,
            start=wanted["start"],
            end=wanted["end"],
            appointment_ids=wanted["appointments"],
            time_limit_seconds=wanted["time_limit_seconds"],
            horizon_days=wanted["horizon_days"],
        )
        return self.shown(repair, status=202)


class RepairViewSet(ReadMixin, _Repairs):
    """Repairs of the sites at which the caller reads the schedule, the latest first."""

    filterset_class = RepairFilters
    page_ordering = ("-requested_at", "-id")
    permissions = {
        "list": "appointments.read",
        "retrieve": "appointments.read",
        "accept": "appointments.write",
        "discard": "appointments.write",
    }

    def get_queryset(self) -> QuerySet[Any]:
        """One record comes with its changes."""
        rows = super().get_queryset()
        return rows.prefetch_related("changes") if self.action == "retrieve" else rows

    def get_serializer_class(self) -> Any:
        """Lists leave the changes out."""
        return RepairSummarySerializer if self.action == "list" else RepairSerializer

    @extend_schema(request=AcceptSerializer, responses={200: RepairSerializer})
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """Carry out the proposal or a part of it. ``outcome`` says per visit what came of it: what changed
        since the proposal is ``stale`` and left alone, the rest is done."""
        wanted = self.parse(AcceptSerializer)
        accepted = repairs.accept(
            actor=self.actor,
            now=self.now,
            repair_id=int(pk),
            appointment_ids=wanted["appointments"],
            expected_version=self.expected_version(),
        )
        return self.shown(accepted)

    @extend_schema(request=None, responses={200: RepairSerializer})
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: str) -> Response:
        """Nothing more of it shall happen; a computation under way is dropped."""
        discarded = repairs.discard(
            actor=self.actor,
            now=self.now,
            repair_id=int(pk),
            expected_version=self.expected_version(),
        )
        return self.shown(discarded)
