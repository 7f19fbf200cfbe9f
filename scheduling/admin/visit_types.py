"""Kinds of visit in the admin. All sites share them; bookings already made keep the phases they have."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.admin.forms import OnsetForm
from clinic.common import clock
from scheduling.admin.phases_field import PhasesField
from scheduling.domain import phases as domain
from scheduling.models import VisitType
from scheduling.services import visit_types


class VisitTypeForm(OnsetForm):
    """Phases as a table."""

    phases = PhasesField()

    def _post_clean(self) -> None:
        """The model holds JSON, the service takes phases: the model sees its own form of them."""
        given = self.cleaned_data.get("phases")
        if given is not None:
            self.cleaned_data["phases"] = domain.to_json(given)
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        if given is not None:
            self.cleaned_data["phases"] = given


@admin.register(VisitType)
class VisitTypeAdmin(OnsetAdmin):
    """Phases, needs, and how it may be booked."""

    reads, writes = "setup.read", "setup.write"
    form = VisitTypeForm
    list_display = ("name", "code", "kind", "length", "start_grid_minutes", "active")
    list_filter = (("kind", ChoicesDropdownFilter), "active")
    fields = (
        "code",
        "name",
        "discreet_name",
        "kind",
        "phases",
        "start_grid_minutes",
        "min_notice_minutes",
        "horizon_days",
        "active",
        "origin",
    )
    empty_hint = "Add a kind of visit with its phases."

    def get_fieldsets(self, request: HttpRequest, obj: VisitType | None = None) -> Any:
        """Readers see the phases as words."""
        if obj is not None and not self.has_change_permission(request, obj):
            fields = [name if name != "phases" else "phases_read" for name in self.fields]
            return [(None, {"fields": fields})]
        return super().get_fieldsets(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: VisitType | None = None) -> tuple[str, ...]:
        """The code never changes."""
        return ("code", "origin", "phases_read") if obj else ("origin", "phases_read")

    @display(description="minutes")  # type: ignore[untyped-decorator]
    def length(self, obj: VisitType) -> int:
        """Of the whole visit."""
        return domain.total_minutes(domain.parse(obj.phases))

    @display(description="source")  # type: ignore[untyped-decorator]
    def origin(self, obj: VisitType) -> str:
        """Where the default comes from."""
        return f"{obj.source} [{obj.mark}]" if obj.source else "Your clinic"

    @display(description="phases")  # type: ignore[untyped-decorator]
    def phases_read(self, obj: VisitType) -> str:
        """``set-up 15 min, infusion 40 min``."""
        return ", ".join(f"{phase.name} {phase.minutes} min" for phase in domain.parse(obj.phases))

    def save_model(self, request: HttpRequest, obj: VisitType, form: Any, change: bool) -> None:  # noqa: FBT001
        """Through the service."""
        actor, now = actor_in(request), clock.now()
        if change:
            visit_types.change_visit_type(
                actor=actor,
                now=now,
                visit_type_id=obj.pk,
                expected_version=form.expected_version(),
                changes=form.changes(),
            )
        else:
            given = form.given("code")
            code = form.cleaned_data["code"]
            obj.pk = visit_types.add_visit_type(actor=actor, now=now, code=code, details=given).pk
