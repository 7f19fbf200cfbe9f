"""What boards, gates and charts read: the next reading, its cost for many visits, series."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from scheduling.models import Appointment, InfusionSession, VitalReading, VitalSchedule
from scheduling.selectors import vitals as selector
from scheduling.services import vitals
from tests.conftest import NOW
from tests.factories.treated import session_at

START = NOW + timedelta(minutes=15)
pytestmark = pytest.mark.django_db


def after(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def pressure(
    session: InfusionSession, at: datetime, systolic: int = 120, diastolic: int = 80
) -> VitalReading:
    values = {"systolic": systolic, "diastolic": diastolic}
    return vitals.record(actor=SYSTEM, now=at, appointment_id=session.pk, values=values)


def due(session: InfusionSession, now: datetime = START) -> Any:
    visit = Appointment.objects.select_related("site", "visit_type").get(pk=session.pk)
    found = selector.next_due([visit], now=now)[session.pk]
    return found and (found.when, found.due_at, found.overdue_at)


def test_through_a_whole_visit(site: Site) -> None:
    session = session_at(site, status="arrived")
    visit = session.appointment
    assert due(session) == ("before", NOW, after(2))
    pressure(session, NOW)
    assert due(session) is None
    visit.status = "in_progress"
    visit.save(update_fields=["status"])
    session.started_at = START
    session.save(update_fields=["started_at"])
    assert due(session) == ("during", after(10), after(12))
    pressure(session, after(11))
    assert due(session) == ("during", after(20), after(22))
    vitals.record(actor=SYSTEM, now=after(20), appointment_id=session.pk, values={"spo2": 98})
    assert due(session) == ("during", after(20), after(22)), "no blood pressure, no answer"
    session.infusion_ended_at = after(40)
    session.save(update_fields=["infusion_ended_at"])
    assert due(session) == ("recovery", after(55), after(57))
    pressure(session, after(70))
    assert due(session) == ("leaving", after(75), after(92))
    session.discharged_at = after(90)
    session.save(update_fields=["discharged_at"])
    assert due(session) is None


def test_esketamine_is_measured_40_minutes_after_the_start_though_dosing_is_over(site: Site) -> None:
    session = session_at(site, code="esketamine", infusion_ended_at=after(15))
    assert due(session) == ("once", after(40), after(45))
    pressure(session, after(38))
    assert due(session) == ("leaving", after(120), after(137))


def test_a_sites_own_interval_counts_and_an_inactive_row_asks_nothing(site: Site) -> None:
    session = session_at(site)
    common = {"visit_type": session.appointment.visit_type, "site": site, "source": "t", "mark": "D"}
    own = VitalSchedule.objects.create(when="during", minutes=5, grace_minutes=1, **common)
    assert due(session) == ("during", after(5), after(6))
    own.active = False
    own.save(update_fields=["active"])
    assert due(session) is None


def test_nobody_is_measured_who_is_not_here(site: Site) -> None:
    for status in ("booked", "cancelled", "completed"):
        assert due(session_at(site, status=status, start=NOW + timedelta(hours=3))) is None


def test_many_visits_cost_the_queries_of_one(site: Site) -> None:
    def cost(count: int) -> int:
        for number in range(count):
            status = ("arrived", "in_progress")[number % 2]
            pressure(session_at(site, status=status), after(30), systolic=170)
        visits = list(Appointment.objects.select_related("site", "visit_type"))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(selector.next_due(visits, now=after(30))) == len(visits)
            assert set(selector.unanswered(visits).values()) == {"review"}
        return len(queries)

    assert cost(1) == 5
    assert cost(9) == 5


def test_latest_before_the_start(site: Site) -> None:
    session = session_at(site, infusion_at=START)
    first, second = pressure(session, after(-10)), pressure(session, START)
    pressure(session, after(10))
    assert selector.latest_before_start([session]) == {session.pk: second}
    vitals.strike(actor=SYSTEM, now=after(11), appointment_id=session.pk, reading_id=second.pk, reason="x")
    assert selector.latest_before_start([session]) == {session.pk: first}


def test_series_have_every_value_by_the_minute_and_the_limits(site: Site) -> None:
    session = session_at(site)
    pressure(session, after(-5))
    pressure(session, after(30), systolic=172, diastolic=104)
    found = {each.measure: each for each in selector.series(session, now=after(60))}
    assert list(found) == ["systolic", "diastolic"]
    assert [(p.minutes, p.value, p.level) for p in found["systolic"].points] == [
        (-5, 120, ""),
        (30, 172, "review"),
    ]
    assert sorted(found["systolic"].limits) == [("review", 160), ("urgent", 180)]
