"""/patients/{id}/consents/: every yes and no to being reached, and recording one."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import InstantField
from clinic.api.views import OnsetViewSet
from patients.models import Consent, Patient
from patients.selectors import patients as finding
from patients.services import consents as recording

_TOLD_TO_STAFF = (Consent.Source.REGISTRATION, Consent.Source.STAFF)


class ConsentSerializer(serializers.ModelSerializer[Consent]):
    """One yes or no. The latest per channel and purpose is in force."""

    recorded_at = InstantField(read_only=True)

    class Meta:
        model = Consent
        fields = ("id", "channel", "purpose", "granted", "source", "recorded_at", "recorded_by")
        read_only_fields = fields


class NewConsentSerializer(serializers.Serializer[Any]):
    """What the patient said. Replies and imports record their own."""

    channel = serializers.ChoiceField(Consent.Channel.choices)
    purpose = serializers.ChoiceField(Consent.Purpose.choices, default=Consent.Purpose.CARE)
    granted = serializers.BooleanField()
    source = serializers.ChoiceField(  # type: ignore[assignment]  # our word, and DRF's for something else
        [(source.value, source.label) for source in _TOLD_TO_STAFF], default=Consent.Source.STAFF
    )


class ConsentViewSet(OnsetViewSet):
    """The consents of one patient."""

    queryset = Patient.objects.all()
    serializer_class = ConsentSerializer
    page_ordering = "-id"
    permissions: ClassVar = {"consents": "patients.read", "record_consent": "patients.write"}

    @extend_schema(responses=ConsentSerializer(many=True))
    @action(detail=True, methods=["get"], url_path="consents")
    def consents(self, request: Request, pk: str) -> Response:
        """The latest first."""
        page = self.paginate_queryset(finding.consents_of(self.get_object()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(request=NewConsentSerializer, responses={201: ConsentSerializer})
    @consents.mapping.post
    def record_consent(self, request: Request, pk: str) -> Response:
        """Append a yes or a no; unsent messages follow it at once."""
        patient = self.get_object()
        expected = self.expected_version()
        said = self.parse(NewConsentSerializer)
        consent = recording.record(
            actor=self.actor, now=self.now, patient_id=patient.pk, expected_version=expected, **said
        )
        return self.show(consent, status=201)
