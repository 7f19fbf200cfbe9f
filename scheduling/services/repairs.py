"""Asking for a repair, and what a person does with the proposal: accept some or all of it, or discard it.

The idea to know: accepting is many small steps, each in its own transaction and recorded on its change.
What changed meanwhile is reported and left alone, the rest is done; asking again goes on where it stopped.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import Busy, Conflict, DomainError, FieldError, Invalid, NotFound, StaleVersion
from clinic.common.transactions import durable
from patients.services import wakeup
from scheduling.domain.calendars import refuse_skipped
from scheduling.domain.transitions import InvalidTransition
from scheduling.models import Appointment, Closure, Repair, RepairChange, Resource
from scheduling.selectors.repairs import MAX_DAYS, MAX_HIT, hit_by
from scheduling.services import allocations, appointments, repair_items
from scheduling.services.reassignments import Swap, reassign

RUN = "scheduling.tasks.run_repairs"
MAX_WAITING = 5
"""Repairs of one site that may be unfinished at a time."""
_REASON = "repair"
_Outcome = RepairChange.Outcome


@durable
def request(
    *,
    actor: Actor,
    now: datetime,
    site_id: int,
    closure_id: int | None = None,
    resource_id: int | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    appointment_ids: Collection[int] = (),
    time_limit_seconds: int = 20,
    horizon_days: int = 14,
) -> Repair:
    """Ask for a proposal where the visits could go that a closure, an absence or somebody's choice hits.

    Give a closure, or ``start`` and ``end`` (of one resource, or of the whole site), or appointments. A
    worker computes it within ``time_limit_seconds``; visits move by at most ``horizon_days``. Raises
    Invalid (``one_cause``, ``not_after_start``, ``nonexistent_local_time``, ``other_site``,
    ``too_many_visits``, ``range_too_long``), Conflict (``repairs_waiting``), NotFound, Forbidden.
    """
    actor.require("appointments.write", site_id)
    _require_one_cause(closure_id, resource_id, start, end, appointment_ids)
    _require_at_site(actor, site_id, closure_id, resource_id, appointment_ids)
    repair = Repair(
        site_id=site_id,
        closure_id=closure_id,
        resource_id=resource_id,
        appointment_ids=sorted(set(appointment_ids)),
        time_limit_seconds=time_limit_seconds,
        horizon_days=horizon_days,
        requested_by_id=actor.user_id,
        requested_at=now,
    )
    if start is not None and end is not None:
        repair.start_at, repair.end_at = (refuse_skipped(each, repair.site.zone) for each in (start, end))
        if repair.end_at <= repair.start_at:
            raise _invalid("/end", "not_after_start", "The end must be after the start.")
    _require_bounded(repair, now)
    if Repair.objects.filter(site=site_id, status__in=Repair.UNFINISHED).count() >= MAX_WAITING:
        raise Conflict(
            "Several repairs of this site are being computed. Wait for them, or discard one.",
            code="repairs_waiting",
        )
    repair.save(force_insert=True)
    wakeup.wake(RUN)
    return repair


def accept(
    *,
    actor: Actor,
    now: datetime,
    repair_id: int,
    appointment_ids: Collection[int] | None = None,
    expected_version: int | None = None,
) -> Repair:
    """Carry out the proposal, or the part of it about these appointments.

    Each visit is moved in its own transaction (those that trade places in one together) and everything is
    checked again. A visit that changed since the proposal is ``stale`` and one whose new place is gone is
    ``refused``, both left where they are. When nothing is pending the repair is accepted; then, and for
    what was settled before, repeating this changes nothing. Raises InvalidTransition unless it is proposed
    or accepted, Invalid (``not_proposed``, ``trade_places``), Busy, StaleVersion, NotFound, Forbidden.
    """
    repair = _visible(repair_id, actor)
    actor.require("appointments.write", repair.site_id)
    if repair.status == Repair.Status.ACCEPTED:
        return repair
    _require_status(repair, Repair.Status.PROPOSED)
    versions.require_version(repair, expected_version)
    for _number, group in groupby(_asked_for(repair, appointment_ids), key=lambda change: change.together):
        _carry_out(list(group), actor=actor, now=now)
    return _conclude(actor=actor, now=now, repair_id=repair_id)


@durable
def discard(*, actor: Actor, now: datetime, repair_id: int, expected_version: int | None = None) -> Repair:
    """Nothing of it shall happen; what was accepted before stays. A computation under way is dropped.

    Discarding twice changes nothing. Raises InvalidTransition once it is accepted or failed, StaleVersion,
    NotFound, Forbidden.
    """
    repair = _locked(repair_id, actor)
    actor.require("appointments.write", repair.site_id)
    if repair.status == Repair.Status.DISCARDED:
        return repair
    _require_status(repair, Repair.Status.PROPOSED, *Repair.UNFINISHED)
    versions.require_version(repair, expected_version)
    _settle(repair, Repair.Status.DISCARDED, actor=actor, now=now)
    return repair


def _carry_out(group: Sequence[RepairChange], *, actor: Actor, now: datetime) -> None:
    """One visit, or several that trade places; remembered as soon as it is committed."""
    staying = [change for change in group if change.to_start_at == change.from_start_at]
    if len(group) > 1 and len(staying) < len(group):
        for change in group:  # a trade that also changes times: in turn, as far as it goes
            _carry_out([change], actor=actor, now=now)
        return
    try:
        outcome = _do(group, actor=actor, now=now)
        code = ""
    except Busy:
        raise
    except (StaleVersion, InvalidTransition, NotFound) as refused:
        done = all(_already(change) for change in group)  # by us, before a crash, or by a second click
        outcome = _outcome_of(group[0]) if done else _Outcome.STALE
        code = "" if done else refused.code
    except DomainError as refused:
        outcome, code = _Outcome.REFUSED, refused.code
    _remember(group, outcome=outcome, code=code, now=now)


def _do(group: Sequence[RepairChange], *, actor: Actor, now: datetime) -> RepairChange.Outcome:
    outcome = _outcome_of(group[0])
    if outcome is _Outcome.REASSIGNED:
        swaps = [
            Swap(
                appointment_id=change.appointment_id,
                resource_ids=frozenset(change.to_resources),
                expected_version=change.appointment_version,
            )
            for change in group
        ]
        reassign(actor=actor, now=now, swaps=swaps, reason=_REASON)
    elif outcome is _Outcome.MOVED:
        [change] = group
        assert change.to_start_at is not None  # noqa: S101 - only pending changes come here
        appointments.reschedule(
            actor=actor,
            now=now,
            appointment_id=change.appointment_id,
            start=change.to_start_at,
            resource_ids=frozenset(change.to_resources),
            expected_version=change.appointment_version,
            reason=_REASON,
        )
    return outcome


def _outcome_of(change: RepairChange) -> RepairChange.Outcome:
    if change.to_start_at != change.from_start_at:
        return _Outcome.MOVED
    same = sorted(change.to_resources) == sorted(change.from_resources)
    return _Outcome.UNCHANGED if same else _Outcome.REASSIGNED


def _already(change: RepairChange) -> bool:
    """Whether the visit is where the proposal wants it, whoever brought it there."""
    live = Appointment.objects.exclude(status__in=Appointment.FREES_RESOURCES)
    starts = live.filter(pk=change.appointment_id).values_list("start_at", flat=True)
    held = allocations.resources_of(change.appointment_id)
    return list(starts) == [change.to_start_at] and held == frozenset(change.to_resources)


@durable
def _remember(
    group: Sequence[RepairChange], *, outcome: RepairChange.Outcome, code: str, now: datetime
) -> None:
    pending = RepairChange.objects.filter(pk__in=[change.pk for change in group], outcome="")
    pending.update(outcome=outcome, outcome_code=code, settled_at=now)


@durable
def _conclude(*, actor: Actor, now: datetime, repair_id: int) -> Repair:
    """Work items of visits that have a place again are resolved; with nothing pending it is accepted."""
    repair = _locked(repair_id, actor)
    changes = list(repair.changes.all())
    repair_items.resolve(
        appointment_ids=[change.appointment_id for change in changes if change.outcome], now=now
    )
    if repair.status == Repair.Status.PROPOSED and not any(change.pending for change in changes):
        _settle(repair, Repair.Status.ACCEPTED, actor=actor, now=now)
    return repair


def _settle(repair: Repair, status: Repair.Status, *, actor: Actor, now: datetime) -> None:
    repair.status, repair.claim, repair.leased_until = status, None, None
    repair.settled_at, repair.settled_by_id = now, actor.user_id
    versions.save(repair, "status", "claim", "leased_until", "settled_at", "settled_by")


def _asked_for(repair: Repair, appointment_ids: Collection[int] | None) -> list[RepairChange]:
    """The pending changes asked for, in the order in which they can be carried out."""
    changes = list(repair.changes.order_by("sequence"))
    if appointment_ids is None:
        return [change for change in changes if change.pending]
    wanted = set(appointment_ids)
    if wanted - {change.appointment_id for change in changes}:
        raise _invalid(
            "/appointments", "not_proposed", "The proposal says nothing about one of these visits."
        )
    groups = {change.together for change in changes if change.appointment_id in wanted and change.pending}
    whole = [change for change in changes if change.together in groups]
    left_out = [change.appointment_id for change in whole if change.appointment_id not in wanted]
    if left_out:
        raise Invalid(
            "Some of these visits trade places with others. Accept those as well.",
            code="trade_places",
            appointments=left_out,
        )
    return [change for change in whole if change.pending]


def _require_one_cause(
    closure_id: int | None,
    resource_id: int | None,
    start: datetime | None,
    end: datetime | None,
    appointment_ids: Collection[int],
) -> None:
    span = start is not None and end is not None
    half = (start is None) != (end is None)
    if (
        half
        or (resource_id is not None and not span)
        or ((closure_id is not None) + span + bool(appointment_ids) != 1)
    ):
        raise Invalid(
            "Give a closure, or a start and an end (with a resource unless the whole site is away), "
            "or appointments.",
            code="one_cause",
        )


def _require_at_site(
    actor: Actor,
    site_id: int,
    closure_id: int | None,
    resource_id: int | None,
    appointment_ids: Collection[int],
) -> None:
    """Everything named is there for the actor, and belongs to the site."""
    closure = None
    if closure_id is not None:
        closure = Closure.objects.visible_to(actor).select_related("resource").filter(pk=closure_id).first()
        if closure is None:
            raise NotFound("This closure does not exist.")
        owner = closure.site_id or (closure.resource and closure.resource.site_id)
        if owner != site_id:
            raise _invalid("/closure", "other_site", "This closure belongs to another site.")
    if resource_id is not None and not Resource.objects.filter(pk=resource_id, site=site_id).exists():
        raise _invalid("/resource", "other_site", "This resource belongs to another site.")
    there = Appointment.objects.visible_to(actor).filter(pk__in=appointment_ids, site=site_id)
    if there.count() != len(set(appointment_ids)):
        raise _invalid("/appointments", "other_site", "One of these visits is not at this site.")


def _require_bounded(repair: Repair, now: datetime) -> None:
    """One repair is a bounded amount of work."""
    starts = list(hit_by(repair, now=now).values_list("start_at", flat=True)[: MAX_HIT + 1])
    if len(starts) > MAX_HIT:
        raise Invalid(
            f"More than {MAX_HIT} visits are hit. Repair a shorter stretch first.", code="too_many_visits"
        )
    if starts and starts[-1] - starts[0] > timedelta(days=MAX_DAYS):
        raise Invalid(
            f"The visits hit are more than {MAX_DAYS} days apart. Repair a shorter stretch first.",
            code="range_too_long",
        )


def _require_status(repair: Repair, *allowed: str) -> None:
    if repair.status not in allowed:
        raise Conflict(
            f"This repair is {repair.status}. Ask for a new one if visits still need a place.",
            code="invalid_transition",
            state=repair.status,
            possible=_POSSIBLE[Repair.Status(repair.status)],
        )


_POSSIBLE: dict[Repair.Status, list[str]] = {status: [] for status in Repair.Status} | {
    Repair.Status.QUEUED: ["discard"],
    Repair.Status.RUNNING: ["discard"],
    Repair.Status.PROPOSED: ["accept", "discard"],
}


def _invalid(pointer: str, code: str, detail: str) -> Invalid:
    return Invalid(detail, code=code, errors=[FieldError(pointer, code, detail)])


def _visible(repair_id: int, actor: Actor) -> Repair:
    found = Repair.objects.visible_to(actor).filter(pk=repair_id).first()
    if found is None:
        raise NotFound("This repair does not exist.")
    return found


def _locked(repair_id: int, actor: Actor) -> Repair:
    _visible(repair_id, actor)
    return Repair.objects.select_for_update(of=("self",)).select_related("site").get(pk=repair_id)
