"""Choosing a free time in the admin: to book a visit, and to move one. One click books.

Who is looked for is posted, never in an address; an address holds ids and dates only.
"""

from datetime import date, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.admin.refusals import sentence
from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.access.shown import local_time
from clinic.api.fields import Unreadable, read_instant
from clinic.common import clock
from clinic.common.errors import DomainError, Forbidden, Invalid
from patients.models import Patient
from scheduling.admin import booking_wish, picker, who
from scheduling.admin.booking_wish import Wish
from scheduling.admin.fields import sites_to_book_at
from scheduling.models import Appointment, VisitType
from scheduling.services import appointments

_BOOK = "admin/scheduling/book.html"
_MOVE = "admin/scheduling/move.html"


class WhichVisit(forms.Form):
    """What is to be booked where, from which day on."""

    visit_type = forms.ModelChoiceField(
        VisitType.objects.none(), widget=UnfoldAdminSelectWidget, empty_label="Choose"
    )
    site = forms.ModelChoiceField(Site.objects.none(), widget=UnfoldAdminSelectWidget)
    from_day = forms.DateField(
        label="From day", widget=UnfoldAdminTextInputWidget({"type": "date"}), required=False
    )

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["site"].queryset = sites_to_book_at(actor)  # type: ignore[attr-defined]
        types = VisitType.objects.visible_to(actor).filter(active=True)
        self.fields["visit_type"].queryset = types  # type: ignore[attr-defined]


class MoveForm(forms.Form):
    """From which day on to look for another time."""

    from_day = forms.DateField(
        label="From day", widget=UnfoldAdminTextInputWidget({"type": "date"}), required=False
    )


def book(admin: OnsetAdmin, request: HttpRequest) -> HttpResponse:
    """Choose a patient, then what and where, then a time."""
    actor, now = actor_in(request), clock.now()
    if not actor.may("appointments.write"):
        raise PermissionDenied
    given = request.POST if request.method == "POST" else request.GET
    wish = booking_wish.read(request.GET, actor)
    patient = who.chosen(given.get("patient"), actor)
    if patient is None:
        return who.ask(admin, request, template=_BOOK, title="Book a visit", wish=wish)
    form = _which(given, patient, actor, now, wish)
    refusal: DomainError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            return _booked(request, actor, patient, form.cleaned_data, wish)
        except Forbidden as forbidden:
            raise PermissionDenied(forbidden.detail) from forbidden
        except DomainError as refused:
            refusal = refused
    return admin.page(
        request,
        _BOOK,
        title="Book a visit",
        status=409 if refusal else 200,
        form=form,
        patient=patient,
        refused=sentence(refusal) if refusal else "",
        wish=wish,
        **(_offered(form.cleaned_data, patient, refusal, now, wish) if form.is_valid() else {}),
    )


def _which(given: Any, patient: Patient, actor: Actor, now: datetime, wish: Wish | None) -> WhichVisit:
    """What was asked for; before that, the place on the board, or the patient's own site from today on."""
    site = wish.chair.site if wish else patient.site
    day = wish.day if wish else now.astimezone(site.zone).date()
    initial = {"site": str(site.pk), "from_day": day.isoformat()}
    asked = {name: given[name] for name in WhichVisit.base_fields if given.get(name)}
    return WhichVisit(initial | asked if "visit_type" in asked else None, initial=initial, actor=actor)


def _offered(
    which: dict[str, Any], patient: Patient, refusal: DomainError | None, now: datetime, wish: Wish | None
) -> dict[str, Any]:
    site, visit_type = which["site"], which["visit_type"]
    return {
        "wish_fits": wish is not None
        and refusal is None
        and wish.chair.site_id == site.pk
        and wish.fits(visit_type, patient_id=patient.pk, now=now),
        "site": site,
        "visit_type": visit_type,
        "query": urlencode({"patient": patient.pk, "visit_type": visit_type.pk, "site": site.pk}),
        "offer": picker.offer(
            visit_type=visit_type,
            site=site,
            first=which["from_day"] or now.astimezone(site.zone).date(),
            now=now,
            patient_id=patient.pk,
        ),
        "alternatives": picker.alternatives(refusal, site) if refusal else (),
    }


def _booked(
    request: HttpRequest, actor: Actor, patient: Patient, which: dict[str, Any], wish: Wish | None
) -> HttpResponse:
    site = which["site"]
    there = wish if "there" in request.POST else None
    booked = appointments.book(
        actor=actor,
        now=clock.now(),
        patient_id=patient.pk,
        visit_type=which["visit_type"],
        site=site,
        start=there.start if there else _start(request),
        resource_ids=frozenset({there.chair.pk} if there else ()),
        reason=request.POST.get("reason", "").strip()[:200],
    )
    messages.success(request, f"Booked for {local_time(booked.start_at, site.zone)}.")
    if there:
        board = reverse("admin:scheduling_day_board")
        return HttpResponseRedirect(f"{board}?site={site.pk}&date={there.day:%Y-%m-%d}#v{booked.pk}")
    return HttpResponseRedirect(reverse("admin:scheduling_appointment_change", args=[booked.pk]))


def move(admin: OnsetAdmin, request: HttpRequest, visit: Appointment) -> HttpResponse:
    """Choose another time for a visit."""
    actor = actor_in(request)
    if not actor.may("appointments.write", visit.site_id):
        raise PermissionDenied
    refusal: DomainError | None = None
    if request.method == "POST":
        try:
            return _moved(request, actor, visit)
        except DomainError as refused:
            refusal = refused
    now = clock.now()
    form = MoveForm(request.GET if "from_day" in request.GET else None)
    first: date = visit.start_at.astimezone(visit.site.zone).date()
    if form.is_bound and form.is_valid():
        first = form.cleaned_data["from_day"] or first
    offered = picker.offer(
        visit_type=visit.visit_type,
        site=visit.site,
        first=first,
        now=now,
        patient_id=visit.patient_id,
        moving_id=visit.pk,
    )
    return admin.page(
        request,
        _MOVE,
        title="Move a visit",
        status=409 if refusal else 200,
        visit=visit,
        form=MoveForm(initial={"from_day": first.isoformat()}),
        site=visit.site,
        offer=offered,
        refused=sentence(refusal) if refusal else "",
        alternatives=picker.alternatives(refusal, visit.site) if refusal else (),
    )


def _moved(request: HttpRequest, actor: Actor, visit: Appointment) -> HttpResponse:
    moved = appointments.reschedule(
        actor=actor,
        now=clock.now(),
        appointment_id=visit.pk,
        start=_start(request),
        expected_version=admin_version(request),
        reason=request.POST.get("reason", "").strip()[:200],
    )
    messages.success(request, f"Moved to {local_time(moved.start_at, visit.site.zone)}.")
    return HttpResponseRedirect(reverse("admin:scheduling_appointment_change", args=[visit.pk]))


def admin_version(request: HttpRequest) -> int:
    """The version that the page showed. Raises Invalid when it is missing."""
    version = request.POST.get("version", "")
    if not (version.isdecimal() and len(version) < 10):  # noqa: PLR2004 - fits the column
        raise Invalid("The page did not say which version it showed. Open it again.", code="no_version")
    return int(version)


def _start(request: HttpRequest) -> Any:
    try:
        return read_instant(request.POST.get("start", ""))
    except Unreadable as fault:
        raise Invalid("Choose one of the times offered.", code=fault.code) from fault
