"""/closures/ over HTTP."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import WorkItem
from scheduling.models import Appointment, Closure, Resource
from tests.conftest import codes
from tests.factories import ResourceFactory, SiteFactory
from tests.factories.bookings import booked

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
URL = "/api/v1/closures/"
WEDNESDAY = {"start": "2027-01-06T12:00:00-07:00", "end": "2027-01-06T14:00:00-07:00"}
BODY = {**WEDNESDAY, "reason": "Fire drill"}
Clients = Callable[..., APIClient]


@pytest.fixture
def manager(client_as: Clients, site: Site) -> APIClient:
    return client_as("manager", site)


@pytest.fixture
def noon() -> datetime:
    return datetime.fromisoformat(WEDNESDAY["start"])


@pytest.fixture
def chair(site: Site) -> Resource:
    return ResourceFactory.create(site=site)


def patch(client: APIClient, closure: Any, **changes: Any) -> Any:
    return client.patch(f"{URL}{closure['id']}/", changes, headers={"If-Match": "*"})


def test_a_closure_of_a_site_and_of_a_resource(manager: APIClient, site: Site, chair: Resource) -> None:
    of_site = manager.post(URL, {**BODY, "site": site.pk})
    assert of_site.status_code == 201, of_site.json()
    assert of_site.json() == {
        "id": of_site.json()["id"],
        "site": site.pk,
        "resource": None,
        **BODY,
        "affected_appointments": [],
        "replan": {"site": site.pk, "closure": of_site.json()["id"]},
        "version": 1,
    }
    of_chair = manager.post(URL, {**BODY, "resource": chair.pk}).json()
    assert (of_chair["site"], of_chair["resource"]) == (None, chair.pk)
    assert manager.get(f"{URL}{of_chair['id']}/").json() == of_chair
    assert manager.get(URL).json()["results"] == [of_site.json(), of_chair]


def test_times_are_shown_on_the_clocks_of_the_site(manager: APIClient, chair: Resource) -> None:
    body = {"resource": chair.pk, "start": "2027-07-01T18:00:00Z", "end": "2027-12-01T18:00:00+00:00"}
    shown = manager.post(URL, {**body, "reason": "Repair"}).json()
    assert (shown["start"], shown["end"]) == ("2027-07-01T12:00:00-06:00", "2027-12-01T11:00:00-07:00")


def test_a_closed_site_hits_every_active_visit_that_overlaps(
    manager: APIClient, site: Site, chair: Resource, noon: datetime
) -> None:
    hour = timedelta(hours=1)
    before = booked(site, noon - hour, on={chair: 0})
    into = booked(site, noon - hour / 2, on={}, status="confirmed")
    inside = booked(site, noon + hour, on={chair: 0}, minutes=15)
    around = booked(site, noon - hour, on={}, minutes=600)
    booked(site, noon + 2 * hour, on={chair: 0})
    for status in ("cancelled", "no_show", "completed"):
        booked(site, noon, on={}, status=status)
    elsewhere = ResourceFactory.create()
    booked(elsewhere.site, noon, on={elsewhere: 0})

    closed = manager.post(URL, {**BODY, "site": site.pk}).json()
    assert closed["affected_appointments"] == [into.pk, inside.pk, around.pk]
    assert before.pk not in closed["affected_appointments"]
    keys = {f"closure:{closed['id']}:appointment:{each.pk}" for each in (into, inside, around)}
    assert set(WorkItem.objects.values_list("key", flat=True)) == keys
    assert Appointment.objects.filter(status="booked").count() == 5
    assert manager.get(URL).json()["results"] == [closed]


def test_a_closed_resource_hits_the_visits_that_hold_it_then(
    manager: APIClient, site: Site, chair: Resource, noon: datetime
) -> None:
    other = ResourceFactory.create(site=site)
    on_chair = booked(site, noon, on={chair: 0})
    booked(site, noon, on={other: 0})
    # This visit lasts into the closure, but has given the chair back by then.
    early = booked(site, noon - timedelta(hours=1), on={chair: 0}, minutes=60)
    Appointment.objects.filter(pk=early.pk).update(end_at=noon + timedelta(hours=1))
    moved = booked(site, noon + timedelta(hours=1), on={chair: 0})
    moved.allocations.update(released_at=noon - timedelta(days=1))

    closed = manager.post(URL, {**BODY, "resource": chair.pk}).json()
    assert closed["affected_appointments"] == [on_chair.pk]


def test_a_visit_that_holds_a_resource_twice_is_listed_once(
    manager: APIClient, site: Site, noon: datetime
) -> None:
    nurse = ResourceFactory.create(site=site, kind="nurse")
    visit = booked(site, noon, on={nurse: 0})
    visit.allocations.create(
        resource=nurse, use="shared", lane=1, start_at=visit.start_at, end_at=visit.end_at
    )
    closed = manager.post(URL, {**BODY, "resource": nurse.pk}).json()
    assert closed["affected_appointments"] == [visit.pk]


@pytest.mark.parametrize(("hours", "severity", "due"), [(23, "urgent", 1), (24, "routine", 24)])
def test_a_visit_within_a_day_is_urgent(
    manager: APIClient, site: Site, now: datetime, hours: int, severity: str, due: int
) -> None:
    visit = booked(site, now + timedelta(hours=hours), on={})
    span = {"start": now.isoformat(), "end": (now + timedelta(days=2)).isoformat()}
    manager.post(URL, {"site": site.pk, "reason": "Snow", **span})
    item = WorkItem.objects.get()
    assert (item.severity, item.kind, item.owner_role) == (severity, "closure_hit", "front_desk")
    assert (item.opened_at, item.due_at) == (now, now + timedelta(hours=due))
    assert (item.patient, item.site) == (visit.patient, site)
    assert visit.patient.last_name not in item.summary
    assert str(visit.pk) in item.summary


def test_a_longer_closure_asks_for_what_it_newly_hits_and_frees_what_it_no_longer_hits(
    manager: APIClient, site: Site, noon: datetime
) -> None:
    first, second = booked(site, noon, on={}), booked(site, noon + timedelta(hours=3), on={})
    closed = manager.post(URL, {**BODY, "site": site.pk}).json()
    longer = patch(manager, closed, end="2027-01-06T16:00:00-07:00").json()
    assert (longer["affected_appointments"], longer["version"]) == ([first.pk, second.pk], 2)
    assert WorkItem.objects.filter(status="open").count() == 2
    later = patch(manager, closed, start="2027-01-06T15:00:00-07:00").json()
    assert later["affected_appointments"] == [second.pk]
    still = WorkItem.objects.get(status="open")
    assert still.patient == second.patient
    renamed = patch(manager, closed, reason="Snow").json()
    assert (renamed["reason"], renamed["version"]) == ("Snow", 4)
    assert WorkItem.objects.get(status="open") == still


def test_a_closure_to_come_can_be_taken_back(
    manager: APIClient, site: Site, noon: datetime, clock: Callable[[datetime], None]
) -> None:
    booked(site, noon, on={})
    address = f"{URL}{manager.post(URL, {**BODY, 'site': site.pk}).json()['id']}/"
    clock(noon)
    begun = manager.delete(address)
    assert (begun.status_code, begun.json()["code"]) == (409, "closure_begun")
    clock(noon - timedelta(seconds=1))
    assert manager.delete(address, headers={"If-Match": '"7"'}).status_code == 412
    assert manager.delete(address).status_code == 204
    assert not Closure.objects.exists()
    assert WorkItem.objects.get().status == "resolved"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"start": "2027-01-06T12:00:00"}, ("/start", "offset_required")),
        ({"end": "2027-01-06T14:00:00"}, ("/end", "offset_required")),
        ({"end": "99999-01-06T14:00:00Z"}, ("/end", "invalid")),
        ({"end": "2300-01-06T14:00:00Z"}, ("/end", "out_of_range")),
        ({"start": "0001-01-01T00:00:00+14:00"}, ("/start", "out_of_range")),
        ({"start": 1_800_000_000}, ("/start", "invalid")),
        ({"start": None}, ("/start", "null")),
        ({"start": ["2027-01-06T12:00:00Z"]}, ("/start", "invalid")),
        ({"reason": ""}, ("/reason", "blank")),
        ({"reason": None}, ("/reason", "null")),
        ({"reason": "x" * 121}, ("/reason", "max_length")),
        ({"site": 10**30}, ("/site", "does_not_exist")),
        ({"resource": {}}, ("/resource", "incorrect_type")),
    ],
)
def test_every_wrong_field_is_named(
    manager: APIClient, site: Site, change: dict[str, Any], expected: tuple[str, str]
) -> None:
    refused = manager.post(URL, {**BODY, "site": site.pk, **change})
    assert refused.status_code == 400, refused.json()
    assert codes(refused) == {expected}


def test_the_end_is_after_the_start(manager: APIClient, site: Site) -> None:
    for end in (WEDNESDAY["start"], "2027-01-06T19:00:00Z", "2027-01-06T18:59:59Z"):
        refused = manager.post(URL, {**BODY, "site": site.pk, "end": end})
        assert (refused.status_code, codes(refused)) == (422, {("/end", "not_after_start")})
    closed = manager.post(URL, {**BODY, "site": site.pk}).json()
    refused = patch(manager, closed, start="2027-01-06T14:00:00-07:00")
    assert (refused.status_code, codes(refused)) == (422, {("/end", "not_after_start")})


def test_a_local_time_that_the_clocks_skip_is_not_shifted(manager: APIClient, site: Site) -> None:
    span = {"start": "2027-03-14T02:30:00-07:00", "end": "2027-03-14T09:00:00-06:00"}
    refused = manager.post(URL, {**BODY, "site": site.pk, **span})
    assert (refused.status_code, codes(refused)) == (422, {("/start", "nonexistent_local_time")})


def test_exactly_one_owner_chosen_at_creation(manager: APIClient, site: Site, chair: Resource) -> None:
    for owners, pointer in (({}, "/site"), ({"site": site.pk, "resource": chair.pk}, "/resource")):
        refused = manager.post(URL, {**BODY, **owners})
        assert (refused.status_code, codes(refused)) == (422, {(pointer, "one_owner")})
    closed = manager.post(URL, {**BODY, "site": site.pk}).json()
    assert codes(patch(manager, closed, resource=chair.pk)) == {("/resource", "immutable")}


def test_staff_read_and_managers_write(client_as: Clients, manager: APIClient, site: Site) -> None:
    closed = manager.post(URL, {**BODY, "site": site.pk}).json()
    for role in ("front_desk", "nurse", "prescriber"):
        client = client_as(role, site)
        assert client.get(URL).json()["results"] == [closed]
        assert client.post(URL, {**BODY, "site": site.pk}).status_code == 403
        assert patch(client, closed, reason="x").status_code == 403
        assert client.delete(f"{URL}{closed['id']}/").status_code == 403
    assert Closure.objects.count() == 1


def test_an_auditor_is_not_told_of_appointments(client_as: Clients, manager: APIClient, site: Site) -> None:
    closed = manager.post(URL, {**BODY, "site": site.pk}).json()
    shown = client_as("auditor", site).get(f"{URL}{closed['id']}/").json()
    assert shown == {name: value for name, value in closed.items() if name != "affected_appointments"}


def test_other_sites_do_not_exist(
    client_as: Clients, manager: APIClient, site: Site, chair: Resource
) -> None:
    rows = [manager.post(URL, {**BODY, **o}).json() for o in ({"site": site.pk}, {"resource": chair.pk})]
    stranger = client_as("manager", SiteFactory.create())
    assert stranger.get(URL).json()["results"] == []
    for row in rows:
        assert stranger.get(f"{URL}{row['id']}/").status_code == 404
        assert patch(stranger, row, reason="x").status_code == 404
        assert stranger.delete(f"{URL}{row['id']}/").status_code == 404
    refused = stranger.post(URL, {**BODY, "resource": chair.pk})
    assert (refused.status_code, codes(refused)) == (400, {("/resource", "does_not_exist")})


def test_versions_guard_changes(manager: APIClient, site: Site) -> None:
    address = f"{URL}{manager.post(URL, {**BODY, 'site': site.pk}).json()['id']}/"
    assert manager.patch(address, {"reason": "A"}).status_code == 428
    assert manager.patch(address, {"reason": "A"}, headers={"If-Match": '"1"'})["ETag"] == '"2"'
    assert manager.patch(address, {"reason": "B"}, headers={"If-Match": '"1"'}).status_code == 412


def test_filters(manager: APIClient, site: Site, chair: Resource) -> None:
    january = manager.post(URL, {**BODY, "site": site.pk}).json()["id"]
    span = {"start": "2027-02-01T00:00:00-07:00", "end": "2027-02-02T00:00:00-07:00"}
    february = manager.post(URL, {**BODY, **span, "resource": chair.pk}).json()["id"]

    def ids(**query: str | int) -> list[int]:
        return [row["id"] for row in manager.get(URL, query).json()["results"]]

    assert ids(site=site.pk) == [january, february]
    assert ids(resource=chair.pk) == [february]
    assert ids(after=WEDNESDAY["end"]) == [february]
    assert ids(before="2027-02-01T00:00:00-07:00") == [january]
    assert ids(after="2027-01-06T13:59:59-07:00", before="2027-01-06T12:00:01-07:00") == [january]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("after=2027-01-01T00:00:00", "offset_required"),
        ("after=2027-01-01T00:00:00+00:00", "invalid"),
        ("before=99999-01-01T00:00:00Z", "invalid"),
        ("before=now", "invalid"),
        ("site=x", "invalid"),
        ("start=2027-01-01T00:00:00Z", "unknown_parameter"),
        ("cursor=cD1ub3RhdGltZQ%3D%3D", "invalid_cursor"),
        ("cursor=cD05OTk5OS0wMS0wMQ%3D%3D", "invalid_cursor"),
    ],
)
def test_queries_that_make_no_sense_are_400(manager: APIClient, query: str, code: str) -> None:
    refused = manager.get(f"{URL}?{query}")
    assert refused.status_code == 400, refused.json()
    assert codes(refused) == {("/" + query.split("=", 1)[0], code)}


def test_the_list_takes_one_query_however_much_is_hit(
    manager: APIClient,
    site: Site,
    chair: Resource,
    noon: datetime,
    django_assert_num_queries: Callable[[int], Any],
) -> None:
    for number in range(8):
        booked(site, noon, on={chair: 0} if number == 0 else {})
        owner = {"site": site.pk} if number % 2 else {"resource": chair.pk}
        manager.post(URL, {**BODY, **owner})
    for limit in (1, 8):
        with django_assert_num_queries(1):
            assert len(manager.get(f"{URL}?limit={limit}").json()["results"]) == limit


def test_pages_follow_the_start(manager: APIClient, site: Site) -> None:
    for day in (9, 7, 8, 7):
        span = {"start": f"2027-01-0{day}T12:00:00-07:00", "end": f"2027-01-0{day}T13:00:00-07:00"}
        manager.post(URL, {**BODY, **span, "site": site.pk})
    seen, address = [], f"{URL}?limit=1"
    while address:
        page = manager.get(address).json()
        seen += [row["start"][:10] for row in page["results"]]
        address = page["next"]
    assert seen == ["2027-01-07", "2027-01-07", "2027-01-08", "2027-01-09"]
