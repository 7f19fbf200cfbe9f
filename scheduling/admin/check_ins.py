"""Check-ins in the admin: what is due, and writing down an answer that came by phone."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, PatientSiteFilter, actor_in
from clinic.access.admin.inputs import Choice, Day, Note, Version
from clinic.access.admin.refusals import submit
from clinic.common import clock
from patients.admin.assessments import change_of, choice_of, result_of
from patients.models import Assessment, Instrument
from scheduling.models import CheckIn
from scheduling.selectors import check_in_answers as reading
from scheduling.services import check_ins
from scheduling.services.check_ins import Recording

RECORDABLE = (*CheckIn.OPEN, CheckIn.Status.MISSED)


_PREFIX = "item"
_SOURCES = [(each.value, each.label) for each in (Assessment.Source.PHONE, Assessment.Source.IN_CLINIC)]


class RecordForm(forms.Form):
    """What the patient said: one choice per question of the contact, in the patient's words."""

    version = Version()
    answered_on = Day(label="Answered on", help_text="A day inside the window.")
    source = Choice(choices=_SOURCES, label="How")

    def __init__(
        self, *args: Any, asked: Sequence[Instrument], language: str, begun: Any, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.places: dict[str, tuple[str, str]] = {}
        for instrument in asked:
            for item in instrument.items:
                name = f"{_PREFIX}-{instrument.code}-{item['code']}"
                self.places[name] = (instrument.code, item["code"])
                field = choice_of(instrument, item, language)
                field.label = f"{instrument.code}: {field.label}"
                field.help_text = instrument.texts[language]["stem"] if item is instrument.items[0] else ""
                field.initial = begun.get(instrument.code, {}).get(item["code"], "")
                self.fields[name] = field
        self.fields["note"] = Note(max_length=1000, required=False, label="What else the patient said")

    def answers(self) -> dict[str, dict[str, int | None]]:
        """Instrument to item to value; what is left open was not answered."""
        found: dict[str, dict[str, int | None]] = {}
        for name, (code, item) in self.places.items():
            value = self.cleaned_data[name]
            found.setdefault(code, {})[item] = int(value) if value else None
        return found


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
        "results",
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
        "results",
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
        by = f"written down by {obj.answered_by}" if obj.answered_by else "by the patient, on the page"
        return f"{shown.local_day(obj.answered_on)}, {by}"

    @display(description="results")  # type: ignore[untyped-decorator]
    def results(self, obj: CheckIn) -> SafeString:
        """Each questionnaire of the contact: score, band, and the way from the baseline in words."""
        stored = reading.stored_for(reading.contact_rows(obj), patient=obj.patient)
        if not stored:
            return format_html("{}", shown.NOTHING)
        return format_html_join(
            "",
            "<p>{}: <strong>{}</strong>{}</p>",
            (
                (
                    shown.to("patients_assessment_change", row.pk, text=code),
                    result_of(row),
                    _against_baseline(row),
                )
                for code, row in stored.items()
            ),
        )

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
        row, now = self.found(request, pk, self.writes), clock.now()
        today = now.astimezone(row.patient.zone).date()
        rows = reading.rows_answered_with(row, day=today)
        asked = reading.instruments(reading.asked_by(rows))
        form = RecordForm(
            request.POST or None,
            initial={"version": row.version, "answered_on": today.isoformat()},
            asked=asked,
            language=row.patient.language,
            begun=reading.drafted(reading.draft_of(rows), asked),
        )
        done = submit(
            form,
            lambda given: check_ins.record(
                actor=actor_in(request),
                now=now,
                check_in_id=row.pk,
                note=given["note"],
                answered_on=given["answered_on"],
                answers=_answered(form.answers()),
                source=given["source"],
                expected_version=given["version"],
            ),
        )
        page = reverse("admin:scheduling_checkin_change", args=[row.pk])
        if done is not None:
            return self._recorded(request, done, page)
        return self.page(
            request,
            "onset/form_page.html",
            title=f"Record {row.code} by phone",
            under_title=f"{row.patient}, {row.prescription}",
            explanation=f"Asks: {', '.join(reading.asked_by(rows))}. {row.explanation}.",
            button="Record",
            form=form,
            back=page,
        )

    def _recorded(self, request: HttpRequest, done: Recording, page: str) -> HttpResponseRedirect:
        """To the alarm, if there is one; else to the check-in."""
        for each in done.recorded:
            if each.alarm is not None:
                messages.error(request, "These answers opened a safety alarm. Stay with the patient.")
                return HttpResponseRedirect(
                    reverse("admin:patients_safetyalarm_change", args=[each.alarm.pk])
                )
        messages.success(request, "Recorded.")
        return HttpResponseRedirect(page)


def _answered(answers: Mapping[str, Mapping[str, int | None]]) -> dict[str, Mapping[str, int | None]]:
    """Only questionnaires of which anything was answered."""
    return {
        code: given for code, given in answers.items() if any(value is not None for value in given.values())
    }


def _against_baseline(row: Assessment) -> str:
    """``, from 14: -8 points (-57.1 %): response``."""
    if row.score is None or row.change_points is None:
        return ""
    return f", from {row.score - row.change_points}: {change_of(row)}"
