"""Course templates in the admin. All sites share them; courses already booked keep the stages they have."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from unfold.decorators import display

from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.admin.forms import OnsetForm
from clinic.access.admin.inputs import Choice
from clinic.common import clock
from scheduling.admin.fields import Weekdays, spoken_weekdays
from scheduling.admin.stages_field import StagesField, stage_sentences
from scheduling.domain import courses as domain
from scheduling.models import CourseTemplate
from scheduling.services import course_templates

_MARKS = {"S": "S: source read", "K": "K: field knowledge", "D": "D: our default"}


class CourseTemplateForm(OnsetForm):
    """Stages as a table, weekdays as boxes."""

    stages = StagesField()
    allowed_weekdays = Weekdays(help_text="On which the course is given. None chosen means any day.")
    mark = Choice(choices=list(_MARKS.items()), initial="D")

    def _post_clean(self) -> None:
        """The model holds JSON, the service takes stages: the model sees its own form of them."""
        given = self.cleaned_data.get("stages")
        if given is not None:
            self.cleaned_data["stages"] = domain.to_json(given)
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        if given is not None:
            self.cleaned_data["stages"] = given


@admin.register(CourseTemplate)
class CourseTemplateAdmin(OnsetAdmin):
    """Series and what follows it, each stage with its source."""

    reads, writes = "setup.read", "setup.write"
    form = CourseTemplateForm
    list_display = ("name", "visit_type", "series", "afterwards", "source", "active")
    list_filter = ("active", "visit_type")
    list_select_related = ("visit_type",)
    fields = (
        ("code", "visit_type"),
        "name",
        "stages",
        "allowed_weekdays",
        ("source", "mark"),
        "active",
        "version",
    )
    empty_hint = "Add a course: how many sessions, how far apart, and how it goes on."

    def get_queryset(self, request: HttpRequest) -> QuerySet[CourseTemplate]:
        """With the visit type."""
        rows: QuerySet[CourseTemplate] = super().get_queryset(request)
        return rows.select_related("visit_type")

    def get_fieldsets(self, request: HttpRequest, obj: CourseTemplate | None = None) -> Any:
        """Readers see the stages as words, and nobody edits the version."""
        if obj is not None and not self.has_change_permission(request, obj):
            fields = (("code", "visit_type"), "name", "read", "weekdays_read", ("source", "mark"), "active")
            return [(None, {"fields": (*fields, "version")})]
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return [(None, {"fields": [each for each in fieldsets[0][1]["fields"] if each != "version"]})]
        return fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: CourseTemplate | None = None) -> tuple[str, ...]:
        """Code and visit type never change."""
        shown_only = ("read", "weekdays_read", "version")
        return ("code", "visit_type", *shown_only) if obj else shown_only

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> forms.Field:
        """Visit types in service."""
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        field.queryset = field.queryset.filter(active=True)
        return field  # type: ignore[no-any-return]

    @display(description="first series")  # type: ignore[untyped-decorator]
    def series(self, obj: CourseTemplate) -> str:
        """``6 sessions, 2 to 3 days apart``."""
        return stage_sentences(domain.parse(obj.stages))[0]

    @display(description="afterwards")  # type: ignore[untyped-decorator]
    def afterwards(self, obj: CourseTemplate) -> str:
        """How many more stages there are, and how it goes on."""
        later = stage_sentences(domain.parse(obj.stages)[1:])
        return later[-1] if later else "nothing"

    @display(description="stages")  # type: ignore[untyped-decorator]
    def read(self, obj: CourseTemplate) -> str:
        """A line per stage."""
        stages = domain.parse(obj.stages)
        lines = zip(stages, stage_sentences(stages), strict=True)
        return format_html_join("", "<div>{}</div>", ((_line(stage, words),) for stage, words in lines))

    @display(description="weekdays")  # type: ignore[untyped-decorator]
    def weekdays_read(self, obj: CourseTemplate) -> str:
        """``Mon, Tue`` or any day."""
        return spoken_weekdays(obj.allowed_weekdays)

    def save_model(self, request: HttpRequest, obj: CourseTemplate, form: Any, change: bool) -> None:  # noqa: FBT001
        """Through the service."""
        actor, now = actor_in(request), clock.now()
        if change:
            course_templates.change_template(
                actor=actor,
                now=now,
                template_id=obj.pk,
                expected_version=form.expected_version(),
                changes=form.changes(),
            )
        else:
            given = form.given("code", "visit_type")
            obj.pk = course_templates.add_template(
                actor=actor,
                now=now,
                code=form.cleaned_data["code"],
                visit_type_id=form.cleaned_data["visit_type"].pk,
                details=given,
            ).pk


def _line(stage: domain.Stage, words: str) -> str:
    named = f"{stage.name}: {words}" if stage.name else words
    return f"{named} [{stage.source}, {stage.mark}]" if stage.source else named
