"""Follow-ups in the admin: what is owed to a patient by a day, done or moved or not owed any more."""

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
from clinic.access.admin.inputs import Choice, Day, Note, Version
from clinic.access.admin.refusals import submit
from clinic.common import clock
from patients.models import Patient
from scheduling.models import FollowUp
from scheduling.services import follow_ups


class CompleteForm(forms.Form):
    """How it went."""

    version = Version()
    note = Note(max_length=500, required=False, label="How it went")


class CancelForm(forms.Form):
    """Why it is not owed any more."""

    version = Version()
    note = Note(max_length=500, required=False, label="Why it is not owed any more")


class MoveForm(forms.Form):
    """Another day."""

    version = Version()
    due_on = Day(label="New day")


class NewForm(forms.Form):
    """Something staff owe a patient."""

    kind = Choice(choices=FollowUp.Kind.choices)
    due_on = Day(label="Due on")
    note = Note(max_length=500, required=False)


_ORDERS: dict[str, tuple[str, type[forms.Form], Any]] = {
    "complete": ("Done", CompleteForm, follow_ups.complete),
    "move": ("Move to another day", MoveForm, follow_ups.move),
    "cancel": ("Not owed any more", CancelForm, follow_ups.cancel),
}


@admin.register(FollowUp)
class FollowUpAdmin(OnsetAdmin):
    """Made after visits or by staff; each is closed with a word on how it went."""

    reads, writes = "follow_ups.read", "follow_ups.write"
    may_add = may_change = False
    list_display = ("what", "due", "patient_link", "status_shown", "done_link")
    list_display_links = ("what",)
    list_filter = (PatientSiteFilter, ("status", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    list_select_related = ("patient",)
    date_hierarchy = "due_on"
    fields = ("patient_link", "what", ("due", "status_shown"), "origin", "visit_link", "note")
    readonly_fields = ("patient_link", "what", "due", "status_shown", "visit_link")
    change_form_outer_before_template = "admin/scheduling/close_follow_up.html"
    empty_hint = (
        "Nothing is owed. Visits bring a call on the next day; staff add others on the patient's page."
    )

    def site_of(self, obj: FollowUp) -> int | None:
        """The patient's."""
        return obj.patient.site_id

    def get_queryset(self, request: HttpRequest) -> QuerySet[FollowUp]:
        """With the patient."""
        rows: QuerySet[FollowUp] = super().get_queryset(request)
        return rows.select_related("patient__site")

    @display(description="follow-up", ordering="kind")  # type: ignore[untyped-decorator]
    def what(self, obj: FollowUp) -> str:
        """Visit, call or check-in."""
        return obj.get_kind_display()

    @display(description="due", ordering="due_on")  # type: ignore[untyped-decorator]
    def due(self, obj: FollowUp) -> str:
        """The day, on the calendar of the site."""
        return shown.local_day(obj.due_on)

    @display(description="patient")  # type: ignore[untyped-decorator]
    def patient_link(self, obj: FollowUp) -> str:
        """To the patient's page."""
        return shown.to("patients_patient_record", obj.patient_id, text=obj.patient)

    @display(description="visit")  # type: ignore[untyped-decorator]
    def visit_link(self, obj: FollowUp) -> str:
        """The visit after which it is owed."""
        if obj.appointment_id is None:
            return shown.NOTHING
        return shown.to(
            "scheduling_appointment_change", obj.appointment_id, text=f"Visit {obj.appointment_id}"
        )

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: FollowUp) -> str:
        """As coloured text."""
        return shown.label(obj.status, obj.get_status_display())

    @display(description="")  # type: ignore[untyped-decorator]
    def done_link(self, obj: FollowUp) -> str:
        """To the form, where there is something to do."""
        if obj.status != FollowUp.Status.DUE:
            return ""
        return shown.to("scheduling_followup_order", obj.pk, "complete", text="Done")

    def get_urls(self) -> list[URLPattern]:
        """Adding and closing."""
        return [
            self.route("new/<int:patient_id>/", self.new, "new"),
            self.route("<int:pk>/order/<slug:verb>/", self.order, "order"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page offers what can be done."""
        orders = [(verb, text) for verb, (text, _form, _service) in _ORDERS.items()]
        context = {"orders": orders if self.may(request, self.writes) else (), **(extra_context or {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def order(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """Close or move one."""
        if verb not in _ORDERS:
            raise Http404("There is no such step.")
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404("There is no such follow-up at your sites.")
        if not self.may(request, self.writes, row):
            raise PermissionDenied
        title, form_class, service = _ORDERS[verb]
        form = form_class(
            request.POST or None, initial={"version": row.version, "due_on": row.due_on.isoformat()}
        )
        done = submit(form, lambda given: _ordered(service, actor_in(request), row, given))
        page = reverse("admin:scheduling_followup_change", args=[row.pk])
        if done is not None:
            messages.success(request, "Saved.")
            return HttpResponseRedirect(page)
        under = f"{row.get_kind_display()} for {row.patient}, due {shown.local_day(row.due_on)}"
        return self.page(
            request,
            "onset/form_page.html",
            title=title,
            under_title=under,
            button=title,
            form=form,
            back=page,
        )

    def new(self, request: HttpRequest, patient_id: int) -> HttpResponse:
        """Owe a patient something by a day."""
        actor, now = actor_in(request), clock.now()
        if not actor.may(self.writes):
            raise PermissionDenied
        patient = Patient.objects.visible_to(actor).filter(pk=patient_id).first()
        if patient is None:
            raise Http404("There is no such patient at your sites.")
        form = NewForm(request.POST or None)
        made = submit(
            form, lambda given: follow_ups.create(actor=actor, now=now, patient_id=patient.pk, **given)
        )
        page = reverse("admin:patients_patient_record", args=[patient.pk])
        if made is not None:
            messages.success(request, "Added.")
            return HttpResponseRedirect(page)
        return self.page(
            request,
            "onset/form_page.html",
            title="Add a follow-up",
            under_title=str(patient),
            button="Add",
            form=form,
            back=page,
        )


def _ordered(service: Any, actor: Any, row: FollowUp, given: dict[str, Any]) -> Any:
    rest = {name: value for name, value in given.items() if name != "version"}
    return service(
        actor=actor, now=clock.now(), follow_up_id=row.pk, expected_version=given["version"], **rest
    )
