"""Several sessions of one course written together, inside a caller's transaction: all of them or none.

One search chooses the resources of every session, all of which are locked in id order before anything is
written; so courses that want the same chairs wait for each other instead of deadlocking half-way.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import IntegrityError

from clinic.access.policy import Actor
from clinic.common import rows as stored
from clinic.common import versions
from clinic.common.errors import DomainError
from clinic.common.intervals import Interval
from patients.models import Patient
from scheduling.domain.phases import Kind
from scheduling.domain.transitions import Status, Verb, next_status
from scheduling.models import Appointment, Course, Resource
from scheduling.selectors import under_locks
from scheduling.selectors.availability import Question, search
from scheduling.selectors.dosing import changed_minutes
from scheduling.services import allocations, freed, history, reminders
from scheduling.services.allocations import LostRace


class LostSession(LostRace):
    """Somebody took what was proposed for session ``number``."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@dataclass(frozen=True, slots=True)
class Sitting:
    """One session to be written: its number, its start, and the visit that is moved there, if one is."""

    number: int
    start: datetime
    moved: Appointment | None = None


Chosen = Mapping[int, Mapping[Kind, int]]
"""Session number -> resource of each kind."""


@contextmanager
def naming(number: int) -> Iterator[None]:
    """Whatever is refused inside is refused of session ``number``, and says so."""
    try:
        yield
    except LostRace:
        raise LostSession(number) from None
    except IntegrityError as error:
        allocations.overlap(error)  # anything but a lost race is our own fault, and raised here
        raise LostSession(number) from error
    except DomainError as error:
        error.detail = f"Session {number}: {error.detail}"
        error.data["session"] = number
        raise


def window_over(sittings: Sequence[Sitting]) -> Interval:
    """The time that one search must cover."""
    return Interval(sittings[0].start, sittings[-1].start + timedelta(minutes=1))


def choose(
    question: Question, sittings: Sequence[Sitting], *, same_nurse: bool, spread: bool = False
) -> Chosen:
    """The best free resources for each session, one nurse for as many as possible if asked.

    ``spread`` takes any that are free, different ones for different patients, to get out of others' way.
    Raises Invalid and Conflict as booking one visit does, naming the session.
    """
    if not sittings:
        return {}
    found = search(question)
    free: dict[int, dict[Kind, tuple[int, ...]]] = {}
    for sitting in sittings:
        with naming(sitting.number):
            if not found.allows(sitting.start):
                at = Interval(sitting.start, sitting.start + timedelta(minutes=1))
                allocations.propose(replace(question, window=at), sitting.start)
                raise LostRace  # it was free after all a moment later
        free[sitting.number] = dict(found.candidates(sitting.start))
    place = (question.patient_id or 0) if spread else 0
    chosen = {
        number: {kind: ids[place % len(ids)] for kind, ids in kinds.items()} for number, kinds in free.items()
    }
    if same_nurse:
        nurse = _common(kinds.get(Kind.NURSE, ()) for kinds in free.values())
        for number, kinds in free.items():
            if nurse is not None and nurse in kinds.get(Kind.NURSE, ()):
                chosen[number][Kind.NURSE] = nurse
    return chosen


def _common(choices: Iterable[tuple[int, ...]]) -> int | None:
    """Who can do most of the sessions; of several, who is preferred most."""
    ranks: dict[int, list[int]] = {}
    for ids in choices:
        for rank, nurse in enumerate(ids):
            ranks.setdefault(nurse, []).append(rank)
    return min(ranks, key=lambda nurse: (-len(ranks[nurse]), sum(ranks[nurse]), nurse), default=None)


def write(
    *,
    actor: Actor,
    course: Course,
    patient: Patient,
    sittings: Sequence[Sitting],
    chosen: Chosen,
    resources: Collection[Resource],
    now: datetime,
    reason: str,
) -> None:
    """Move and book the sessions, with resources, patient and moved visits locked by the caller.

    Raises LostSession, Conflict (``patient_busy``).
    """
    minutes = changed_minutes([sitting.moved.pk for sitting in sittings if sitting.moved])
    _verify(course, sittings, chosen, resources, minutes)
    moved_from = _move([sitting for sitting in sittings if sitting.moved], minutes, now)
    added = _add(course, patient, [sitting for sitting in sittings if not sitting.moved], now)
    visits = []
    for sitting in sittings:
        with naming(sitting.number):
            visit = added[sitting.number] if sitting.moved is None else sitting.moved
            serving = [each for each in resources if each.pk in set(chosen[sitting.number].values())]
            allocations.take(
                visit, chosen[sitting.number], serving, now=now, infusion_minutes=minutes.get(visit.pk)
            )
            visits.append(visit)
    freed.taken(visits, now=now)
    for visit in visits:
        before, start = moved_from.get(visit.pk, ("", None))
        history.record(
            visit,
            actor=actor,
            verb="reschedule" if start else "book",
            before=before,
            now=now,
            reason=reason,
            moved_from=start,
        )
    # Not before all exist: which one is the first visit depends on the others.
    told = reminders.confirm_together(appointments=visits, patient=patient, now=now)
    for visit in visits:
        if visit.pk in moved_from:
            reminders.refresh(appointment=visit, patient=patient, now=now, reason="rescheduled", told=told)
    if added:
        reminders.begin(appointments=list(added.values()), patient=patient, now=now, told=told)


def _verify(
    course: Course,
    sittings: Sequence[Sitting],
    chosen: Chosen,
    resources: Collection[Resource],
    minutes: Mapping[int, int],
) -> None:
    """As allocations.verify, for all sessions in one query."""
    if not sittings:
        return
    length = allocations.length_of(course.visit_type)
    closures = under_locks.closures(
        site_id=course.site_id,
        resource_ids=[resource.pk for resource in resources],
        during=Interval(sittings[0].start, sittings[-1].start + length),
    )
    for sitting in sittings:
        serving = set(chosen[sitting.number].values())
        with naming(sitting.number):
            allocations.refuse_closed(
                closures,
                start=sitting.start,
                visit_type=course.visit_type,
                resources=[each for each in resources if each.pk in serving],
                infusion_minutes=minutes.get(sitting.moved.pk) if sitting.moved else None,
            )


def _add(
    course: Course, patient: Patient, sittings: Sequence[Sitting], now: datetime
) -> dict[int, Appointment]:
    """The new visits by session number, in one statement."""
    length = allocations.length_of(course.visit_type)
    visits = [
        Appointment(
            patient=patient,
            visit_type=course.visit_type,
            site=course.site,
            course=course,
            session_number=sitting.number,
            start_at=sitting.start,
            end_at=sitting.start + length,
            created_at=now,
            scheduled_at=now,
        )
        for sitting in sittings
    ]
    if visits:
        with naming(sittings[0].number):
            stored.insert(visits)
    return {sitting.number: visit for sitting, visit in zip(sittings, visits, strict=True)}


def _move(
    sittings: Sequence[Sitting], minutes: Mapping[int, int], now: datetime
) -> dict[int, tuple[str, datetime]]:
    """Give the moved visits their new times in one statement, so that they may take each other's."""
    before = {}
    visits = []
    for sitting in sittings:
        visit = sitting.moved
        assert visit is not None  # noqa: S101 - the caller chose those that are moved
        before[visit.pk] = (visit.status, visit.start_at)
        allocations.leave(visit, now=now)
        visit.start_at = sitting.start
        length = allocations.length_of(visit.visit_type, infusion_minutes=minutes.get(visit.pk))
        visit.end_at = sitting.start + length
        visit.scheduled_at = now
        visit.status = Status.BOOKED.value
        visit.plan_version += 1
        visit.version += 1
        visits.append(visit)
    fields = ("start_at", "end_at", "scheduled_at", "status", "plan_version", "version")
    if visits:
        with naming(sittings[0].number):
            Appointment.objects.bulk_update(visits, fields)
    return before


def cancel(
    visits: Iterable[Appointment],
    *,
    actor: Actor,
    patient: Patient,
    now: datetime,
    reason: str,
    together: bool = False,
) -> None:
    """Cancel locked visits whose resources are locked too, as the step of each would.

    ``together`` tells the patient of all of them at once: the course has ended.
    """
    leaving = list(visits)
    for visit in leaving:
        before = Status(visit.status)
        visit.status = next_status(before, Verb.CANCEL).value
        versions.save(visit, "status")
        allocations.release(visit, now=now)
        history.record(visit, actor=actor, verb=Verb.CANCEL, before=before, now=now, reason=reason)
    told = reminders.cancel_together(appointments=leaving, patient=patient, now=now) if together else None
    for visit in leaving:
        reminders.refresh(appointment=visit, patient=patient, now=now, reason=visit.status, told=told)
