"""/measures/: what a manager measures a clinic by, with definitions, along a period and as CSV."""

import csv
import io
from datetime import timedelta
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.models import Site
from clinic.api.fields import DayField, InstantField
from clinic.api.filters import refuse_unknown
from clinic.api.related import VisibleInQueryField
from clinic.api.views import OnsetViewSet
from clinic.common.errors import NotFound
from scheduling.domain.measures import CATALOGUE, Better, Code, Group, Period, Tally, Unit
from scheduling.models import MeasureDay
from scheduling.selectors import measures as selector
from scheduling.selectors.measures import Report, Shown

_ONE_DAY = timedelta(days=1)
_DEFAULT_DAYS = 30
_PARAMETERS = frozenset({"site", "start", "end", "group"})


class MeasuresQuery(serializers.Serializer[Any]):
    """Which site and which days."""

    site = VisibleInQueryField(
        queryset=Site.objects, required=False, help_text="Default: all sites whose reports you read."
    )
    start = DayField(required=False, help_text=f"Default: {_DEFAULT_DAYS} days before the end.")
    end = DayField(required=False, help_text="Not included. Default: tomorrow at the site, so up to today.")
    group = serializers.ChoiceField(choices=[each.value for each in Group], default=Group.DAY.value)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The sites, and a forward and bounded period."""
        view = self.context["view"]
        site: Site | None = attrs.get("site")
        if site is not None:
            view.actor.require("reports.read", site.pk)
        sites = [site] if site is not None else selector.visible_sites(view.actor)
        todays = [view.now.astimezone(each.zone).date() for each in sites] or [view.now.date()]
        end = attrs.get("end") or max(todays) + _ONE_DAY
        start = attrs.get("start") or end - timedelta(days=_DEFAULT_DAYS)
        if end <= start:
            raise serializers.ValidationError({"end": "End must be after start."}, code="end_before_start")
        if (end - start).days > selector.MOST_DAYS:
            raise serializers.ValidationError(
                {"end": f"Ask for at most {selector.MOST_DAYS} days at once."}, code="range_too_long"
            )
        return {"sites": sites, "period": Period(start, end), "group": Group(attrs["group"])}


class CountedSerializer(serializers.Serializer[Any]):
    """Something counted. ``value`` is made of the sums; null where there was nothing to count."""

    numerator = serializers.IntegerField()
    denominator = serializers.IntegerField()
    value = serializers.FloatField(allow_null=True)


class MeasureStepSerializer(CountedSerializer):
    """One day, week or month; the first and the last of a period may be cut short."""

    start = serializers.DateField()
    end = serializers.DateField(help_text="Not included.")


class ByVisitTypeSerializer(CountedSerializer):
    """The visits of one type."""

    visit_type = serializers.CharField(help_text="Its code.")


class MeasureSerializer(serializers.Serializer[Any]):
    """One measure: what it means, and what it came to."""

    code = serializers.ChoiceField(choices=[each.value for each in Code])
    name = serializers.CharField()
    definition = serializers.CharField()
    unit = serializers.ChoiceField(choices=[each.value for each in Unit])
    better = serializers.ChoiceField(choices=[each.value for each in Better])
    numerator_counts = serializers.CharField()
    denominator_counts = serializers.CharField()
    day_counts = serializers.CharField(help_text="Which day something counts for.")
    total = CountedSerializer()
    before = CountedSerializer(help_text="Over as many days just before.")
    by_visit_type = ByVisitTypeSerializer(many=True)
    series = MeasureStepSerializer(many=True)


class MeasuresSerializer(serializers.Serializer[Any]):
    """All measures over a period, and how old the numbers are."""

    sites = serializers.ListField(child=serializers.IntegerField())
    start = serializers.DateField()
    end = serializers.DateField(help_text="Not included.")
    group = serializers.ChoiceField(choices=[each.value for each in Group])
    computed_at = InstantField(allow_null=True, help_text="Of the numbers counted last.")
    oldest_computed_at = InstantField(allow_null=True, help_text="Of the oldest: of days long ago.")
    days_missing = serializers.IntegerField(help_text="Days that wait to be counted for the first time.")
    measures = MeasureSerializer(many=True)


class MeasuresViewSet(OnsetViewSet):
    """Reports of one's own sites, for managers. Everything is counted beforehand (docs/operations.md)."""

    queryset = MeasureDay.objects
    permissions: ClassVar = {"list": "reports.read", "csv": "reports.read"}
    query_parameters: ClassVar = {"csv": _PARAMETERS}
    pagination_class = None
    filter_backends = ()

    @extend_schema(
        operation_id="measures_list", parameters=[MeasuresQuery], responses={200: MeasuresSerializer}
    )
    def list(self, request: Request) -> Response:
        """Every measure: in all, over the period before, by visit type, and along the period."""
        refuse_unknown(request, _PARAMETERS)
        asked = self._asked(request)
        found = selector.report(actor=self.actor, now=self.now, **asked)
        return Response(_shown(found, [site.pk for site in asked["sites"]]))

    @extend_schema(
        operation_id="measures_csv",
        summary="One measure as CSV",
        parameters=[
            MeasuresQuery,
            OpenApiParameter("code", OpenApiTypes.STR, OpenApiParameter.PATH, enum=[str(c) for c in Code]),
        ],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    @action(detail=False, methods=["get"], url_path="(?P<code>[a-z0-9_]{1,24})/csv")
    def csv(self, request: Request, code: str) -> HttpResponse:
        """One measure along the period: dates and numbers. A value that is empty had nothing to count."""
        if code not in CATALOGUE:
            raise NotFound(f"There is no such measure. Known: {', '.join(CATALOGUE)}.")
        asked = self._asked(request)
        found = selector.report(actor=self.actor, now=self.now, codes=[Code(code)], **asked)
        period: Period = asked["period"]
        return HttpResponse(
            _table(found.shown[0]),
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{code}_{period.start}_{period.end}.csv"',
                "Cache-Control": "no-store",
            },
        )

    def _asked(self, request: Request) -> dict[str, Any]:
        query = MeasuresQuery(data=request.query_params.dict(), context=self.get_serializer_context())
        query.is_valid(raise_exception=True)
        asked: dict[str, Any] = query.validated_data
        return asked


def _shown(found: Report, sites: list[int]) -> dict[str, Any]:
    """Plain data: a report has thousands of points, and serializers would cost more than the query."""
    return {
        "sites": sites,
        "start": found.period.start,
        "end": found.period.end,
        "group": found.group.value,
        "computed_at": found.computed_at,
        "oldest_computed_at": found.oldest_computed_at,
        "days_missing": found.days_missing,
        "measures": [_measure(each) for each in found.shown],
    }


def _measure(shown: Shown) -> dict[str, Any]:
    measure = shown.measure
    return {
        "code": measure.code.value,
        "name": measure.name,
        "definition": measure.definition,
        "unit": measure.unit.value,
        "better": measure.better.value,
        "numerator_counts": measure.numerator,
        "denominator_counts": measure.denominator,
        "day_counts": measure.day,
        "total": _counted(shown.total, measure.unit),
        "before": _counted(shown.before, measure.unit),
        "by_visit_type": [
            {"visit_type": code, **_counted(tally, measure.unit)} for code, tally in shown.by_visit_type
        ],
        "series": [
            {"start": step.start, "end": step.end, **_counted(tally, measure.unit)}
            for step, tally in shown.series
        ],
    }


def _counted(tally: Tally, unit: Unit) -> dict[str, Any]:
    value = tally.value(unit)
    return {
        "numerator": tally.numerator,
        "denominator": tally.denominator,
        "value": None if value is None else float(value),
    }


def _table(shown: Shown) -> str:
    """Every cell is a date or a number, so that no spreadsheet finds a formula; days from start to end, both
    included, as a reader of a table expects."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["first_day", "last_day", shown.measure.unit.value, "numerator", "denominator"])
    for step, tally in shown.series:
        value = tally.value(shown.measure.unit)
        table.writerow(
            [
                step.start,
                step.end - _ONE_DAY,
                "" if value is None else value,
                tally.numerator,
                tally.denominator,
            ]
        )
    return text.getvalue()
