"""Time-zone truth over HTTP: what the clock on the wall shows is kept, and elapsed time is what is booked.

Denver 2027: on 03-14 02:00 becomes 03:00, on 11-07 02:00 becomes 01:00.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from scheduling.models import Allocation, Appointment, WorkingHours
from tests.factories import PatientFactory, ResourceFactory, SiteFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

SLOTS = "/api/v1/availability/"
VISITS = "/api/v1/appointments/"
FEBRUARY = datetime(2027, 2, 15, 16, 0, tzinfo=UTC)
OCTOBER = datetime(2027, 10, 15, 16, 0, tzinfo=UTC)
Clock = Callable[[datetime], None]


def staffed(site: Site, *shifts: tuple[int, str, str], nurses: int = 2) -> Site:
    """Chairs and nurses with these weekly hours: (weekday, from, until)."""
    for number in range(2):
        ResourceFactory.create(site=site, name=f"Chair {number}")
    for number in range(nurses):
        ResourceFactory.create(site=site, kind="nurse", name=f"Nurse {number}")
    WorkingHours.objects.bulk_create(
        WorkingHours(site=site, weekday=day, start=time.fromisoformat(start), end=time.fromisoformat(end))
        for day, start, end in shifts
    )
    return site


def every_day(start: str, end: str) -> list[tuple[int, str, str]]:
    return [(day, start, end) for day in range(7)]


@pytest.fixture
def desk(client_as: Callable[..., APIClient], site: Site) -> APIClient:
    return client_as("front_desk", site)


def book(client: APIClient, site: Site, start: str, **extra: Any) -> Any:
    patient = PatientFactory.create(site=site).pk
    body = {"patient": patient, "visit_type": "ketamine-mood", "site": site.pk, "start": start, **extra}
    return client.post(VISITS, body)


def slots(client: APIClient, site: Site, start: str, end: str) -> list[str]:
    query: dict[str, Any] = {
        "visit_type": "ketamine-mood",
        "site": site.pk,
        "start": start,
        "end": end,
        "limit": 2000,
    }
    response = client.get(SLOTS, query)
    assert response.status_code == 200, response.json()
    return [slot["start"] for slot in response.json()["slots"]]


@pytest.mark.parametrize(
    ("present", "first", "offsets"),
    [
        (FEBRUARY, date(2027, 3, 1), ["-07:00", "-07:00", "-06:00", "-06:00"]),
        (OCTOBER, date(2027, 10, 25), ["-06:00", "-06:00", "-07:00", "-07:00"]),
    ],
)
def test_nine_stays_nine_week_after_week(
    desk: APIClient, site: Site, clock: Clock, present: datetime, first: date, offsets: list[str]
) -> None:
    clock(present)
    staffed(site, *every_day("08:00", "17:00"))
    for week, offset in enumerate(offsets):
        nine = f"{first + timedelta(weeks=week)}T09:00:00{offset}"
        assert nine in slots(desk, site, f"{nine[:10]}T00:00:00{offset}", f"{nine[:10]}T23:00:00{offset}")
        booked = book(desk, site, nine)
        assert booked.status_code == 201, booked.json()
        assert booked.json()["start"] == nine
    instants = list(Appointment.objects.order_by("start_at").values_list("start_at", flat=True))
    hours = [int((later - earlier).total_seconds() // 3600) for earlier, later in pairwise(instants)]
    assert sorted(hours) in ([167, 168, 168], [168, 168, 169])


def test_opening_and_closing_follow_the_clock_on_the_wall(desk: APIClient, site: Site, clock: Clock) -> None:
    clock(FEBRUARY)
    staffed(site, *every_day("08:00", "17:00"))
    before = slots(desk, site, "2027-03-13T00:00:00-07:00", "2027-03-14T00:00:00-07:00")
    after = slots(desk, site, "2027-03-14T00:00:00-07:00", "2027-03-15T00:00:00-06:00")
    assert (before[0], before[-1]) == ("2027-03-13T08:00:00-07:00", "2027-03-13T15:00:00-07:00")
    assert (after[0], after[-1]) == ("2027-03-14T08:00:00-06:00", "2027-03-14T15:00:00-06:00")
    assert len(before) == len(after)


def test_a_time_the_clocks_skip_is_refused_everywhere(
    desk: APIClient, site: Site, clock: Clock, client_as: Callable[..., APIClient]
) -> None:
    clock(FEBRUARY)
    staffed(site, *every_day("00:00", "00:00"))
    skipped = "2027-03-14T02:30:00-07:00"
    refused = book(desk, site, skipped)
    assert (refused.status_code, refused.json()["code"]) == (422, "nonexistent_local_time")
    visit = book(desk, site, "2027-03-14T09:00:00-06:00").json()["id"]
    refused = desk.post(f"{VISITS}{visit}/reschedule/", {"start": skipped})
    assert (refused.status_code, refused.json()["code"]) == (422, "nonexistent_local_time")
    manager = client_as("manager", site)
    closing = {"site": site.pk, "reason": "x", "start": skipped, "end": "2027-03-14T09:00:00-06:00"}
    assert manager.post("/api/v1/closures/", closing).json()["code"] == "nonexistent_local_time"
    # The very same instant by its right name is an ordinary time.
    assert book(desk, site, "2027-03-14T03:30:00-06:00").json()["start"] == "2027-03-14T03:30:00-06:00"
    night = slots(desk, site, "2027-03-14T00:00:00-07:00", "2027-03-14T06:00:00-06:00")
    assert not [start for start in night if start[11:13] == "02"]


def test_the_doubled_hour_is_two_bookable_hours(desk: APIClient, site: Site, clock: Clock) -> None:
    clock(OCTOBER)
    staffed(site, *every_day("00:00", "00:00"))
    first, second = "2027-11-07T01:30:00-06:00", "2027-11-07T01:30:00-07:00"
    offered = slots(desk, site, "2027-11-07T01:00:00-06:00", "2027-11-07T02:00:00-07:00")
    assert offered == [
        f"2027-11-07T01:{minute}:00-0{offset}:00" for offset in (6, 7) for minute in ("00", "15", "30", "45")
    ]
    one, two = book(desk, site, first), book(desk, site, second)
    assert (one.status_code, two.status_code) == (201, 201)
    assert (one.json()["start"], two.json()["start"]) == (first, second)
    starts = Appointment.objects.order_by("start_at").values_list("start_at", flat=True)
    assert list(starts) == [
        datetime(2027, 11, 7, 7, 30, tzinfo=UTC),
        datetime(2027, 11, 7, 8, 30, tzinfo=UTC),
    ]
    moved = desk.post(f"{VISITS}{one.json()['id']}/reschedule/", {"start": "2027-11-07T01:15:00-07:00"})
    assert moved.json()["start"] == "2027-11-07T01:15:00-07:00"


@pytest.mark.parametrize(
    ("present", "start", "end"),
    [
        (FEBRUARY, "2027-03-14T01:00:00-07:00", "2027-03-14T04:00:00-06:00"),
        (OCTOBER, "2027-11-07T00:30:00-06:00", "2027-11-07T01:30:00-07:00"),
    ],
)
def test_a_visit_lasts_as_long_as_it_lasts_over_the_change(
    desk: APIClient, site: Site, clock: Clock, present: datetime, start: str, end: str
) -> None:
    clock(present)
    staffed(site, *every_day("00:00", "00:00"))
    booked = book(desk, site, start).json()
    assert (booked["start"], booked["end"]) == (start, end)
    visit = Appointment.objects.get()
    assert visit.end_at - visit.start_at == timedelta(minutes=120)
    chair = Allocation.objects.get(resource__kind="chair")
    assert chair.end_at - chair.start_at == timedelta(minutes=120)


def test_a_night_shift_offers_both_days_and_a_visit_crosses_midnight(
    desk: APIClient, site: Site, clock: Clock
) -> None:
    staffed(site, (4, "20:00", "02:00"))
    friday = slots(desk, site, "2027-01-15T00:00:00-07:00", "2027-01-16T00:00:00-07:00")
    saturday = slots(desk, site, "2027-01-16T00:00:00-07:00", "2027-01-17T00:00:00-07:00")
    assert (friday[0], friday[-1]) == ("2027-01-15T20:00:00-07:00", "2027-01-15T23:45:00-07:00")
    assert saturday == ["2027-01-16T00:00:00-07:00"]
    booked = book(desk, site, "2027-01-15T23:30:00-07:00")
    assert booked.status_code == 201, booked.json()
    assert booked.json()["end"] == "2027-01-16T01:30:00-07:00"
    late = book(desk, site, "2027-01-16T00:15:00-07:00")
    assert (late.status_code, late.json()["code"]) == (422, "outside_hours")


@pytest.mark.parametrize(
    ("present", "saturday", "sunday", "last"),
    [
        # The night lasts from 20:00 to 04:00 on the wall: seven hours in spring, nine in autumn.
        (FEBRUARY, "2027-03-13T20:00:00-07:00", "2027-03-14T04:00:00-06:00", "2027-03-14T01:00:00-07:00"),
        (OCTOBER, "2027-11-06T20:00:00-06:00", "2027-11-07T04:00:00-07:00", "2027-11-07T02:00:00-07:00"),
    ],
)
def test_a_night_shift_over_the_change(
    desk: APIClient, site: Site, clock: Clock, present: datetime, saturday: str, sunday: str, last: str
) -> None:
    clock(present)
    staffed(site, (5, "20:00", "04:00"))
    offered = slots(desk, site, saturday, sunday)
    assert (offered[0], offered[-1]) == (saturday, last)
    instants = [datetime.fromisoformat(start) for start in offered]
    assert all(b - a == timedelta(minutes=15) for a, b in pairwise(instants))


@pytest.mark.parametrize(
    ("evening", "morning"),
    [
        ("2027-01-31T23:30:00-07:00", "2027-02-01T01:30:00-07:00"),
        ("2027-02-28T23:30:00-07:00", "2027-03-01T01:30:00-07:00"),
        ("2027-12-31T23:30:00-07:00", "2028-01-01T01:30:00-07:00"),
        ("2028-02-28T23:30:00-07:00", "2028-02-29T01:30:00-07:00"),
        ("2028-02-29T23:30:00-07:00", "2028-03-01T01:30:00-07:00"),
    ],
)
def test_months_and_years_end(desk: APIClient, site: Site, clock: Clock, evening: str, morning: str) -> None:
    clock(datetime.fromisoformat(evening).astimezone(UTC) - timedelta(days=20))
    staffed(site, *every_day("00:00", "00:00"))
    assert evening in slots(desk, site, evening, morning)
    booked = book(desk, site, evening)
    assert booked.status_code == 201, booked.json()
    assert (booked.json()["start"], booked.json()["end"]) == (evening, morning)


def test_a_caller_in_another_zone_means_the_same_instant(
    client_as: Callable[..., APIClient], site: Site
) -> None:
    """The front desk sits in New York and books in Denver; both sites keep their own clocks."""
    new_york = SiteFactory.create(timezone="America/New_York")
    desk = client_as("front_desk", site, new_york)
    staffed(site, *every_day("08:00", "17:00"))
    staffed(new_york, *every_day("08:00", "17:00"))
    booked = book(desk, site, "2027-01-11T11:00:00-05:00")
    assert booked.json()["start"] == "2027-01-11T09:00:00-07:00"
    again = book(desk, site, "2027-01-11T17:00:00Z")
    assert again.json()["start"] == "2027-01-11T10:00:00-07:00"
    early = book(desk, site, "2027-01-11T08:00:00-05:00")
    assert early.json()["code"] == "outside_hours", "eight in New York is six in Denver"
    offered = slots(desk, site, "2027-01-12T00:00:00-05:00", "2027-01-13T00:00:00-05:00")
    assert (offered[0], offered[-1]) == ("2027-01-12T08:00:00-07:00", "2027-01-12T15:00:00-07:00")
    there = slots(desk, new_york, "2027-01-12T00:00:00-07:00", "2027-01-12T23:59:00-07:00")
    assert there[0] == "2027-01-12T08:00:00-05:00"


def test_the_same_patient_cannot_be_at_two_sites_at_one_instant(
    client_as: Callable[..., APIClient], site: Site
) -> None:
    new_york = SiteFactory.create(timezone="America/New_York")
    desk = client_as("front_desk", site, new_york)
    for each in (site, new_york):
        staffed(each, *every_day("08:00", "17:00"))
    patient = PatientFactory.create(site=site).pk
    assert book(desk, site, "2027-01-11T09:00:00-07:00", patient=patient).status_code == 201
    same = book(desk, new_york, "2027-01-11T11:00:00-05:00", patient=patient)
    assert (same.status_code, same.json()["code"]) == (409, "patient_busy")
    later = book(desk, new_york, "2027-01-11T13:00:00-05:00", patient=patient)
    assert later.status_code == 201, later.json()


@pytest.mark.parametrize("start", ["2027-01-11T09:00:00", "2027-01-11 09:00", "2027-01-11"])
def test_a_time_without_its_offset_is_refused(desk: APIClient, site: Site, start: str) -> None:
    staffed(site, *every_day("08:00", "17:00"))
    refused = book(desk, site, start)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == "/start"
    assert not Appointment.objects.exists()


def test_a_zone_with_half_hours_and_one_that_changes_at_midnight(
    client_as: Callable[..., APIClient], clock: Clock
) -> None:
    clock(datetime(2027, 4, 1, tzinfo=UTC))
    kolkata = staffed(SiteFactory.create(timezone="Asia/Kolkata"), *every_day("08:00", "17:00"))
    cairo = staffed(SiteFactory.create(timezone="Africa/Cairo"), *every_day("00:00", "00:00"))
    desk = client_as("front_desk", kolkata, cairo)
    assert book(desk, kolkata, "2027-04-12T09:15:00+05:30").status_code == 201
    assert slots(desk, kolkata, "2027-04-13T00:00:00+05:30", "2027-04-14T00:00:00+05:30")[0].endswith(
        "08:00:00+05:30"
    )
    # On 2027-04-30 Cairo's clocks go from 00:00 to 01:00: the day begins at 01:00.
    refused = book(desk, cairo, "2027-04-30T00:15:00+02:00")
    assert (refused.status_code, refused.json()["code"]) == (422, "nonexistent_local_time")
    offered = slots(desk, cairo, "2027-04-29T23:45:00+02:00", "2027-04-30T01:30:00+03:00")
    assert offered == ["2027-04-29T23:45:00+02:00", "2027-04-30T01:00:00+03:00", "2027-04-30T01:15:00+03:00"]
