"""/infusion-sessions/{appointment}/vitals/: vital signs with LOINC codes, what they reached, what is due.

Clinical roles only. Units are UCUM: mm[Hg], /min, %, Cel.
"""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import InstantField
from scheduling.api.session_parts import ONE, SessionPartViewSet, StrikeSerializer, part
from scheduling.domain.vitals import MEASURES, PANEL_LOINC, Due, When
from scheduling.models import InfusionSession, VitalReading, VitalSign, VitalThreshold
from scheduling.selectors import vitals as selector
from scheduling.services import vitals

READ, WRITE = "infusion_day.read", "infusion_day.write"
_LARGEST = 999


class NewReadingSerializer(serializers.Serializer[Any]):
    """One set of vital signs: at least one of them, or symptoms. Pressure is given as a pair."""

    measured_at = InstantField(required=False, help_text="Now, unless given; never in the future.")
    systolic = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=_LARGEST)
    diastolic = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=_LARGEST)
    heart_rate = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=_LARGEST)
    spo2 = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=_LARGEST)
    respiratory_rate = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=_LARGEST
    )
    temperature_c = serializers.DecimalField(
        required=False, allow_null=True, max_digits=4, decimal_places=1, help_text="Celsius."
    )
    symptoms = serializers.CharField(required=False, allow_blank=True, max_length=300)


class VitalComponentSerializer(serializers.Serializer[Any]):
    """One value."""

    measure = serializers.ChoiceField(choices=list(MEASURES))
    loinc = serializers.CharField()
    panel = serializers.CharField(allow_null=True, help_text="The LOINC panel it is a component of.")
    value = serializers.CharField()
    unit = serializers.CharField(help_text="UCUM.")


class VitalFindingSerializer(serializers.Serializer[Any]):
    """A threshold that was reached, as it was then; symptoms have no value."""

    measure = serializers.ChoiceField(choices=VitalSign.choices)
    level = serializers.ChoiceField(choices=VitalThreshold.Level.choices)
    when = serializers.ChoiceField(choices=VitalThreshold.When.choices)
    at_least = serializers.CharField(required=False)
    below = serializers.CharField(required=False)
    value = serializers.CharField(required=False)


class ReadingSerializer(serializers.ModelSerializer[VitalReading]):
    """One set of vital signs. Nothing is changed later: a mistake is struck and stays to be seen."""

    measured_at = InstantField()
    recorded_at = InstantField()
    components = serializers.SerializerMethodField()
    findings = VitalFindingSerializer(many=True)
    acknowledged_at = InstantField(allow_null=True)
    struck_at = InstantField(allow_null=True)

    class Meta:
        model = VitalReading
        fields = (
            "id", "measured_at", *MEASURES, "symptoms", "components", "level", "findings",
            "acknowledged_at", "acknowledged_by", "acknowledged_note", "recorded_at", "by",
            "struck_at", "struck_by", "struck_reason",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(VitalComponentSerializer(many=True))
    def get_components(self, row: VitalReading) -> list[dict[str, Any]]:
        """The values that were measured, with code and unit."""
        return [
            {
                "measure": name,
                "loinc": measure.loinc,
                "panel": PANEL_LOINC if name in {"systolic", "diastolic"} else None,
                "value": str(value),
                "unit": measure.ucum,
            }
            for name, measure in MEASURES.items()
            if (value := getattr(row, name)) is not None
        ]


class ReadingWithVersionSerializer(ReadingSerializer):
    """The same, with the version of the session."""

    version = serializers.IntegerField(source="session.version")

    class Meta(ReadingSerializer.Meta):
        fields = (*ReadingSerializer.Meta.fields, "version")
        read_only_fields = fields


class DueReadingSerializer(serializers.Serializer[Due]):
    """The next reading of blood pressure."""

    when = serializers.ChoiceField(choices=[each.value for each in When])
    due_at = InstantField()
    overdue_at = InstantField(help_text="Late from then on.")


class ReadingsSerializer(serializers.Serializer[Any]):
    """All readings of a session by time, struck ones too, and the next one due."""

    results = ReadingSerializer(many=True)
    due = DueReadingSerializer(allow_null=True)
    version = serializers.IntegerField()


class AcknowledgeReadingSerializer(serializers.Serializer[Any]):
    """What was found or done."""

    note = serializers.CharField(required=False, allow_blank=True, max_length=300)


class SessionVitalsViewSet(SessionPartViewSet):
    """Vital signs of one session."""

    serializer_class = ReadingSerializer
    permissions: ClassVar = {
        "vitals": READ,
        "record_vitals": WRITE,
        "acknowledge_reading": WRITE,
        "strike_reading": WRITE,
    }

    @extend_schema(operation_id="infusion_session_vitals", responses=ReadingsSerializer)
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=())
    def vitals(self, request: Request, pk: str) -> Response:
        """Every reading, and when the next one is due."""
        visit = self.visit(READ)
        rows = VitalReading.objects.filter(session=visit.pk).order_by("measured_at", "id")
        due = selector.next_due([visit], now=self.now)[visit.pk]
        data = {
            "results": ReadingSerializer(rows, many=True).data,
            "due": None if due is None else DueReadingSerializer(due).data,
        }
        return self.reply(data, InfusionSession.objects.filter(pk=visit.pk).first())

    @extend_schema(
        operation_id="infusion_session_record_vitals",
        request=NewReadingSerializer,
        responses={201: ReadingWithVersionSerializer},
        examples=[
            OpenApiExample(
                "30 minutes in",
                request_only=True,
                value={"systolic": 172, "diastolic": 104, "heart_rate": 88, "spo2": 97},
            )
        ],
    )
    @vitals.mapping.post
    def record_vitals(self, request: Request, pk: str) -> Response:
        """Record a reading. What reaches a threshold asks a prescriber in the same moment."""
        given = self.parse(NewReadingSerializer)
        values = {name: given.pop(name) for name in MEASURES if name in given}
        reading = vitals.record(**self.asked(pk), values=values, **given)
        return self._shown(reading, status=201)

    @extend_schema(
        operation_id="infusion_session_acknowledge_reading",
        parameters=[part("reading")],
        request=AcknowledgeReadingSerializer,
        responses={200: ReadingWithVersionSerializer},
    )
    @action(detail=True, methods=["post"], url_path=f"vitals/(?P<reading>{ONE})/acknowledge")
    def acknowledge_reading(self, request: Request, pk: str, reading: str) -> Response:
        """Somebody has looked at the patient; of ``review`` and ``urgent`` a prescriber."""
        return self._shown(
            vitals.acknowledge(
                **self.asked(pk), reading_id=int(reading), **self.parse(AcknowledgeReadingSerializer)
            )
        )

    @extend_schema(
        operation_id="infusion_session_strike_reading",
        parameters=[part("reading")],
        request=StrikeSerializer,
        responses={200: ReadingWithVersionSerializer},
    )
    @action(detail=True, methods=["post"], url_path=f"vitals/(?P<reading>{ONE})/strike")
    def strike_reading(self, request: Request, pk: str, reading: str) -> Response:
        """It was entered in error. It stays, struck, and what it answered is due again."""
        return self._shown(
            vitals.strike(**self.asked(pk), reading_id=int(reading), **self.parse(StrikeSerializer))
        )

    def _shown(self, reading: VitalReading, *, status: int = 200) -> Response:
        return self.reply(ReadingSerializer(reading).data, reading.session, status=status)
