"""/prescriptions/: antidepressants, their history of doses, and the check-ins planned from it."""

from typing import Any

import django_filters
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import DayField, IdFilter, InstantField, VisibleField
from clinic.api.views import OnsetViewSet, ReadMixin
from patients.api.flags import FlagSerializer
from patients.models import Patient
from patients.selectors.flags import unacknowledged
from scheduling.api.check_ins import CheckInSerializer, CheckInsSerializer, DoseField
from scheduling.domain.check_in_history import DoseKind
from scheduling.domain.dose_orders import Step, standing
from scheduling.models import DoseEvent, Prescription
from scheduling.selectors.prescriptions import as_history
from scheduling.services import prescriptions

_MOST_STEPS = 20


class StepSerializer(serializers.Serializer[Any]):
    """A dose planned from a day on."""

    dose_mg = DoseField(help_text="Milligrams a day.")
    effective_on = DayField(help_text="The first day on this dose, in the patient's zone.")


class DoseEventSerializer(serializers.Serializer[Any]):
    """One change of dose. History is never rewritten: an overtaken one stays, no longer ``standing``."""

    sequence = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in DoseKind])
    dose_mg = DoseField()
    ordered_on = DayField()
    effective_on = DayField()
    planned = serializers.BooleanField()
    standing = serializers.BooleanField(required=False, help_text="False: a later order overtook it.")
    recorded_at = InstantField()
    recorded_by = serializers.IntegerField(source="recorded_by_id", allow_null=True)


def _history(prescription: Prescription) -> list[tuple[DoseEvent, bool]]:
    """Each event, and whether it still stands."""
    rows = sorted(prescription.dose_events.all(), key=lambda row: row.sequence)
    kept = {event.sequence for event in standing(events=as_history(rows))}
    return [(row, row.sequence in kept) for row in rows]


class PrescriptionSerializer(serializers.ModelSerializer[Prescription]):
    """One medicine for one patient, at the dose in force today."""

    patient = serializers.IntegerField(source="patient_id")
    dose_mg = DoseField(help_text="Milligrams a day, in force today; after a stop, the last dose.")
    planned_steps = serializers.SerializerMethodField(help_text="Steps of the titration that stand.")
    dose_events = serializers.SerializerMethodField()
    switched_from = serializers.IntegerField(source="switched_from_id", allow_null=True)
    prescribed_by = serializers.IntegerField(source="prescribed_by_id", allow_null=True)

    class Meta:
        model = Prescription
        fields = [
            "id",
            "patient",
            "medication",
            "drug_class",
            "dose_mg",
            "first_dose_on",
            "planned_steps",
            "indication",
            "status",
            "switched_from",
            "prescribed_by",
            "dose_events",
            "version",
        ]
        read_only_fields = fields

    @extend_schema_field(StepSerializer(many=True))
    def get_planned_steps(self, prescription: Prescription) -> Any:
        """Those that a later order did not overtake."""
        rows = [row for row, stands in _history(prescription) if row.planned and stands]
        return StepSerializer(rows, many=True).data

    @extend_schema_field(DoseEventSerializer(many=True))
    def get_dose_events(self, prescription: Prescription) -> Any:
        """The whole history, in the order of recording."""
        return [
            {**DoseEventSerializer(row).data, "standing": stands} for row, stands in _history(prescription)
        ]


class PlannedPrescriptionSerializer(PrescriptionSerializer):
    """A prescription with every check-in it has, superseded ones too, and what is to be acknowledged."""

    check_ins = CheckInSerializer(many=True)
    flags = FlagSerializer(many=True, help_text="Not acknowledged for today. The order is stored.")

    class Meta(PrescriptionSerializer.Meta):
        fields = [*PrescriptionSerializer.Meta.fields, "check_ins", "flags"]
        read_only_fields = fields


class _DoseSerializer(serializers.Serializer[Any]):
    dose_mg = DoseField(help_text="Milligrams a day.")
    planned_steps = StepSerializer(
        many=True,
        required=False,
        default=list,
        max_length=_MOST_STEPS,  # type: ignore[call-arg]  # taken by the list that many=True makes
    )

    def validate_planned_steps(self, steps: list[dict[str, Any]]) -> list[Step]:
        """As the service takes them."""
        return [Step(dose_mg=step["dose_mg"], effective_on=step["effective_on"]) for step in steps]


class _MedicineSerializer(_DoseSerializer):
    medication = serializers.CharField(max_length=80)
    drug_class = serializers.ChoiceField(choices=Prescription.DrugClass.choices)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Sertraline with one step",
            {
                "patient": 1,
                "medication": "Sertraline",
                "drug_class": "ssri",
                "dose_mg": 50,
                "first_dose_on": "2027-01-05",
                "planned_steps": [{"dose_mg": 100, "effective_on": "2027-01-19"}],
                "indication": "Major depressive disorder",
            },
        )
    ]
)
class NewPrescriptionSerializer(_MedicineSerializer):
    """What to prescribe."""

    patient = VisibleField(queryset=Patient.objects)
    first_dose_on = DayField(help_text="The first day on which it is taken, in the patient's zone.")
    indication = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")


class StopSerializer(serializers.Serializer[Any]):
    """When it ends."""

    effective_on = DayField(help_text="The first day without it, in the patient's zone.")
    ordered_on = DayField(required=False, allow_null=True, default=None, help_text="Today when left out.")


class TaperedStopSerializer(StopSerializer):
    """When it ends, and by which lower doses."""

    taper = StepSerializer(
        many=True,
        required=False,
        default=list,
        max_length=_MOST_STEPS,  # type: ignore[call-arg]  # taken by the list that many=True makes
        help_text="Lower doses until then, in order.",
    )

    def validate_taper(self, steps: list[dict[str, Any]]) -> list[Step]:
        """As the service takes them."""
        return [Step(dose_mg=step["dose_mg"], effective_on=step["effective_on"]) for step in steps]


class ChangeDoseSerializer(_DoseSerializer, StopSerializer):
    """The new dose, and from when."""

    effective_on = DayField(help_text="The first day on the new dose, in the patient's zone.")


class SwitchSerializer(_MedicineSerializer, StopSerializer):
    """The other medicine, and from when."""

    effective_on = DayField(help_text="The first day on the new medicine, without the old one.")
    indication = serializers.CharField(
        max_length=80,
        required=False,
        allow_blank=True,
        allow_null=True,
        default=None,
        help_text="As before when left out.",
    )


class PrescriptionFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    patient = IdFilter(field_name="patient_id")
    site = IdFilter(field_name="patient__site_id")
    status = django_filters.ChoiceFilter(choices=Prescription.Status.choices)
    drug_class = django_filters.ChoiceFilter(choices=Prescription.DrugClass.choices)


class PrescriptionViewSet(ReadMixin, OnsetViewSet):
    """Prescriptions of patients at the sites where the caller reads them."""

    queryset = Prescription.objects.prefetch_related("dose_events")
    serializer_class = PrescriptionSerializer
    filterset_class = PrescriptionFilters
    page_ordering = ("-first_dose_on", "-id")
    permissions = {
        "list": "prescriptions.read",
        "retrieve": "prescriptions.read",
        "check_ins": "check_ins.read",
        "create": "prescriptions.write",
        "change_dose": "prescriptions.write",
        "stop": "prescriptions.write",
        "switch": "prescriptions.write",
        "restart": "prescriptions.write",
    }

    @extend_schema(request=NewPrescriptionSerializer, responses={201: PlannedPrescriptionSerializer})
    def create(self, request: Request) -> Response:
        """Prescribe a medicine with the steps planned for it; its check-ins are planned at once."""
        wanted = self.parse(NewPrescriptionSerializer)
        patient = wanted.pop("patient")
        prescribed = prescriptions.prescribe(actor=self.actor, now=self.now, patient_id=patient.pk, **wanted)
        return self._planned(prescribed, status=201)

    @extend_schema(request=ChangeDoseSerializer, responses={200: PlannedPrescriptionSerializer})
    @action(detail=True, methods=["post"], url_path="change-dose")
    def change_dose(self, request: Request, pk: str) -> Response:
        """Increase or decrease; check-ins count from ``effective_on``."""
        return self._planned(prescriptions.change_dose(**self._order(pk, ChangeDoseSerializer)))

    @extend_schema(request=TaperedStopSerializer, responses={200: PlannedPrescriptionSerializer})
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: str) -> Response:
        """End it, at once or by a taper; what was not sent is withdrawn, withdrawal check-ins planned."""
        return self._planned(prescriptions.stop(**self._order(pk, TaperedStopSerializer)))

    @extend_schema(request=SwitchSerializer, responses={201: PlannedPrescriptionSerializer})
    @action(detail=True, methods=["post"])
    def switch(self, request: Request, pk: str) -> Response:
        """End it and begin another medicine on the same day; the reply is the new prescription."""
        return self._planned(prescriptions.switch(**self._order(pk, SwitchSerializer)), status=201)

    @extend_schema(request=ChangeDoseSerializer, responses={200: PlannedPrescriptionSerializer})
    @action(detail=True, methods=["post"])
    def restart(self, request: Request, pk: str) -> Response:
        """Take a stopped medicine again."""
        return self._planned(prescriptions.restart(**self._order(pk, ChangeDoseSerializer)))

    @extend_schema(responses={200: CheckInsSerializer})
    @action(detail=True, methods=["get"], url_path="check-ins", pagination_class=None, filter_backends=())
    def check_ins(self, request: Request, pk: str) -> Response:
        """Every check-in, superseded ones too; each says why it is there."""
        return Response({"results": self._check_ins(self.get_object())})

    def _order(self, pk: str, serializer_class: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        return {
            **self.parse(serializer_class),
            "actor": self.actor,
            "now": self.now,
            "prescription_id": int(pk),
            "expected_version": self.expected_version(),
        }

    def _planned(self, prescription: Prescription, *, status: int = 200) -> Response:
        flags = unacknowledged(prescription.patient, now=self.now)
        shown = FlagSerializer(flags, many=True, context=self.get_serializer_context()).data
        extra = {"check_ins": self._check_ins(prescription), "flags": shown}
        return self.show(prescription, status=status, extra=extra)

    def _check_ins(self, prescription: Prescription) -> Any:
        rows = prescription.check_ins.order_by("due_on", "id")
        return CheckInSerializer(rows, many=True).data
