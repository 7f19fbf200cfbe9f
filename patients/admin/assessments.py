"""Questionnaires in the admin: every score with its change, and writing down answers told by phone."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html, format_html_join
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, PatientSiteFilter, actor_in
from clinic.access.admin.inputs import Choice, Text
from clinic.access.admin.refusals import submit
from clinic.access.admin.sections import Link, Section
from clinic.access.policy import Via
from clinic.common import clock
from patients.admin.record import MOST_ROWS, PAGE
from patients.models import Assessment, Instrument, Patient
from patients.selectors.assessments import instrument_in_force
from patients.services import assessments
from patients.services.assessments import Recorded, Submission

_PREFIX = "item-"
_TOLD = [(each.value, each.label) for each in (Assessment.Source.PHONE, Assessment.Source.IN_CLINIC)]


def choice_of(instrument: Instrument, item: Mapping[str, Any], language: str) -> forms.ChoiceField:
    """One question with its options, in the patient's words."""
    options = [
        (str(option["value"]), f"{option['value']}: {option[language]}")
        for option in instrument.scales[item["scale"]]
    ]
    return forms.ChoiceField(
        choices=[("", "Not answered"), *options],
        required=False,
        label=item[language],
        widget=UnfoldAdminSelectWidget,
    )


class ItemsForm(forms.Form):
    """One choice per item, in the patient's words; what is left open was not answered."""

    def __init__(self, *args: Any, instrument: Instrument, language: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for item in instrument.items:
            self.fields[_PREFIX + item["code"]] = choice_of(instrument, item, language)

    def answers(self) -> dict[str, int | None]:
        """Item to value."""
        return {
            name.removeprefix(_PREFIX): int(value) if value else None
            for name, value in self.cleaned_data.items()
            if name.startswith(_PREFIX)
        }


class AnswersForm(ItemsForm):
    """And how they were given."""

    source = Choice(choices=_TOLD, label="How")


class CorrectionForm(ItemsForm):
    """And what was wrong."""

    reason = Text(max_length=200, label="Why it is corrected")


@admin.register(Assessment)
class AssessmentAdmin(OnsetAdmin):
    """Stored answers are never edited."""

    reads, writes = "assessments.read", "assessments.write"
    may_add = may_change = False
    list_display = ("what", "patient_link", "answered", "result", "change", "alarm_link")
    list_display_links = ("what",)
    list_filter = (PatientSiteFilter, ("instrument", RelatedDropdownFilter), "complete")
    fields = (
        "patient_link",
        ("what", "answered"),
        ("result", "change"),
        "baseline_shown",
        "alarm_link",
        "answers_shown",
        "recorded",
        "corrected",
    )
    readonly_fields = (
        "patient_link",
        "what",
        "answered",
        "result",
        "change",
        "baseline_shown",
        "alarm_link",
        "answers_shown",
        "recorded",
        "corrected",
    )
    empty_hint = "Nothing has been answered yet. Answers told by phone are recorded on the patient's page."

    def site_of(self, obj: Assessment) -> int | None:
        """The patient's."""
        return obj.patient.site_id

    def get_queryset(self, request: HttpRequest) -> QuerySet[Assessment]:
        """With what the page shows."""
        rows: QuerySet[Assessment] = super().get_queryset(request)
        return rows.select_related(
            "patient__site", "instrument", "recorded_by", "alarm", "superseded_by", "baseline"
        )

    @display(description="questionnaire", ordering="code")  # type: ignore[untyped-decorator]
    def what(self, obj: Assessment) -> str:
        """Its name."""
        return obj.instrument.name

    @display(description="patient")  # type: ignore[untyped-decorator]
    def patient_link(self, obj: Assessment) -> str:
        """To the patient's page."""
        return shown.to("patients_patient_record", obj.patient_id, text=obj.patient)

    @display(description="answered", ordering="answered_at")  # type: ignore[untyped-decorator]
    def answered(self, obj: Assessment) -> str:
        """On the clocks of the site."""
        return shown.local_time(obj.answered_at, obj.patient.site.zone)

    @display(description="result", ordering="score")  # type: ignore[untyped-decorator]
    def result(self, obj: Assessment) -> str:
        """Score and band."""
        return result_of(obj)

    @display(description="change from baseline")  # type: ignore[untyped-decorator]
    def change(self, obj: Assessment) -> str:
        """Points, percent and what they mean."""
        return change_of(obj)

    @display(description="baseline")  # type: ignore[untyped-decorator]
    def baseline_shown(self, obj: Assessment) -> str:
        """Which one it is read against, and why."""
        if obj.baseline is None:
            return shown.NOTHING
        why = "before the treatment began" if obj.baseline_rule == "before_treatment" else "the first"
        when = shown.local_time(obj.baseline.answered_at, obj.patient.site.zone)
        return f"{obj.baseline.score} on {when}: {why}"

    @display(description="safety alarm")  # type: ignore[untyped-decorator]
    def alarm_link(self, obj: Assessment) -> str:
        """To the alarm it opened."""
        alarm = getattr(obj, "alarm", None)
        if alarm is None:
            return shown.NOTHING
        return shown.to("patients_safetyalarm_change", alarm.pk, text=alarm)

    @display(description="answers")  # type: ignore[untyped-decorator]
    def answers_shown(self, obj: Assessment) -> str:
        """Every question with its answer."""
        return format_html_join(
            "",
            "<p>{} <strong>{}</strong></p>",
            ((item["en"], _answer(obj, item)) for item in obj.instrument.items),
        )

    @display(description="recorded")  # type: ignore[untyped-decorator]
    def recorded(self, obj: Assessment) -> str:
        """When, how and by whom."""
        when = shown.local_time(obj.recorded_at, obj.patient.site.zone)
        who = obj.recorded_by or ("the patient" if obj.via == Via.PAGE else "Onset")
        return f"{when}, {obj.get_source_display()}, written down by {who}"

    @display(description="correction")  # type: ignore[untyped-decorator]
    def corrected(self, obj: Assessment) -> str:
        """What replaces it, or what it replaces."""
        correction = getattr(obj, "superseded_by", None)
        if correction is not None:
            return shown.to("patients_assessment_change", correction.pk, text="Superseded by a correction")
        correct = shown.to("patients_assessment_correct", obj.pk, text="Correct these answers")
        if obj.supersedes_id is None:
            return correct
        old = shown.to("patients_assessment_change", obj.supersedes_id, text=f"Corrects: {obj.reason}")
        return format_html("{}. {}", old, correct)

    def get_urls(self) -> list[URLPattern]:
        """Recording."""
        return [
            self.route("record/<int:pk>/<str:code>/", self.record, "record"),
            self.route("<int:pk>/correct/", self.correct, "correct"),
            *super().get_urls(),
        ]

    def record(self, request: HttpRequest, pk: int, code: str) -> HttpResponse:
        """Write down what a patient said, in their own language."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_in(request)
        patient = Patient.objects.visible_to(actor).select_related("site").filter(pk=pk).first()
        instrument = instrument_in_force(code)
        if patient is None or instrument is None:
            raise Http404("There is no such patient at your sites, or no such questionnaire.")
        if not actor.may(self.writes, patient.site_id):
            raise PermissionDenied
        now = clock.now()
        form = AnswersForm(request.POST or None, instrument=instrument, language=patient.language)

        def save(given: Mapping[str, Any]) -> Recorded:
            submission = Submission(
                instrument=instrument.code,
                answers=form.answers(),
                answered_at=now,
                source=given["source"],
                language=patient.language,
            )
            return assessments.record(actor=actor, now=now, patient_id=patient.pk, submission=submission)

        done = submit(form, save)
        if done is not None:
            return self._recorded(request, done)
        return self.page(
            request,
            "onset/form_page.html",
            title=f"Record {instrument.name}",
            under_title=str(patient),
            explanation=instrument.texts[patient.language]["stem"],
            button="Record",
            form=form,
            back=reverse("admin:patients_patient_record", args=[patient.pk]),
        )

    def correct(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Put right what was written down wrongly; the old answers stay on record."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row: Assessment | None = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404("There is no such questionnaire at your sites.")
        if not self.may(request, self.writes, row):
            raise PermissionDenied
        given = {_PREFIX + code: str(value) for code, value in row.answers.items()}
        form = CorrectionForm(
            request.POST or None, instrument=row.instrument, language=row.language, initial=given
        )

        def save(said: Mapping[str, Any]) -> Recorded:
            return assessments.correct(
                actor=actor_in(request),
                now=clock.now(),
                assessment_id=pk,
                answers=form.answers(),
                reason=said["reason"],
            )

        done = submit(form, save)
        if done is not None:
            return self._recorded(request, done)
        return self.page(
            request,
            "onset/form_page.html",
            title=f"Correct {row.instrument.name}",
            under_title=str(row.patient),
            explanation="The answers as they were given. What is on record now is kept and marked.",
            button="Correct",
            form=form,
            back=reverse("admin:patients_assessment_change", args=[pk]),
        )

    def _recorded(self, request: HttpRequest, done: Recorded) -> HttpResponseRedirect:
        """To the alarm, if there is one; else to the result."""
        if done.alarm is not None:
            messages.error(request, "These answers opened a safety alarm. Stay with the patient.")
            return HttpResponseRedirect(reverse("admin:patients_safetyalarm_change", args=[done.alarm.pk]))
        messages.success(request, f"Recorded: {result_of(done.assessment)}.")
        return HttpResponseRedirect(reverse("admin:patients_assessment_change", args=[done.assessment.pk]))


def result_of(row: Assessment) -> str:
    """``17, moderately severe``; incomplete ones have neither."""
    if not row.complete:
        return "incomplete"
    said = [str(row.score) if row.score is not None else "", row.band.replace("_", " ")]
    return ", ".join(word for word in said if word) or "complete"


def change_of(row: Assessment) -> str:
    """``-12 points (-57.1 %): response``."""
    if row.change_points is None:
        return shown.NOTHING
    percent = "" if row.change_percent is None else f" ({row.change_percent:+} %)"
    return f"{row.change_points:+} points{percent}: {row.meaning.replace('_', ' ')}"


def _answer(row: Assessment, item: Mapping[str, Any]) -> str:
    value = row.answers.get(item["code"])
    options = {option["value"]: option["en"] for option in row.instrument.scales[item["scale"]]}
    return "not answered" if value is None else f"{value}: {options.get(value, '')}"


@PAGE.section(order=45)
def questionnaires(request: HttpRequest, patient: Patient) -> Section | None:
    """Scores, the latest first; clinical roles only."""
    actor = actor_in(request)
    if not actor.may("assessments.read", patient.site_id):
        return None
    rows = Assessment.objects.current().filter(patient=patient).select_related("instrument")
    links = []
    if actor.may("assessments.write", patient.site_id):
        active = Instrument.objects.filter(active=True).order_by("id").values_list("code", flat=True)
        links = [
            Link(code, reverse("admin:patients_assessment_record", args=[patient.pk, code]))
            for code in active
        ]
    return Section(
        title="Questionnaires",
        headers=("Questionnaire", "Answered", "Result", "Change from baseline"),
        rows=[
            (
                shown.to("patients_assessment_change", row.pk, text=row.instrument.name),
                shown.local_time(row.answered_at, patient.site.zone),
                result_of(row),
                change_of(row),
            )
            for row in rows.order_by("-answered_at", "-id")[:MOST_ROWS]
        ],
        empty="Nothing has been answered yet.",
        links=links,
        note="The buttons record answers told by phone or in the clinic." if links else "",
    )
