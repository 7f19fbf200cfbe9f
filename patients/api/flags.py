"""/patients/{id}/flags/: screening flags, for clinical roles only; a prescriber acknowledges them."""

from datetime import date
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import DayField, InstantField
from clinic.api.views import OnsetViewSet
from patients.api.of_patient import OfPatient
from patients.domain.flags import FlagState
from patients.models import FlagEvent, ScreeningFlag
from patients.selectors import flags as selector
from patients.services import flags

STATES = [(state.value, state.value) for state in FlagState]


class FlagEventSerializer(serializers.ModelSerializer[FlagEvent]):
    """What was done about a flag. The system's own doings have no ``by``."""

    at = InstantField(read_only=True)
    until = DayField(read_only=True, allow_null=True)

    class Meta:
        model = FlagEvent
        fields = ("verb", "at", "by", "reason", "until")
        read_only_fields = fields


class FlagSerializer(serializers.ModelSerializer[ScreeningFlag]):
    """One warning. ``status`` is what it asks for today: an acknowledgement that ran out leaves it open."""

    kind = serializers.CharField(source="kind.code", read_only=True)
    name = serializers.CharField(source="kind.name", read_only=True)
    advice = serializers.CharField(source="kind.advice", read_only=True)
    volatile = serializers.BooleanField(
        source="kind.volatile", read_only=True, help_text="Asked again before every session."
    )
    status = serializers.SerializerMethodField()
    raised_at = InstantField(read_only=True)
    expires_on = DayField(read_only=True, allow_null=True, help_text="The last day on which it counts.")
    acknowledged_at = InstantField(read_only=True, allow_null=True)
    acknowledged_until = DayField(read_only=True, allow_null=True)

    class Meta:
        model = ScreeningFlag
        fields: tuple[str, ...] = (
            "id",
            "kind",
            "name",
            "severity",
            "value",
            "advice",
            "source",
            "origin",
            "volatile",
            "status",
            "raised_at",
            "raised_by",
            "expires_on",
            "acknowledged_at",
            "acknowledged_by",
            "acknowledged_until",
            "reason",
            "version",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=STATES))
    def get_status(self, flag: ScreeningFlag) -> str:
        """On the patient's calendar."""
        today: date = self.context["view"].now.astimezone(flag.patient.zone).date()
        return selector.state_of(flag, today=today).value


class FlagWithEventsSerializer(FlagSerializer):
    """With its whole story."""

    events = FlagEventSerializer(many=True, read_only=True)

    class Meta(FlagSerializer.Meta):
        fields = (*FlagSerializer.Meta.fields, "events")
        read_only_fields = fields


class NewFlagSerializer(serializers.Serializer[Any]):
    """What to warn of, where no rule sees it."""

    kind = serializers.CharField(max_length=50, help_text="Code of a kind of flag.")
    value = serializers.CharField(max_length=300, help_text="What was found.")
    source = serializers.CharField(  # type: ignore[assignment]  # our word, and DRF's for something else
        max_length=160, required=False, allow_blank=True, default="", help_text="Who or what says so."
    )
    expires_on = DayField(required=False, allow_null=True, default=None)


class WhySerializer(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=300)


class AcknowledgeSerializer(WhySerializer):
    """Why the prescriber goes on, and for how long that holds."""

    until_on = DayField(
        required=False,
        allow_null=True,
        default=None,
        help_text="The last day; when left out, today for volatile flags and no end for others.",
    )


class FlagViewSet(OfPatient, OnsetViewSet):
    """The flags of one patient, the latest first; withdrawn and expired ones too."""

    queryset = ScreeningFlag.objects.select_related("kind", "patient").prefetch_related("events")
    serializer_class = FlagWithEventsSerializer
    page_ordering = "-id"
    permissions: ClassVar = {
        "list": "background.read",
        "retrieve": "background.read",
        "create": "background.write",
        "acknowledge": "flags.acknowledge",
        "withdraw": "background.write",
    }

    @extend_schema(request=NewFlagSerializer, responses={201: FlagWithEventsSerializer})
    def create(self, request: Request, patient_id: str) -> Response:
        """Raise a flag by hand."""
        patient = self.patient()
        expected = self.expected_version()
        made = flags.add(
            actor=self.actor,
            now=self.now,
            patient_id=patient.pk,
            expected_version=expected,
            **self.parse(NewFlagSerializer),
        )
        return self.show(made, status=201)

    @extend_schema(request=AcknowledgeSerializer, responses=FlagWithEventsSerializer)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, pk: str, patient_id: str) -> Response:
        """Seen, with the reason for going on. The flag stays."""
        flag = self.get_object()
        said = self.parse(AcknowledgeSerializer)
        expected = self.expected_version()
        return self.show(
            flags.acknowledge(
                actor=self.actor, now=self.now, flag_id=flag.pk, expected_version=expected, **said
            )
        )

    @extend_schema(request=WhySerializer, responses=FlagWithEventsSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str, patient_id: str) -> Response:
        """Take back a flag that was raised by hand."""
        flag = self.get_object()
        said = self.parse(WhySerializer)
        expected = self.expected_version()
        return self.show(
            flags.withdraw(actor=self.actor, now=self.now, flag_id=flag.pk, expected_version=expected, **said)
        )
