"""The page of the measures: what it shows of which sites, and what one may ask it."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.access.models import Site
from scheduling.models import MeasureDay, MeasuredSite
from tests.conftest import NOW
from tests.factories import SiteFactory, UserFactory
from tests.integration.admin.pages import words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

TODAY = date(2027, 1, 4)
DAY = timedelta(days=1)


def missed(site: Site, day: date, numerator: int, denominator: int) -> None:
    MeasureDay.objects.create(
        site=site,
        day=day,
        measure="no_show",
        visit_type="ketamine-mood",
        numerator=numerator,
        denominator=denominator,
        computed_at=NOW,
    )


@pytest.fixture
def manager() -> Callable[..., Client]:
    """``manager(site)``: signed in to the admin."""

    def make(*sites: Site) -> Client:
        client = Client()
        client.force_login(UserFactory.create(roles={site: ["manager"] for site in sites}))
        return client

    return make


def page(client: Client, **asked: str) -> Any:
    answer = client.get(reverse("admin:scheduling_measurepolicy_measures"), asked)
    assert answer.status_code == 200
    return answer


def no_shows(answer: Any) -> str:
    return words(answer).partition("No-shows")[2].partition("What it means")[0]


def test_values_of_the_last_thirty_days_and_those_before(site: Site, manager: Callable[..., Client]) -> None:
    missed(site, TODAY, 1, 4)
    missed(site, TODAY - 29 * DAY, 1, 4)
    missed(site, TODAY - 30 * DAY, 3, 4)
    shown = no_shows(page(manager(site)))
    assert "25.0 % 2 of 8" in shown
    assert "50.0 points lower than in the 30 days before (75.0 %): better." in shown


def test_one_site_or_all_of_ones_own(site: Site, manager: Callable[..., Client]) -> None:
    second, elsewhere = SiteFactory.create(name="Second Street"), SiteFactory.create(name="Elsewhere")
    for number, each in enumerate((site, second, elsewhere), start=1):
        missed(each, TODAY, number, 10)
    client = manager(site, second)
    together = page(client)
    assert "2 sites together" in words(together)
    assert "Elsewhere" not in words(together)
    assert "15.0 % 3 of 20" in no_shows(together)
    one = page(client, site=str(second.pk))
    assert "20.0 % 2 of 10" in no_shows(one)
    assert f"site={second.pk}" in one.content.decode()
    refused = page(client, site=str(elsewhere.pk))
    assert "Select a valid choice" in words(refused)
    assert "3 of 20" in no_shows(refused)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ({"period": "7"}, "Dec 29, 2026", "Jan 4, 2027"),
        ({"period": "90"}, "Oct 7, 2026", "Jan 4, 2027"),
        ({"period": "month"}, "Jan 1, 2027", "Jan 4, 2027"),
        ({"since": "2026-11-01", "until": "2026-11-30"}, "Nov 1, 2026", "Nov 30, 2026"),
        ({"period": "7", "since": "2026-12-24"}, "Dec 24, 2026", "Jan 4, 2027"),
        ({"period": "own"}, "Dec 6, 2026", "Jan 4, 2027"),
    ],
)
def test_periods(
    site: Site, manager: Callable[..., Client], asked: dict[str, str], first: str, last: str
) -> None:
    assert f"{first} to {last}." in words(page(manager(site), **asked))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"since": "2027-01-05", "until": "2027-01-04"}, "The period ends before it begins."),
        ({"since": "2020-01-01"}, "Choose at most 1100 days."),
        ({"until": "9999-12-31"}, "Choose a year from 1900 to 2200."),
        ({"since": "0001-01-01", "until": "0001-01-02"}, "Choose a year from 1900 to 2200."),
        ({"period": "century"}, "Select a valid choice."),
    ],
)
def test_periods_that_make_no_sense(
    site: Site, manager: Callable[..., Client], asked: dict[str, str], sentence: str
) -> None:
    answer = page(manager(site), **asked)
    assert sentence in words(answer)
    assert "Dec 6, 2026 to Jan 4, 2027." in words(answer)


def test_days_not_counted_yet_are_said(site: Site, manager: Callable[..., Client]) -> None:
    MeasuredSite.objects.create(site=site, first_on=TODAY - 9 * DAY, recent_due_at=NOW, older_due_at=NOW)
    assert "10 days of this period wait to be counted" in words(page(manager(site)))


def test_a_manager_of_no_site_left(site: Site, manager: Callable[..., Client]) -> None:
    Site.objects.update(active=False)
    assert "No data" in words(page(manager(site)))
