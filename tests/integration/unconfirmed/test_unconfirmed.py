"""A visit that nobody confirmed asks for a call a day before, once for each of its dates."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import WorkItem
from patients.services import work_items
from scheduling import tasks
from scheduling.domain.transitions import Verb
from scheduling.due import Unconfirmed
from scheduling.models import Appointment, ConfirmationRule
from scheduling.selectors import unconfirmed as selector
from scheduling.services import appointments, unconfirmed, visit_steps
from tests.factories import PatientFactory, open_clinic, visit_type
from tests.factories.bookings import booked
from tests.factories.racing import race

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
Clock = Callable[[datetime], None]


@pytest.fixture
def clinic(site: Site) -> Site:
    open_clinic(site)
    return site


@pytest.fixture
def visit(clinic: Site, now: datetime) -> Appointment:
    """In a week, at 09:00 in Denver."""
    return appointments.book(
        actor=SYSTEM,
        now=now,
        patient_id=PatientFactory.create(site=clinic).pk,
        visit_type=visit_type(),
        site=clinic,
        start=now + 7 * DAY + timedelta(hours=1),
    )


def items() -> list[tuple[str, str]]:
    rows = WorkItem.objects.filter(kind="unconfirmed").order_by("pk")
    return list(rows.values_list("status", "note"))


def step(visit: Appointment, verb: Verb, now: datetime) -> None:
    visit_steps.step(actor=SYSTEM, now=now, appointment_id=visit.pk, verb=verb)


def ask(now: datetime) -> int:
    return unconfirmed.ask(now=now, limit=200)


def test_a_day_before_somebody_is_asked_to_call_once(visit: Appointment, clock: Clock) -> None:
    moment = visit.start_at - DAY
    assert Unconfirmed().next_due_at() == moment
    assert ask(moment - timedelta(seconds=1)) == 0
    assert [ask(moment), ask(moment), ask(visit.start_at - timedelta(minutes=1))] == [1, 0, 0]
    item = WorkItem.objects.get(kind="unconfirmed")
    assert (item.status, item.owner_role, item.severity) == ("open", "front_desk", "routine")
    assert (item.patient, item.site) == (visit.patient, visit.site)
    assert item.due_at == moment + timedelta(hours=4)
    assert visit.patient.last_name not in item.summary
    assert str(visit.pk) in item.summary
    clock(moment)
    assert Unconfirmed().next_due_at() is None
    version = visit.version
    visit.refresh_from_db()
    assert visit.version == version, "whoever has the visit open may still save it"


@pytest.mark.parametrize(
    ("verb", "note"),
    [(Verb.CONFIRM, "confirmed"), (Verb.CANCEL, "cancelled"), (Verb.CHECK_IN, "arrived")],
)
def test_what_settles_the_visit_closes_the_item(visit: Appointment, verb: Verb, note: str) -> None:
    now = visit.start_at - DAY
    ask(now)
    step(visit, verb, now)
    assert items() == [("resolved", f"Closed by Onset: the visit was {note}.")]
    assert ask(now) == 0


def test_a_confirmed_visit_asks_for_nothing(visit: Appointment, clock: Clock) -> None:
    step(visit, Verb.CONFIRM, visit.start_at - 2 * DAY)
    clock(visit.start_at - 2 * DAY)
    assert Unconfirmed().next_due_at() is None
    assert ask(visit.start_at - DAY) == 0


def test_a_visit_that_is_moved_asks_again_before_its_new_date(visit: Appointment, clock: Clock) -> None:
    now = visit.start_at - DAY
    ask(now)
    later = visit.start_at + 7 * DAY
    appointments.reschedule(actor=SYSTEM, now=now, appointment_id=visit.pk, start=later)
    assert items() == [("resolved", "Closed by Onset: the visit was moved.")]
    clock(now)
    assert Unconfirmed().next_due_at() == later - DAY
    assert [ask(now), ask(later - DAY), ask(later - DAY)] == [0, 1, 0]
    assert [status for status, _note in items()] == ["resolved", "open"]


def test_a_confirmation_taken_back_asks_again(visit: Appointment) -> None:
    now = visit.start_at - DAY
    ask(now)
    step(visit, Verb.CONFIRM, now)
    visit_steps.undo(actor=SYSTEM, now=now, appointment_id=visit.pk)
    assert ask(now) == 1
    assert [status for status, _note in items()] == ["resolved", "open"]


def test_what_a_person_resolved_stays_resolved(visit: Appointment) -> None:
    now = visit.start_at - DAY
    ask(now)
    WorkItem.objects.filter(kind="unconfirmed").update(status="resolved", resolved_at=now, note="left word")
    assert ask(now + timedelta(hours=1)) == 0
    step(visit, Verb.CONFIRM, now)
    assert items() == [("resolved", "left word")]


@pytest.mark.parametrize(("ahead", "asked"), [(25, 1), (24, 0), (3, 0)])
def test_a_visit_agreed_within_the_day_needs_no_confirmation(
    clinic: Site, now: datetime, ahead: int, asked: int
) -> None:
    start = now + timedelta(hours=ahead)
    appointments.book(
        actor=SYSTEM,
        now=now,
        patient_id=PatientFactory.create(site=clinic).pk,
        visit_type=visit_type("consultation"),
        site=clinic,
        start=start,
    )
    assert ask(start - timedelta(minutes=1)) == asked


def test_a_visit_that_has_begun_asks_for_nothing_even_if_nobody_looked(
    visit: Appointment, clock: Clock
) -> None:
    clock(visit.start_at)
    assert Unconfirmed().next_due_at() is None
    assert ask(visit.start_at) == 0


def test_the_narrowest_rule_counts_and_an_inactive_one_asks_nobody(visit: Appointment) -> None:
    shipped = ConfirmationRule.objects.get()
    assert (shipped.minutes_before, shipped.mark) == (1440, "D")
    fields = {"answer_minutes": 60, "source": "this clinic", "mark": "D"}
    ConfirmationRule.objects.create(site=visit.site, minutes_before=2880, **fields)
    assert Unconfirmed().next_due_at() == visit.start_at - 2 * DAY
    infusions = ConfirmationRule.objects.create(visit_type=visit.visit_type, minutes_before=720, **fields)
    assert Unconfirmed().next_due_at() == visit.start_at - DAY / 2
    assert ask(visit.start_at - 2 * DAY) == 0
    infusions.active = False
    infusions.save()
    assert Unconfirmed().next_due_at() is None
    infusions.delete()
    assert ask(visit.start_at - 2 * DAY) == 1
    assert WorkItem.objects.get(kind="unconfirmed").due_at == visit.start_at - 2 * DAY + timedelta(hours=1)


def test_without_a_rule_nobody_is_asked(visit: Appointment) -> None:
    ConfirmationRule.objects.all().delete()
    assert Unconfirmed().next_due_at() is None
    assert ask(visit.start_at - DAY) == 0


def test_a_worker_that_dies_on_the_way_loses_and_doubles_nothing(
    visit: Appointment, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = visit.start_at - DAY
    real = work_items.open_items

    def dying(*args: object, **kwargs: object) -> None:
        real(*args, **kwargs)  # type: ignore[arg-type]
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("scheduling.services.unconfirmed.open_items", dying)
        with pytest.raises(RuntimeError, match="killed"):
            ask(now)
    assert items() == []
    assert ask(now) == 1
    assert len(items()) == 1


def test_many_visits_in_batches_at_the_cost_of_one(clinic: Site, now: datetime, clock: Clock) -> None:
    start = now + 3 * DAY
    costs = []
    for count in (1, 40):
        for _ in range(count):
            booked(clinic, start, on={})
        with CaptureQueriesContext(connection) as caught:
            assert unconfirmed.ask(now=start - DAY, limit=200) == count
        costs.append(len(caught))
    assert costs[0] == costs[1] <= 8
    for _ in range(25):
        booked(clinic, start, on={})
    assert [unconfirmed.ask(now=start - DAY, limit=10) for _ in range(4)] == [10, 10, 5, 0]
    assert len(items()) == 66
    booked(clinic, start, on={})
    clock(start - DAY)
    tasks.ask_unconfirmed()
    assert len(items()) == 67


def test_the_index_finds_the_next_one(clinic: Site, now: datetime) -> None:
    """Among many visits that are confirmed or were asked about."""
    patient = PatientFactory.create(site=clinic)
    for number in range(300):
        start = now + timedelta(hours=30 + number)
        booked(clinic, start, on={}, patient=patient, status="confirmed")
    booked(clinic, now + 30 * DAY, on={})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE scheduling_appointment")
    coming = selector.due(now=now + 29 * DAY, policy=selector.rules())
    assert "appointment_unconfirmed" in coming.explain()
    with CaptureQueriesContext(connection) as caught:
        assert selector.next_ask_at(now=now) == now + 29 * DAY
    assert len(caught) == 2


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_asking_against_confirming_leaves_no_item_open(visit: Appointment) -> None:
    now = visit.start_at - DAY

    def confirm() -> None:
        step(visit, Verb.CONFIRM, now)

    assert race([lambda: ask(now), confirm, lambda: ask(now), lambda: ask(now)]) == ["ok"] * 4
    assert ask(now) == 0
    visit.refresh_from_db()
    assert visit.status == "confirmed"
    assert not WorkItem.objects.filter(kind="unconfirmed").exclude(status="resolved").exists()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_ticks_at_once_ask_once(visit: Appointment) -> None:
    now = visit.start_at - DAY
    assert race([lambda: ask(now)] * 6) == ["ok"] * 6
    assert ask(now) == 0
    assert len(items()) == 1
