"""/infusion-sessions/{appointment}/rems/: what the REMS asks of a session, and its monitoring form."""

from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.downloads import CSV, PDF, download
from clinic.api.fields import DayField, InstantField
from clinic.common.errors import NotFound
from scheduling.api.drug_log import MgField
from scheduling.api.session_parts import SessionPartViewSet
from scheduling.models import RemsRecord
from scheduling.selectors import rems as selector
from scheduling.services import rems

READ, WRITE = "infusion_day.read", "infusion_day.write"


class RemsAnswersSerializer(serializers.Serializer[Any]):
    """The fields to write; null takes an answer back. Left out, a field stays as it is."""

    dose_mg = MgField(max_digits=7, min_value=1, max_value=1000, required=False, allow_null=True)
    lot = serializers.CharField(max_length=40, required=False, allow_blank=True)
    dosed_at = InstantField(required=False, allow_null=True, help_text="First device.")
    benzodiazepine = serializers.BooleanField(required=False, allow_null=True)
    stimulant = serializers.BooleanField(required=False, allow_null=True)
    maoi = serializers.BooleanField(required=False, allow_null=True)
    opioid = serializers.BooleanField(required=False, allow_null=True)
    sedation_resolved_at = InstantField(
        required=False, allow_null=True, help_text="When it was looked for, if there was none."
    )
    dissociation_resolved_at = InstantField(
        required=False, allow_null=True, help_text="When it was looked for, if there was none."
    )
    serious_event = serializers.CharField(max_length=500, required=False, allow_blank=True)
    readings_not_taken = serializers.CharField(
        max_length=200,
        required=False,
        allow_blank=True,
        help_text="Why a blood pressure is missing; it stands in for the reading.",
    )


class RemsPressureSerializer(serializers.Serializer[Any]):
    """A blood pressure of the session, chosen by rule from its readings; mmHg."""

    at = InstantField()
    systolic = serializers.IntegerField()
    diastolic = serializers.IntegerField()


class RemsPressuresSerializer(serializers.Serializer[Any]):
    """The last one before the dose, the one nearest to 40 minutes after it, the last one before leaving."""

    before = RemsPressureSerializer(allow_null=True)
    at_40_minutes = RemsPressureSerializer(allow_null=True)
    before_leaving = RemsPressureSerializer(allow_null=True)


class RemsSerializer(serializers.ModelSerializer[RemsRecord]):
    """The record as it stands. ``missing`` names what the form cannot be sent without."""

    appointment = serializers.IntegerField(source="session_id")
    dosed_at = InstantField(allow_null=True)
    sedation_resolved_at = InstantField(allow_null=True)
    dissociation_resolved_at = InstantField(allow_null=True)
    due_on = DayField(help_text="The last day for sending the form, on the site's calendar.")
    submitted_at = InstantField(allow_null=True)

    class Meta:
        model = RemsRecord
        fields = ("appointment", *rems.FIELDS, "due_on", "submitted_at", "submitted_by")
        read_only_fields = fields


class RemsShownSerializer(RemsSerializer):
    """The record with what follows from the session; clinical roles only."""

    blood_pressure = RemsPressuresSerializer()
    observed_minutes = serializers.IntegerField(
        allow_null=True, help_text="From the first device to leaving; at least 120 are asked for."
    )
    missing = serializers.ListField(child=serializers.CharField(), help_text="JSON pointers.")
    version = serializers.IntegerField(help_text="Of the session.")

    class Meta(RemsSerializer.Meta):
        fields = (*RemsSerializer.Meta.fields, "blood_pressure", "observed_minutes", "missing", "version")
        read_only_fields = fields


class RemsViewSet(SessionPartViewSet):
    """The REMS record of one session."""

    serializer_class = RemsSerializer
    permissions: ClassVar = {
        "rems": READ,
        "fill_in": WRITE,
        "submit_rems": WRITE,
        "rems_csv": READ,
        "rems_pdf": READ,
    }

    @extend_schema(operation_id="infusion_session_rems", responses=RemsShownSerializer)
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=())
    def rems(self, request: Request, pk: str) -> Response:
        """The record, the three blood pressures, how long the patient was observed, and what is missing."""
        return self._shown(self._found())

    @extend_schema(
        operation_id="infusion_session_fill_in",
        request=RemsAnswersSerializer,
        responses=RemsShownSerializer,
        examples=[OpenApiExample("Dose", request_only=True, value={"dose_mg": "56.00", "lot": "23B01"})],
    )
    @rems.mapping.patch
    def fill_in(self, request: Request, pk: str) -> Response:
        """Write some fields."""
        answers = self.parse(RemsAnswersSerializer)
        return self._shown(rems.fill_in(**self.asked(pk, guarded=True), answers=answers))

    @extend_schema(
        operation_id="infusion_session_submit_rems", request=None, responses={200: RemsShownSerializer}
    )
    @action(detail=True, methods=["post"], url_path="rems/submit")
    def submit_rems(self, request: Request, pk: str) -> Response:
        """The form was sent. 422 ``rems_incomplete`` names each field that is missing."""
        return self._shown(rems.submit(**self.asked(pk)))

    @extend_schema(operation_id="infusion_session_rems_csv", responses={(200, "text/csv"): OpenApiTypes.STR})
    @action(detail=True, methods=["get"], url_path="rems/form.csv", pagination_class=None, filter_backends=())
    def rems_csv(self, request: Request, pk: str) -> HttpResponse:
        """The form as one row."""
        return download(selector.as_csv(self._found()), name=f"rems-{pk}.csv", content_type=CSV)

    @extend_schema(
        operation_id="infusion_session_rems_pdf",
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
    )
    @action(detail=True, methods=["get"], url_path="rems/form.pdf", pagination_class=None, filter_backends=())
    def rems_pdf(self, request: Request, pk: str) -> HttpResponse:
        """The form as a page."""
        return download(selector.as_pdf(self._found()), name=f"rems-{pk}.pdf", content_type=PDF)

    def _found(self) -> selector.Rems:
        session = self.session(READ)
        record = RemsRecord.objects.filter(session=session).first()
        if record is None:
            raise NotFound("There is no REMS record: it is made when an esketamine session starts.")
        record.session = session
        return selector.of(record)

    def _shown(self, found: selector.Rems) -> Response:
        data = {
            **RemsSerializer(found.record).data,
            "blood_pressure": RemsPressuresSerializer(found.pressures).data,
            "observed_minutes": found.observed_minutes,
            "missing": found.missing,
        }
        return self.reply(data, found.session)
