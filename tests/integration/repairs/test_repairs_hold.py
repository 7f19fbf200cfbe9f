"""Random clinics, somebody away: what is proposed can be accepted as it is, and breaks nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from clinic.access.policy import SYSTEM
from clinic.common.errors import DomainError
from scheduling.models import Allocation, Appointment, Closure, Repair, Resource
from scheduling.selectors.closures import affected_appointments, with_affected
from scheduling.services import appointments, calendars, repair_runs, repairs
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type

pytestmark = pytest.mark.django_db

EIGHT = datetime(2027, 1, 11, 15, 0, tzinfo=UTC)
CODES = ("ketamine-mood", "esketamine", "follow-up")
_OVERLAPS = """
SELECT count(*) FROM scheduling_allocation a JOIN scheduling_allocation b
ON a.resource_id = b.resource_id AND a.lane = b.lane AND a.id < b.id
AND a.start_at < b.end_at AND b.start_at < a.end_at AND a.released_at IS NULL AND b.released_at IS NULL
"""

visits = st.lists(
    st.tuples(st.sampled_from(CODES), st.integers(0, 32), st.booleans()), min_size=1, max_size=9
)
away = st.tuples(
    st.sampled_from(["Chair 1", "Nurse 1", "Prescriber 1", None]), st.integers(0, 30), st.integers(1, 24)
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(wanted=visits, gone=away, days=st.integers(0, 2))
@example(wanted=[("esketamine", 1, False), ("esketamine", 1, False)], gone=("Nurse 1", 11, 1), days=0)
def test_an_accepted_repair_violates_nothing(
    db: None,
    wanted: list[tuple[str, int, bool]],
    gone: tuple[str | None, int, int],
    days: int,
) -> None:
    site = SiteFactory.create()
    open_clinic(site, chairs=3, nurses=2, prescribers=2)
    patients = [PatientFactory.create(site=site).pk for _ in range(4)]
    for number, (code, quarter, confirmed) in enumerate(wanted):
        try:
            visit = appointments.book(
                actor=SYSTEM,
                now=NOW,
                patient_id=patients[number % 4],
                visit_type=visit_type(code),
                site=site,
                start=EIGHT + timedelta(minutes=15 * quarter),
            )
        except DomainError:
            continue  # no room for it in this clinic
        if confirmed:
            Appointment.objects.filter(pk=visit.pk).update(status="confirmed")
    name, begins, lasts = gone
    closure = calendars.add_closure(
        actor=SYSTEM,
        now=NOW,
        site_id=None if name else site.pk,
        resource_id=Resource.objects.get(site=site, name=name).pk if name else None,
        start=EIGHT + timedelta(minutes=15 * begins),
        end=EIGHT + timedelta(minutes=15 * (begins + lasts)),
        reason="away",
    )
    repair = repairs.request(
        actor=SYSTEM, now=NOW, site_id=site.pk, closure_id=closure.pk, horizon_days=days, time_limit_seconds=5
    )
    assert repair_runs.run_next(now=NOW)
    before = {row.pk: row for row in Appointment.objects.filter(site=site)}
    done = repairs.accept(actor=SYSTEM, now=NOW, repair_id=repair.pk)
    _holds(done, before)


def _holds(done: Repair, before: dict[int, Appointment]) -> None:
    changes = {change.appointment_id: change for change in done.changes.all()}
    assert done.status == "accepted"
    refused = {
        key: change.outcome_code for key, change in changes.items() if change.outcome in {"stale", "refused"}
    }
    assert refused == {}, "nothing changed since the proposal"
    unplaced = {key for key, change in changes.items() if change.to_start_at is None}
    closure = with_affected(Closure.objects.all()).get(pk=done.closure_id or 0)
    assert set(affected_appointments(closure)) == unplaced
    for key, old in before.items():
        now_ = Appointment.objects.get(pk=key)
        moved = now_.start_at != old.start_at
        assert moved == (key in changes and changes[key].outcome == "moved")
        assert now_.status == ("booked" if moved else old.status)
        assert now_.allocations.exists()
    assert done.patients_moved == sum(change.outcome == "moved" for change in changes.values())
    with connection.cursor() as cursor:
        cursor.execute(_OVERLAPS)
        assert cursor.fetchone() == (0,)
    assert not Allocation.objects.filter(resource__kind="nurse", lane__gt=3).exists()
