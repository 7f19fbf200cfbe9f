"""Prescribing in the admin: start, change the dose, stop. A medicine's history is read, never edited."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import PatientSiteFilter, RecordAdmin, actor_in
from clinic.access.admin.inputs import Amount, Choice, Day, Text, Version
from clinic.access.admin.refusals import submit
from clinic.access.admin.sections import Section
from clinic.common import clock
from patients.models import Patient
from patients.selectors.flags import unacknowledged
from scheduling.domain.dose_orders import Step
from scheduling.models import Prescription
from scheduling.services import prescriptions

STEPS = (1, 2)
"""How many titration steps the form has room for; the API takes more."""


class PrescribeForm(forms.Form):
    """A new medicine."""

    medication = Text(max_length=80)
    drug_class = Choice(choices=Prescription.DrugClass.choices)
    dose_mg = Amount(label="Dose (mg a day)", max_digits=8, decimal_places=3)
    first_dose_on = Day(label="First dose on")
    indication = Text(max_length=80, required=False, help_text="What it is for.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for step in STEPS:
            self.fields[f"step_{step}_mg"] = Amount(
                label=f"Planned step {step}: dose (mg a day)", max_digits=8, decimal_places=3, required=False
            )
            self.fields[f"step_{step}_on"] = Day(label=f"Planned step {step}: from", required=False)

    def clean(self) -> dict[str, Any]:
        """A step has a dose and a day."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for step in STEPS:
            given = [cleaned.get(f"step_{step}_{part}") is not None for part in ("mg", "on")]
            if any(given) and not all(given):
                self.add_error(f"step_{step}_on", "Give both the dose and the day, or neither.")
        return cleaned

    @staticmethod
    def steps(cleaned: dict[str, Any]) -> list[Step]:
        """The planned steps that were filled in."""
        pairs = [(cleaned[f"step_{step}_mg"], cleaned[f"step_{step}_on"]) for step in STEPS]
        return [Step(dose_mg=dose, effective_on=day) for dose, day in pairs if dose is not None]


class DoseForm(forms.Form):
    """Another dose from a day on."""

    version = Version()
    dose_mg = Amount(label="New dose (mg a day)", max_digits=8, decimal_places=3)
    effective_on = Day(label="First day on it")


class StopForm(forms.Form):
    """The end of a medicine."""

    version = Version()
    effective_on = Day(label="First day without it")


@admin.register(Prescription)
class PrescriptionAdmin(RecordAdmin):
    """Medicines with their doses and check-ins."""

    reads, writes = "prescriptions.read", "prescriptions.write"
    may_add = False
    list_display = ("medicine", "patient_link", "drug_class", "first_dose", "status_shown")
    list_display_links = ("medicine",)
    list_filter = (
        PatientSiteFilter,
        ("status", ChoicesDropdownFilter),
        ("drug_class", ChoicesDropdownFilter),
    )
    list_select_related = ("patient",)
    empty_hint = "Nothing is prescribed. Open a patient's page to prescribe."

    def site_of(self, obj: Prescription) -> int | None:
        """The patient's."""
        return obj.patient.site_id

    @display(description="medicine", ordering="medication")  # type: ignore[untyped-decorator]
    def medicine(self, obj: Prescription) -> str:
        """With the dose in force."""
        return str(obj)

    @display(description="patient")  # type: ignore[untyped-decorator]
    def patient_link(self, obj: Prescription) -> str:
        """To the patient's page."""
        return shown.to("patients_patient_record", obj.patient_id, text=obj.patient)

    @display(description="first dose", ordering="first_dose_on")  # type: ignore[untyped-decorator]
    def first_dose(self, obj: Prescription) -> str:
        """The day."""
        return shown.local_day(obj.first_dose_on)

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: Prescription) -> str:
        """As coloured text."""
        return shown.label(obj.status, obj.get_status_display())

    def get_urls(self) -> list[URLPattern]:
        """The orders."""
        return [
            self.route("prescribe/<int:patient_id>/", self.prescribe, "prescribe"),
            self.route("<int:pk>/dose/", self.change_dose, "dose"),
            self.route("<int:pk>/stop/", self.stop, "stop"),
            *super().get_urls(),
        ]

    def prescribe(self, request: HttpRequest, patient_id: int) -> HttpResponse:
        """Start a medicine for a patient."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor, now = actor_in(request), clock.now()
        patient = Patient.objects.visible_to(actor).filter(pk=patient_id).first()
        if patient is None or not actor.may(self.reads, patient.site_id):
            raise Http404("There is no such patient at your sites.")
        if not actor.may(self.writes, patient.site_id):
            raise PermissionDenied
        today = now.astimezone(patient.zone).date().isoformat()
        form = PrescribeForm(request.POST or None, initial={"first_dose_on": today})
        made = submit(
            form,
            lambda given: prescriptions.prescribe(
                actor=actor,
                now=now,
                patient_id=patient.pk,
                planned_steps=form.steps(given),
                **{name: given[name] for name in PrescribeForm.base_fields},
            ),
        )
        if made is not None:
            messages.success(request, "Prescribed. Its check-ins are planned below.")
            _warn(request, patient, now)
            return self.to(made.pk)
        return self.page(
            request,
            "onset/form_page.html",
            title="Prescribe",
            under_title=str(patient),
            explanation="Check-ins are planned from the first dose. Steps may be left empty.",
            button="Prescribe",
            form=form,
            back=reverse("admin:patients_screeningflag_before", args=[patient.pk]),
        )

    def change_dose(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Increase or decrease."""
        return self._order(
            request,
            pk,
            DoseForm,
            prescriptions.change_dose,
            title="Change the dose",
            button="Change the dose",
            explanation="Check-ins not yet answered are planned again from the first day on the new dose.",
        )

    def stop(self, request: HttpRequest, pk: int) -> HttpResponse:
        """End a medicine."""
        return self._order(
            request,
            pk,
            StopForm,
            prescriptions.stop,
            title="Stop",
            button="Stop this medicine",
            explanation="Check-ins for withdrawal and relapse are planned from the first day without it.",
        )

    def _order(
        self,
        request: HttpRequest,
        pk: int,
        form_class: type[forms.Form],
        service: Callable[..., Prescription],
        **page: Any,
    ) -> HttpResponse:
        found, actor = self.found(request, pk), actor_in(request)
        if not actor.may(self.writes, found.patient.site_id):
            raise PermissionDenied
        form = form_class(request.POST or None, initial={"version": found.version})
        made = submit(form, lambda given: self._ordered(service, actor, found, given))
        if made is not None:
            messages.success(request, "Ordered. Its check-ins are planned again below.")
            _warn(request, found.patient, clock.now())
            return self.to(found.pk)
        back = reverse("admin:scheduling_prescription_change", args=[found.pk])
        under = f"{found} for {found.patient}"
        return self.page(request, "onset/form_page.html", form=form, back=back, under_title=under, **page)

    def _ordered(
        self, service: Callable[..., Prescription], actor: Any, found: Prescription, given: dict[str, Any]
    ) -> Prescription:
        order = {name: value for name, value in given.items() if name != "version"}
        return service(
            actor=actor,
            now=clock.now(),
            prescription_id=found.pk,
            expected_version=given["version"],
            **order,
        )

    def show(self, request: HttpRequest, found: Prescription) -> HttpResponse:
        """The page of a medicine."""
        return self.page(
            request,
            "admin/scheduling/prescription.html",
            title=f"Prescription {found.pk}",
            prescription=found,
            may_order=actor_in(request).may(self.writes, found.patient.site_id),
            sections=[_doses(found), _check_ins(found)],
        )


def _warn(request: HttpRequest, patient: Patient, now: datetime) -> None:
    """Say which flags are to be acknowledged; the order is stored all the same."""
    waiting = unacknowledged(patient, now=now)
    if waiting:
        kinds = ", ".join(dict.fromkeys(str(flag.kind) for flag in waiting))
        messages.warning(request, f"To be acknowledged, under Before prescribing: {kinds}.")


def _doses(prescription: Prescription) -> Section:
    return Section(
        title="Doses",
        headers=("From", "What", "Dose", "Ordered", "Who"),
        rows=[
            (
                shown.local_day(event.effective_on),
                f"{event.get_kind_display()}{', planned' if event.planned else ''}",
                f"{event.dose_mg.normalize():f} mg",
                shown.local_day(event.ordered_on),
                str(event.recorded_by or "Onset"),
            )
            for event in prescription.dose_events.select_related("recorded_by")
        ],
        empty="No dose is recorded.",
    )


def _check_ins(prescription: Prescription) -> Section:
    return Section(
        title="Check-ins",
        headers=("Check-in", "Due", "Window", "Status", "Why"),
        rows=[
            (
                shown.to("scheduling_checkin_change", row.pk, text=row.code),
                shown.local_day(row.due_on),
                f"{shown.short_day(row.window_start_on)} to {shown.short_day(row.window_end_on)}",
                shown.label(row.status, row.get_status_display()),
                row.explanation,
            )
            for row in prescription.check_ins.order_by("due_on", "id")
        ],
        empty="No check-in rule applies. Check-in rules are under Set-up.",
    )
