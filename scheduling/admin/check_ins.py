"""Check-ins in the admin: what is due, and writing down an answer that came by phone."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, PatientSiteFilter, actor_in
from clinic.access.admin.inputs import Day, Note, Version
from clinic.access.admin.refusals import submit
from clinic.common import clock
from scheduling.models import CheckIn
from scheduling.services import check_ins

RECORDABLE = (*CheckIn.OPEN, CheckIn.Status.MISSED)


class RecordForm(forms.Form):
    """What the patient said."""

    version = Version()
    answered_on = Day(label="Answered on", help_text="A day inside the window.")
    note = Note(max_length=1000, required=False, label="What the patient said")


@admin.register(CheckIn)
class CheckInAdmin(OnsetAdmin):
    """Planned from prescriptions; only the answer is recorded here."""

    reads, writes = "check_ins.read", "check_ins.write"
    may_add = may_change = False
    list_display = ("code", "due", "patient_link", "prescription", "must", "status_shown", "record_link")
    list_filter = (PatientSiteFilter, ("status", ChoicesDropdownFilter), "mandatory", "staff_contact")
    list_select_related = ("patient", "prescription")
    date_hierarchy = "due_on"
    fields = (
        "patient_link",
        "prescription_link",
        ("code", "status_shown"),
        ("due", "window"),
        "explanation",
        "asks_read",
        "must",
        "answered",
        "note",
    )
    readonly_fields = (
        "patient_link",
        "prescription_link",
        "status_shown",
        "due",
        "window",
        "asks_read",
        "must",
        "answered",
    )
    change_form_outer_before_template = "admin/scheduling/record_check_in.html"
    empty_hint = "No check-in fits. They are planned when a medicine is prescribed."

    def site_of(self, obj: CheckIn) -> int | None:
        """The patient's."""
        return obj.patient.site_id

    def get_queryset(self, request: HttpRequest) -> QuerySet[CheckIn]:
        """With what the page shows."""
        rows: QuerySet[CheckIn] = super().get_queryset(request)
        return rows.select_related("patient__site", "prescription", "answered_by")

    @display(description="due", ordering="due_on")  # type: ignore[untyped-decorator]
    def due(self, obj: CheckIn) -> str:
        """The day, in the patient's zone."""
        return shown.local_day(obj.due_on)

    @display(description="window")  # type: ignore[untyped-decorator]
    def window(self, obj: CheckIn) -> str:
        """First to last day."""
        return f"{shown.local_day(obj.window_start_on)} to {shown.local_day(obj.window_end_on)}"

    @display(description="asks")  # type: ignore[untyped-decorator]
    def asks_read(self, obj: CheckIn) -> str:
        """The instruments."""
        return ", ".join(obj.asks) or shown.NOTHING

    @display(description="must be made", ordering="mandatory")  # type: ignore[untyped-decorator]
    def must(self, obj: CheckIn) -> str:
        """Whether it may be missed, and who makes the contact."""
        said = [
            word for word, is_so in (("mandatory", obj.mandatory), ("by staff", obj.staff_contact)) if is_so
        ]
        return ", ".join(said) or shown.NOTHING

    @display(description="answered")  # type: ignore[untyped-decorator]
    def answered(self, obj: CheckIn) -> str:
        """When and who wrote it down."""
        if obj.answered_on is None:
            return shown.NOTHING
        return f"{shown.local_day(obj.answered_on)}, written down by {obj.answered_by or 'Onset'}"

    @display(description="patient")  # type: ignore[untyped-decorator]
    def patient_link(self, obj: CheckIn) -> str:
        """To the patient's page."""
        return shown.to("patients_patient_record", obj.patient_id, text=obj.patient)

    @display(description="prescription")  # type: ignore[untyped-decorator]
    def prescription_link(self, obj: CheckIn) -> str:
        """To the medicine."""
        return shown.to("scheduling_prescription_change", obj.prescription_id, text=obj.prescription)

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: CheckIn) -> str:
        """As coloured text."""
        return shown.label(obj.status, obj.get_status_display())

    @display(description="")  # type: ignore[untyped-decorator]
    def record_link(self, obj: CheckIn) -> str:
        """To the form, where there is something to record."""
        if obj.status not in RECORDABLE:
            return ""
        return shown.to("scheduling_checkin_record", obj.pk, text="Record by phone")

    def get_urls(self) -> list[URLPattern]:
        """Recording."""
        return [self.route("<int:pk>/record/", self.record, "record"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page knows whether an answer can be recorded."""
        context = {
            "may_record": self.may(request, self.writes),
            "recordable": RECORDABLE,
            **(extra_context or {}),
        }
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def record(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Write down what the patient said."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404("There is no such check-in at your sites.")
        if not self.may(request, self.writes, row):
            raise PermissionDenied
        now = clock.now()
        today = now.astimezone(row.patient.zone).date().isoformat()
        form = RecordForm(request.POST or None, initial={"version": row.version, "answered_on": today})
        done = submit(
            form,
            lambda given: check_ins.record(
                actor=actor_in(request),
                now=now,
                check_in_id=row.pk,
                note=given["note"],
                answered_on=given["answered_on"],
                expected_version=given["version"],
            ),
        )
        page = reverse("admin:scheduling_checkin_change", args=[row.pk])
        if done is not None:
            messages.success(request, "Recorded.")
            return HttpResponseRedirect(page)
        return self.page(
            request,
            "onset/form_page.html",
            title=f"Record {row.code} by phone",
            under_title=f"{row.patient}, {row.prescription}",
            explanation=f"Asks: {self.asks_read(row)}. {row.explanation}",
            button="Record",
            form=form,
            back=page,
        )
