"""Follow-ups in the admin: what is owed to a patient by a day, done or moved or not owed any more."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, PatientSiteFilter, actor_in
from clinic.access.admin.inputs import Choice, Day, Note, Time, Version
from clinic.access.admin.refusals import submit
from clinic.common import clock
from patients.models import Patient
from scheduling.admin import timeline
from scheduling.admin.follow_ups_shown import due_text, follow_up_label, origin_text
from scheduling.admin.rules import RuleAdmin
from scheduling.models import FollowUp, FollowUpRule
from scheduling.selectors import follow_ups as selector
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
    due_on = Day(label="Due on", help_text="On a day on which the clinic is closed it moves to the next.")
    due_time = Time(required=False, label="By", help_text="On the clinic's clock. Empty means all day.")
    note = Note(max_length=500, required=False)


_ORDERS: dict[str, tuple[str, type[forms.Form], Any]] = {
    "complete": ("Done", CompleteForm, follow_ups.complete),
    "move": ("Move to another day", MoveForm, follow_ups.move),
    "cancel": ("Not owed any more", CancelForm, follow_ups.cancel),
}


class OverdueFilter(DropdownFilter):
    """What nobody did in time."""

    title = "overdue"
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """One choice."""
        return [("yes", "Overdue now")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[FollowUp]) -> QuerySet[FollowUp]:
        """By the moment itself, not by whether somebody was told."""
        if self.value() != "yes":
            return queryset
        return queryset.filter(pk__in=selector.overdue(now=clock.now()).values("pk"))


@admin.register(FollowUp)
class FollowUpAdmin(OnsetAdmin):
    """Made after visits or by staff; each is closed with a word on how it went."""

    reads, writes = "follow_ups.read", "follow_ups.write"
    may_add = may_change = False
    list_display = ("what", "due", "patient_link", "came_from", "status_shown", "done_link")
    list_display_links = ("what",)
    list_filter = (
        PatientSiteFilter,
        OverdueFilter,
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
    )
    date_hierarchy = "due_on"
    fields = (
        "patient_link", "what", ("due", "status_shown"), ("came_from", "visit_link"), "note", "done_by",
    )  # fmt: skip
    readonly_fields = ("patient_link", "what", "due", "status_shown", "came_from", "visit_link", "done_by")
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
        return rows.select_related("patient__site", "closed_by")

    @display(description="follow-up", ordering="kind")  # type: ignore[untyped-decorator]
    def what(self, obj: FollowUp) -> str:
        """Visit, call or check-in."""
        return obj.get_kind_display()

    @display(description="due", ordering="due_on")  # type: ignore[untyped-decorator]
    def due(self, obj: FollowUp) -> str:
        """The day, on the calendar of the site, and the time there is one."""
        return due_text(obj)

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
        return follow_up_label(obj, now=clock.now())

    @display(description="came from")  # type: ignore[untyped-decorator]
    def came_from(self, obj: FollowUp) -> str:
        """``After a visit``, ``Staff``."""
        return origin_text(obj)

    @display(description="done by")  # type: ignore[untyped-decorator]
    def done_by(self, obj: FollowUp) -> str:
        """The visit or check-in that did it, or who closed it, and when."""
        if obj.closed_at is None:
            return shown.NOTHING
        what, _colon, number = obj.fulfilled_by.partition(":")
        by = f"{what.replace('_', '-').capitalize()} {number}" if number else str(obj.closed_by or "Onset")
        return f"{by}, {shown.local_time(obj.closed_at, obj.patient.site.zone)}"

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
            self.route("patient/<int:patient_id>/response/", partial(timeline.page, self), "response"),
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
        row = self.found(request, pk, self.writes)
        title, form_class, service = _ORDERS[verb]
        form = form_class(
            request.POST or None, initial={"version": row.version, "due_on": row.due_on.isoformat()}
        )
        done = submit(form, lambda given: _ordered(service, actor_in(request), row, given))
        page = reverse("admin:scheduling_followup_change", args=[row.pk])
        if done is not None:
            messages.success(request, "Saved.")
            return HttpResponseRedirect(page)
        under = f"{row.get_kind_display()} for {row.patient}, due {due_text(row)}"
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


@admin.register(FollowUpRule)
class FollowUpRuleAdmin(RuleAdmin):
    """What visits, courses and check-ins bring, and by when."""

    list_display = ("what", "where", "visit_type", "by_when", "active", "source")
    list_filter = (("after", ChoicesDropdownFilter), "active")
    list_select_related = ("site", "visit_type")
    fields = (
        ("after", "check_in_code"),
        ("site", "visit_type"),
        ("kind", "days", "due_time"),
        "early_days",
        "active",
        ("source", "mark"),
    )
    hint = (
        "Of several rules for one event and kind the narrowest counts: for visit type and site, for the "
        "visit type, for the site. Where that one is inactive, nothing of the kind is brought."
    )
    empty_hint = "Without rules visits and courses bring no follow-ups. Add the first one."

    @display(description="rule", ordering="after")  # type: ignore[untyped-decorator]
    def what(self, obj: FollowUpRule) -> str:
        """``Call after a treatment visit``."""
        code = f" ({obj.check_in_code})" if obj.check_in_code else ""
        return f"{obj.get_kind_display()} after {obj.get_after_display()}{code}"

    @display(description="due", ordering="days")  # type: ignore[untyped-decorator]
    def by_when(self, obj: FollowUpRule) -> str:
        """``1 day later, by 12:00``."""
        days = f"{obj.days} day{'' if obj.days == 1 else 's'} later"
        return f"{days}, by {obj.due_time:%H:%M}" if obj.due_time else days
