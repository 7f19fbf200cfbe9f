"""Holds in the admin: what is kept for whom and how long still, and giving it back."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, SiteFilter, actor_in
from clinic.access.admin.refusals import attempt
from clinic.common import clock
from scheduling.admin.booking import admin_version
from scheduling.models import Hold
from scheduling.services import holds

_SECONDS = 60


class ActiveFilter(DropdownFilter):
    """Whether the time is kept now."""

    title = "kept"
    parameter_name = "kept"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Now, or over."""
        return [("now", "Kept now"), ("over", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Hold]) -> QuerySet[Hold]:
        """By the clock; expiry is never written."""
        active = Hold.objects.active(clock.now()).values("pk")
        if self.value() == "now":
            return queryset.filter(pk__in=active)
        return queryset.exclude(pk__in=active) if self.value() == "over" else queryset


@admin.register(Hold)
class HoldAdmin(OnsetAdmin):
    """Made while somebody books; they end by the clock."""

    reads, writes = "appointments.read", "appointments.write"
    may_add = may_change = False
    list_display = ("time", "patient_link", "visit_type", "site", "left", "status_shown")
    list_display_links = ("time",)
    list_filter = (SiteFilter, ActiveFilter)
    list_select_related = ("patient", "visit_type", "site")
    fields = (
        ("time", "status_shown"),
        ("patient_link", "visit_type"),
        ("site", "left"),
        ("kept_since", "kept_by"),
        "visit_link",
    )
    readonly_fields = ("time", "patient_link", "left", "status_shown", "kept_since", "kept_by", "visit_link")
    change_form_outer_before_template = "admin/scheduling/release_hold.html"
    empty_hint = "No time is kept. The API keeps one for some minutes while a person decides."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Hold]:
        """With what is shown."""
        rows: QuerySet[Hold] = super().get_queryset(request)
        return rows.select_related("patient", "visit_type", "site", "created_by")

    @display(description="time kept", ordering="start_at")  # type: ignore[untyped-decorator]
    def time(self, obj: Hold) -> str:
        """On the clocks of the site."""
        return shown.local_time(obj.start_at, obj.site.zone)

    @display(description="patient")  # type: ignore[untyped-decorator]
    def patient_link(self, obj: Hold) -> str:
        """To the patient's page."""
        return shown.to("patients_patient_record", obj.patient_id, text=obj.patient)

    @display(description="time left", ordering="expires_at")  # type: ignore[untyped-decorator]
    def left(self, obj: Hold) -> str:
        """Until when, and how long that is."""
        now, zone = clock.now(), obj.site.zone
        if obj.status_at(now) != Hold.Status.HELD:
            return shown.NOTHING
        return f"{_left(obj.expires_at, now)}, until {shown.clock_time(obj.expires_at, zone)}"

    @display(description="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: Hold) -> str:
        """As the clock has it."""
        status = obj.status_at(clock.now())
        return shown.label(status.value, status.label)

    @display(description="kept since")  # type: ignore[untyped-decorator]
    def kept_since(self, obj: Hold) -> str:
        """On the clocks of the site."""
        return shown.local_time(obj.created_at, obj.site.zone)

    @display(description="kept by")  # type: ignore[untyped-decorator]
    def kept_by(self, obj: Hold) -> str:
        """Who asked."""
        return str(obj.created_by or "Onset")

    @display(description="became")  # type: ignore[untyped-decorator]
    def visit_link(self, obj: Hold) -> str:
        """The visit, if it was used."""
        if obj.appointment_id is None:
            return shown.NOTHING
        pk = obj.appointment_id
        return shown.to("scheduling_appointment_change", pk, text=f"visit {pk}")

    def get_urls(self) -> list[URLPattern]:
        """Giving back."""
        return [self.route("<int:pk>/release/", self.release, "release", post=True), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page knows whether it can be given back."""
        held = object_id.isdecimal() and Hold.objects.active(clock.now()).filter(pk=object_id).exists()
        context = {"may_release": held and self.may(request, self.writes), **(extra_context or {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def release(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give the time back now."""
        kept = self.found(request, pk)
        done = attempt(
            request,
            lambda: holds.release(
                actor=actor_in(request),
                now=clock.now(),
                hold_id=kept.pk,
                expected_version=admin_version(request),
            ),
        )
        if done is not None:
            messages.success(request, "Given back; the time is free for others.")
        return self.to(kept.pk)


def _left(until: datetime, now: datetime) -> str:
    """``7 minutes``, never less than one."""
    minutes = max(1, -(-int((until - now).total_seconds()) // _SECONDS))
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
