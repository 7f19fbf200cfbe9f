"""The page of one infusion session, from arrival to going home: what a nurse works from with one hand.

Every form on it is sent to this address with the name of its act. What a service refuses is shown at that
form, with all that was typed, beside the session as it is by then.
"""

from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.admin.refusals import put_on
from clinic.access.policy import Actor
from clinic.common import clock
from clinic.common.errors import DomainError, Invalid, NotFound, StaleVersion
from scheduling.admin import session_parts, session_work
from scheduling.admin.session_facts import read
from scheduling.admin.session_work import Sent
from scheduling.models import Appointment
from scheduling.models.infusion_rules import INFUSED

_TEMPLATE = "admin/scheduling/session.html"
_STALE = (
    "Somebody changed this session after your page showed it. It is up to date now, and what you typed is "
    "still here: look, then send it again if it is still right."
)


def page(admin: OnsetAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The session of a visit; what is posted is one act."""
    admin.found(request, pk, "gates.read")
    visit, actor, now = _visit(pk), actor_in(request), clock.now()
    if visit.visit_type.kind not in INFUSED:
        return admin.to(pk)
    # Times are typed and shown on the clocks of the site.
    with timezone.override(visit.site.zone):
        sent: Sent | None = None
        if request.method == "POST":
            said, sent = _act(request, visit, actor=actor, now=now)
            if sent is None:
                messages.success(request, said)
                return HttpResponseRedirect(
                    reverse("admin:scheduling_appointment_session", args=[pk])
                    + session_parts.PLACES.get(request.POST["act"], "")
                )
            visit = _visit(pk)  # somebody may have changed it, which is why it was refused
        facts = read(visit, actor=actor, now=now)
        context = session_parts.context(facts, actor=actor, now=now, sent=sent)
        response = admin.page(request, _TEMPLATE, title=f"Session of {visit.patient}", **context)
        return response.render()


def _visit(pk: int) -> Appointment:
    return Appointment.objects.select_related("visit_type", "site", "patient").get(pk=pk)


def _act(request: HttpRequest, visit: Appointment, *, actor: Actor, now: datetime) -> tuple[str, Sent | None]:
    """What was done; or the form that was sent, with what is wrong."""
    act, key = request.POST.get("act", ""), request.POST.get("key", "")[:64]
    form = session_work.form_of(read(visit, actor=actor, now=now), act, key, request.POST)
    sent = Sent(act, key, form)
    if not form.is_valid():
        return "", sent
    try:
        doing = session_work.Doing(
            actor=actor,
            now=now,
            visit=visit,
            key=key,
            version=_number(request, "version"),
            visit_version=_number(request, "visit_version"),
        )
        return session_work.ACTS[act].work(doing, form), None
    except NotFound as refusal:
        raise Http404(refusal.detail) from refusal
    except StaleVersion:
        form.add_error(None, _STALE)
    except DomainError as refusal:
        put_on(form, refusal)
    return "", sent


def _number(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):  # noqa: PLR2004 - fits the column
        raise Invalid("The page did not say which version it showed. Open it again.", code="no_version")
    return int(text)
