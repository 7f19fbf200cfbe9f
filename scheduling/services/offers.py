"""Offering what was freed to those who wait: noted as it is freed, offered by the tick, taken by one.

The lock order goes on from bookings: resources by id, patients by id, then the freed slot, then entries
and offers. Offers of a patient change only under that patient's lock, a slot's outcome under the slot's.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import Conflict, NotFound
from clinic.common.transactions import durable
from patients.models import Patient
from scheduling.domain import offers as domain
from scheduling.domain.offers import Mode, OfferStatus, Verb
from scheduling.domain.waitlist import EntryStatus
from scheduling.domain.waitlist import Verb as EntryVerb
from scheduling.domain.waitlist import after as entry_after
from scheduling.models import Appointment, FreedSlot, Offer, WaitlistEntry, WaitlistPolicy
from scheduling.selectors import waitlist as selector
from scheduling.selectors.availability import Visit
from scheduling.services import allocations, appointments, course_gaps, freed, offer_messages
from scheduling.services.allocations import LostRace

log = structlog.get_logger(__name__)


def withdraw(*, entry: WaitlistEntry, now: datetime) -> None:
    """Take back what is offered to an entry. Inside a transaction that has its patient locked."""
    standing = list(
        Offer.objects.select_related("slot__site", "patient").filter(entry=entry, status=OfferStatus.OFFERED)
    )
    for offer in standing:
        _end(offer, Verb.SUPERSEDE, patient=entry.patient, now=now)
    freed.look_again([offer.slot_id for offer in standing], now=now)


def offer_freed_slots(*, now: datetime, limit: int) -> int:
    """Do what is due about at most ``limit`` freed times; for how many it was done.

    One that fails does not hold up the others, and stays due.
    """
    done = 0
    for slot_id in selector.slots_due(now=now, limit=limit):
        try:
            advance(slot_id=slot_id, now=now)
            done += 1
        except Exception as error:  # noqa: BLE001 - logged; readiness reports what stays due
            # No traceback: a database error repeats the row, and with it the patient.
            log.error("freed_slot_not_offered", slot_id=slot_id, error=type(error).__name__)  # noqa: TRY400
    return done


def advance(*, slot_id: int, now: datetime) -> None:
    """Expire and take back offers of one freed time, make new ones, or close it. Safe to repeat and race."""
    slot = FreedSlot.objects.select_related("site", "appointment", "hold").filter(pk=slot_id).first()
    if slot is None or slot.status != FreedSlot.Status.OPEN:
        return
    policy = selector.policy_of(slot.site_id)
    weighed = selector.weigh(slot, policy, now=now)
    _advance(slot=slot, policy=policy, weighed=weighed, now=now)


@durable
def _advance(*, slot: FreedSlot, policy: WaitlistPolicy, weighed: selector.Weighed, now: datetime) -> None:
    """Write what :func:`selectors.waitlist.weigh` found, unless the slot changed since."""
    at_once = policy.most_at_once if policy.mode == Mode.PARALLEL else 1
    fits = [(entry, found.start) for entry, found in weighed.entries if found.start is not None][:at_once]
    known = list(slot.offers.filter(status=OfferStatus.OFFERED).values_list("patient_id", flat=True))
    patients = _lock_patients([*known, *(entry.patient_id for entry, _start in fits)])
    locked = FreedSlot.objects.select_for_update(of=("self",)).select_related("site").get(pk=slot.pk)
    if locked.version != slot.version or locked.status != FreedSlot.Status.OPEN:
        return
    standing, taken_back = [], False
    for offer in _standing(locked):
        possible = weighed.possible.get(offer.entry.visit_type_id, frozenset())
        if now >= offer.expires_at:
            _end(offer, Verb.EXPIRE, patient=patients[offer.patient_id], now=now)
        elif offer.start_at not in possible:
            _end(offer, Verb.SUPERSEDE, patient=patients[offer.patient_id], now=now, tell=True)
            taken_back = True
        else:
            standing.append(offer)
    room = at_once - len(standing)
    made, dropped = _offer(
        locked, fits, patients=patients, room=room, policy=policy, weighed=weighed, now=now
    )
    moments = [offer.expires_at for offer in (*standing, *made)]
    if policy.mode == Mode.PARALLEL or not moments:
        moments += [found.later for _entry, found in weighed.entries if found.later is not None]
    if dropped or taken_back:  # who lost a start may still be offered another one
        moments.append(now)
    locked.next_action_at = min(moments, default=None)
    locked.status = FreedSlot.Status.OPEN if moments else FreedSlot.Status.CLOSED
    versions.save(locked, "status", "next_action_at")


def _offer(
    slot: FreedSlot,
    fits: Sequence[tuple[WaitlistEntry, datetime]],
    *,
    patients: dict[int, Patient],
    room: int,
    policy: WaitlistPolicy,
    weighed: selector.Weighed,
    now: datetime,
) -> tuple[list[Offer], bool]:
    """Offers to the first who fit, as far as there is room; and whether somebody changed meanwhile."""
    ready = _still_ready([entry for entry, _start in fits], patients=patients, weighed=weighed, now=now)
    made: dict[int, Offer] = {}
    for entry, start in fits:
        patient = patients[entry.patient_id]
        if len(made) >= room or patient.pk in made or entry.pk not in ready:
            continue
        made[patient.pk] = Offer.objects.create(
            slot=slot,
            entry=entry,
            patient=patient,
            start_at=start,
            end_at=start + timedelta(minutes=Visit.of(entry.visit_type).minutes),
            offered_at=now,
            expires_at=domain.deadline(now=now, answer=timedelta(minutes=policy.answer_minutes), start=start),
        )
        offer_messages.offered(made[patient.pk], patient=patient, now=now)
    return list(made.values()), room > 0 and len(ready) < len(fits)


def _still_ready(
    entries: Sequence[WaitlistEntry],
    *,
    patients: dict[int, Patient],
    weighed: selector.Weighed,
    now: datetime,
) -> set[int]:
    """Ids of the entries that may be offered something, asked again under the patients' locks.

    They still wait, may still be written to, and are not answering another offer. What they were offered
    elsewhere and let pass is ended first.
    """
    ids = [entry.patient_id for entry in entries]
    answering = set()
    for offer in Offer.objects.filter(patient__in=ids, status=OfferStatus.OFFERED).select_related(
        "slot__site"
    ):
        if now >= offer.expires_at:
            _end(offer, Verb.EXPIRE, patient=patients[offer.patient_id], now=now)
        else:
            answering.add(offer.patient_id)
    silent = selector.texted_stop(ids)
    waiting = WaitlistEntry.objects.filter(
        pk__in=[entry.pk for entry in entries], status=EntryStatus.ACTIVE
    ).values_list("pk", "patient_id")
    return {
        entry_id
        for entry_id, patient_id in waiting
        if patient_id not in answering
        and selector.contactable(
            patients[patient_id],
            weighed.quiet[patients[patient_id].site_id],
            texted_stop=patient_id in silent,
        )
    }


def accept(*, actor: Actor, now: datetime, offer_id: int, expected_version: int | None = None) -> Offer:
    """The patient says yes: book them, on what was freed. Exactly one offer of a freed time is accepted.

    The others are told that it is gone, and what is left of it is offered anew. Raises Conflict
    (``offer_gone``, ``offer_expired``, ``invalid_transition``, ``patient_busy``), Invalid as a booking does,
    StaleVersion, NotFound, Forbidden.
    """
    known = _visible(offer_id, actor)
    actor.require("appointments.write", known.slot.site_id)
    versions.require_version(known, expected_version)
    domain.after(_status(known, now), Verb.ACCEPT)
    for _attempt in range(appointments.RACES):
        try:
            return _accept(actor=actor, now=now, known=known, expected_version=expected_version)
        except LostRace:
            continue
        except IntegrityError as error:
            refused = allocations.overlap(error)
        except Conflict as conflict:
            refused = conflict
        if refused.code != "slot_taken":
            raise refused
        break
    _lost(slot_id=known.slot_id, now=now)
    raise domain.gone()


@durable
def _accept(*, actor: Actor, now: datetime, known: Offer, expected_version: int | None) -> Offer:
    question = selector.accepting(known, now=now)
    chosen = allocations.propose(question, known.start_at)
    resources = allocations.lock_for_visit(chosen.values(), site_id=known.slot.site_id)
    others = known.slot.offers.filter(status=OfferStatus.OFFERED).values_list("patient_id", flat=True)
    patients = _lock_patients([known.patient_id, *others])
    slot = FreedSlot.objects.select_for_update(of=("self",)).select_related("site").get(pk=known.slot_id)
    offer = _locked_offer(known.pk, patients[known.patient_id], expected_version)
    offer.status = domain.after(_status(offer, now), Verb.ACCEPT).value
    standing = [each for each in _standing(slot) if each.pk != offer.pk]
    if not {each.patient_id for each in standing} <= set(patients):
        raise LostRace  # somebody was asked meanwhile, whom we have to tell
    appointments.check_patient(offer.patient, actor)
    offer.appointment = appointments.write(
        actor=actor,
        question=question,
        patient=offer.patient,
        start=offer.start_at,
        chosen=chosen,
        resources=resources,
        reason="waitlist",
        course=offer.entry.course,
    )
    offer.answered_at, offer.answered_by_id = now, actor.user_id
    versions.save(offer, "status", "appointment", "answered_at", "answered_by")
    offer_messages.settled(offer, patient=offer.patient, now=now, tell=False)
    _fulfil(offer, visit=offer.appointment)
    for each in standing:
        _end(each, Verb.SUPERSEDE, patient=patients[each.patient_id], now=now, tell=True)
    slot.status, slot.next_action_at = FreedSlot.Status.TAKEN, None
    versions.save(slot, "status", "next_action_at")
    freed.rest_of(slot, now=now)
    if offer.appointment.course_id is not None:
        course_gaps.after_change(offer.appointment, now=now)
    return offer


@durable
def decline(*, actor: Actor, now: datetime, offer_id: int, expected_version: int | None = None) -> Offer:
    """The patient says no and goes on waiting; the next one is asked.

    Raises Conflict (``offer_gone``, ``offer_expired``, ``invalid_transition``), StaleVersion, NotFound.
    """
    known = _visible(offer_id, actor)
    actor.require("appointments.write", known.slot.site_id)
    patient = allocations.lock_patient(known.patient_id)
    FreedSlot.objects.select_for_update().get(pk=known.slot_id)
    offer = _locked_offer(offer_id, patient, expected_version)
    domain.after(_status(offer, now), Verb.DECLINE)
    offer.answered_at, offer.answered_by_id = now, actor.user_id
    _end(offer, Verb.DECLINE, patient=patient, now=now)
    freed.look_again([offer.slot_id], now=now)
    return offer


@durable
def _lost(*, slot_id: int, now: datetime) -> None:
    """Somebody took the time otherwise: the worker takes the other offers back and tells the patients."""
    freed.look_again([slot_id], now=now)


def _end(offer: Offer, verb: Verb, *, patient: Patient, now: datetime, tell: bool = False) -> None:
    """End an offer that stands, and its message; ``tell`` the patient that the time is gone."""
    offer.status = domain.after(OfferStatus(offer.status), verb).value
    versions.save(offer, "status", "answered_at", "answered_by")
    offer_messages.settled(offer, patient=patient, now=now, tell=tell)


def _fulfil(offer: Offer, *, visit: Appointment) -> None:
    entry = WaitlistEntry.objects.select_for_update().get(pk=offer.entry_id)
    entry.status = entry_after(EntryStatus(entry.status), EntryVerb.BOOK).value
    entry.appointment = visit
    versions.save(entry, "status", "appointment")


def _standing(slot: FreedSlot) -> list[Offer]:
    """The offers of a locked slot that nobody has answered yet, expired or not."""
    rows = Offer.objects.select_for_update(of=("self",)).select_related("entry", "slot__site")
    return list(rows.filter(slot=slot, status=OfferStatus.OFFERED).order_by("pk"))


def _locked_offer(offer_id: int, patient: Patient, expected_version: int | None) -> Offer:
    rows = Offer.objects.select_for_update(of=("self",)).select_related(
        "slot__site", "entry__visit_type", "entry__course"
    )
    offer = rows.get(pk=offer_id)
    versions.require_version(offer, expected_version)
    offer.patient = patient
    return offer


def _lock_patients(ids: Collection[int]) -> dict[int, Patient]:
    rows = Patient.objects.select_for_update().filter(pk__in=set(ids)).order_by("pk")
    return {patient.pk: patient for patient in rows}


def _status(offer: Offer, now: datetime) -> OfferStatus:
    return domain.status_at(OfferStatus(offer.status), expires_at=offer.expires_at, now=now)


def _visible(offer_id: int, actor: Actor) -> Offer:
    found = (
        Offer.objects.visible_to(actor)
        .select_related("slot__site", "entry__visit_type", "entry__course")
        .filter(pk=offer_id)
        .first()
    )
    if found is None:
        raise NotFound("This offer does not exist.")
    return found
