"""“What would this patient get, when, saying what?”, from the reminder rules and from the page of a visit."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.admin.inputs import Choice, Text
from clinic.access.admin.sections import Section
from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common import clock
from patients.admin.messages import why
from patients.models import Message, Patient
from scheduling.models import Appointment, VisitType
from scheduling.services.allocations import length_of
from scheduling.services.previews import Line, preview

_MOVED = {
    "pulled": "pulled out of the quiet hours",
    "later": "waits for a time when the patient may be reached",
    "capped": "waits: no more texts than the cap on one day or in one week",
}
_DAYS_AHEAD = 9


class PreviewForm(forms.Form):
    """A visit to imagine."""

    visit_type = Choice(label="Visit type")
    site = Choice(label="Site")
    start = forms.DateTimeField(label="Start, on the site's clocks")
    mrn = Text(label="MRN of a patient (empty: an invented one)", required=False, max_length=32)
    language = Choice(label="Language of the invented one", choices=Patient.Language.choices)

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["start"].widget = Text.widget({"type": "datetime-local"})
        self.sites = {str(site.pk): site for site in Site.objects.visible_to(actor).order_by("name")}
        self.types = {str(each.pk): each for each in VisitType.objects.filter(active=True).order_by("name")}
        for name, rows in (("site", self.sites), ("visit_type", self.types)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101 - declared above
            field.choices = [(pk, str(row)) for pk, row in rows.items()]
        self.actor = actor

    def clean_mrn(self) -> Patient | None:
        """The patient, if the person may see their messages."""
        mrn = self.cleaned_data["mrn"].strip()
        if not mrn:
            return None
        found = Patient.objects.visible_to(self.actor).select_related("site").filter(mrn=mrn).first()
        if found is None or not self.actor.may("messages.read", found.site_id):
            raise forms.ValidationError("There is no such patient at your sites.")
        return found


def imagined(page: OnsetAdmin, request: HttpRequest) -> HttpResponse:
    """For a visit that nobody booked. Posted, so that no MRN stands in an address."""
    if not page.has_view_permission(request):
        raise PermissionDenied
    actor, now = actor_in(request), clock.now()
    first = Site.objects.visible_to(actor).order_by("name").first()
    form = PreviewForm(request.POST or None, actor=actor, initial=_initial(now, first))
    lines: list[Line] = []
    patient = None
    if form.is_bound and form.is_valid():
        visit, patient = _visit(form, now)
        lines = preview(appointment=visit, patient=patient, now=now)
    return _page(page, request, lines, patient, form=form)


def of_visit(page: OnsetAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """For a visit that is booked: what its patient got, and what is still to come."""
    actor = actor_in(request)
    rows = Appointment.objects.visible_to(actor).select_related("patient__site", "visit_type", "site")
    visit = rows.filter(pk=pk).first()
    if visit is None or not actor.may("messages.read", visit.site_id):
        raise Http404("There is no such visit at your sites.")
    lines = preview(appointment=visit, patient=visit.patient, now=clock.now())
    return _page(page, request, lines, visit.patient, visit=visit)


def _initial(now: datetime, site: Site | None) -> dict[str, Any]:
    zone = site.zone if site else UTC
    start = (now + timedelta(days=_DAYS_AHEAD)).astimezone(zone).replace(hour=9, minute=0)
    return {"start": f"{start:%Y-%m-%dT%H:%M}", "site": str(site.pk) if site else ""}


def _visit(form: PreviewForm, now: datetime) -> tuple[Appointment, Patient]:
    site = form.sites[form.cleaned_data["site"]]
    visit_type = form.types[form.cleaned_data["visit_type"]]
    start = form.cleaned_data["start"].replace(tzinfo=site.zone).astimezone(UTC)
    patient = form.cleaned_data["mrn"] or Patient(
        site=site,
        first_name="Alex",
        email="alex@example.org",
        phone="+13035550123",
        timezone=site.timezone,
        language=form.cleaned_data["language"],
        accepts_email=True,
        accepts_sms=True,
    )
    visit = Appointment(
        patient=patient,
        visit_type=visit_type,
        site=site,
        start_at=start,
        end_at=start + length_of(visit_type),
        scheduled_at=now,
        created_at=now,
    )
    return visit, patient


def _page(
    page: OnsetAdmin, request: HttpRequest, lines: list[Line], patient: Patient | None, **context: Any
) -> HttpResponse:
    return page.page(
        request,
        "admin/scheduling/message_preview.html",
        title="What would this patient get?",
        patient=patient,
        sections=[_table(lines, patient)] if patient else [],
        messages_shown=[
            {"line": line, "title": _named(line), "text": line.channel == Message.Channel.SMS}
            for line in lines
            if line.body
        ],
        **context,
    )


def _table(lines: list[Line], patient: Patient) -> Section:
    return Section(
        title="When",
        headers=("Message", "Channel", "When, on the patient's clocks", "Status", "Why"),
        rows=[
            (
                line.kind.replace("_", " ").capitalize(),
                {"email": "E-mail", "sms": "Text"}.get(line.channel, shown.NOTHING),
                shown.local_time(line.due_at, patient.zone),
                shown.label(line.status),
                _reason(line, patient),
            )
            for line in lines
        ],
        empty="No message: the rules bring none for such a visit.",
    )


def _reason(line: Line, patient: Patient) -> str:
    if line.moved and not line.reason:
        return f"{_MOVED[line.moved]}; planned for {shown.local_time(line.planned_at, patient.zone)}"
    return line.reason if line.status == "skipped" else why(line.reason)


def _named(line: Line) -> str:
    version = f", words version {line.version}" if line.version else ""
    return f"{line.kind.replace('_', ' ').capitalize()}{version}"
