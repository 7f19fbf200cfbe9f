"""/appointments/: book, look up, and take each step of a visit."""

from functools import partial
from typing import Any

import django_filters
from django.db.models import Prefetch
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.models import Site
from clinic.api.fields import IdFilter, InstantField, InstantFilter, VisibleField
from clinic.api.related import VisibleByCodeField
from clinic.api.views import OnsetViewSet, ReadMixin
from patients.models import Patient
from scheduling.domain.transitions import Verb
from scheduling.models import Allocation, Appointment, AppointmentEvent, Hold, VisitType
from scheduling.services import appointments, holds, visit_steps

_MAX_RESOURCES = 10
_HELD = Prefetch(
    "allocations",
    queryset=Allocation.objects.filter(released_at=None).select_related("resource"),
    to_attr="held",
)


class AllocationSerializer(serializers.Serializer[Any]):
    """One resource held for part of the visit."""

    resource = serializers.IntegerField()
    kind = serializers.CharField()
    use = serializers.ChoiceField(choices=["exclusive", "shared"])
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class AppointmentSerializer(serializers.Serializer[Appointment]):
    """A visit as its site's clocks show it."""

    id = serializers.IntegerField()
    patient = serializers.IntegerField(help_text="Patient id.")
    visit_type = serializers.IntegerField()
    site = serializers.IntegerField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField(help_text="When the resources are free again, turnover included.")
    status = serializers.ChoiceField(choices=Appointment.Status.choices)
    reason = serializers.CharField()
    allocations = AllocationSerializer(many=True)
    course = serializers.IntegerField(allow_null=True)
    session_number = serializers.IntegerField(allow_null=True, help_text="Which session of its course.")
    version = serializers.IntegerField()

    def to_representation(self, instance: Appointment) -> dict[str, Any]:
        """Plain dicts: this is the hottest list, and serialisation is what lists cost."""
        zone = instance.site.zone
        held: list[Allocation] = instance.held  # type: ignore[attr-defined]  # set by the prefetch
        return {
            "id": instance.pk,
            "patient": instance.patient_id,
            "visit_type": instance.visit_type_id,
            "site": instance.site_id,
            "start": instance.start_at.astimezone(zone).isoformat(),
            "end": instance.end_at.astimezone(zone).isoformat(),
            "status": instance.status,
            "reason": instance.reason,
            "allocations": [
                {
                    "resource": row.resource_id,
                    "kind": row.resource.kind,
                    "use": row.use,
                    "start": row.start_at.astimezone(zone).isoformat(),
                    "end": row.end_at.astimezone(zone).isoformat(),
                }
                for row in held
            ],
            "course": instance.course_id,
            "session_number": instance.session_number,
            "version": instance.version,
        }


class ResourceIdsField(serializers.ListField):
    """Resources asked for by name."""

    child = serializers.IntegerField(min_value=1, max_value=2**63 - 1)

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"required": False, "max_length": _MAX_RESOURCES, "default": list, **options})


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A ketamine infusion on Monday morning",
            {
                "patient": 1,
                "visit_type": "ketamine-mood",
                "site": 1,
                "start": "2027-01-11T09:00:00-07:00",
            },
        )
    ]
)
class BookingSerializer(serializers.Serializer[Any]):
    """What to book."""

    patient = VisibleField(queryset=Patient.objects)
    visit_type = VisibleByCodeField(queryset=VisitType.objects, help_text="Id or code.")
    site = VisibleField(queryset=Site.objects)
    start = InstantField()
    resources = ResourceIdsField()
    hold = VisibleField(
        queryset=Hold.objects,
        required=False,
        allow_null=True,
        default=None,
        help_text="A hold made for exactly this; the visit gets its resources.",
    )
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class ActionSerializer(serializers.Serializer[Any]):
    """Why, in a few words, and anything worth keeping."""

    reason = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class RescheduleSerializer(ActionSerializer):
    """Where to move it."""

    start = InstantField()
    resources = ResourceIdsField()


class EventSerializer(serializers.ModelSerializer[AppointmentEvent]):
    """One thing that happened."""

    class Meta:
        model = AppointmentEvent
        fields = (
            "id",
            "verb",
            "from_status",
            "to_status",
            "at",
            "by",
            "reason",
            "note",
            "moved_from",
            "moved_to",
        )


class HistorySerializer(serializers.Serializer[Any]):
    """Everything that happened, oldest first."""

    results = EventSerializer(many=True)


class AppointmentFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    site = IdFilter(field_name="site_id")
    patient = IdFilter(field_name="patient_id")
    visit_type = IdFilter(field_name="visit_type_id")
    resource = IdFilter(method="with_resource")
    status = django_filters.ChoiceFilter(choices=Appointment.Status.choices)
    start_after = InstantFilter(field_name="start_at", lookup_expr="gte")
    start_before = InstantFilter(field_name="start_at", lookup_expr="lt")

    def with_resource(self, rows: Any, _name: str, resource_id: int) -> Any:
        """Visits that hold this resource."""
        held = Allocation.objects.filter(resource=resource_id, released_at=None)
        return rows.filter(pk__in=held.values("appointment_id"))


class AppointmentViewSet(ReadMixin, OnsetViewSet):
    """Visits of the sites at which the caller reads the schedule."""

    queryset = Appointment.objects.select_related("site").prefetch_related(_HELD)
    serializer_class = AppointmentSerializer
    filterset_class = AppointmentFilters
    page_ordering = ("start_at", "id")
    permissions = {
        "list": "appointments.read",
        "retrieve": "appointments.read",
        "history": "appointments.read",
        "create": "appointments.write",
        "reschedule": "appointments.write",
        "confirm": "appointments.write",
        "check_in": "appointments.write",
        "start": "infusion_day.write",
        "complete": "infusion_day.write",
        "cancel": "appointments.write",
        "no_show": "appointments.write",
        "undo": "appointments.write",
    }

    @extend_schema(request=BookingSerializer, responses={201: AppointmentSerializer})
    def create(self, request: Request) -> Response:
        """Book on the best free resources, on those named, or on those held; 409 ``slot_taken`` lists the
        nearest others."""
        wanted = self.parse(BookingSerializer)
        hold = wanted["hold"]
        book = appointments.book if hold is None else partial(holds.book, hold_id=hold.pk)
        booked = book(
            actor=self.actor,
            now=self.now,
            patient_id=wanted["patient"].pk,
            visit_type=wanted["visit_type"],
            site=wanted["site"],
            start=wanted["start"],
            resource_ids=frozenset(wanted["resources"]),
            reason=wanted["reason"],
        )
        return self._shown(booked, status=201)

    @extend_schema(request=RescheduleSerializer, responses={200: AppointmentSerializer})
    @action(detail=True, methods=["post"])
    def reschedule(self, request: Request, pk: str) -> Response:
        """Move the visit; it keeps its id."""
        wanted = self.parse(RescheduleSerializer)
        moved = appointments.reschedule(
            actor=self.actor,
            now=self.now,
            appointment_id=int(pk),
            start=wanted["start"],
            resource_ids=frozenset(wanted["resources"]),
            expected_version=self.expected_version(),
            reason=wanted["reason"],
            note=wanted["note"],
        )
        return self._shown(moved)

    @extend_schema(request=ActionSerializer, responses={200: AppointmentSerializer})
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: str) -> Response:
        """The patient says that they will come."""
        return self._step(pk, Verb.CONFIRM)

    @extend_schema(request=ActionSerializer, responses={200: AppointmentSerializer})
    @action(detail=True, methods=["post"], url_path="check-in")
    def check_in(self, request: Request, pk: str) -> Response:
        """The patient is here."""
        return self._step(pk, Verb.CHECK_IN)

    @extend_schema(request=ActionSerializer, responses={200: AppointmentSerializer})
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Treatment begins."""
        return self._step(pk, Verb.START)

    @extend_schema(request=ActionSerializer, responses={200: AppointmentSerializer})
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        """The patient has gone home."""
        return self._step(pk, Verb.COMPLETE)

    @extend_schema(request=ActionSerializer, responses={200: AppointmentSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """The visit will not happen; its resources are free at once, unsent messages are withdrawn."""
        return self._step(pk, Verb.CANCEL)

    @extend_schema(request=ActionSerializer, responses={200: AppointmentSerializer})
    @action(detail=True, methods=["post"], url_path="no-show")
    def no_show(self, request: Request, pk: str) -> Response:
        """The patient did not come."""
        return self._step(pk, Verb.NO_SHOW)

    @extend_schema(request=ActionSerializer, responses={200: AppointmentSerializer})
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        """Take the latest step back, within 15 minutes."""
        given = self.parse(ActionSerializer)
        undone = visit_steps.undo(
            actor=self.actor,
            now=self.now,
            appointment_id=int(pk),
            expected_version=self.expected_version(),
            reason=given["reason"],
            note=given["note"],
        )
        return self._shown(undone)

    @extend_schema(responses={200: HistorySerializer})
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=())
    def history(self, request: Request, pk: str) -> Response:
        """Everything that happened to the visit, oldest first."""
        events = self.get_object().events.all()
        return Response({"results": EventSerializer(events, many=True).data})

    def _step(self, pk: str, verb: Verb) -> Response:
        given = self.parse(ActionSerializer)
        stepped = visit_steps.step(
            actor=self.actor,
            now=self.now,
            appointment_id=int(pk),
            verb=verb,
            expected_version=self.expected_version(),
            reason=given["reason"],
            note=given["note"],
        )
        return self._shown(stepped)

    def _shown(self, appointment: Appointment, *, status: int = 200) -> Response:
        appointment.held = list(  # type: ignore[attr-defined]
            appointment.allocations.filter(released_at=None).select_related("resource")
        )
        return self.show(appointment, status=status)
