"""The measures in a browser: light, dark and on a phone, held to WCAG 2.2 AA by axe-core, and their CSV."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from clinic.access.models import Site
from scheduling.domain.measures import CATALOGUE, Code, Unit
from scheduling.models import MeasureDay
from tests.browser.driving import Chromium
from tests.conftest import NOW
from tests.factories import SiteFactory, UserFactory

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.usefixtures("clock"),
]
PASSWORD = "a password for the clinic"
DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.fixture
def site(transactional_db: None) -> Site:
    """A year of days, no visits at weekends, and nothing yet known of how courses end."""
    site: Site = SiteFactory.create(name="Cedar Street")
    chance = random.Random(7)
    rows = []
    for ago in range(200):
        day = (NOW - timedelta(days=ago)).date()
        for code, measure in CATALOGUE.items():
            whole = 0 if day.weekday() > 4 or code == Code.REMISSION else chance.randint(20, 40)
            size = {Unit.PERCENT: 0.3, Unit.MINUTES: 900, Unit.DAYS: 500_000}[measure.unit]
            rows.append(
                MeasureDay(
                    site=site,
                    day=day,
                    measure=code,
                    visit_type="" if code == Code.CHAIR_UTILISATION else "ketamine-mood",
                    numerator=round(whole * size * chance.random()),
                    denominator=whole,
                    computed_at=NOW - timedelta(minutes=12 if ago < 60 else 3000),
                )
            )
    MeasureDay.objects.bulk_create(rows)
    manager = UserFactory.create(username="manager", roles={site: ["manager"]})
    manager.set_password(PASSWORD)
    manager.save()
    return site


def sign_in(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_label("Username").fill("manager")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def faults(page: Page) -> list[str]:
    """What axe-core finds wrong in the page itself, and whether it scrolls sideways."""
    found = [
        f"{each['id']}: {each['nodes'][0]['html']}"
        for each in Axe().run(page, context=".onset-page", options=RULES).response["violations"]
    ]
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        found.append("scrolls sideways")
    return found


@pytest.mark.parametrize(
    ("size", "scheme"), [(DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")]
)
def test_the_page_is_accessible(
    size: ViewportSize, scheme: Any, live_server: Any, chromium: Chromium, site: Site
) -> None:
    def walk(page: Page) -> None:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        sign_in(page, f"{live_server.url}/admin/scheduling/measurepolicy/measures/")
        expect(page.get_by_role("heading", name="Measures")).to_be_visible()
        expect(page.locator(".onset-measure")).to_have_count(len(CATALOGUE))
        assert faults(page) == []
        for summary in page.locator(".onset-measure summary").all():
            summary.click()
        expect(page.get_by_role("table").first).to_be_visible()
        assert faults(page) == []

    chromium.visit(walk)


def test_a_period_is_chosen_and_downloaded(
    live_server: Any, chromium: Chromium, site: Site, tmp_path: Path
) -> None:
    def walk(page: Page) -> None:
        sign_in(page, f"{live_server.url}/admin/scheduling/measurepolicy/measures/")
        expect(page.get_by_text("Computed 12 minutes ago.")).to_be_visible()
        page.get_by_label("Period", exact=True).select_option(label="Last 90 days")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_text("Computed 12 minutes ago, the oldest days 2 days ago.")).to_be_visible()
        no_shows = page.get_by_role("region", name="No-shows", exact=True)
        expect(no_shows.get_by_role("img", name="No-shows, bar chart")).to_be_visible()
        with page.expect_download() as waiting:
            no_shows.get_by_role("link", name="Download CSV").click()
        file = tmp_path / "table.csv"
        waiting.value.save_as(file)
        lines = file.read_text().splitlines()
        assert lines[0] == "first_day,last_day,percent,numerator,denominator"
        assert len(lines) == 1 + 14, "weeks of 90 days"
        remission = page.get_by_role("region", name="Remission", exact=True)
        expect(remission.get_by_text("No data in this period.")).to_be_visible()

    chromium.visit(walk)
