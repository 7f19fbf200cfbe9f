"""Keeping a time for a patient for some minutes, and turning it into a visit.

A hold takes time exactly as a booking does (allocations.py); it only ends differently, by the clock.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Q

from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import Conflict, FieldError, Invalid, NotFound
from clinic.common.intervals import Interval
from clinic.common.transactions import durable
from patients.models import Patient
from scheduling.models import Allocation, Appointment, Hold, HoldPolicy, Resource, VisitType
from scheduling.selectors import waitlist as selector
from scheduling.selectors.availability import Question
from scheduling.services import allocations, appointments, freed

DEFAULT_MINUTES = 10
"""API.md. Counts only where a clinic deleted even the default policy row."""


def hold(
    *,
    actor: Actor,
    now: datetime,
    patient_id: int,
    visit_type: VisitType,
    site: Site,
    start: datetime,
    resource_ids: frozenset[int] = frozenset(),
) -> Hold:
    """Keep everything a visit needs, and the patient's own time, until the site's minutes are over.

    Raises as appointments.book: the same rules, the same search.
    """
    actor.require("appointments.write", site.pk)
    at = appointments.checked_start(start, visit_type=visit_type, site=site, now=now)
    question = _question(
        visit_type=visit_type,
        site=site,
        start=at,
        now=now,
        patient_id=patient_id,
        resource_ids=resource_ids,
    )
    appointments.check_named(question)
    work = partial(_hold, actor=actor, question=question, patient_id=patient_id, start=at)
    return appointments.race(work, question, at)


@durable
def _hold(*, actor: Actor, question: Question, patient_id: int, start: datetime) -> Hold:
    now = question.now
    chosen = allocations.propose(question, start)
    resources = allocations.lock_for_visit(chosen.values(), site_id=question.site.pk)
    patient = allocations.lock_patient(patient_id)
    appointments.check_patient(patient, actor)
    appointments.verify(question, start, resources)
    kept = Hold.objects.create(
        patient=patient,
        visit_type=question.visit_type,
        site=question.site,
        start_at=start,
        end_at=start + allocations.length_of(question.visit_type),
        expires_at=now + timedelta(minutes=_minutes(question.site)),
        created_at=now,
        created_by_id=actor.user_id,
    )
    allocations.take(kept, chosen, resources, now=now)
    freed.taken([kept], now=now)
    return kept


def book(
    *,
    actor: Actor,
    now: datetime,
    hold_id: int,
    patient_id: int,
    visit_type: VisitType,
    site: Site,
    start: datetime,
    resource_ids: frozenset[int] = frozenset(),
    reason: str = "",
) -> Appointment:
    """Turn a hold into the visit it was for, on the resources it has.

    The notice of the visit type was kept when the hold was made, and is not asked again. Raises Conflict
    (``hold_expired``, ``hold_used``, ``hold_released``; ``slot_taken`` when a closure came meanwhile),
    Invalid (``hold_mismatch`` naming each field, ``too_soon``, ``inactive``), NotFound, Forbidden.
    """
    known = _visible(hold_id, actor)
    actor.require("appointments.write", known.site_id)
    question = _question(
        visit_type=visit_type,
        site=site,
        start=start,
        now=now,
        patient_id=patient_id,
        resource_ids=resource_ids,
    )
    _require_same(known, question)
    _require_held(known, now)
    if known.start_at < now:
        raise Invalid("This time has begun. Hold or book a later one.", code="too_soon")
    if not (visit_type.active and site.active):
        raise Invalid("The visit type or the site is no longer in service.", code="inactive")
    work = partial(_use, actor=actor, question=question, hold_id=hold_id, reason=reason)
    return appointments.race(work, question, known.start_at)


@durable
def _use(*, actor: Actor, question: Question, hold_id: int, reason: str) -> Appointment:
    now = question.now
    kept, patient, resources = _locked(hold_id)
    _require_held(kept, now)
    appointments.check_patient(patient, actor)
    booked = appointments.write(
        actor=actor,
        question=question,
        patient=patient,
        start=kept.start_at,
        chosen={},
        resources=resources,
        reason=reason,
        hold=kept,
    )
    kept.ended_at, kept.appointment = now, booked
    versions.save(kept, "ended_at", "appointment")
    return booked


@durable
def release(*, actor: Actor, now: datetime, hold_id: int, expected_version: int | None = None) -> Hold:
    """Give the time back before it expires, to those who wait; one that is over already stays as it is.

    Raises Conflict (``hold_used``), StaleVersion, NotFound, Forbidden.
    """
    known = _visible(hold_id, actor)
    actor.require("appointments.write", known.site_id)
    kept, _patient, resources = _locked(hold_id)
    versions.require_version(kept, expected_version)
    status = kept.status_at(now)
    if status == Hold.Status.USED:
        raise _used()
    if status == Hold.Status.HELD:
        allocations.let_go(kept)
        kept.ended_at = now
        versions.save(kept, "ended_at")
        freed.of_holds([(kept, [each.pk for each in resources])], cause="hold_released", now=now)
    return kept


@durable
def notice_expired(*, now: datetime, limit: int) -> int:
    """Tell the waiting list, once each, which holds ended by the clock; how many there were.

    Booking never waits for this: an expired hold stands for nothing. One that is being used this moment is
    left for the next time.
    """
    ids = selector.expired_holds(now=now, limit=limit)
    if not ids:
        return 0
    rows = Hold.objects.select_for_update(of=("self",), skip_locked=True)
    expired = list(rows.filter(pk__in=ids, ended_at=None, noticed_at=None).order_by("pk"))
    had: dict[int, set[int]] = defaultdict(set)
    kept = Allocation.objects.filter(hold__in=expired).order_by()
    for hold_id, resource_id in kept.values_list("hold_id", "resource_id"):
        had[hold_id or 0].add(resource_id)
    freed.of_holds([(each, had[each.pk]) for each in expired], cause="hold_expired", now=now)
    Hold.objects.filter(pk__in=[hold.pk for hold in expired]).update(noticed_at=now)
    return len(expired)


def _locked(hold_id: int) -> tuple[Hold, Patient, list[Resource]]:
    """The hold, locked after what it has and its patient. What an expired hold lost is not there."""
    found = Hold.objects.get(pk=hold_id)
    held = found.allocations.order_by().values_list("resource_id", flat=True)
    resources = allocations.lock_for_visit(set(held), site_id=found.site_id)
    patient = allocations.lock_patient(found.patient_id)
    kept = Hold.objects.select_for_update(of=("self",)).select_related("visit_type", "site").get(pk=hold_id)
    return kept, patient, resources


def _require_held(kept: Hold, now: datetime) -> None:
    match kept.status_at(now):
        case Hold.Status.USED:
            raise _used()
        case Hold.Status.RELEASED:
            raise Conflict("This hold was released. Search for a time again.", code="hold_released")
        case Hold.Status.EXPIRED:
            raise allocations.hold_expired()


def _used() -> Conflict:
    return Conflict("This hold has become a visit. Cancel or move the visit instead.", code="hold_used")


def _require_same(kept: Hold, asked: Question) -> None:
    """A hold is good for what it was made for only. Raises Invalid (``hold_mismatch``)."""
    has = set(kept.allocations.order_by().values_list("resource_id", flat=True))
    differs = {
        "patient": kept.patient_id != asked.patient_id,
        "visit_type": kept.visit_type_id != asked.visit_type.pk,
        "site": kept.site_id != asked.site.pk,
        "start": kept.start_at != asked.window.start,
        # One that has lapsed may have lost its resources; then that is the reason to give.
        "resources": bool(has) and not asked.resource_ids <= has,
    }
    detail = "The hold was made for another one. Send what was held, or hold again."
    errors = [FieldError(f"/{name}", "hold_mismatch", detail) for name, other in differs.items() if other]
    if errors:
        raise Invalid("The hold was made for something else.", code="hold_mismatch", errors=errors)


def _question(
    *,
    visit_type: VisitType,
    site: Site,
    start: datetime,
    now: datetime,
    patient_id: int,
    resource_ids: frozenset[int],
) -> Question:
    return Question(
        visit_type=visit_type,
        site=site,
        window=Interval(start, start + timedelta(minutes=1)),
        now=now,
        patient_id=patient_id,
        resource_ids=resource_ids,
    )


def _minutes(site: Site) -> int:
    """The site's own policy, else the default one."""
    rows = HoldPolicy.objects.filter(Q(site=site) | Q(site=None)).values_list("site_id", "minutes")
    minutes: dict[int | None, int] = dict(rows)
    return minutes.get(site.pk, minutes.get(None, DEFAULT_MINUTES))


def _visible(hold_id: int, actor: Actor) -> Hold:
    found = Hold.objects.visible_to(actor).filter(pk=hold_id).first()
    if found is None:
        raise NotFound("This hold does not exist.")
    return found
