"""Lowering what a resource serves at once: lanes are re-packed; only what really does not fit is refused."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common.errors import Conflict
from clinic.common.transactions import violated
from scheduling.models import Allocation, Resource
from scheduling.services.resources import ResourceChange, change_resource
from tests.conftest import codes
from tests.factories import ResourceFactory
from tests.factories.bookings import booked

pytestmark = pytest.mark.django_db
DAY = datetime(2027, 1, 6, 16, 0, tzinfo=UTC)


def at(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


@pytest.fixture
def nurse(site: Site) -> Resource:
    return ResourceFactory.create(site=site, kind="nurse", capacity=3)


def lower(resource: Resource, capacity: int, now: datetime) -> ResourceChange:
    return change_resource(
        actor=SYSTEM,
        now=now,
        resource_id=resource.pk,
        expected_version=None,
        changes={"capacity": capacity},
    )


def lanes_of(resource: Resource) -> list[int]:
    return list(resource.allocations.order_by("id").values_list("lane", flat=True))


def test_fragmented_lanes_are_packed_into_fewer(site: Site, nurse: Resource, now: datetime) -> None:
    for start, end, lane in ((0, 1, 1), (0.5, 2, 3), (1, 3, 2), (2, 3, 3), (3, 4, 3)):
        booked(site, at(start), on={nurse: lane}, minutes=int((end - start) * 60))
    lower(nurse, 2, now)
    nurse.refresh_from_db()
    assert nurse.capacity == 2
    assert set(lanes_of(nurse)) == {1, 2}


def test_only_what_must_move_moves(site: Site, nurse: Resource, now: datetime) -> None:
    for day in range(3):
        booked(site, at(24 * day), on={nurse: 2})
    booked(site, at(24), on={nurse: 3})
    lower(nurse, 2, now)
    assert lanes_of(nurse) == [2, 2, 2, 1]


def test_too_many_at_once_is_refused_and_changes_nothing(
    client_as: Any, clock: Any, site: Site, nurse: Resource
) -> None:
    alone = booked(site, at(-3), on={nurse: 3})
    together = [booked(site, at(n / 4), on={nurse: n + 1}) for n in range(3)]
    booked(site, at(1.25), on={nurse: 1})
    hands_on = booked(site, at(0), on={nurse: 0})
    address = f"/api/v1/resources/{nurse.pk}/"
    refused = client_as("manager", site).patch(address, {"capacity": 2}, headers={"If-Match": "*"})
    assert (refused.status_code, refused.json()["code"]) == (409, "capacity_in_use")
    assert codes(refused) == {("/capacity", "capacity_in_use")}
    listed = refused.json()["affected_appointments"]
    assert listed == [visit.pk for visit in together]
    assert not {alone.pk, hands_on.pk} & set(listed)
    assert lanes_of(nurse) == [3, 1, 2, 3, 1, 0]
    nurse.refresh_from_db()
    assert (nurse.capacity, nurse.version) == (3, 1)


def test_what_is_over_or_given_back_stands_in_nobodys_way(site: Site, nurse: Resource, now: datetime) -> None:
    long_ago = datetime(2026, 3, 3, 16, 0, tzinfo=UTC)
    for lane in (1, 2, 3):
        booked(site, long_ago, on={nurse: lane}, status="completed")
        booked(site, at(0), on={nurse: lane}).allocations.update(released_at=now)
    lower(nurse, 1, now)
    nurse.refresh_from_db()
    assert nurse.capacity == 1


def test_more_capacity_moves_nothing(site: Site, nurse: Resource, now: datetime) -> None:
    booked(site, at(0), on={nurse: 3})
    lower(nurse, 5, now)
    assert lanes_of(nurse) == [3]


def test_the_database_refuses_by_itself(site: Site, nurse: Resource) -> None:
    booked(site, at(0), on={nurse: 3})
    with pytest.raises(IntegrityError) as broken, transaction.atomic():
        Resource.objects.filter(pk=nurse.pk).update(capacity=2)
    assert violated(broken.value) == "resource_capacity_in_use"


@pytest.mark.parametrize("seed", range(12))
def test_it_succeeds_exactly_when_no_moment_is_too_full(
    site: Site, nurse: Resource, now: datetime, seed: int
) -> None:
    dice = random.Random(seed)
    for _ in range(8):
        start, minutes = at(dice.randrange(40) / 4), dice.randrange(15, 121, 15)
        end = start + timedelta(minutes=minutes)
        under_way = nurse.allocations.filter(start_at__lt=end, end_at__gt=start)
        free = {1, 2, 3} - set(under_way.values_list("lane", flat=True))
        if free:
            booked(site, start, on={nurse: dice.choice(sorted(free))}, minutes=minutes)
    rows = list(Allocation.objects.filter(resource=nurse))
    fullest = max(sum(other.start_at <= row.start_at < other.end_at for other in rows) for row in rows)
    if fullest <= 2:
        lower(nurse, 2, now)
        assert max(lanes_of(nurse)) <= 2
    else:
        with pytest.raises(Conflict) as refused:
            lower(nurse, 2, now)
        assert refused.value.code == "capacity_in_use"
        assert len(refused.value.data["affected_appointments"]) >= 3
        assert lower(nurse, 3, now).resource.capacity == 3
