"""Asking for a repair: because of a closure, of some visits, or because somebody is away for a while."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.admin.inputs import Tick
from clinic.access.admin.refusals import submit
from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common import clock
from scheduling.admin.fields import Count, Moment, Pick, on_clocks, sites_to_book_at
from scheduling.models import Appointment, Closure, Repair, Resource
from scheduling.selectors.closures import affected_appointments, with_affected
from scheduling.selectors.repairs import MAX_HIT
from scheduling.services import repairs

_LONGEST_ID = 18


class ReachForm(forms.Form):
    """How far visits may go."""

    horizon_days = Count(
        label="Days a visit may move",
        min_value=0,
        max_value=14,
        initial=14,
        help_text="0: only to other times and resources of the same day.",
    )


class AbsenceForm(ReachForm):
    """Who is away from when until when."""

    site = Pick(Site.objects, empty_label=None)
    resource = Pick(Resource.objects, label="Who or what is away", required=False, empty_label="Choose")
    whole_site = Tick(label="The whole site is closed")
    start = Moment(label="From", help_text="On the clocks of the site.")
    end = Moment(label="Until")
    field_order = ("site", "resource", "whole_site", "start", "end", "horizon_days")

    def __init__(self, *args: Any, actor: Actor, **options: Any) -> None:
        super().__init__(*args, **options)
        sites = sites_to_book_at(actor)
        self.fields["site"].queryset = sites  # type: ignore[attr-defined]
        resources = Resource.objects.filter(site__in=sites, active=True).select_related("site")
        self.fields["resource"].queryset = resources.order_by(  # type: ignore[attr-defined]
            "site__name", "kind", "name"
        )

    def clean(self) -> dict[str, Any]:
        """Nothing chosen must not mean everything."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if bool(given.get("resource")) == given["whole_site"]:
            self.add_error("resource", "Choose who or what is away, or tick that the whole site is closed.")
        return given


def new(admin: OnsetAdmin, request: HttpRequest) -> HttpResponse:
    """``?closure=``, ``?visits=`` (ids with commas), or a form for who is away."""
    actor = actor_in(request)
    if not actor.may("appointments.write"):
        raise PermissionDenied
    if request.GET.get("closure"):
        about = _of_closure(request.GET["closure"], actor)
    elif request.GET.get("visits"):
        about = _of_visits(request.GET["visits"], actor)
    else:
        about = {}
    return _page(admin, request, actor, about)


def _page(admin: OnsetAdmin, request: HttpRequest, actor: Actor, about: dict[str, Any]) -> HttpResponse:
    form: forms.Form = ReachForm(request.POST or None) if about else _absence(request, actor)
    back = about.pop("back", reverse("admin:scheduling_repair_changelist"))
    explanation = about.pop("explanation", _EXPLAINED)

    def ask(given: dict[str, Any]) -> Repair:
        return repairs.request(
            actor=actor,
            now=clock.now(),
            horizon_days=given["horizon_days"],
            **(about or _away(given)),
        )

    asked = submit(form, ask)
    if asked is not None:
        messages.success(request, "Asked for. The proposal appears below as soon as it is ready.")
        return HttpResponseRedirect(reverse("admin:scheduling_repair_change", args=[asked.pk]))
    return admin.page(
        request,
        "onset/form_page.html",
        title="Find other places",
        explanation=explanation,
        button="Propose other places",
        form=form,
        back=back,
    )


_EXPLAINED = (
    "For a nurse who calls in sick, or a chair that is out of order. Visits keep their time with somebody "
    "else where that is possible; else as few patients as possible are moved, as little as possible. "
    "Nothing moves before you accept the proposal."
)


def _absence(request: HttpRequest, actor: Actor) -> AbsenceForm:
    today = f"{clock.now():%Y-%m-%d}"
    first = sites_to_book_at(actor).first()
    if first is not None:
        today = f"{clock.now().astimezone(first.zone):%Y-%m-%d}"
    initial = {"start": f"{today}T00:00", "end": f"{today}T23:59"}
    return AbsenceForm(request.POST or None, initial=initial, actor=actor)


def _away(given: dict[str, Any]) -> dict[str, Any]:
    site, resource = given["site"], given["resource"]
    return {
        "site_id": site.pk,
        "resource_id": resource.pk if resource else None,
        "start": on_clocks(given["start"], site.zone),
        "end": on_clocks(given["end"], site.zone),
    }


def _of_closure(pk: str, actor: Actor) -> dict[str, Any]:
    rows = Closure.objects.visible_to(actor).select_related("site", "resource__site")
    closure = with_affected(rows).filter(pk=int(pk)).first() if _is_id(pk) else None
    if closure is None:
        raise Http404("There is no such closure at your sites.")
    site = closure.site or closure.resource.site  # type: ignore[union-attr]  # it has one of the two
    if not actor.may("appointments.write", site.pk):
        raise PermissionDenied
    hit = len(affected_appointments(closure))
    owner = closure.resource.name if closure.resource else site.name
    return {
        "site_id": site.pk,
        "closure_id": closure.pk,
        "back": reverse("admin:scheduling_closure_change", args=[closure.pk]),
        "explanation": f"{owner} is closed: {closure.reason or 'no reason given'}. {_visits(hit)} hit. "
        "Nothing moves before you accept the proposal.",
    }


def _of_visits(text: str, actor: Actor) -> dict[str, Any]:
    ids = {int(part) for part in text.split(",")[: MAX_HIT + 1] if _is_id(part)}
    visits = list(Appointment.objects.visible_to(actor).filter(pk__in=ids).order_by("pk"))
    if not visits or len(visits) != len(ids):
        raise Http404("There are no such visits at your sites.")
    if not actor.may("appointments.write", visits[0].site_id):
        raise PermissionDenied
    one = reverse("admin:scheduling_appointment_change", args=[visits[0].pk])
    return {
        "site_id": visits[0].site_id,
        "appointment_ids": ids,
        "back": one if len(visits) == 1 else reverse("admin:scheduling_appointment_changelist"),
        "explanation": f"For {len(visits)} visit{'' if len(visits) == 1 else 's'}. A visit whose place still "
        "stands stays where it is. Nothing moves before you accept the proposal.",
    }


def _is_id(text: str) -> bool:
    return text.isdecimal() and len(text) <= _LONGEST_ID


def _visits(count: int) -> str:
    return f"{count} visit{' is' if count == 1 else 's are'}"
