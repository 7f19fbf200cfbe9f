"""What a click on the day board does: one step, or one move, through the same services as everywhere.

The page's script sends the version it shows, so that the second of two people is told instead of overwriting;
answers are JSON with the sentence to show.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.urls import reverse

from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.admin.refusals import sentence
from clinic.access.policy import Actor
from clinic.access.shown import clock_time, local_time, short_day
from clinic.api.fields import Unreadable, read_instant
from clinic.common import clock
from clinic.common.errors import Busy, Conflict, DomainError, Forbidden, Invalid, NotFound, StaleVersion
from scheduling.admin.who import LONGEST_ID
from scheduling.domain.session_stages import SessionVerb
from scheduling.domain.transitions import Verb
from scheduling.models import Allocation, Appointment
from scheduling.selectors import gates
from scheduling.services import appointments, reassignments, session_steps, visit_steps
from scheduling.services.reassignments import Swap

_STATUS: dict[type[DomainError], int] = {NotFound: 404, Forbidden: 403, StaleVersion: 412, Busy: 503}
_STALE = (
    "Somebody changed this visit after your board showed it. The board is up to date now: look, "
    "then do it again if it is still right."
)
_DONE = {
    Verb.CONFIRM: "{} is confirmed.",
    Verb.CHECK_IN: "{} is here.",
    Verb.START: "{} is started.",
    SessionVerb.END: "The infusion of {} has ended.",
    SessionVerb.DISCHARGE: "{} is discharged.",
    Verb.COMPLETE: "The visit of {} is complete.",
    Verb.NO_SHOW: "{} did not come.",
    Verb.CANCEL: "The visit of {} is cancelled.",
    "undo": "Taken back for {}.",
}


def step(admin: OnsetAdmin, request: HttpRequest) -> HttpResponse:
    """Take a step of a visit or its session, or take the latest one back."""
    return _answer(admin, request, _step)


def move(admin: OnsetAdmin, request: HttpRequest) -> HttpResponse:
    """Move a visit to another time (and chair), or to another chair at its own time."""
    return _answer(admin, request, _move)


Work = Callable[[HttpRequest, Actor, datetime, Appointment], dict[str, Any]]


def _answer(admin: OnsetAdmin, request: HttpRequest, work: Work) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    actor, now = actor_in(request), clock.now()
    if not actor.may("appointments.read"):
        raise PermissionDenied
    visit = None
    try:
        visit = _visit(request, actor)
        return JsonResponse(work(request, actor, now, visit))
    except DomainError as refusal:
        return JsonResponse(_refused(refusal, visit), status=_STATUS.get(type(refusal), 409))


def _visit(request: HttpRequest, actor: Actor) -> Appointment:
    found = (
        Appointment.objects.visible_to(actor)
        .select_related("patient", "site", "visit_type")
        .filter(pk=_number(request, "appointment"))
        .first()
    )
    if found is None:
        raise NotFound("This visit is not there any more. The board is up to date now.")
    return found


def _step(request: HttpRequest, actor: Actor, now: datetime, visit: Appointment) -> dict[str, Any]:
    verb = request.POST.get("step", "")
    done: dict[str, Any] = {"actor": actor, "now": now, "appointment_id": visit.pk}
    if verb in list(Verb):
        version = _number(request, "version")
        stepped = visit_steps.step(**done, verb=Verb(verb), expected_version=version)
    elif verb in list(SessionVerb):
        stepped = _session_step(SessionVerb(verb), done, _number(request, "session_version"))
    elif verb == "undo":
        stepped = visit_steps.undo(**done, expected_version=_number(request, "version"))
    else:
        raise Invalid("There is no such step. Reload the board.", code="unknown_step")
    said: dict[str, Any] = {"said": _DONE[verb].format(_name(visit))}
    if verb != "undo":
        said["undo"] = {"appointment": visit.pk, "version": stepped.version}
    return said


def _session_step(verb: SessionVerb, done: dict[str, Any], version: int) -> Appointment:
    if verb == SessionVerb.END:
        return session_steps.end(**done, expected_version=version).appointment
    found = session_steps.discharge(**done, given={}, expected_version=version)
    if found.open:
        raise gates.refusal(found.open, step="Going home")
    return found.session.appointment


def _move(request: HttpRequest, actor: Actor, now: datetime, visit: Appointment) -> dict[str, Any]:
    start, version = _start(request), _number(request, "version")
    chair = _number(request, "chair") if request.POST.get("chair") else None
    zone = visit.site.zone
    if start == visit.start_at and chair is not None:
        held = Allocation.objects.filter(appointment=visit, released_at=None)
        others = held.exclude(resource__kind="chair").values_list("resource_id", flat=True)
        swap = Swap(
            appointment_id=visit.pk, resource_ids=frozenset({*others, chair}), expected_version=version
        )
        reassignments.reassign(actor=actor, now=now, swaps=[swap])
        return {"said": f"{_name(visit)} has another chair."}
    appointments.reschedule(
        actor=actor,
        now=now,
        appointment_id=visit.pk,
        start=start,
        resource_ids=frozenset() if chair is None else frozenset({chair}),
        expected_version=version,
    )
    return {"said": f"{_name(visit)} is moved to {local_time(start, zone)}."}


def _start(request: HttpRequest) -> datetime:
    try:
        return read_instant(request.POST.get("start", ""))
    except Unreadable as fault:
        raise Invalid(fault.detail, code=fault.code) from fault


def _number(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_ID):
        raise Invalid("The board did not say what it showed. Reload it.", code="no_version")
    return int(text)


def _name(visit: Appointment) -> str:
    patient = visit.patient
    return f"{patient.preferred_name or patient.first_name} {patient.last_name}"


def _refused(refusal: DomainError, visit: Appointment | None) -> dict[str, Any]:
    """The sentence, what is still open, where to go on, and which other times there are."""
    stale = isinstance(refusal, StaleVersion)
    found: dict[str, Any] = {"code": refusal.code, "said": _STALE if stale else sentence(refusal)}
    if visit is None:
        return found
    waits_for = refusal.data.get("open", ())
    found["open"] = [{"name": gate["name"], "advice": gate["advice"]} for gate in waits_for]
    found["held"] = refusal.code == "safety_hold"
    found["alternatives"] = [
        _alternative(datetime.fromisoformat(each["start"]), visit.site.zone)
        for each in refusal.data.get("alternatives", ())
    ]
    if found["open"] or isinstance(refusal, Conflict):
        found["page"] = page_of(visit.pk, session=bool(found["open"]))
    return found


def _alternative(start: datetime, zone: ZoneInfo) -> dict[str, str]:
    there = start.astimezone(zone)
    return {
        "start": start.isoformat(),
        "text": f"{there:%a}, {short_day(there.date())}, {clock_time(start, zone)}",
    }


def page_of(visit_id: int, *, session: bool) -> str:
    """Where a visit is worked on: the page of its session, where gates are answered, or its own."""
    name = "session" if session else "change"
    return reverse(f"admin:scheduling_appointment_{name}", args=[visit_id])
