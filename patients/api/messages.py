"""/messages/: the ledger of what patients were told. Read-only, and without addresses or words."""

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from clinic.api.fields import IdFilter, InstantField, InstantFilter
from clinic.api.views import OnsetViewSet, ReadMixin
from patients.models import Attempt, Message
from patients.selectors.messages import ledger


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One try to hand it to a gateway. Without ``handed_over_at`` nothing left the house."""

    started_at = InstantField()
    handed_over_at = InstantField(allow_null=True)
    ended_at = InstantField(allow_null=True)

    class Meta:
        model = Attempt
        fields = ("number", "started_at", "handed_over_at", "ended_at", "outcome", "error", "provider_id")
        read_only_fields = fields


class SubjectSerializer(serializers.Serializer[Message]):
    """What a message is about."""

    kind = serializers.CharField(
        source="subject_kind", help_text="appointment, course, offer, check_in or reply"
    )
    id = serializers.IntegerField(source="subject_id")


class MessageSerializer(serializers.ModelSerializer[Message]):
    """One message on one channel, with its whole story."""

    patient = serializers.IntegerField(source="patient_id")
    subject = serializers.SerializerMethodField()
    planned_at = InstantField(help_text="What the plan asked for, before quiet hours and retries.")
    due_at = InstantField(help_text="When it goes out, or is tried again.")
    not_after = InstantField(help_text="Later than this it is not sent.")
    created_at = InstantField()
    finished_at = InstantField(allow_null=True)
    attempts = AttemptSerializer(many=True)

    class Meta:
        model = Message
        fields = (
            "id",
            "patient",
            "subject",
            "kind",
            "channel",
            "plan_version",
            "planned_at",
            "due_at",
            "not_after",
            "status",
            "reason",
            "created_at",
            "finished_at",
            "attempts",
        )
        read_only_fields = fields

    @extend_schema_field(SubjectSerializer)
    def get_subject(self, message: Message) -> dict[str, Any]:
        """``{kind, id}``."""
        return {"kind": message.subject_kind, "id": message.subject_id}


class MessageFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    patient = IdFilter(field_name="patient_id")
    status = django_filters.MultipleChoiceFilter(choices=Message.Status.choices)
    kind = django_filters.CharFilter(max_length=32)
    channel = django_filters.ChoiceFilter(choices=Message.Channel.choices)
    subject_kind = django_filters.CharFilter(max_length=20)
    subject_id = IdFilter(field_name="subject_id")
    due_after = InstantFilter(field_name="due_at", lookup_expr="gte")
    due_before = InstantFilter(field_name="due_at", lookup_expr="lt")


class MessageViewSet(ReadMixin, OnsetViewSet):
    """Messages to patients of the sites where the caller reads them, the newest first."""

    queryset = ledger()
    serializer_class = MessageSerializer
    filterset_class = MessageFilters
    page_ordering = "-id"
    permissions = {"list": "messages.read", "retrieve": "messages.read"}
