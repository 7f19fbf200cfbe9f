"""Safety alarms in the admin: taken on, resolved with a note, and cleared for treatment by a prescriber."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html_join
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, SiteFilter, actor_in
from clinic.access.admin.inputs import Note, Tick, Version
from clinic.access.admin.refusals import submit
from clinic.access.admin.sections import Section
from clinic.common import clock
from patients.admin.record import PAGE
from patients.domain.alarms import TRANSITIONS, Status
from patients.models import Patient, SafetyAlarm
from patients.selectors.assessments import hold_on_treatment
from patients.services import alarms

CLEAR = "clear"


class AcknowledgeForm(forms.Form):
    """Optionally, what is being done."""

    version = Version()
    note = Note(label="What you are doing about it", required=False)


class ResolveForm(forms.Form):
    """What was found and done."""

    version = Version()
    note = Note(label="What was found and done")
    plan = Note(label="Plan", required=False)


class ResolveAndClearForm(ResolveForm):
    """A prescriber may sign off at once."""

    cleared_for_treatment = Tick(label="The next infusion may go ahead")


@admin.register(SafetyAlarm)
class SafetyAlarmAdmin(OnsetAdmin):
    """Opened by an answer; closed by clinicians."""

    reads, writes = "assessments.read", "assessments.write"
    may_add = may_change = False
    list_display = ("opened", "severity_shown", "patient_link", "owner", "until", "status_shown", "hold")
    list_filter = (SiteFilter, ("status", ChoicesDropdownFilter), ("severity", ChoicesDropdownFilter))
    ordering = (F("next_escalation_at").asc(nulls_last=True), "-cleared_at", "-opened_at", "-id")
    readonly_fields = (
        "patient_link",
        "severity_shown",
        "status_shown",
        "assessment_link",
        "opened",
        "owner",
        "until",
        "hold",
        "story",
    )
    fields = (
        "patient_link",
        ("severity_shown", "status_shown"),
        "assessment_link",
        "opened",
        ("owner", "until"),
        "hold",
        "note",
        "plan",
        "story",
    )
    change_form_outer_before_template = "admin/patients/alarm_steps.html"
    empty_hint = "No alarm. They open when an answer needs a clinician at once."

    def get_queryset(self, request: HttpRequest) -> QuerySet[SafetyAlarm]:
        """With what the page shows."""
        rows: QuerySet[SafetyAlarm] = super().get_queryset(request)
        return rows.select_related("site", "patient", "assessment__instrument", "cleared_by")

    @display(description="opened", ordering="opened_at")  # type: ignore[untyped-decorator]
    def opened(self, obj: SafetyAlarm) -> str:
        """On the clocks of the site, and whether anybody was there."""
        when = shown.local_time(obj.opened_at, obj.site.zone)
        return when if obj.watched else f"{when}, while the clinic was closed"

    @display(description="severity", ordering="severity")  # type: ignore[untyped-decorator]
    def severity_shown(self, obj: SafetyAlarm) -> str:
        """As coloured text."""
        return shown.label("urgent", obj.get_severity_display())

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: SafetyAlarm) -> str:
        """As coloured text; an open one is not calm."""
        return shown.label(
            "urgent" if obj.status == SafetyAlarm.Status.OPEN else obj.status, obj.get_status_display()
        )

    @display(description="patient")  # type: ignore[untyped-decorator]
    def patient_link(self, obj: SafetyAlarm) -> str:
        """To the patient's page."""
        return shown.to("patients_patient_record", obj.patient_id, text=obj.patient)

    @display(description="answers")  # type: ignore[untyped-decorator]
    def assessment_link(self, obj: SafetyAlarm) -> str:
        """To what was answered."""
        what = f"{obj.assessment.instrument.name}: item {', '.join(obj.items)}"
        return shown.to("patients_assessment_change", obj.assessment_id, text=what)

    @display(description="owner", ordering="owner_role")  # type: ignore[untyped-decorator]
    def owner(self, obj: SafetyAlarm) -> str:
        """The role whose turn it is."""
        return obj.owner_role.replace("_", " ").capitalize()

    @display(description="goes on at", ordering="next_escalation_at")  # type: ignore[untyped-decorator]
    def until(self, obj: SafetyAlarm) -> str:
        """When the next role gets it."""
        return shown.local_time(obj.next_escalation_at, obj.site.zone)

    @display(description="infusions")  # type: ignore[untyped-decorator]
    def hold(self, obj: SafetyAlarm) -> str:
        """Held until a prescriber signs off."""
        if obj.cleared_at is None:
            return "held until a prescriber signs off"
        return f"cleared {shown.local_time(obj.cleared_at, obj.site.zone)} by {obj.cleared_by or 'Onset'}"

    @display(description="history")  # type: ignore[untyped-decorator]
    def story(self, obj: SafetyAlarm) -> str:
        """Every step."""
        rows = obj.events.select_related("by")
        return format_html_join(
            "",
            "<p>{}: {}, {}{}</p>",
            (
                (
                    shown.local_time(row.at, obj.site.zone),
                    row.get_kind_display(),
                    row.by or f"Onset, to {row.owner_role}",
                    f": {row.note}" if row.note else "",
                )
                for row in rows
            ),
        )

    def get_urls(self) -> list[URLPattern]:
        """The steps."""
        return [
            self.route("<int:pk>/acknowledge/", self.acknowledge, "acknowledge"),
            self.route("<int:pk>/resolve/", self.resolve, "resolve"),
            self.route("<int:pk>/clear/", self.clear, CLEAR),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page offers the steps that are possible now."""
        steps: list[str] = []
        if object_id.isdecimal() and self.has_view_permission(request):
            alarm = self.get_queryset(request).filter(pk=int(object_id)).first()
            if alarm is not None and self.may(request, self.writes, alarm):
                steps = [verb.value for verb in TRANSITIONS[Status(alarm.status)]]
                if not steps and alarm.cleared_at is None and self.may(request, "treatment.clear", alarm):
                    steps = [CLEAR]
        context = {"steps": steps, **(extra_context or {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def acknowledge(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take it on."""
        alarm = self.found(request, pk, self.writes)
        form = AcknowledgeForm(request.POST or None, initial={"version": alarm.version})
        return self._form(request, alarm, form, alarms.acknowledge, title="Acknowledge")

    def resolve(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Close it with a note."""
        alarm = self.found(request, pk, self.writes)
        clears = self.may(request, "treatment.clear", alarm)
        form = (ResolveAndClearForm if clears else ResolveForm)(
            request.POST or None, initial={"version": alarm.version}
        )
        return self._form(request, alarm, form, alarms.resolve, title="Resolve")

    def clear(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Sign off."""
        alarm = self.found(request, pk, "treatment.clear")
        form = AcknowledgeForm(request.POST or None, initial={"version": alarm.version})
        form.fields["note"].label = "Why treatment may go on"
        return self._form(request, alarm, form, alarms.clear_for_treatment, title="Clear for treatment")

    def _form(
        self,
        request: HttpRequest,
        alarm: SafetyAlarm,
        form: forms.Form,
        service: Callable[..., SafetyAlarm],
        *,
        title: str,
    ) -> HttpResponse:
        page = reverse("admin:patients_safetyalarm_change", args=[alarm.pk])

        def save(given: dict[str, Any]) -> SafetyAlarm:
            version = given.pop("version")
            return service(
                actor=actor_in(request),
                now=clock.now(),
                alarm_id=alarm.pk,
                expected_version=version,
                **given,
            )

        if submit(form, save) is not None:
            messages.success(request, "Saved.")
            return HttpResponseRedirect(page)
        return self.page(
            request,
            "onset/form_page.html",
            title=title,
            under_title=str(alarm.patient),
            button=title,
            form=form,
            back=page,
        )


@PAGE.section(order=5)
def held(request: HttpRequest, patient: Patient) -> Section | None:
    """On top of the page as long as an alarm holds treatment; clinical roles only."""
    if not actor_in(request).may("assessments.read", patient.site_id):
        return None
    rows = hold_on_treatment(patient.pk)
    if not rows:
        return None
    return Section(
        title="Safety alarms: the next infusion is held",
        headers=("Opened", "Severity", "Owner", "Status"),
        rows=[
            (
                shown.to(
                    "patients_safetyalarm_change",
                    row.pk,
                    text=shown.local_time(row.opened_at, patient.site.zone),
                ),
                shown.label("urgent", row.get_severity_display()),
                row.owner_role.replace("_", " "),
                shown.label(row.status, row.get_status_display()),
            )
            for row in rows
        ],
        empty="",
    )
