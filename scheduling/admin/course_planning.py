"""Planning in the admin: several plans side by side, of which one click books one.

What a button posts is the list of starts that it showed, so what is booked is what the person saw.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.admin.refusals import sentence
from clinic.access.models import Site
from clinic.api.fields import Unreadable, read_instant
from clinic.common import clock
from clinic.common.errors import DomainError, Forbidden, Invalid, NotFound
from patients.models import Patient
from scheduling.admin import picker, who
from scheduling.admin.booking import admin_version
from scheduling.admin.course_forms import MoreSessionsForm, NewCourseForm, RestForm, WishesForm
from scheduling.domain import courses as domain
from scheduling.domain.course_plans import Plan
from scheduling.models import Course, Resource
from scheduling.selectors.course_plans import Answer, PlanQuestion, plan
from scheduling.selectors.course_progress import progress, propose_more, propose_rest
from scheduling.services import course_changes, courses

PLANS = 3
_TEMPLATE = "admin/scheduling/plan.html"
_GLUE = " "


@dataclass(frozen=True)
class Sitting:
    """One session of a plan as it reads."""

    number: int
    when: str
    gap: str
    stays: bool


@dataclass(frozen=True)
class Card:
    """One plan: what its button posts, and how it reads."""

    value: str
    span: str
    fit: str
    nurse: str
    sittings: Sequence[Sitting]


@dataclass(frozen=True)
class Planning:
    """What one page plans: how to ask for plans, and what a chosen one does."""

    site: Site
    ask: Callable[[Any], Answer]
    book: Callable[[Any, list[datetime]], Course]
    done: str
    booked: Collection[datetime] = ()
    """Starts that the course has already."""


def plan_new(admin: OnsetAdmin, request: HttpRequest) -> HttpResponse:
    """Choose a patient, then a course and what suits, then one of the plans."""
    actor, now = actor_in(request), clock.now()
    if not actor.may("appointments.write"):
        raise PermissionDenied
    patient = who.chosen(request.GET.get("patient"), actor)
    if patient is None:
        return who.ask(admin, request, template=_TEMPLATE, title="Plan a course")
    initial = {"site": patient.site_id, "start_on": now.astimezone(patient.site.zone).date().isoformat()}
    form = NewCourseForm(request.GET if "template" in request.GET else None, initial=initial, actor=actor)
    notes = actor.may("prescriptions.read", patient.site_id)
    page = {"title": "Plan a course", "patient": patient, "button": "Book this course", "may_note": notes}
    planning = None
    if form.is_valid():
        planning = Planning(
            site=form.cleaned_data["site"],
            ask=lambda given: plan(_question(given, patient, now), limit=PLANS),
            book=lambda given, starts: courses.book(
                actor=actor,
                now=now,
                patient_id=patient.pk,
                template=given.cleaned_data["template"],
                site=given.cleaned_data["site"],
                starts=starts,
                same_nurse=given.cleaned_data["same_nurse"],
                prescription_note=request.POST.get("note", "").strip()[:500] if notes else "",
            ),
            done="The course is booked. Every session is below.",
        )
    return _planned(admin, request, form, planning, **page)


def _question(form: NewCourseForm, patient: Patient, now: datetime) -> PlanQuestion:
    given = form.cleaned_data
    template = given["template"]
    stages = domain.parse(template.stages)
    return PlanQuestion(
        visit_type=template.visit_type,
        site=given["site"],
        patient_id=patient.pk,
        now=now,
        stages=stages,
        count=given["sessions"] or domain.series_length(stages),
        start_on=given["start_on"],
        allowed_weekdays=template.allowed_weekdays,
        preferences=form.preferences(),
    )


def extend(admin: OnsetAdmin, request: HttpRequest, course: Course) -> HttpResponse:
    """Sessions after the last one."""
    actor, now = actor_in(request), clock.now()
    form = MoreSessionsForm(request.GET if "count" in request.GET else {"count": "1"})
    planning = Planning(
        site=course.site,
        ask=lambda given: propose_more(
            actor=actor,
            now=now,
            course_id=course.pk,
            count=given.cleaned_data["count"],
            preferences=given.preferences(),
            limit=PLANS,
        ),
        book=lambda given, starts: course_changes.extend(
            actor=actor, course_id=course.pk, starts=starts, **_change(request, given, now)
        ),
        done="The sessions are booked.",
    )
    return _planned(
        admin, request, form, planning, title="Add sessions", course=course, button="Book these sessions"
    )


def replan(admin: OnsetAdmin, request: HttpRequest, course: Course) -> HttpResponse:
    """Everything still to come, planned anew."""
    actor, now = actor_in(request), clock.now()
    form = RestForm(request.GET)
    known = progress(actor=actor, now=now, course_id=course.pk)
    planning = Planning(
        site=course.site,
        ask=lambda given: propose_rest(
            actor=actor,
            now=now,
            course_id=course.pk,
            preferences=given.preferences(),
            sessions=given.cleaned_data["count"],
            start_on=given.cleaned_data["start_on"],
            limit=PLANS,
        ),
        book=lambda given, starts: course_changes.replan(
            actor=actor, course_id=course.pk, starts=starts, **_change(request, given, now)
        ),
        done="The rest of the course is planned anew; messages follow.",
        booked=frozenset(each.start_at for each in known.movable),
    )
    current = [
        f"Session {each.session_number}: {shown.local_time(each.start_at, course.site.zone)}"
        for each in known.movable
    ]
    return _planned(
        admin,
        request,
        form,
        planning,
        title="Plan the rest anew",
        course=course,
        current=current,
        button="Accept this plan",
    )


def _change(request: HttpRequest, form: WishesForm, now: datetime) -> dict[str, Any]:
    return {
        "now": now,
        "expected_version": admin_version(request),
        "reason": request.POST.get("reason", "").strip()[:200],
        "same_nurse": form.cleaned_data["same_nurse"],
    }


def _planned(
    admin: OnsetAdmin, request: HttpRequest, form: WishesForm, planning: Planning | None, **page: Any
) -> HttpResponse:
    """The page; on POST what its buttons do. What is refused stays on it, with plans made again."""
    refusal: DomainError | None = None
    starts: list[datetime] = []
    offered: dict[str, Any] = {}
    valid = planning is not None and form.is_valid()
    try:
        if planning is not None and valid and request.method == "POST":
            try:
                starts = _starts(request)
                course = planning.book(form, starts)
            except DomainError as refused:
                _raise_as_page(refused)
                refusal = refused
            else:
                messages.success(request, planning.done)
                return HttpResponseRedirect(reverse("admin:scheduling_course_change", args=[course.pk]))
        if planning is not None and valid:
            answer = planning.ask(form)
            offered = {
                "site": planning.site,
                "cards": _cards(answer, planning),
                "reasons": _reasons(answer),
                "alternatives": _instead(refusal, starts, answer.first_number, planning.site),
            }
    except DomainError as refused:
        _raise_as_page(refused)
        refusal = refused
    status = 409 if refusal and request.method == "POST" else 200
    refused_with = sentence(refusal) if refusal else ""
    return admin.page(
        request, _TEMPLATE, status=status, form=form, refused=refused_with, **{**page, **offered}
    )


def _raise_as_page(refusal: DomainError) -> None:
    if isinstance(refusal, NotFound):
        raise Http404(refusal.detail) from refusal
    if isinstance(refusal, Forbidden):
        raise PermissionDenied(refusal.detail) from refusal


def _starts(request: HttpRequest) -> list[datetime]:
    """What the pressed button stands for. Raises Invalid."""
    try:
        found = [read_instant(text) for text in request.POST.get("starts", "").split(_GLUE) if text]
    except Unreadable as fault:
        raise Invalid("Choose one of the plans offered.", code=fault.code) from fault
    if not found:
        raise Invalid("Choose one of the plans offered.")
    return found


def _cards(answer: Answer, planning: Planning) -> list[Card]:
    wanted = {each.nurse for each in answer.plans if each.nurse is not None}
    names = dict(Resource.objects.filter(pk__in=wanted).values_list("pk", "name")) if wanted else {}
    return [_card(each, answer.first_number, planning, names) for each in answer.plans]


def _card(chosen: Plan, first_number: int, planning: Planning, nurses: dict[int, str]) -> Card:
    zone = planning.site.zone
    starts = [option.start.astimezone(zone) for option in chosen.options]
    gaps = ["", *(_days_on((later.date() - before.date()).days) for before, later in pairwise(starts))]
    return Card(
        value=_GLUE.join(start.isoformat() for start in starts),
        span=f"{shown.local_day(starts[0].date())} to {shown.local_day(starts[-1].date())}"
        if len(starts) > 1
        else shown.local_day(starts[0].date()),
        fit=f"{chosen.score:.0f}",
        nurse=nurses.get(chosen.nurse or 0, ""),
        sittings=[
            Sitting(number, _short(start), gap, start in planning.booked)
            for number, (start, gap) in enumerate(zip(starts, gaps, strict=True), start=first_number)
        ],
    )


def _days_on(days: int) -> str:
    return f"+{days} day{'' if days == 1 else 's'}"


def _short(start: datetime) -> str:
    """``Tue, Jan 5, 9:00 AM MST``: the years stand above."""
    return f"{start:%a}, {shown.short_day(start.date())}, {shown.clock_time(start, start.tzinfo)}"  # type: ignore[arg-type]  # a ZoneInfo, see _card


def _reasons(answer: Answer) -> list[tuple[str, str]]:
    return [(shown.local_day(reason.day), reason.detail) for reason in answer.reasons]


def _instead(
    refusal: DomainError | None, starts: Sequence[datetime], first_number: int, site: Site
) -> list[dict[str, Any]]:
    """The same plan with the refused session at each of the nearest times that would do."""
    number = refusal.data.get("session") if refusal else None
    if refusal is None or number is None or not 0 <= number - first_number < len(starts):
        return []
    made = []
    for each in picker.alternatives(refusal, site):
        moved = [start.isoformat() for start in starts]
        moved[number - first_number] = each["slot"].value
        made.append({**each, "number": number, "starts": _GLUE.join(moved)})
    return made
