"""/infusion-sessions/{appointment}/weight/ and /dose/, and /dose-protocols/: from the weight to milligrams.

Amounts are strings with their unit in the name: mg, mg_per_h, weight_kg. Clinical roles only.
"""

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.etags import etag_of
from clinic.api.fields import DayField, FlagFilter, IdFilter, InstantField
from clinic.api.views import OnsetViewSet, ReadMixin
from scheduling.domain.dosing import LEAST_KG, MOST_KG, MOST_MG, MOST_MINUTES
from scheduling.models import Appointment, DoseOrder, DoseProtocol
from scheduling.selectors import dosing as selectors
from scheduling.services import dosing


class DoseProtocolSerializer(serializers.ModelSerializer[DoseProtocol]):
    """How a dose follows from the weight."""

    valid_from = DayField(read_only=True, allow_null=True)

    class Meta:
        model = DoseProtocol
        fields = (
            "id", "name", "visit_type", "site", "drug", "basis", "amount", "choices_mg", "minutes", "max_mg",
            "max_mg_per_h", "round_mg", "active", "valid_from", "source", "mark",
        )  # fmt: skip
        read_only_fields = fields


class DoseOrderSerializer(serializers.ModelSerializer[DoseOrder]):
    """What shall be given from then on. ``calculated_mg`` is before the caps; ``capped_by`` is the one that
    lowered it. A fixed dose has no rate."""

    ordered_at = InstantField(read_only=True)

    class Meta:
        model = DoseOrder
        fields = (
            "id", "sequence", "mg", "mg_per_h", "minutes", "weight_kg", "calculated_mg", "capped_by",
            "override_reason", "protocol", "protocol_read", "ordered_at", "by",
        )  # fmt: skip
        read_only_fields = fields


class CalculatedSerializer(serializers.Serializer[Any]):
    """The protocol's dose for the latest weight."""

    calculated_mg = serializers.DecimalField(max_digits=9, decimal_places=2)
    capped_by = serializers.CharField(allow_null=True)
    mg = serializers.DecimalField(max_digits=9, decimal_places=2)
    mg_per_h = serializers.DecimalField(max_digits=9, decimal_places=2, allow_null=True)
    minutes = serializers.IntegerField()


class SessionDosesSerializer(serializers.Serializer[Any]):
    """Weight and doses of a session, the orders in their sequence: the last one counts."""

    appointment = serializers.IntegerField(source="visit.pk")
    weight_kg = serializers.DecimalField(
        source="session.weight_kg", max_digits=5, decimal_places=1, allow_null=True, default=None
    )
    weighed_at = InstantField(source="session.weighed_at", allow_null=True, default=None)
    infusion_minutes = serializers.IntegerField(
        source="session.infusion_minutes",
        allow_null=True,
        default=None,
        help_text="When it differs from the visit type's.",
    )
    protocol = serializers.IntegerField(source="protocol.pk", allow_null=True, default=None)
    calculated = CalculatedSerializer(allow_null=True)
    last_mg = serializers.DecimalField(
        max_digits=8, decimal_places=2, allow_null=True, help_text="Of a fixed dose: the patient's last one."
    )
    orders = DoseOrderSerializer(many=True)
    version = serializers.IntegerField(source="session.version", default=1)


class WeighedSerializer(SessionDosesSerializer):
    """The same, and what the weight did to the dose."""

    effect = serializers.ChoiceField([each.value for each in dosing.Effect])


class WeightSerializer(serializers.Serializer[Any]):
    """The weight on the day."""

    weight_kg = serializers.DecimalField(
        max_digits=5, decimal_places=1, min_value=LEAST_KG, max_value=MOST_KG
    )


class NewDoseSerializer(serializers.Serializer[Any]):
    """A total or a rate, over some minutes; what is left out is as the protocol calculates it."""

    mg = serializers.DecimalField(max_digits=8, decimal_places=2, required=False, max_value=MOST_MG)
    mg_per_h = serializers.DecimalField(max_digits=8, decimal_places=2, required=False, max_value=MOST_MG)
    minutes = serializers.IntegerField(min_value=1, max_value=MOST_MINUTES, required=False)
    reason = serializers.CharField(
        max_length=300,
        required=False,
        allow_blank=True,
        help_text="A prescriber's, for a dose above a cap or away from the calculated one.",
    )


class SessionDoseViewSet(OnsetViewSet):
    """Weighing and dosing of one infusion session."""

    queryset = Appointment.objects.select_related("visit_type", "site")
    serializer_class = SessionDosesSerializer
    permissions: ClassVar = {
        "weight": "infusion_day.write",
        "dose": "infusion_day.read",
        "order_dose": "infusion_day.write",
    }

    @extend_schema(
        operation_id="infusion_session_weight",
        request=WeightSerializer,
        responses={200: WeighedSerializer},
        examples=[OpenApiExample("Ana", request_only=True, value={"weight_kg": "70.0"})],
    )
    @action(detail=True, methods=["post"])
    def weight(self, request: Request, pk: str) -> Response:
        """Record the weight; the protocol's dose is ordered, or calculated anew before the start.

        ``effect`` says which. A dose ordered with a reason, or one that is running, is ``kept``.
        """
        weighed = dosing.weigh(
            actor=self.actor,
            now=self.now,
            appointment_id=int(pk),
            expected_version=self.expected_version(),
            **self.parse(WeightSerializer),
        )
        return self._doses(extra={"effect": weighed.effect.value})

    @extend_schema(operation_id="infusion_session_dose", responses=SessionDosesSerializer)
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=())
    def dose(self, request: Request, pk: str) -> Response:
        """Weight, the protocol's dose, and every order of this session."""
        return self._doses()

    @extend_schema(
        operation_id="infusion_session_order_dose",
        request=NewDoseSerializer,
        responses={200: SessionDosesSerializer},
        examples=[OpenApiExample("Slower", request_only=True, value={"minutes": 60})],
    )
    @dose.mapping.post
    def order_dose(self, request: Request, pk: str) -> Response:
        """Order a dose, before the start or while it runs. Other minutes lay the visit anew on its resources.

        409 ``duration_collides`` names in ``collisions`` what stands in the way.
        """
        dosing.order(
            actor=self.actor,
            now=self.now,
            appointment_id=int(pk),
            expected_version=self.expected_version(),
            **self.parse(NewDoseSerializer),
        )
        return self._doses()

    def _doses(self, *, extra: dict[str, Any] | None = None) -> Response:
        visit = self.get_object()
        self.actor.require("infusion_day.read", visit.site_id)
        doses = selectors.of(visit)
        headers = {"ETag": etag_of(doses.session)} if doses.session else {}
        return Response({**self.get_serializer(doses).data, **(extra or {})}, headers=headers)


class DoseProtocolFilters(django_filters.FilterSet):
    """By visit type and site."""

    visit_type = IdFilter(field_name="visit_type_id")
    site = IdFilter(field_name="site_id")
    active = FlagFilter()


class DoseProtocolViewSet(ReadMixin, OnsetViewSet):
    """The protocols of all sites, and of those the caller belongs to. Managers change them in the admin."""

    queryset = DoseProtocol.objects.all()
    serializer_class = DoseProtocolSerializer
    filterset_class = DoseProtocolFilters
    page_ordering = ("visit_type_id", "id")
    permissions: ClassVar = {"list": "setup.read", "retrieve": "setup.read"}
