"""/terms/ and /flag-kinds/: the lists from which entries take their codes, with source and mark."""

from typing import ClassVar

import django_filters
from rest_framework import serializers

from clinic.api.views import OnsetViewSet, ReadMixin
from patients.models import FlagKind, Term


class TermSerializer(serializers.ModelSerializer[Term]):
    """One word of one list."""

    class Meta:
        model = Term
        fields = ("id", "kind", "code", "name", "answers", "valid_from", "valid_until", "source", "mark")
        read_only_fields = fields


class FlagKindSerializer(serializers.ModelSerializer[FlagKind]):
    """What flags warn of, how gravely, and what raises them."""

    class Meta:
        model = FlagKind
        fields = (
            "id",
            "code",
            "name",
            "severity",
            "advice",
            "volatile",
            "early_contact",
            "medicine_classes",
            "medicine_words",
            "concerns",
            "allergy_words",
            "pregnancy_states",
            "source",
            "mark",
            "active",
        )
        read_only_fields = fields


class TermFilters(django_filters.FilterSet):
    """Which list."""

    kind = django_filters.ChoiceFilter(choices=Term.Kind.choices)


class TermViewSet(ReadMixin, OnsetViewSet):
    """Symptoms, body sites, pain origins, factors, treatments, medicine classes, concerns, pain tests."""

    queryset = Term.objects.all()
    serializer_class = TermSerializer
    filterset_class = TermFilters
    page_ordering = "id"
    permissions: ClassVar = {"list": "setup.read", "retrieve": "setup.read"}


class FlagKindViewSet(ReadMixin, OnsetViewSet):
    """Kinds of screening flags."""

    queryset = FlagKind.objects.all()
    serializer_class = FlagKindSerializer
    permissions: ClassVar = {"list": "setup.read", "retrieve": "setup.read"}
