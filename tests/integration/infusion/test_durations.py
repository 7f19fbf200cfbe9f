"""A longer or shorter infusion: the visit is laid anew on what it has, or it is said what is in the way."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from clinic.access.models import Site
from clinic.access.policy import SYSTEM, Actor
from clinic.common.errors import Conflict, Invalid
from scheduling.domain.transitions import Verb
from scheduling.models import (
    Allocation,
    Appointment,
    AppointmentEvent,
    Closure,
    DoseOrder,
    FreedSlot,
    InfusionSession,
    Resource,
)
from scheduling.services import appointments, dosing, holds, reassignments, visit_steps
from scheduling.services.reassignments import Swap
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type
from tests.factories.infusions import NINE, arrived_infusion, booked_infusion
from tests.factories.racing import race

pytestmark = pytest.mark.django_db

BEFORE = NINE - timedelta(minutes=5)


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


@pytest.fixture
def chair_and_nurse(site: Site) -> list[Resource]:
    return open_clinic(site, chairs=1, nurses=1)


@pytest.fixture
def visit(site: Site, chair_and_nurse: list[Resource]) -> Appointment:
    visit = arrived_infusion(site)
    dosing.weigh(actor=SYSTEM, now=BEFORE, appointment_id=visit.pk, weight_kg=Decimal(70))
    return visit


@pytest.fixture
def nurse(site: Site, actor_at: Callable[..., Actor]) -> Actor:
    return actor_at(site, "nurse")


def order(visit: Appointment, actor: Actor = SYSTEM, **given: Any) -> DoseOrder:
    return dosing.order(**{"actor": actor, "now": BEFORE, "appointment_id": visit.pk, **given})


def held(visit: Appointment) -> list[tuple[str, str, int, int]]:
    """Kind, use, and the minutes of the visit from and to which."""
    rows = Allocation.objects.filter(appointment=visit, released_at__isnull=True).select_related("resource")
    return sorted(
        (
            row.resource.kind,
            row.use,
            int((row.start_at - visit.start_at).total_seconds() // 60),
            int((row.end_at - visit.start_at).total_seconds() // 60),
        )
        for row in rows
    )


USUAL = [
    ("chair", "exclusive", 0, 120),
    ("nurse", "exclusive", 0, 15),
    ("nurse", "exclusive", 90, 105),
    ("nurse", "shared", 0, 105),
]
LONGER = [
    ("chair", "exclusive", 0, 140),
    ("nurse", "exclusive", 0, 15),
    ("nurse", "exclusive", 110, 125),
    ("nurse", "shared", 0, 125),
]


def test_longer_moves_what_comes_after_the_infusion(visit: Appointment, nurse: Actor) -> None:
    assert held(visit) == USUAL
    before = Allocation.objects.filter(appointment=visit).values_list("resource_id", flat=True)
    resources = set(before)
    slower = order(visit, nurse, minutes=60)
    assert (slower.mg, slower.mg_per_h, slower.minutes) == (Decimal(35), Decimal(35), 60)
    visit.refresh_from_db()
    assert visit.end_at == NINE + minutes(140)
    assert held(visit) == LONGER
    assert set(before.all()) == resources
    assert InfusionSession.objects.get(pk=visit.pk).infusion_minutes == 60
    event = AppointmentEvent.objects.get(appointment=visit, verb="change_duration")
    assert (event.note, event.by_id) == ("Ends 11:20 instead of 11:00", nurse.user_id)


def test_back_to_the_usual_time_is_noted_for_those_who_wait(visit: Appointment) -> None:
    order(visit, minutes=60)
    order(visit, minutes=40)
    visit.refresh_from_db()
    assert (visit.end_at, held(visit)) == (NINE + minutes(120), USUAL)
    assert InfusionSession.objects.get(pk=visit.pk).infusion_minutes is None
    slot = FreedSlot.objects.get(appointment=visit)
    assert (slot.cause, slot.start_at, slot.end_at) == ("shortened", visit.end_at, NINE + minutes(140))


def test_what_stands_in_the_way_is_named_and_nothing_changes(site: Site, visit: Appointment) -> None:
    next_one = booked_infusion(site, start=NINE + minutes(120))
    version = Appointment.objects.get(pk=visit.pk).version
    with pytest.raises(Conflict) as refused:
        order(visit, minutes=60)
    assert refused.value.code == "duration_collides"
    assert refused.value.detail.startswith(
        "With 60 minutes of infusion the visit would last until 11:20. In the way: "
    )
    named = refused.value.data["collisions"]
    assert {row["appointment"] for row in named} == {next_one.pk}
    assert {(row["kind"], row["start"]) for row in named} == {
        ("chair", "2027-01-11T11:00:00-07:00"),
        ("nurse", "2027-01-11T11:00:00-07:00"),  # hands-on there from 11:00, here from 10:50 to 11:05
    }
    visit.refresh_from_db()
    assert (visit.version, visit.end_at, held(visit)) == (version, NINE + minutes(120), USUAL)
    session = InfusionSession.objects.get(pk=visit.pk)
    assert session.infusion_minutes is None
    assert DoseOrder.objects.filter(session=session).count() == 1


def test_a_held_time_is_in_the_way_too(site: Site, visit: Appointment) -> None:
    holds.hold(
        actor=SYSTEM,
        now=BEFORE - minutes(1),
        patient_id=PatientFactory.create(site=site).pk,
        visit_type=visit_type(),
        site=site,
        start=NINE + minutes(120),
    )
    with pytest.raises(Conflict) as refused:
        order(visit, minutes=60)
    named = refused.value.data["collisions"]
    assert {(row["kind"], row["appointment"]) for row in named} == {("chair", None), ("nurse", None)}
    order(visit, minutes=60, now=BEFORE + minutes(60))  # the hold has ended by itself


def test_the_patients_own_next_visit_is_in_the_way(site: Site, visit: Appointment) -> None:
    talk = booked_infusion(site, "consultation", start=NINE + minutes(120), patient=visit.patient)
    with pytest.raises(Conflict) as refused:
        order(visit, minutes=60)
    (named,) = refused.value.data["collisions"]
    assert (named["kind"], named["resource"], named["appointment"]) == ("patient", None, talk.pk)


class TestAfterHours:
    def late(self, site: Site) -> Appointment:
        late = arrived_infusion(site, start=NINE + timedelta(hours=7))
        dosing.weigh(actor=SYSTEM, now=late.start_at, appointment_id=late.pk, weight_kg=Decimal(70))
        return late

    def test_is_refused_with_what_is_closed(self, site: Site, chair_and_nurse: object, nurse: Actor) -> None:
        late = self.late(site)
        with pytest.raises(Invalid) as refused:
            order(late, nurse, minutes=60, reason="Slower.", now=late.start_at)
        assert refused.value.code == "outside_hours"
        assert {
            (row["kind"], row["start"][11:16], row["end"][11:16]) for row in refused.value.data["closed"]
        } == {
            ("chair", "18:00", "18:20"),
            ("nurse", "18:00", "18:05"),
        }

    def test_a_prescriber_may_with_a_reason(
        self, site: Site, chair_and_nurse: object, actor_at: Callable[..., Actor]
    ) -> None:
        late, prescriber = self.late(site), actor_at(site, "prescriber")
        with pytest.raises(Invalid):
            order(late, prescriber, minutes=60, now=late.start_at)
        order(late, prescriber, minutes=60, reason="Nausea: slower.", now=late.start_at)
        late.refresh_from_db()
        assert late.end_at == late.start_at + minutes(140)

    def test_a_closure_counts(self, site: Site, visit: Appointment, nurse: Actor) -> None:
        Closure.objects.create(
            site=site, start_at=NINE + minutes(120), end_at=NINE + minutes(240), reason="Training"
        )
        with pytest.raises(Invalid) as refused:
            order(visit, nurse, minutes=60)
        assert refused.value.code == "outside_hours"


class TestLaterChangesRespectIt:
    def test_another_chair(self, site: Site, visit: Appointment) -> None:
        order(visit, minutes=60)
        other = Resource.objects.create(site=site, kind="chair", name="Other", capacity=1)
        nurse = Resource.objects.get(site=site, kind="nurse")
        swap = Swap(appointment_id=visit.pk, resource_ids=frozenset({other.pk, nurse.pk}))
        reassignments.reassign(actor=SYSTEM, now=BEFORE, swaps=[swap])
        visit.refresh_from_db()
        assert (visit.end_at, held(visit)) == (NINE + minutes(140), LONGER)

    def test_undoing_a_cancellation(self, visit: Appointment) -> None:
        order(visit, minutes=60)
        visit_steps.step(actor=SYSTEM, now=BEFORE, appointment_id=visit.pk, verb=Verb.CANCEL)
        assert held(visit) == []
        visit_steps.undo(actor=SYSTEM, now=BEFORE, appointment_id=visit.pk)
        assert held(visit) == LONGER

    def test_undoing_the_arrival_looks_past_the_change(self, visit: Appointment) -> None:
        order(visit, minutes=60)
        undone = visit_steps.undo(actor=SYSTEM, now=BEFORE, appointment_id=visit.pk)
        assert undone.status == "booked"

    def test_moving_the_visit(self, site: Site, visit: Appointment) -> None:
        order(visit, minutes=60)
        visit_steps.undo(actor=SYSTEM, now=BEFORE, appointment_id=visit.pk)
        moved_to = NINE + timedelta(hours=2)
        appointments.reschedule(actor=SYSTEM, now=BEFORE, appointment_id=visit.pk, start=moved_to)
        visit.refresh_from_db()
        assert (visit.end_at, held(visit)) == (moved_to + minutes(140), LONGER)
        # At 15:45 the usual visit would fit before 18:00, this one does not.
        with pytest.raises(Invalid) as refused:
            appointments.reschedule(
                actor=SYSTEM, now=BEFORE, appointment_id=visit.pk, start=NINE + timedelta(hours=6, minutes=45)
            )
        assert refused.value.code == "outside_hours"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_that_stretch_into_one_nurses_hands_at_once() -> None:
    """Their disconnections would meet: one gets its minutes, the other is told why not."""
    site = SiteFactory.create()
    open_clinic(site, chairs=2, nurses=1)
    first = arrived_infusion(site)
    second = arrived_infusion(site, start=NINE + minutes(15))
    for visit in (first, second):
        dosing.weigh(actor=SYSTEM, now=BEFORE, appointment_id=visit.pk, weight_kg=Decimal(70))
    outcomes = race([lambda: order(first, minutes=65), lambda: order(second, minutes=50)])
    assert sorted(outcomes) == ["duration_collides", "ok"]
    hands_on = Allocation.objects.filter(use="exclusive", resource__kind="nurse").order_by("start_at")
    spans = list(hands_on.values_list("start_at", "end_at"))
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    changed = InfusionSession.objects.filter(infusion_minutes__isnull=False)
    assert changed.count() == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_stretch_and_a_booking_behind_it_never_both_win() -> None:
    site = SiteFactory.create()
    open_clinic(site, chairs=1, nurses=1)
    visit = arrived_infusion(site)
    dosing.weigh(actor=SYSTEM, now=BEFORE, appointment_id=visit.pk, weight_kg=Decimal(70))
    patient = PatientFactory.create(site=site)
    booking: dict[str, Any] = {"patient_id": patient.pk, "visit_type": visit_type(), "site": site}
    outcomes = race(
        [
            lambda: order(visit, minutes=60),
            lambda: appointments.book(
                actor=SYSTEM, now=BEFORE - minutes(60), start=NINE + minutes(120), **booking
            ),
        ]
    )
    assert sorted(outcomes) in (["duration_collides", "ok"], ["ok", "slot_taken"])
