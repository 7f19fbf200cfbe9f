"""/instruments/: the questionnaires with their words in every language, and how they are scored."""

from collections.abc import Iterable
from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from clinic.api.fields import FlagFilter
from clinic.api.views import OnsetViewSet, ReadMixin
from patients.domain.instruments import Method
from patients.domain.scoring import Kind
from patients.models import Instrument, Threshold


class WordsSerializer(serializers.Serializer[Any]):
    """The same in every language."""

    en = serializers.CharField()
    es = serializers.CharField()


class InstrumentOptionSerializer(serializers.Serializer[Any]):
    """One answer that may be given."""

    value = serializers.IntegerField()
    text = WordsSerializer()


class AskedIfSerializer(serializers.Serializer[Any]):
    """Only after one of these items was answered so high."""

    any_of = serializers.ListField(child=serializers.CharField())
    at_least = serializers.IntegerField()


class InstrumentItemSerializer(serializers.Serializer[Any]):
    """One question; ``code`` is its name in ``answers``."""

    code = serializers.CharField()
    text = WordsSerializer()
    options = InstrumentOptionSerializer(many=True)
    loinc = serializers.CharField()
    asked_if = AskedIfSerializer(allow_null=True)


class ScoringSerializer(serializers.Serializer[Any]):
    """``sum``: the total of all items. ``screen``: a band, no total. ``list``: neither."""

    method = serializers.ChoiceField([(method.value, method.value) for method in Method])
    minimum = serializers.IntegerField(allow_null=True)
    maximum = serializers.IntegerField(allow_null=True)
    total_loinc = serializers.CharField()


class ScoreBandSerializer(serializers.Serializer[Any]):
    """Begins at a score (of a screen: 0 negative, 1 positive, 2 acute)."""

    code = serializers.CharField()
    start = serializers.IntegerField()
    text = WordsSerializer()
    source = serializers.CharField()  # type: ignore[assignment]  # our word, and DRF's for something else
    mark = serializers.CharField()


class ThresholdSerializer(serializers.ModelSerializer[Threshold]):
    """A change or an answer that matters, and what it opens."""

    value = serializers.DecimalField(max_digits=6, decimal_places=2, coerce_to_string=False)
    opens = serializers.ChoiceField(choices=["review", "alarm"], allow_blank=True)
    severity = serializers.ChoiceField(choices=["positive", "acute", "severe"], allow_blank=True)

    class Meta:
        model = Threshold
        fields = ("kind", "value", "unit", "item", "opens", "severity", "source", "mark")
        read_only_fields = fields


class InstrumentSerializer(serializers.ModelSerializer[Instrument]):
    """One version of a questionnaire."""

    title = serializers.SerializerMethodField()
    stem = serializers.SerializerMethodField()
    items = serializers.SerializerMethodField()
    scoring = serializers.SerializerMethodField()
    bands = serializers.SerializerMethodField()
    thresholds = serializers.SerializerMethodField()

    class Meta:
        model = Instrument
        fields = (
            "id",
            "code",
            "version",
            "name",
            "title",
            "stem",
            "items",
            "scoring",
            "bands",
            "thresholds",
            "loinc",
            "source",
            "licence",
            "mark",
            "active",
        )
        read_only_fields = fields

    @extend_schema_field(WordsSerializer)
    def get_title(self, instrument: Instrument) -> dict[str, str]:
        """What it is called."""
        return {language: words["title"] for language, words in instrument.texts.items()}

    @extend_schema_field(WordsSerializer)
    def get_stem(self, instrument: Instrument) -> dict[str, str]:
        """What stands before the questions."""
        return {language: words["stem"] for language, words in instrument.texts.items()}

    @extend_schema_field(InstrumentItemSerializer(many=True))
    def get_items(self, instrument: Instrument) -> list[dict[str, Any]]:
        """In the order in which they are asked."""
        return [
            {
                "code": item["code"],
                "text": _words(item),
                "options": [
                    {"value": option["value"], "text": _words(option)}
                    for option in instrument.scales[item["scale"]]
                ],
                "loinc": item.get("loinc", ""),
                "asked_if": item.get("asked_if"),
            }
            for item in instrument.items
        ]

    @extend_schema_field(ScoringSerializer)
    def get_scoring(self, instrument: Instrument) -> dict[str, Any]:
        """How answers become a score."""
        items = instrument.rules.items if instrument.method == Method.SUM else ()
        return {
            "method": instrument.method,
            "minimum": sum(min(item.values) for item in items) if items else None,
            "maximum": sum(max(item.values) for item in items) if items else None,
            "total_loinc": instrument.total_loinc,
        }

    @extend_schema_field(ScoreBandSerializer(many=True))
    def get_bands(self, instrument: Instrument) -> list[dict[str, Any]]:
        """The lowest first."""
        return [
            {
                "code": row.code,
                "start": int(row.value),
                "text": _words({"en": row.en, "es": row.es}),
                "source": row.source,
                "mark": row.mark,
            }
            for row in sorted(_active(instrument), key=lambda row: row.value)
            if row.kind == Kind.BAND
        ]

    @extend_schema_field(ThresholdSerializer(many=True))
    def get_thresholds(self, instrument: Instrument) -> Any:
        """All numbers but the bands."""
        rows = [row for row in _active(instrument) if row.kind != Kind.BAND]
        return ThresholdSerializer(rows, many=True).data


def _active(instrument: Instrument) -> Iterable[Threshold]:
    return [row for row in instrument.thresholds.all() if row.active]


def _words(row: Any) -> dict[str, str]:
    return {"en": row["en"], "es": row["es"]}


class InstrumentFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    code = django_filters.CharFilter(max_length=20)
    active = FlagFilter()


class InstrumentViewSet(ReadMixin, OnsetViewSet):
    """The questionnaires that ship, in all their versions."""

    queryset = Instrument.objects.prefetch_related("thresholds")
    serializer_class = InstrumentSerializer
    filterset_class = InstrumentFilters
    page_ordering = "id"
    has_etags = False  # the version of a questionnaire is a row of its own and never changes
    permissions = {"list": "setup.read", "retrieve": "setup.read"}
