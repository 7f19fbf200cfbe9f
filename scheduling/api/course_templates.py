"""/course-templates/: how many sessions of which visit, how far apart, and what follows. Managers write."""

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import FlagFilter, IdFilter
from clinic.api.related import VisibleByCodeField
from clinic.api.views import OnsetViewSet, ReadMixin
from scheduling.domain import courses as domain
from scheduling.models import CourseTemplate, VisitType
from scheduling.services import course_templates

_STAGE = ("sessions", "min_gap_days", "max_gap_days", "ideal_gap_days", "gap_unit", "name", "source", "mark")
_WEEK = 7


class WeekdaysField(serializers.ListField):
    """Different weekdays, 0 for Monday."""

    child = serializers.IntegerField(min_value=0, max_value=_WEEK - 1)

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_length": 1, "max_length": _WEEK, **options})

    def to_internal_value(self, data: Any) -> list[int]:
        """In order, each once."""
        return sorted(set(super().to_internal_value(data)))


class CourseStageSerializer(serializers.Serializer[Any]):
    """Sessions of one kind of spacing. Gaps are local dates between one session and the next."""

    sessions = serializers.IntegerField(
        min_value=1, max_value=domain.MAX_SESSIONS, allow_null=True, help_text="Null in the last: goes on."
    )
    min_gap_days = serializers.IntegerField(min_value=1, max_value=domain.MAX_GAP_DAYS)
    max_gap_days = serializers.IntegerField(min_value=1, max_value=domain.MAX_GAP_DAYS)
    ideal_gap_days = serializers.IntegerField(
        required=False, min_value=1, max_value=domain.MAX_GAP_DAYS, help_text="What plans aim at."
    )
    gap_unit = serializers.ChoiceField(
        [unit.value for unit in domain.GapUnit],
        required=False,
        help_text="open_days skips dates on which the site is closed or the course is not given.",
    )
    name = serializers.CharField(max_length=80, required=False, allow_blank=True)
    source = serializers.CharField(  # type: ignore[assignment]  # DRF's own name for where a value is
        max_length=120, required=False, allow_blank=True
    )
    mark = serializers.ChoiceField(list(domain.MARKS), required=False)


class CourseTemplateSerializer(serializers.Serializer[CourseTemplate]):
    """The first stage in the open, the later ones under ``then``."""

    id = serializers.IntegerField(read_only=True)
    code = serializers.SlugField(max_length=50, help_text="Chosen at creation; nothing else has it.")
    name = serializers.CharField(max_length=80)
    visit_type = VisibleByCodeField(queryset=VisitType.objects, help_text="Id or code; chosen at creation.")
    sessions = serializers.IntegerField(min_value=1, max_value=domain.MAX_SESSIONS)
    min_gap_days = serializers.IntegerField(min_value=1, max_value=domain.MAX_GAP_DAYS)
    max_gap_days = serializers.IntegerField(min_value=1, max_value=domain.MAX_GAP_DAYS)
    ideal_gap_days = serializers.IntegerField(required=False, min_value=1, max_value=domain.MAX_GAP_DAYS)
    gap_unit = serializers.ChoiceField([unit.value for unit in domain.GapUnit], required=False)
    allowed_weekdays = WeekdaysField(required=False, allow_null=True, help_text="Null: any day.")
    then = CourseStageSerializer(many=True, required=False)
    active = serializers.BooleanField(required=False)
    source = serializers.CharField(  # type: ignore[assignment]  # DRF's own name for where a value is
        max_length=120, required=False, allow_blank=True
    )
    mark = serializers.ChoiceField(list(domain.MARKS), required=False)
    version = serializers.IntegerField(read_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The stages as a whole. Raises ValidationError (``gaps_contradict``, …) that names each field."""
        first = {name: attrs.pop(name) for name in _STAGE[:5] if name in attrs}
        then = attrs.pop("then", None)
        if not first and then is None:
            return attrs
        known: list[dict[str, Any]] = list(self.instance.stages) if self.instance else [{}]
        if {"min_gap_days", "max_gap_days"} & first.keys() and "ideal_gap_days" not in first:
            known[0] = {**known[0], "ideal_gap_days": None}
        stages = [{**known[0], **first}, *(known[1:] if then is None else then)]
        try:
            attrs["stages"] = domain.parse(stages, pointer="")
        except domain.InvalidStages as error:
            raise serializers.ValidationError(_by_field(error)) from None
        return attrs

    def to_representation(self, instance: CourseTemplate) -> dict[str, Any]:
        """As API.md has it."""
        first, *then = domain.to_json(domain.parse(instance.stages))
        return {
            "id": instance.pk,
            "code": instance.code,
            "name": instance.name,
            "visit_type": instance.visit_type_id,
            **{name: first[name] for name in _STAGE[:5]},
            "allowed_weekdays": instance.allowed_weekdays,
            "then": [{name: stage[name] for name in _STAGE} for stage in then],
            "active": instance.active,
            "source": instance.source,
            "mark": instance.mark,
            "version": instance.version,
        }


def _by_field(error: domain.InvalidStages) -> dict[str, Any]:
    """The faults where the body has the stages: the first in the open, the others under ``then``."""
    faults: dict[str, Any] = {}
    for fault in error.errors:
        _empty, index, *field = fault.pointer.split("/")
        detail = serializers.ErrorDetail(fault.detail, code=fault.code)
        if index == "0":
            faults.setdefault("/".join(field), []).append(detail)
        else:
            faults.setdefault(f"then/{int(index) - 1}/{'/'.join(field)}".rstrip("/"), []).append(detail)
    return faults


class CourseTemplateFilters(django_filters.FilterSet):
    """What a list of templates can be narrowed by."""

    visit_type = IdFilter(field_name="visit_type_id")
    active = FlagFilter()


class CourseTemplateViewSet(ReadMixin, OnsetViewSet):
    """What courses are made from, the same at every site."""

    queryset = CourseTemplate.objects.all()
    serializer_class = CourseTemplateSerializer
    filterset_class = CourseTemplateFilters
    permissions = {
        "list": "setup.read",
        "retrieve": "setup.read",
        "create": "setup.write",
        "partial_update": "setup.write",
    }

    @extend_schema(request=CourseTemplateSerializer, responses={201: CourseTemplateSerializer})
    def create(self, request: Request) -> Response:
        """Add a template."""
        details = self.parse(CourseTemplateSerializer)
        template = course_templates.add_template(
            actor=self.actor,
            now=self.now,
            code=details.pop("code"),
            visit_type_id=details.pop("visit_type").pk,
            details=details,
        )
        return self.show(template, status=201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a template for courses booked from now on; those booked already keep what they have."""
        template = self.get_object()
        expected = self.expected_version(required=True)
        changes = self.parse(CourseTemplateSerializer, instance=template, partial=True)
        for fixed in ("code", "visit_type"):
            changes.pop(fixed, None)
        changed = course_templates.change_template(
            actor=self.actor,
            now=self.now,
            template_id=template.pk,
            expected_version=expected,
            changes=changes,
        )
        return self.show(changed)
