"""What is left of a slot when many want it."""

from collections import Counter
from datetime import datetime, timedelta

from django.db import connections

from bench import data
from bench.book import together
from bench.report import table
from clinic.access.policy import SYSTEM
from clinic.common.errors import DomainError
from scheduling.models import Allocation, Resource, VisitType
from scheduling.services import appointments

RACERS, ROUNDS = 64, 3
WATCHED, STARTS, CAPACITY = 48, 4, 3


def one_slot(where: data.Clinic) -> list[str]:
    """64 at once for the only chair and nurse of a moment."""
    visit_type = VisitType.objects.get(code="ketamine-mood")
    rows, missed = [], []
    for number in range(ROUNDS):
        small = _small_clinic(where, chairs=1)
        start = small.midnight + timedelta(days=2 + number, hours=17)
        outcomes, took = _race(small, visit_type, [start] * RACERS)
        rows.append([number + 1, outcomes["ok"], outcomes["slot_taken"], _others(outcomes), f"{took:.2f}"])
        if outcomes != Counter({"ok": 1, "slot_taken": RACERS - 1}):
            missed.append(f"{RACERS} on one slot: {dict(outcomes)}")
    print(table(f"{RACERS} clients on one slot", ["round", "booked", "slot_taken", "other", "seconds"], rows))
    return missed


def one_nurse_of_three(where: data.Clinic) -> list[str]:
    """48 at once on 4 staggered starts, chairs for all, one nurse who may watch 3."""
    visit_type = VisitType.objects.get(code="ketamine-mood")
    rows, missed = [], []
    for number in range(ROUNDS):
        small = _small_clinic(where, chairs=WATCHED)
        first = small.midnight + timedelta(days=2 + number, hours=17)
        starts = [first + timedelta(minutes=15 * (n % STARTS)) for n in range(WATCHED)]
        outcomes, took = _race(small, visit_type, starts)
        watched = list(
            Allocation.objects.filter(resource__in=small.nurses, use="shared", released_at=None).values_list(
                "start_at", "end_at"
            )
        )
        most = max(sum(start <= at < end for start, end in watched) for at, _end in watched)
        rows.append([number + 1, outcomes["ok"], most, _others(outcomes), f"{took:.2f}"])
        if most > CAPACITY or outcomes["ok"] != CAPACITY or _others(outcomes):
            missed.append(f"{WATCHED} on {STARTS} starts: {dict(outcomes)}, {most} watched at once")
    title = f"{WATCHED} clients on {STARTS} staggered starts, one nurse who may watch {CAPACITY}"
    print(table(title, ["round", "booked", "at once", "other", "seconds"], rows))
    return missed


def _small_clinic(where: data.Clinic, *, chairs: int) -> data.Clinic:
    small = data.clinic(now=where.now, chairs=chairs, nurses=1, people=max(RACERS, WATCHED))
    Resource.objects.filter(pk__in=small.nurses).update(capacity=CAPACITY)
    return small


def _race(where: data.Clinic, visit_type: VisitType, starts: list[datetime]) -> tuple[Counter[str], float]:
    """Everybody books at once, each on a connection of their own."""
    outcomes: Counter[str] = Counter()

    def run(number: int) -> None:
        try:
            appointments.book(
                actor=SYSTEM,
                now=where.now,
                patient_id=where.patients[number],
                visit_type=visit_type,
                site=where.site,
                start=starts[number],
            )
        except DomainError as error:
            outcomes[error.code] += 1
        else:
            outcomes["ok"] += 1
        finally:
            connections.close_all()

    took = together(len(starts), run)
    return outcomes, took


def _others(outcomes: Counter[str]) -> int:
    return sum(outcomes.values()) - outcomes["ok"] - outcomes["slot_taken"]
