"""The stored days never drift from the allocations: random walks, every step checked, and crashes."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common.intervals import Interval
from scheduling.domain.transitions import Verb
from scheduling.models import Allocation, ResourceDay
from scheduling.selectors.availability import Question, search
from scheduling.services import appointments, holds, resource_days, visit_steps
from tests.conftest import NOW
from tests.factories import PatientFactory, ResourceFactory, open_clinic, visit_type
from tests.factories.bookings import booked
from tests.integration.availability.oracles import by_multiranges, expected_planes, from_rows, stored_planes
from tests.integration.availability.walks import Walk

pytestmark = pytest.mark.django_db

ODD = (7, 41, 23, 4)
"""Minutes that end inside ticks, so that two visits touch one tick."""
WHOLE = (15, 40, 20, 15)
PLACES = [
    ("America/Denver", date(2027, 3, 14)),
    ("America/Denver", date(2027, 11, 7)),
    ("Europe/Berlin", date(2027, 10, 31)),
    ("Australia/Lord_Howe", date(2027, 4, 4)),
    ("Asia/Kathmandu", date(2027, 1, 4)),
]
START = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize(("zone", "first"), PLACES)
def test_every_step_leaves_them_as_the_rows_say(zone: str, first: date) -> None:
    walk = Walk(seed=first.toordinal(), zone=zone, first=first, minutes=ODD)
    done: Counter[str] = Counter()
    for _ in range(60):
        done[walk.step()] += 1
        assert stored_planes() == expected_planes(), done
        stored, rows = search(walk.question()), search(walk.question(), usage=from_rows)
        assert stored.bits == rows.bits
        assert stored.reasons() == rows.reasons()
    assert {"_book", "_move", "_cancel", "_hold"} <= set(done), done
    for resource_id in ResourceDay.objects.values_list("resource_id", flat=True).distinct():
        assert resource_days.drift(resource_id=resource_id) == []


@pytest.mark.parametrize(("zone", "first"), PLACES)
def test_answers_are_those_of_multiranges(zone: str, first: date) -> None:
    walk = Walk(seed=7 * first.toordinal(), zone=zone, first=first, minutes=WHOLE)
    found = set()
    for n in range(40):
        walk.step()
        moving = Allocation.objects.filter(released_at=None, appointment__isnull=False).last()
        question = walk.question(
            patient_id=walk.patients[n % 6],
            moving_ids=frozenset({moving.appointment_id} if moving and n % 2 else ()),
        )
        stored, rows = search(question), search(question, usage=from_rows)
        assert stored.starts() == by_multiranges(question)
        assert rows.bits == stored.bits
        for start in stored.starts()[:: max(1, len(stored.starts()) // 5)]:
            assert stored.candidates(start) == rows.candidates(start)
        found.add(len(stored.starts()))
    assert len(found) > 5


def test_a_booking_that_fails_leaves_both_as_they_were(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    open_clinic(site)
    booked_once = appointments.book(
        actor=SYSTEM,
        now=NOW,
        patient_id=PatientFactory.create(site=site).pk,
        visit_type=visit_type(),
        site=site,
        start=START,
    )
    before = stored_planes()
    assert before

    def power_cut(*_args: Any, **_kwargs: Any) -> None:
        assert stored_planes() != before
        raise RuntimeError

    monkeypatch.setattr("scheduling.services.history.record", power_cut)
    with pytest.raises(RuntimeError):
        appointments.reschedule(
            actor=SYSTEM, now=NOW, appointment_id=booked_once.pk, start=START + timedelta(days=1)
        )
    with pytest.raises(RuntimeError):
        visit_steps.step(actor=SYSTEM, now=NOW, appointment_id=booked_once.pk, verb=Verb.CANCEL)
    assert stored_planes() == before == expected_planes()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_connection_that_dies_leaves_both_as_they_were(site: Site) -> None:
    chair = ResourceFactory.create(site=site)
    visit = booked(site, START, on={chair: 0})
    before = stored_planes()
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}) as dying:
        dying.execute("UPDATE scheduling_allocation SET end_at = end_at + interval '1 hour'")
        dying.execute("DELETE FROM scheduling_allocation WHERE appointment_id = %s", [visit.pk])
        assert dying.execute(
            "SELECT count(*) FROM scheduling_resourceday WHERE exclusive <> ''"
        ).fetchone() == (0,)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [dying.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            dying.execute("SELECT 1")
    assert stored_planes() == before == expected_planes()


def test_held_time_is_not_stored_until_it_is_a_visits(site: Site) -> None:
    open_clinic(site, chairs=1)
    patient_id = PatientFactory.create(site=site).pk
    wanted: Any = {"patient_id": patient_id, "visit_type": visit_type(), "site": site, "start": START}
    question = Question(
        visit_type=visit_type(), site=site, window=Interval(START, START + timedelta(minutes=5)), now=NOW
    )
    kept = holds.hold(actor=SYSTEM, now=NOW, **wanted)
    assert stored_planes() == {}
    assert search(question).starts() == []
    assert search(replace(question, now=kept.expires_at)).starts() == [START]
    holds.book(actor=SYSTEM, now=NOW, hold_id=kept.pk, **wanted)
    assert stored_planes() == expected_planes() != {}
    assert search(replace(question, now=kept.expires_at)).starts() == []


def test_a_hold_that_ends_takes_nothing_from_the_visits_beside_it(site: Site) -> None:
    open_clinic(site, chairs=3)
    wanted: Any = {"actor": SYSTEM, "now": NOW, "visit_type": visit_type(), "site": site}
    people = [PatientFactory.create(site=site).pk for _ in range(3)]
    appointments.book(**wanted, patient_id=people[0], start=START)
    before = stored_planes()
    released = holds.hold(**wanted, patient_id=people[1], start=START + timedelta(minutes=15))
    used = holds.hold(**wanted, patient_id=people[2], start=START + timedelta(minutes=30))
    assert stored_planes() == before == expected_planes()
    holds.release(actor=SYSTEM, now=NOW, hold_id=released.pk)
    assert stored_planes() == before == expected_planes()
    holds.book(**wanted, hold_id=used.pk, patient_id=people[2], start=used.start_at)
    assert before != stored_planes() == expected_planes()


def test_many_on_one_tick_are_counted_and_given_back_one_by_one(site: Site) -> None:
    nurse = ResourceFactory.create(site=site, kind="nurse", capacity=3)
    visits = [booked(site, START + timedelta(minutes=n), on={nurse: 1}, minutes=1) for n in range(4)] + [
        booked(site, START, on={nurse: 2}, minutes=5)
    ]
    assert len(ResourceDay.objects.get().shared) == 5 * 36
    for visit in visits:
        visit.allocations.update(released_at=NOW)
        assert stored_planes() == expected_planes()
    assert stored_planes() == {}


def test_emptying_the_table_empties_the_days(site: Site) -> None:
    booked(site, START, on={ResourceFactory.create(site=site): 0})
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("TRUNCATE scheduling_appointment CASCADE")
    assert not ResourceDay.objects.exists()


class TestVerifyAvailability:
    @pytest.fixture
    def drifted(self, site: Site) -> Site:
        """One day too much, one too little, one wrong, as after a load with the triggers off."""
        chairs = [ResourceFactory.create(site=site) for _ in range(3)]
        booked(site, START, on={chairs[0]: 0, chairs[1]: 0})
        ResourceDay.objects.filter(resource=chairs[0]).delete()
        ResourceDay.objects.filter(resource=chairs[1]).update(exclusive=b"\1" * 36)
        ResourceDay.objects.create(resource=chairs[2], day=START.date(), shared=b"\1" * 36)
        return site

    def test_says_what_differs_and_fails(self, drifted: Site) -> None:
        out = StringIO()
        with pytest.raises(CommandError, match="3 days are stored wrongly") as refusal:
            call_command("verify_availability", stdout=out)
        assert refusal.value.returncode == 1
        assert out.getvalue().count("differs on 2027-01-11") == 3

    def test_rebuild_corrects_it(self, drifted: Site) -> None:
        call_command("verify_availability", "--rebuild", stdout=StringIO())
        assert stored_planes() == expected_planes() != {}
        out = StringIO()
        call_command("verify_availability", site=drifted.pk, stdout=out)
        assert "3 resources are right" in out.getvalue()

    def test_an_empty_day_is_as_good_as_none(self, site: Site) -> None:
        visit = booked(site, START, on={ResourceFactory.create(site=site): 0})
        with transaction.atomic():
            visit.allocations.all().delete()
        assert ResourceDay.objects.exists()
        call_command("verify_availability", stdout=StringIO())
