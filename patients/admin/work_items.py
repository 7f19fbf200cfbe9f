"""Work items in the admin: what needs a person, taken on, handed to somebody, and closed with a note.

``PAGE`` is where scheduling hangs the way to what an item is about; patients does not know it.
"""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, SiteFilter, actor_in
from clinic.access.admin.inputs import Note, Version
from clinic.access.admin.refusals import attempt, submit
from clinic.access.admin.sections import Extensible, Link
from clinic.access.models import User
from clinic.common import clock
from patients.domain.work_items import TRANSITIONS, Status
from patients.models import WorkItem
from patients.services import work_items

PAGE = Extensible()


class ResolveForm(forms.Form):
    """What was done."""

    version = Version()
    note = Note(label="What was done")


class AssignForm(forms.Form):
    """Who takes care of it."""

    version = Version()
    assigned_to = forms.ModelChoiceField(User.objects.none(), widget=UnfoldAdminSelectWidget, label="To")

    def __init__(self, *args: Any, site_id: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        staff = User.objects.filter(memberships__site=site_id, is_active=True).distinct()
        self.fields["assigned_to"].queryset = staff.order_by("username")  # type: ignore[attr-defined]


@admin.register(WorkItem)
class WorkItemAdmin(OnsetAdmin):
    """Opened by the system; closed by people."""

    reads, writes = "work_items.read", "work_items.write"
    may_add = may_change = False
    list_display = (
        "summary",
        "severity_shown",
        "due",
        "patient_link",
        "owner",
        "assigned_to",
        "status_shown",
    )
    list_display_links = ("summary",)
    list_filter = (
        SiteFilter,
        ("status", ChoicesDropdownFilter),
        ("severity", ChoicesDropdownFilter),
    )
    list_select_related = ("patient", "site", "assigned_to")
    ordering = ("status", "-severity", "due_at", "id")
    fields = (
        "what",
        ("severity_shown", "status_shown"),
        "patient_link",
        ("site", "owner"),
        ("opened", "due"),
        "assigned_to",
        "closed",
        "note",
    )
    readonly_fields = (
        "what",
        "severity_shown",
        "status_shown",
        "patient_link",
        "owner",
        "opened",
        "due",
        "closed",
    )
    change_form_outer_before_template = "admin/patients/work_item_steps.html"
    empty_hint = "Nothing needs anybody just now."

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkItem]:
        """With what the page shows."""
        rows: QuerySet[WorkItem] = super().get_queryset(request)
        return rows.select_related("site", "patient", "assigned_to", "resolved_by", "acknowledged_by")

    @display(description="what")  # type: ignore[untyped-decorator]
    def what(self, obj: WorkItem) -> str:
        """What happened and what to do."""
        return obj.summary

    @display(description="severity", ordering="severity")  # type: ignore[untyped-decorator]
    def severity_shown(self, obj: WorkItem) -> str:
        """As coloured text."""
        return shown.label(obj.severity, obj.get_severity_display())

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: WorkItem) -> str:
        """As coloured text."""
        return shown.label(obj.status, obj.get_status_display())

    @display(description="patient")  # type: ignore[untyped-decorator]
    def patient_link(self, obj: WorkItem) -> str:
        """To the patient's page."""
        if obj.patient_id is None:
            return shown.NOTHING
        return shown.to("patients_patient_record", obj.patient_id, text=obj.patient)

    @display(description="owner", ordering="owner_role")  # type: ignore[untyped-decorator]
    def owner(self, obj: WorkItem) -> str:
        """The role."""
        return obj.owner_role.replace("_", " ").capitalize()

    @display(description="opened", ordering="opened_at")  # type: ignore[untyped-decorator]
    def opened(self, obj: WorkItem) -> str:
        """On the clocks of the site."""
        return shown.local_time(obj.opened_at, obj.site.zone)

    @display(description="due", ordering="due_at")  # type: ignore[untyped-decorator]
    def due(self, obj: WorkItem) -> str:
        """On the clocks of the site."""
        return shown.local_time(obj.due_at, obj.site.zone)

    @display(description="closed")  # type: ignore[untyped-decorator]
    def closed(self, obj: WorkItem) -> str:
        """When and by whom."""
        if obj.resolved_at is None:
            return shown.NOTHING
        return f"{shown.local_time(obj.resolved_at, obj.site.zone)} by {obj.resolved_by or 'Onset'}"

    def get_urls(self) -> list[URLPattern]:
        """The steps."""
        return [
            self.route("<int:pk>/acknowledge/", self.acknowledge, "acknowledge", post=True),
            self.route("<int:pk>/assign/", self.assign, "assign"),
            self.route("<int:pk>/resolve/", self.resolve, "resolve"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page offers the steps that are possible now."""
        steps: list[str] = []
        links: list[Link] = []
        if object_id.isdecimal() and self.has_view_permission(request):
            item = self.get_queryset(request).filter(pk=int(object_id)).first()
            if item is not None:
                links = PAGE.links_for(request, item)
            if item is not None and self.may(request, self.writes, item):
                steps = [verb.value for verb in TRANSITIONS[Status(item.status)]]
        context = {"steps": steps, "links": links, **(extra_context or {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def acknowledge(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take it on."""
        item = self.found(request, pk)
        version = request.POST.get("version", "")
        done = attempt(
            request,
            lambda: work_items.acknowledge(
                actor=actor_in(request),
                item_id=item.pk,
                expected_version=int(version) if version.isdecimal() else 0,
                now=clock.now(),
            ),
        )
        if done is not None:
            messages.success(request, "Acknowledged: it is in your hands.")
        return self.to(item.pk)

    def assign(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Hand it to a colleague."""
        item = self.found(request, pk, self.writes)
        form = AssignForm(request.POST or None, initial={"version": item.version}, site_id=item.site_id)
        return self._form(
            request,
            item,
            form,
            lambda given: work_items.assign(
                actor=actor_in(request),
                item_id=item.pk,
                user_id=given["assigned_to"].pk,
                expected_version=given["version"],
            ),
            title="Assign",
        )

    def resolve(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Close it with a note."""
        item = self.found(request, pk, self.writes)
        form = ResolveForm(request.POST or None, initial={"version": item.version})
        return self._form(
            request,
            item,
            form,
            lambda given: work_items.resolve(
                actor=actor_in(request),
                item_id=item.pk,
                note=given["note"],
                expected_version=given["version"],
                now=clock.now(),
            ),
            title="Resolve",
        )

    def _form(
        self,
        request: HttpRequest,
        item: WorkItem,
        form: forms.Form,
        work: Callable[[dict[str, Any]], WorkItem],
        *,
        title: str,
    ) -> HttpResponse:
        if submit(form, work) is not None:
            messages.success(request, "Saved.")
            return self.to(item.pk)
        back = reverse("admin:patients_workitem_change", args=[item.pk])
        return self.page(
            request,
            "onset/form_page.html",
            title=title,
            under_title=item.summary,
            button=title,
            form=form,
            back=back,
        )
