"""A clinic in which everything that moves time happens at random, by the services that do it."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common.errors import DomainError
from clinic.common.intervals import Interval
from scheduling.domain.transitions import Verb
from scheduling.models import Allocation, Appointment, Closure, Hold, Resource, VisitType, WorkingHours
from scheduling.selectors.availability import Question, search
from scheduling.services import appointments, calendars, holds, resources, visit_steps
from tests.factories import PatientFactory, ResourceFactory, SiteFactory

LOAD = {"chair": 1, "nurse": 3, "pump": 2}


def phases(*minutes: int) -> list[dict[str, Any]]:
    """Set-up, infusion, recovery and turnover of these lengths, on a chair, a nurse and a shared pump."""
    chair = {"kind": "chair", "use": "exclusive"}
    watching = {"kind": "nurse", "use": "shared"}
    hands_on = {"kind": "nurse", "use": "exclusive"}
    pump = {"kind": "pump", "use": "shared"}
    needs = [[chair, hands_on, watching], [chair, watching, pump], [chair, hands_on, watching], [chair]]
    names = ("Set-up", "Infusion", "Recovery", "Turnover")
    return [
        {"name": name, "minutes": length, "needs": need}
        for name, length, need in zip(names, minutes, needs, strict=True)
    ]


class Walk:
    """``step()`` does one thing; what the rules refuse is not done. The same seed is the same walk."""

    def __init__(self, *, seed: int, zone: str, first: date, minutes: tuple[int, int, int, int]) -> None:
        self.random = random.Random(seed)
        self.site: Site = SiteFactory.create(timezone=zone)
        self.now = datetime.combine(first, time(0), UTC) - timedelta(days=1)
        self.window = Interval(self.now, self.now + timedelta(days=4))
        WorkingHours.objects.bulk_create(
            WorkingHours(site=self.site, weekday=day, start=start, end=end)
            for day in range(7)
            for start, end in ((time(6), time(16)), (time(18), time(4, 0)))
        )
        for kind, capacity in LOAD.items():
            for number in range(2):
                ResourceFactory.create(site=self.site, kind=kind, name=f"{kind} {number}", capacity=capacity)
        night_nurse = Resource.objects.filter(site=self.site, kind="nurse").first()
        WorkingHours.objects.bulk_create(
            WorkingHours(resource=night_nurse, weekday=day, start=time(17), end=time(9)) for day in range(7)
        )
        self.visit_type = VisitType.objects.create(
            code=f"walk-{self.site.pk}",
            name="Walk",
            discreet_name="Visit",
            kind="infusion",
            phases=phases(*minutes),
            start_grid_minutes=15,
        )
        self.patients = [PatientFactory.create(site=self.site).pk for _ in range(6)]

    def question(self, **fields: Any) -> Question:
        """A search over the walk's days."""
        fields = {"window": self.window, "now": self.now, **fields}
        return Question(visit_type=self.visit_type, site=self.site, **fields)

    def step(self) -> str:
        """One change, or one refusal; its name."""
        self.now += timedelta(minutes=self.random.randrange(5))
        steps: list[Callable[[], object]] = [
            *[self._book] * 6,
            *[self._move] * 3,
            *[self._cancel] * 2,
            *[self._undo] * 2,
            *[self._hold] * 2,
            self._use_hold,
            self._close,
            self._reopen,
            self._change_capacity,
            self._write_past_the_services,
        ]
        chosen = self.random.choice(steps)
        try:
            chosen()
        except DomainError as error:
            return f"{chosen.__name__} refused: {error.code}"
        return chosen.__name__

    def _start(self) -> datetime:
        """Mostly a free one, so that days fill up."""
        free = search(self.question()).starts()
        if free and self.random.random() < 0.9:
            return self.random.choice(free)
        return self.window.start + timedelta(minutes=15 * self.random.randrange(4 * 24 * 4))

    def _visit(self) -> Appointment | None:
        visits = list(Appointment.objects.filter(site=self.site).order_by("pk"))
        return self.random.choice(visits) if visits else None

    def _wanted(self) -> dict[str, Any]:
        return {
            "actor": SYSTEM,
            "now": self.now,
            "patient_id": self.random.choice(self.patients),
            "visit_type": self.visit_type,
            "site": self.site,
            "start": self._start(),
        }

    def _book(self) -> None:
        appointments.book(**self._wanted())

    def _hold(self) -> None:
        holds.hold(**self._wanted())

    def _use_hold(self) -> None:
        kept = Hold.objects.active(self.now).filter(site=self.site).first()
        if kept is not None:
            holds.book(
                **{**self._wanted(), "patient_id": kept.patient_id, "start": kept.start_at}, hold_id=kept.pk
            )

    def _move(self) -> None:
        if visit := self._visit():
            appointments.reschedule(actor=SYSTEM, now=self.now, appointment_id=visit.pk, start=self._start())

    def _cancel(self) -> None:
        if visit := self._visit():
            visit_steps.step(actor=SYSTEM, now=self.now, appointment_id=visit.pk, verb=Verb.CANCEL)

    def _undo(self) -> None:
        if visit := self._visit():
            visit_steps.undo(actor=SYSTEM, now=self.now, appointment_id=visit.pk)

    def _close(self) -> None:
        start = self._start()
        calendars.add_closure(
            actor=SYSTEM,
            now=self.now,
            start=start,
            end=start + timedelta(hours=self.random.randrange(1, 6)),
            reason="Walk",
            resource_id=self.random.choice(list(Resource.objects.filter(site=self.site))).pk,
        )

    def _reopen(self) -> None:
        if closure := Closure.objects.first():
            calendars.remove_closure(actor=SYSTEM, now=self.now, closure_id=closure.pk, expected_version=None)

    def _change_capacity(self) -> None:
        nurse = self.random.choice(list(Resource.objects.filter(site=self.site, kind="nurse").order_by("pk")))
        resources.change_resource(
            actor=SYSTEM,
            now=self.now,
            resource_id=nurse.pk,
            expected_version=None,
            changes={"capacity": self.random.randrange(1, 5)},
        )

    def _write_past_the_services(self) -> None:
        """A person with psql: gives a chair back, takes it again, shortens it."""
        visit = self._visit()
        if visit is None or visit.status != "booked":
            return
        row = Allocation.objects.filter(appointment=visit, resource__kind="chair").first()
        if row is None:
            return
        Allocation.objects.filter(pk=row.pk).update(released_at=self.now)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE scheduling_allocation SET released_at = NULL WHERE id = %s", [row.pk])
        Allocation.objects.filter(pk=row.pk).update(end_at=row.end_at - timedelta(minutes=5))
