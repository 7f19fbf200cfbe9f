"""/follow-ups/: what is owed to patients by a day."""

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import DayField, FlagFilter, IdFilter, InstantField, VisibleField, WallTimeField
from clinic.api.views import OnsetViewSet, ReadMixin
from patients.models import Patient
from scheduling.models import Appointment, FollowUp
from scheduling.selectors import follow_ups as selector
from scheduling.services import follow_ups


class FollowUpSerializer(serializers.ModelSerializer[FollowUp]):
    """One thing owed. ``due_on`` and ``due_time`` are on the calendar and clock of the patient's site."""

    patient = serializers.IntegerField(source="patient_id")
    due_time = WallTimeField(allow_null=True, help_text="HH:MM; null means by the end of the day.")
    due_at = InstantField(
        zone=lambda row: row.patient.site.zone, help_text="From this moment it is overdue while still due."
    )
    origin = serializers.CharField(
        help_text="staff, after_visit, after_course, after_check_in, or plan_item:<id>."
    )
    appointment = serializers.IntegerField(source="appointment_id", allow_null=True)
    check_in = serializers.IntegerField(source="check_in_id", allow_null=True)
    fulfilled_by = serializers.CharField(
        help_text="What did it: staff, visit:<id> or check_in:<id>; empty while it is not done."
    )
    closed_at = InstantField(zone=lambda row: row.patient.site.zone, allow_null=True)

    class Meta:
        model = FollowUp
        fields = (
            "id", "patient", "kind", "due_on", "due_time", "due_at", "status", "origin", "appointment",
            "check_in", "note", "fulfilled_by", "closed_at", "version",
        )  # fmt: skip
        read_only_fields = fields


class NewFollowUpSerializer(serializers.Serializer[Any]):
    """What staff owe."""

    patient = VisibleField(queryset=Patient.objects)
    kind = serializers.ChoiceField(choices=FollowUp.Kind.choices)
    due_on = DayField(help_text="A closed day moves to the next open one.")
    due_time = WallTimeField(required=False, allow_null=True, default=None)
    appointment = VisibleField(queryset=Appointment.objects, required=False, allow_null=True, default=None)
    note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class MoveSerializer(serializers.Serializer[Any]):
    """The new day."""

    due_on = DayField()


class NoteSerializer(serializers.Serializer[Any]):
    """How it went, or why not."""

    note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class FollowUpFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    patient = IdFilter(field_name="patient_id")
    site = IdFilter(field_name="patient__site_id")
    status = django_filters.ChoiceFilter(choices=FollowUp.Status.choices)
    kind = django_filters.ChoiceFilter(choices=FollowUp.Kind.choices)
    due_before = django_filters.DateFilter(field_name="due_on", lookup_expr="lt")
    due_after = django_filters.DateFilter(field_name="due_on", lookup_expr="gte")
    overdue = FlagFilter(method="by_overdue", help_text="Still due although its time is over at the site.")

    def by_overdue(self, rows: Any, _name: str, wanted: bool) -> Any:  # noqa: FBT001 - django_filters calls it
        """What nobody did in time, or everything else."""
        late = selector.overdue(now=self.request.parser_context["view"].now).values("pk")
        return rows.filter(pk__in=late) if wanted else rows.exclude(pk__in=late)


class FollowUpViewSet(ReadMixin, OnsetViewSet):
    """Follow-ups of patients at the sites where the caller reads them."""

    queryset = FollowUp.objects.select_related("patient__site")
    serializer_class = FollowUpSerializer
    filterset_class = FollowUpFilters
    page_ordering = ("due_on", "id")
    permissions = {
        "list": "follow_ups.read",
        "retrieve": "follow_ups.read",
        "create": "follow_ups.write",
        "partial_update": "follow_ups.write",
        "complete": "follow_ups.write",
        "cancel": "follow_ups.write",
    }

    @extend_schema(request=NewFollowUpSerializer, responses={201: FollowUpSerializer})
    def create(self, request: Request) -> Response:
        """Owe a patient something by a day."""
        wanted = self.parse(NewFollowUpSerializer)
        appointment = wanted["appointment"]
        created = follow_ups.create(
            actor=self.actor,
            now=self.now,
            patient_id=wanted["patient"].pk,
            kind=wanted["kind"],
            due_on=wanted["due_on"],
            due_time=wanted["due_time"],
            appointment_id=appointment and appointment.pk,
            note=wanted["note"],
        )
        return self.show(created, status=201)

    @extend_schema(request=MoveSerializer, responses={200: FollowUpSerializer})
    def partial_update(self, request: Request, pk: str) -> Response:
        """Move it to another day; needs If-Match."""
        expected = self.expected_version(required=True)
        wanted = self.parse(MoveSerializer)
        moved = follow_ups.move(
            actor=self.actor,
            now=self.now,
            follow_up_id=int(pk),
            due_on=wanted["due_on"],
            expected_version=expected,
        )
        return self.show(moved)

    @extend_schema(request=NoteSerializer, responses={200: FollowUpSerializer})
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        """It was done."""
        done = follow_ups.complete(
            actor=self.actor,
            now=self.now,
            follow_up_id=int(pk),
            note=self.parse(NoteSerializer)["note"],
            expected_version=self.expected_version(),
        )
        return self.show(done)

    @extend_schema(request=NoteSerializer, responses={200: FollowUpSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """It is not owed any more."""
        cancelled = follow_ups.cancel(
            actor=self.actor,
            now=self.now,
            follow_up_id=int(pk),
            note=self.parse(NoteSerializer)["note"],
            expected_version=self.expected_version(),
        )
        return self.show(cancelled)
