"""Treatment plans in the admin: a page per plan with its treatments, and one form for each decision."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import PatientSiteFilter, RecordAdmin, actor_in
from clinic.access.admin.inputs import Choice, Day, Note, Text, Version
from clinic.access.admin.refusals import submit
from clinic.access.admin.sections import Link, Section
from clinic.common import clock
from patients.models import Patient
from scheduling.models import Course, FollowUp, PlanItem, Prescription, TreatmentPlan
from scheduling.services import treatment_plans as plans

_OVER = [choice for choice in PlanItem.Status.choices if choice[0] != PlanItem.Status.ACTIVE]
_NONE = ("", "–")  # noqa: RUF001 - a dash, as typographers want it


class PlanForm(forms.Form):
    """A plan."""

    title = Text(max_length=120)
    goal = Note(max_length=500, required=False)
    starts_on = Day(label="From")
    ends_on = Day(label="Until", required=False)


class ItemForm(forms.Form):
    """A treatment of a plan."""

    kind = Choice(choices=PlanItem.Kind.choices)
    goal = Note(max_length=500, required=False)
    starts_on = Day(label="From")
    ends_on = Day(label="Until", required=False)
    prescription_id = Choice(label="Prescription", required=False, help_text="Of an antidepressant.")
    course_id = Choice(label="Course", required=False, help_text="Of ketamine infusions.")

    def __init__(self, *args: Any, patient: Patient, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field, rows in (
            ("prescription_id", Prescription.objects.filter(patient=patient)),
            ("course_id", Course.objects.filter(patient=patient)),
        ):
            made = [(str(row.pk), str(row)) for row in rows]
            self.fields[field].choices = [_NONE, *made]  # type: ignore[attr-defined]  # a field with choices

    def clean(self) -> dict[str, Any]:
        """No link is no link."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for link in ("prescription_id", "course_id"):
            cleaned[link] = int(cleaned[link]) if cleaned.get(link) else None
        return cleaned


class FinishForm(forms.Form):
    """How it ended."""

    version = Version()
    outcome = Choice(choices=_OVER)
    note = Note(max_length=500, required=False)


class OweForm(forms.Form):
    """A follow-up of a treatment."""

    kind = Choice(choices=FollowUp.Kind.choices)
    due_on = Day(label="Due on")
    note = Note(max_length=500, required=False)


@admin.register(TreatmentPlan)
class TreatmentPlanAdmin(RecordAdmin):
    """Plans with their treatments and follow-ups."""

    reads, writes = "treatment_plans.read", "treatment_plans.write"
    may_add = False
    list_display = ("plan", "patient_link", "starts_on", "ends_on", "status_shown")
    list_display_links = None
    list_filter = (PatientSiteFilter, ("status", ChoicesDropdownFilter))
    list_select_related = ("patient",)
    empty_hint = "No plan yet. Open a patient's page and choose Before prescribing."

    def site_of(self, obj: TreatmentPlan) -> int | None:
        """The patient's."""
        return obj.patient.site_id

    @display(description="plan", ordering="title")  # type: ignore[untyped-decorator]
    def plan(self, obj: TreatmentPlan) -> str:
        """To its page."""
        return shown.to("scheduling_treatmentplan_change", obj.pk, text=obj.title)

    @display(description="patient")  # type: ignore[untyped-decorator]
    def patient_link(self, obj: TreatmentPlan) -> str:
        """To the patient's page."""
        return shown.to("patients_patient_record", obj.patient_id, text=obj.patient)

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: TreatmentPlan) -> str:
        """As coloured text."""
        return shown.label(obj.status, obj.get_status_display())

    def get_urls(self) -> list[URLPattern]:
        """The decisions."""
        return [
            self.route("new/<int:patient_id>/", self.new, "new"),
            self.route("<int:pk>/item/", self.add_item, "item"),
            self.route("<int:pk>/finish/", self.finish, "finish"),
            self.route("<int:pk>/items/<int:item_id>/finish/", self.finish_item, "finish_item"),
            self.route("<int:pk>/items/<int:item_id>/follow-up/", self.owe, "owe"),
            *super().get_urls(),
        ]

    def new(self, request: HttpRequest, patient_id: int) -> HttpResponse:
        """Begin a plan."""
        actor = actor_in(request)
        if not actor.may(self.writes):
            raise PermissionDenied
        patient = Patient.objects.visible_to(actor).select_related("site").filter(pk=patient_id).first()
        if patient is None or not actor.may(self.reads, patient.site_id):
            raise Http404("There is no such patient at your sites.")
        now = clock.now()
        today = now.astimezone(patient.site.zone).date().isoformat()
        form = PlanForm(request.POST or None, initial={"starts_on": today})
        made = submit(form, lambda given: plans.create(actor=actor, now=now, patient_id=patient.pk, **given))
        if made is not None:
            messages.success(request, "The plan is begun. Add its treatments.")
            return self.to(made.pk)
        back = reverse("admin:patients_screeningflag_before", args=[patient.pk])
        return self.page(
            request,
            "onset/form_page.html",
            title="Begin a treatment plan",
            under_title=str(patient),
            button="Begin",
            form=form,
            back=back,
        )

    def add_item(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Add a treatment."""
        found = self.found(request, pk, self.writes)
        form = ItemForm(
            request.POST or None, patient=found.patient, initial={"starts_on": found.starts_on.isoformat()}
        )
        return self._decide(
            request,
            found,
            form,
            lambda given: plans.add_item(actor=actor_in(request), now=clock.now(), plan_id=pk, item=given),
            title="Add a treatment",
            button="Add",
        )

    def finish(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The plan is over."""
        found = self.found(request, pk, self.writes)
        form = FinishForm(request.POST or None, initial={"version": found.version})
        return self._decide(
            request,
            found,
            form,
            lambda given: plans.finish(
                actor=actor_in(request), now=clock.now(), plan_id=pk, **_decided(given)
            ),
            title="Finish the plan",
            button="Finish",
            explanation="Treatments still open end with it. Prescriptions and courses go on as they are.",
        )

    def finish_item(self, request: HttpRequest, pk: int, item_id: int) -> HttpResponse:
        """A treatment is over."""
        found = self.found(request, pk, self.writes)
        item = self._item(found, item_id)
        form = FinishForm(request.POST or None, initial={"version": item.version})
        return self._decide(
            request,
            found,
            form,
            lambda given: plans.finish_item(
                actor=actor_in(request), now=clock.now(), item_id=item_id, **_decided(given)
            ),
            title=f"Finish: {item}",
            button="Finish",
            explanation="Follow-ups still due for it are cancelled.",
        )

    def owe(self, request: HttpRequest, pk: int, item_id: int) -> HttpResponse:
        """Owe a follow-up."""
        found = self.found(request, pk, self.writes)
        item = self._item(found, item_id)
        form = OweForm(request.POST or None)
        return self._decide(
            request,
            found,
            form,
            lambda given: plans.owe(actor=actor_in(request), now=clock.now(), item_id=item_id, **given),
            title=f"Follow up: {item}",
            button="Add the follow-up",
        )

    def show(self, request: HttpRequest, found: TreatmentPlan) -> HttpResponse:
        """The page of a plan."""
        may = self.may(request, self.writes, found) and found.status == TreatmentPlan.Status.ACTIVE
        return self.page(
            request,
            "admin/scheduling/treatment_plan.html",
            title=f"Treatment plan {found.pk}",
            plan=found,
            may=may,
            sections=[_items(found, may=may), _follow_ups(found), _events(found)],
        )

    def _decide(
        self,
        request: HttpRequest,
        found: TreatmentPlan,
        form: forms.Form,
        work: Callable[[dict[str, Any]], object],
        **page: Any,
    ) -> HttpResponse:
        if request.method == "POST" and submit(form, work) is not None:
            messages.success(request, "Done.")
            return self.to(found.pk)
        back = reverse("admin:scheduling_treatmentplan_change", args=[found.pk])
        under = f"{found} for {found.patient}"
        return self.page(request, "onset/form_page.html", form=form, back=back, under_title=under, **page)

    def _item(self, plan: TreatmentPlan, pk: int) -> PlanItem:
        found = plan.items.filter(pk=pk).first()
        if found is None:
            raise Http404("This plan has no such treatment.")
        return found


def _decided(given: dict[str, Any]) -> dict[str, Any]:
    return {"outcome": given["outcome"], "note": given["note"], "expected_version": given["version"]}


def _items(plan: TreatmentPlan, *, may: bool) -> Section:
    def ways(item: PlanItem) -> str:
        if not may or item.status != PlanItem.Status.ACTIVE:
            return ""
        owe = shown.to("scheduling_treatmentplan_owe", plan.pk, item.pk, text="Follow up")
        over = shown.to("scheduling_treatmentplan_finish_item", plan.pk, item.pk, text="Finish")
        return format_html("{} {}", owe, over)

    def link(item: PlanItem) -> str:
        if item.prescription is None:
            return f"Course {item.course_id}" if item.course_id else ""
        return shown.to("scheduling_prescription_change", item.prescription.pk, text=item.prescription)

    add = Link("Add", reverse("admin:scheduling_treatmentplan_item", args=[plan.pk]), icon="add")
    return Section(
        title="Treatments",
        headers=("Treatment", "Goal", "From", "Until", "Carried out by", "Status", ""),
        rows=[
            (
                str(item).capitalize(),
                item.goal,
                shown.local_day(item.starts_on),
                shown.local_day(item.ends_on),
                link(item),
                shown.label(item.status, item.get_status_display()),
                ways(item),
            )
            for item in plan.items.select_related("prescription")
        ],
        empty="None yet. Add an antidepressant, infusions, a fitness plan, a diet or therapy.",
        links=[add] if may else [],
    )


def _follow_ups(plan: TreatmentPlan) -> Section:
    origins = {item.origin: item for item in plan.items.all()}
    rows = FollowUp.objects.filter(patient_id=plan.patient_id, origin__in=origins).order_by("due_on", "id")
    return Section(
        title="Follow-ups",
        headers=("Of", "What", "Due", "Status", "Note"),
        rows=[
            (
                str(origins[row.origin]).capitalize(),
                shown.to("scheduling_followup_change", row.pk, text=row.get_kind_display()),
                shown.local_day(row.due_on),
                shown.label(row.status, row.get_status_display()),
                row.note,
            )
            for row in rows
        ],
        empty="Nothing is owed.",
    )


def _events(plan: TreatmentPlan) -> Section:
    zone = plan.patient.site.zone
    return Section(
        title="History",
        headers=("When", "What", "Treatment", "Who", "Note"),
        rows=[
            (
                shown.local_time(event.at, zone),
                event.verb.capitalize(),
                str(event.item).capitalize() if event.item else "",
                str(event.by or "Onset"),
                event.note,
            )
            for event in plan.events.select_related("item", "by").order_by("-at", "-id")
        ],
        empty="Nothing was decided yet.",
    )
