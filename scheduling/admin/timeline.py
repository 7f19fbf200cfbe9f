"""Response over time: one page per patient with scores, doses and infusions on one chart, and every number in
tables beneath, which are what the page says; the chart only shows it."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.admin.inputs import Choice, Day
from clinic.access.admin.sections import Link
from clinic.common import clock
from patients.admin.assessments import result_of
from patients.admin.before import PAGE as BEFORE_PAGE
from patients.admin.record import PAGE as RECORD_PAGE
from patients.models import Assessment, Patient
from scheduling.admin.timeline_chart import chart
from scheduling.admin.timeline_tables import tables
from scheduling.models import Appointment
from scheduling.selectors.timeline import LONGEST_DAYS, Timeline, Window, known_instruments, timeline

_SHOWN_FIRST = ("PHQ-9", "NRS", "GAD-7")
_POINTS, _PERCENT = "points", "percent"


class ShownForm(forms.Form):
    """What the chart shows. A plain GET: an address that can be kept and sent to a colleague."""

    score = forms.MultipleChoiceField(required=False, label="Scores", widget=forms.CheckboxSelectMultiple)
    unit = Choice(choices=[(_POINTS, "Scores"), (_PERCENT, "Percent change")], required=False, label="As")
    since = Day(required=False, label="From")
    until = Day(required=False, label="To")

    def __init__(self, *args: Any, codes: Sequence[str], today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        field = self.fields["score"]
        field.choices = [(code, code) for code in codes]  # type: ignore[attr-defined]  # a choice field

    def clean(self) -> dict[str, Any]:
        """A forward range."""
        given: dict[str, Any] = super().clean() or {}
        window = Window.around(self.today, first=given.get("since"), last=given.get("until"))
        if window.last < window.first:
            self.add_error("until", "The range ends before it begins.")
        if (window.last - window.first).days > LONGEST_DAYS:
            self.add_error("until", f"Choose at most {LONGEST_DAYS} days.")
        return given


def page(own: OnsetAdmin, request: HttpRequest, patient_id: int) -> HttpResponse:
    """The page of one patient; clinical roles only."""
    actor, now = actor_in(request), clock.now()
    if not actor.may("assessments.read"):
        raise PermissionDenied
    patient = Patient.objects.visible_to(actor).select_related("site").filter(pk=patient_id).first()
    if patient is None:
        raise Http404("There is no such patient at your sites.")
    if not actor.may("assessments.read", patient.site_id):
        raise PermissionDenied
    codes = sorted(known_instruments(patient), key=_place)
    first = [code for code in codes if code in _SHOWN_FIRST] or codes[:1]
    today = now.astimezone(patient.zone).date()
    window = Window.around(today)
    given = request.GET or None
    initial = {"score": first, "unit": _POINTS, "since": window.first, "until": window.last}
    form = ShownForm(given, codes=codes, today=today, initial=initial)
    asked: dict[str, Any] = form.cleaned_data if form.is_bound and form.is_valid() else {}
    picked = [code for code in codes if code in (asked.get("score") or first)]
    window = Window.around(today, first=asked.get("since"), last=asked.get("until"))
    found = timeline(patient, actor=actor, window=window)
    drawn = chart(found, picked, percent=asked.get("unit") == _PERCENT, today=today)
    return own.page(
        request,
        "admin/scheduling/timeline.html",
        title=f"Response over time: {patient.mrn}",
        patient=patient,
        form=form,
        picked=picked,
        in_percent=asked.get("unit") == _PERCENT,
        with_sessions=any(row.status == Appointment.Status.COMPLETED for row in found.sessions),
        with_doses=bool(found.doses),
        latest=_latest(found),
        chart=drawn and {name: json.dumps(part) for name, part in drawn.items()},
        sections=tables(found, now=now),
        truncated=[kind.replace("_", " ") for kind in found.truncated],
        links=[
            Link("Patient", reverse("admin:patients_patient_record", args=[patient.pk]), icon="person"),
            Link(
                "Before prescribing",
                reverse("admin:patients_screeningflag_before", args=[patient.pk]),
                icon="clinical_notes",
            ),
        ],
    )


def _latest(found: Timeline) -> list[dict[str, Any]]:
    """Of each instrument where the patient is now, against the own baseline."""
    latest: dict[str, Assessment] = {}
    for row in found.assessments:
        if row.score is not None:
            latest[row.code] = row
    return [
        {
            "code": code,
            "result": result_of(row),
            "on": shown.birth_date(row.answered_at.astimezone(found.patient.zone).date()),
            "change": in_words(row),
            "meaning": row.meaning.replace("_", " "),
        }
        for code, row in sorted(latest.items(), key=lambda each: _place(each[0]))
    ]


def _place(code: str) -> tuple[int, str]:
    """The usual ones first, the others by name."""
    return (_SHOWN_FIRST.index(code) if code in _SHOWN_FIRST else len(_SHOWN_FIRST), code)


def in_words(row: Assessment) -> str:
    """``57.1 % below the baseline of 21``."""
    if row.baseline is None or row.change_points is None:
        return "The first one: the baseline"
    if row.change_points == 0:
        return f"As the baseline of {row.baseline.score}"
    side = "below" if row.change_points < 0 else "above"
    if row.change_percent is None:
        return f"{abs(row.change_points)} points {side} the baseline of {row.baseline.score}"
    return f"{abs(row.change_percent)} % {side} the baseline of {row.baseline.score}"


def link_to(request: HttpRequest, patient: Patient) -> list[Link]:
    """From the patient's page and the one read before prescribing."""
    if not actor_in(request).may("assessments.read", patient.site_id):
        return []
    url = reverse("admin:scheduling_followup_response", args=[patient.pk])
    return [Link("Response over time", url, icon="show_chart")]


RECORD_PAGE.links(link_to)
BEFORE_PAGE.links(link_to)
