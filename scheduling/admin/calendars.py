"""Working hours and closures in the admin. Times are what the clocks of the site show."""

from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, SiteFilter, actor_in
from clinic.access.admin.forms import OnsetForm
from clinic.access.models import Site
from clinic.common import clock
from scheduling.admin.fields import on_clocks
from scheduling.admin.resources import tell_affected
from scheduling.models import Closure, WorkingHours
from scheduling.selectors.closures import affected_appointments, with_affected
from scheduling.services import calendars


class OwnerSiteFilter(SiteFilter):
    """Rows of a site and of its resources."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """What is no number matches nothing."""
        chosen = self.value()
        if not chosen:
            return queryset
        if not chosen.isdecimal():
            return queryset.none()
        return queryset.filter(Q(site_id=int(chosen)) | Q(resource__site_id=int(chosen)))


class CalendarAdmin(OnsetAdmin):
    """What hours and closures share: they belong to a site or to one resource."""

    reads, writes = "setup.read", "setup.write"
    list_select_related = ("site", "resource__site")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With their owner."""
        rows: QuerySet[Any] = super().get_queryset(request).select_related("site", "resource__site")
        return rows

    def site_of(self, obj: Any) -> int | None:
        """The site, or that of the resource."""
        site_id: int | None = obj.site_id or (obj.resource.site_id if obj.resource_id else None)
        return site_id

    def choices_for(self, request: HttpRequest, rows: Any) -> Any:
        """Resources are named with their site."""
        chosen = super().choices_for(request, rows)
        return chosen.select_related("site") if hasattr(rows.model, "site_id") else chosen

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """They stay with their owner."""
        return ("site", "resource") if obj else ()

    @display(description="of")  # type: ignore[untyped-decorator]
    def owner(self, obj: Any) -> str:
        """``Cedar Street`` or ``Chair 1, Cedar Street``."""
        return obj.site.name if obj.site_id else f"{obj.resource.name}, {obj.resource.site.name}"


def _ids(cleaned: dict[str, Any]) -> dict[str, Any]:
    site, resource = cleaned.get("site"), cleaned.get("resource")
    return {"site_id": site.pk if site else None, "resource_id": resource.pk if resource else None}


@admin.register(WorkingHours)
class WorkingHoursAdmin(CalendarAdmin):
    """Weekly hours."""

    list_display = ("weekday", "hours", "owner", "valid_from", "valid_until")
    list_filter = (OwnerSiteFilter, "weekday")
    fields = (("site", "resource"), "weekday", ("start", "end"), ("valid_from", "valid_until"))
    empty_hint = "Add the hours of your site; chairs and people without hours of their own follow them."

    @display(description="hours", ordering="start")  # type: ignore[untyped-decorator]
    def hours(self, obj: WorkingHours) -> str:
        """``08:00 to 17:00``; past midnight is said."""
        after = " (next day)" if obj.end <= obj.start else ""
        return f"{obj.start:%H:%M} to {obj.end:%H:%M}{after}"

    def save_model(self, request: HttpRequest, obj: WorkingHours, form: Any, change: bool) -> None:  # noqa: FBT001
        """Through the service."""
        actor, now = actor_in(request), clock.now()
        if change:
            calendars.change_hours(
                actor=actor,
                now=now,
                hours_id=obj.pk,
                expected_version=form.expected_version(),
                changes=form.changes(),
            )
        else:
            given = form.given("site", "resource")
            obj.pk = calendars.add_hours(actor=actor, now=now, **_ids(form.cleaned_data), **given).pk


class ClosureForm(OnsetForm):
    """Start and end as the site's clocks show them; the zone follows from the owner."""

    start = forms.DateTimeField(widget=UnfoldAdminTextInputWidget({"type": "datetime-local"}))
    end = forms.DateTimeField(widget=UnfoldAdminTextInputWidget({"type": "datetime-local"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            zone = _zone_of(self.instance)
            self.initial["start"] = f"{self.instance.start_at.astimezone(zone):%Y-%m-%dT%H:%M}"
            self.initial["end"] = f"{self.instance.end_at.astimezone(zone):%Y-%m-%dT%H:%M}"
        for name in ("start", "end"):
            if name in self.fields:
                self.fields[name].help_text = "On the clocks of the site."


@admin.register(Closure)
class ClosureAdmin(CalendarAdmin):
    """Dated closures. A closure cancels nothing: it lists the visits it hits."""

    form = ClosureForm
    list_display = ("reason", "owner", "begins", "ends")
    list_filter = (OwnerSiteFilter,)
    fields = (("site", "resource"), ("start", "end"), "reason")
    ordering = ("-start_at",)
    change_form_outer_before_template = "admin/scheduling/repair_closure.html"
    empty_hint = "Add holidays, and days on which a person or a chair is not available."

    def get_fieldsets(self, request: HttpRequest, obj: Closure | None = None) -> Any:
        """Whoever may only read sees instants, not boxes."""
        if obj is not None and not self.has_change_permission(request, obj):
            return [(None, {"fields": ("owner", "begins", "ends", "reason")})]
        return super().get_fieldsets(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """As on every calendar row, and what only readers see."""
        return (*super().get_readonly_fields(request, obj), "owner", "begins", "ends")

    @display(description="from", ordering="start_at")  # type: ignore[untyped-decorator]
    def begins(self, obj: Closure) -> str:
        """On the clocks of the site."""
        return shown.local_time(obj.start_at, _zone_of(obj))

    @display(description="until", ordering="end_at")  # type: ignore[untyped-decorator]
    def ends(self, obj: Closure) -> str:
        """On the clocks of the site."""
        return shown.local_time(obj.end_at, _zone_of(obj))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page leads on to a repair where visits are hit."""
        context = {**repair_of(request, object_id), **(extra_context or {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def save_model(self, request: HttpRequest, obj: Closure, form: Any, change: bool) -> None:  # noqa: FBT001
        """Through the service; then say which visits it hits."""
        actor, now, given = actor_in(request), clock.now(), form.cleaned_data
        zone = _zone_of(obj) if obj.site_id or obj.resource_id else ZoneInfo("UTC")
        span: dict[str, Any] = {name: on_clocks(given[name], zone) for name in ("start", "end")}
        if change:
            closure = calendars.change_closure(
                actor=actor,
                now=now,
                closure_id=obj.pk,
                expected_version=form.expected_version(),
                changes={"start_at": span["start"], "end_at": span["end"], "reason": given["reason"]},
            )
        else:
            closure = calendars.add_closure(
                actor=actor, now=now, reason=given["reason"], **span, **_ids(given)
            )
            obj.pk = closure.pk
        tell_affected(request, affected_appointments(closure))


def repair_of(request: HttpRequest, object_id: str) -> dict[str, Any]:
    """Where to ask for other places, and for how many visits; empty unless there are any to move."""
    actor = actor_in(request)
    if not object_id.isdecimal() or not actor.may("appointments.write"):
        return {}
    rows = Closure.objects.visible_to(actor).select_related("site", "resource__site")
    closure = with_affected(rows).filter(pk=object_id).first()
    hit = affected_appointments(closure) if closure is not None else []
    if closure is None or not hit or not actor.may("appointments.write", _site_of(closure).pk):
        return {}
    return {
        "hit": len(hit),
        "repair_url": f"{reverse('admin:scheduling_repair_new')}?closure={closure.pk}",
    }


def _zone_of(closure: Closure) -> ZoneInfo:
    return _site_of(closure).zone


def _site_of(closure: Closure) -> Site:
    return closure.site or closure.resource.site  # type: ignore[union-attr]  # it has one of the two
