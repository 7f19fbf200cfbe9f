"""Calendar feeds in the admin: an address is shown once, and who may replace or revoke it."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from clinic.access.models import Site
from scheduling.models import CalendarFeed, Resource
from tests.factories import ResourceFactory, SiteFactory
from tests.integration.admin.pages import words

NEW = "admin:scheduling_calendarfeed_add"


@pytest.fixture
def chair(site: Site) -> Resource:
    made: Resource = ResourceFactory.create(site=site)
    return made


def address_on(answer: object) -> str:
    """The path of the address that the page shows."""
    found = re.search(r"<code>\S+?(/feeds/[\w-]{43}\.ics)</code>", answer.content.decode())  # type: ignore[attr-defined]
    assert found is not None
    return found[1]


def page_of(feed: CalendarFeed) -> str:
    return reverse("admin:scheduling_calendarfeed_change", args=[feed.pk])


def test_one_makes_ones_own_and_sees_the_address_once(site: Site, staff: Callable[..., Client]) -> None:
    nurse = staff("nurse", site)
    answer = nurse.post(reverse(NEW), {"resource": ""})
    assert "no-store" in answer["Cache-Control"]
    path = address_on(answer)
    feed = CalendarFeed.objects.get()
    assert Client().get(path).status_code == 200
    for page in (page_of(feed), reverse("admin:scheduling_calendarfeed_changelist")):
        shown = nurse.get(page)
        assert shown.status_code == 200
        assert path not in shown.content.decode()
    assert "in use" in words(nurse.get(page_of(feed)))


def test_only_resources_one_sets_up_are_offered(
    site: Site, chair: Resource, staff: Callable[..., Client]
) -> None:
    ResourceFactory.create(site=SiteFactory.create(), name="Elsewhere chair")
    assert chair.name not in words(staff("nurse", site).get(reverse(NEW)))
    manager = staff("manager", site)
    page = words(manager.get(reverse(NEW)))
    assert chair.name in page
    assert "Elsewhere chair" not in page
    address_on(manager.post(reverse(NEW), {"resource": chair.pk}))
    refused = staff("nurse", site).post(reverse(NEW), {"resource": chair.pk})
    assert "Select a valid choice" in words(refused)
    assert CalendarFeed.objects.count() == 1


def test_a_new_address_and_the_end(site: Site, chair: Resource, staff: Callable[..., Client]) -> None:
    manager = staff("manager", site)
    old = address_on(manager.post(reverse(NEW), {"resource": chair.pk}))
    feed = CalendarFeed.objects.get()
    rotate, revoke = (
        reverse(f"admin:scheduling_calendarfeed_{step}", args=[feed.pk]) for step in ("rotate", "revoke")
    )
    new = address_on(manager.post(rotate, {"version": 1}))
    assert [Client().get(path).status_code for path in (old, new)] == [404, 200]
    stale = manager.post(rotate, {"version": 1}, follow=True)
    assert "Someone changed this record" in words(stale)
    assert Client().get(new).status_code == 200
    ended = manager.post(revoke, {"version": 2}, follow=True)
    assert "revoked" in words(ended)
    assert rotate not in ended.content.decode()
    assert Client().get(new).status_code == 404


def test_others_see_that_there_is_one_and_cannot_touch_it(
    site: Site, chair: Resource, staff: Callable[..., Client]
) -> None:
    path = address_on(staff("manager", site).post(reverse(NEW), {"resource": chair.pk}))
    feed = CalendarFeed.objects.get()
    desk = staff("front_desk", site)
    assert "Revoke" not in words(desk.get(page_of(feed)))
    for step in ("rotate", "revoke"):
        url = reverse(f"admin:scheduling_calendarfeed_{step}", args=[feed.pk])
        assert desk.post(url, {"version": 1}).status_code == 403
    assert Client().get(path).status_code == 200


def test_a_persons_feed_is_theirs_and_their_managers(site: Site, staff: Callable[..., Client]) -> None:
    address_on(staff("nurse", site).post(reverse(NEW), {"resource": ""}))
    feed = CalendarFeed.objects.get()
    assert staff("nurse", site).get(page_of(feed)).status_code == 404
    manager = staff("manager", site)
    page = words(manager.get(page_of(feed)))
    assert "Revoke" in page
    assert "New address" not in page
