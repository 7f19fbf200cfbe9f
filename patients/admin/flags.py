"""Screening flags in the admin: the list, the page read before prescribing, and its forms."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, PatientSiteFilter, actor_in
from clinic.access.admin.refusals import submit
from clinic.common import clock
from patients.admin import before
from patients.admin.before_forms import FORMS, AcknowledgeForm, FlagForm, WhyForm
from patients.models import Patient, Recorded, ScreeningFlag
from patients.selectors.background import MODELS, catalogue
from patients.services import background
from patients.services import flags as flagging


@admin.register(ScreeningFlag)
class ScreeningFlagAdmin(OnsetAdmin):
    """Every flag; they are raised and acknowledged on the page of a patient."""

    reads, writes = "background.read", "background.write"
    may_add = may_change = False
    list_display = ("warning", "severity", "patient_link", "status_shown", "expires_on")
    list_display_links = None
    list_filter = (
        PatientSiteFilter,
        ("severity", ChoicesDropdownFilter),
        ("status", ChoicesDropdownFilter),
    )
    list_select_related = ("patient", "kind")
    fields = (
        "kind", "severity", "value", "source", "origin", "raised_at", "raised_by", "expires_on", "status",
        "acknowledged_at", "acknowledged_by", "acknowledged_until", "reason", "withdrawn_at",
    )  # fmt: skip
    empty_hint = "No flag was raised. They come from a patient's background, or are added on their page."

    def site_of(self, obj: ScreeningFlag) -> int | None:
        """The patient's."""
        return obj.patient.site_id

    @display(description="warning", ordering="value")  # type: ignore[untyped-decorator]
    def warning(self, obj: ScreeningFlag) -> str:
        """What was found."""
        return shown.to("patients_screeningflag_change", obj.pk, text=f"{obj.kind}: {obj.value}")

    @display(description="patient")  # type: ignore[untyped-decorator]
    def patient_link(self, obj: ScreeningFlag) -> str:
        """To the page read before prescribing."""
        return shown.to("patients_screeningflag_before", obj.patient_id, text=obj.patient)

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: ScreeningFlag) -> str:
        """As coloured text."""
        return shown.label(obj.status, obj.get_status_display())

    def get_urls(self) -> list[URLPattern]:
        """The page of a patient and its forms."""
        return [
            self.route("patient/<int:patient_id>/", self.before, "before"),
            self.route("patient/<int:patient_id>/flag/", self.add_flag, "raise"),
            self.route("patient/<int:patient_id>/<slug:kind>/new/", self.add_entry, "add_entry"),
            self.route("patient/<int:patient_id>/<slug:kind>/<int:pk>/", self.entry, "entry"),
            self.route("patient/<int:patient_id>/<slug:kind>/<int:pk>/error/", self.error, "error"),
            self.route("<int:pk>/acknowledge/", self.acknowledge, "acknowledge"),
            self.route("<int:pk>/withdraw/", self.withdraw, "withdraw"),
            *super().get_urls(),
        ]

    # --- the page ------------------------------------------------------------------------------
    def before(self, request: HttpRequest, patient_id: int) -> HttpResponse:
        """What a prescriber reads before choosing."""
        patient = self._patient(request, patient_id, self.reads)
        today = clock.now().astimezone(patient.zone).date()
        born = patient.date_of_birth
        flags = before.flags(request, patient)
        return self.page(
            request,
            "admin/patients/before.html",
            title=f"Before prescribing: {patient.mrn}",
            patient=patient,
            age=today.year - born.year - ((today.month, today.day) < (born.month, born.day)),
            flags=flags,
            waiting=sum(each["open"] for each in flags),
            may_write=self.may_at(request, self.writes, patient),
            links=before.PAGE.links_for(request, patient),
            sections=before.sections(request, patient),
        )

    # --- entries -------------------------------------------------------------------------------
    def add_entry(self, request: HttpRequest, patient_id: int, kind: str) -> HttpResponse:
        """Record an entry."""
        patient = self._patient(request, patient_id, self.writes)
        made_of, called = _form_of(kind)
        form = made_of(request.POST or None, catalogue=catalogue())
        if request.method == "POST":
            made = submit(
                form,
                lambda _given: background.add(
                    actor=actor_in(request),
                    now=clock.now(),
                    patient_id=patient.pk,
                    kind=kind,
                    given=form.values(),
                ),
            )
            if made is not None:
                return self._back(request, patient, "Recorded. Flags it raises stand at the top.")
        return self._form(request, patient, form, title=f"Add: {called}", button="Record")

    def entry(self, request: HttpRequest, patient_id: int, kind: str, pk: int) -> HttpResponse:
        """Correct an entry; a new one supersedes it."""
        patient = self._patient(request, patient_id, self.writes)
        made_of, called = _form_of(kind)
        current = self._entry(patient, kind, pk)
        form = made_of(request.POST or None, catalogue=catalogue(), entry=current)
        if request.method == "POST":
            made = submit(
                form,
                lambda given: background.amend(
                    actor=actor_in(request),
                    now=clock.now(),
                    kind=kind,
                    entry_id=pk,
                    changes=form.values(),
                    expected_version=given["version"],
                ),
            )
            if made is not None:
                return self._back(request, patient, "Corrected. The old entry stays on record.")
        error = reverse("admin:patients_screeningflag_error", args=[patient.pk, kind, pk])
        explanation = f"Recorded {shown.local_time(current.recorded_at, patient.site.zone)}."
        return self._form(
            request,
            patient,
            form,
            title=f"Correct: {called}",
            button="Save",
            explanation=explanation,
            error=error,
        )

    def error(self, request: HttpRequest, patient_id: int, kind: str, pk: int) -> HttpResponse:
        """Mark an entry as entered in error."""
        patient = self._patient(request, patient_id, self.writes)
        _made_of, called = _form_of(kind)
        current = self._entry(patient, kind, pk)
        form = WhyForm(request.POST or None, initial={"version": current.version})
        if request.method == "POST":
            done = submit(
                form,
                lambda given: background.enter_in_error(
                    actor=actor_in(request),
                    now=clock.now(),
                    kind=kind,
                    entry_id=pk,
                    reason=given["reason"],
                    expected_version=given["version"],
                ),
            )
            if done is not None:
                return self._back(request, patient, "Marked as entered in error. It counts no more.")
        explanation = "It was never true of this person. The entry stays on record and raises no flags."
        return self._form(
            request,
            patient,
            form,
            title=f"Entered in error: {called}",
            button="Mark as error",
            explanation=explanation,
        )

    # --- flags ---------------------------------------------------------------------------------
    def add_flag(self, request: HttpRequest, patient_id: int) -> HttpResponse:
        """Raise a flag by hand."""
        patient = self._patient(request, patient_id, self.writes)
        form = FlagForm(request.POST or None)
        if request.method == "POST":
            made = submit(
                form,
                lambda given: flagging.add(
                    actor=actor_in(request), now=clock.now(), patient_id=patient.pk, **given
                ),
            )
            if made is not None:
                return self._back(request, patient, "The flag stands at the top.")
        return self._form(request, patient, form, title="Add a flag", button="Raise the flag")

    def acknowledge(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A prescriber says why they go on."""
        flag = self._flag(request, pk, "flags.acknowledge")
        form = AcknowledgeForm(request.POST or None, initial={"version": flag.version})
        if request.method == "POST":
            done = submit(
                form,
                lambda given: flagging.acknowledge(
                    actor=actor_in(request),
                    now=clock.now(),
                    flag_id=pk,
                    reason=given["reason"],
                    until_on=given["until_on"],
                    expected_version=given["version"],
                ),
            )
            if done is not None:
                return self._back(request, flag.patient, "Acknowledged. The flag stays, with your reason.")
        title = f"Acknowledge: {flag.kind}"
        explanation = f"{flag.value.rstrip('.')}. {flag.kind.advice} Source: {flag.source}."
        return self._form(
            request, flag.patient, form, title=title, button="Acknowledge", explanation=explanation
        )

    def withdraw(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take back a flag that was raised by hand."""
        flag = self._flag(request, pk, self.writes)
        form = WhyForm(request.POST or None, initial={"version": flag.version})
        if request.method == "POST":
            done = submit(
                form,
                lambda given: flagging.withdraw(
                    actor=actor_in(request),
                    now=clock.now(),
                    flag_id=pk,
                    reason=given["reason"],
                    expected_version=given["version"],
                ),
            )
            if done is not None:
                return self._back(request, flag.patient, "Withdrawn. Its story stays on record.")
        return self._form(
            request,
            flag.patient,
            form,
            title=f"Withdraw: {flag.kind}",
            button="Withdraw",
            explanation=flag.value,
        )

    # --- shared --------------------------------------------------------------------------------
    def may_at(self, request: HttpRequest, permission: str, patient: Patient) -> bool:
        """Whether the person has a permission at the patient's site."""
        return actor_in(request).may(permission, patient.site_id)

    def _patient(self, request: HttpRequest, patient_id: int, permission: str) -> Patient:
        if not self.may(request, permission):
            raise PermissionDenied
        visible = Patient.objects.visible_to(actor_in(request)).select_related("site")
        found = visible.filter(pk=patient_id).first()
        if found is None:
            raise Http404("There is no such patient at your sites.")
        if not self.may_at(request, permission, found):
            raise PermissionDenied
        return found

    def _entry(self, patient: Patient, kind: str, pk: int) -> Recorded:
        rows = MODELS[kind].objects.filter(patient=patient, pk=pk)
        found: Recorded | None = rows.current().first()
        if found is None:
            raise Http404("There is no such entry that counts now.")
        return found

    def _flag(self, request: HttpRequest, pk: int, permission: str) -> ScreeningFlag:
        if not self.may(request, permission):
            raise PermissionDenied
        visible = ScreeningFlag.objects.visible_to(actor_in(request))
        found = visible.select_related("kind", "patient__site").filter(pk=pk).first()
        if found is None:
            raise Http404("There is no such flag at your sites.")
        if not self.may_at(request, permission, found.patient):
            raise PermissionDenied
        return found

    def _form(self, request: HttpRequest, patient: Patient, form: forms.Form, **page: Any) -> HttpResponse:
        back = reverse("admin:patients_screeningflag_before", args=[patient.pk])
        return self.page(
            request, "admin/patients/before_form.html", form=form, back=back, under_title=str(patient), **page
        )

    def _back(self, request: HttpRequest, patient: Patient, said: str) -> HttpResponseRedirect:
        messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:patients_screeningflag_before", args=[patient.pk]))


def _form_of(kind: str) -> Any:
    if kind not in FORMS:
        raise Http404("There is no such kind of entry.")
    return FORMS[kind]
