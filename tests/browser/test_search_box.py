"""Search everywhere, in a real browser: / from any page, arrows, Enter; on a phone; held to axe."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from clinic.access.models import Site
from patients.domain import names
from tests.browser.driving import Chromium
from tests.conftest import NOW
from tests.factories import PatientFactory, ResourceFactory, SiteFactory, UserFactory
from tests.factories.bookings import booked

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
PASSWORD = "a password for the desk"
PHONE: ViewportSize = {"width": 390, "height": 844}
BOX: Final = "combobox"


@pytest.fixture
def clinic(live_server: Any, clock: Callable[[datetime], None]) -> Site:
    """Two Reyes, one of whom has a visit to come, and somebody at the front desk."""
    site = SiteFactory.create(name="Cedar Street")
    PatientFactory.create(
        site=site,
        first_name="Émilie",
        last_name="Reyes",
        preferred_name="Millie",
        sort_name=names.sort_name(first_name="Émilie", last_name="Reyes", preferred_name="Millie"),
    )
    ana = PatientFactory.create(site=site, first_name="Ana", last_name="Reyes", sort_name="reyes ana")
    booked(site, NOW + timedelta(days=1), on={ResourceFactory.create(site=site): 0}, patient=ana)
    user = UserFactory.create(username="front_desk", roles={site: ["front_desk"]})
    user.set_password(PASSWORD)
    user.save()
    return site


def sign_in(page: Page, address: str) -> None:
    """As everybody does."""
    page.goto(address)
    page.get_by_label("Username").fill("front_desk")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def faults(page: Page) -> list[str]:
    """What axe-core finds wrong in the box and below it."""
    found = Axe().run(page, context="form.onset-search").response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found]


def test_slash_arrows_and_enter_open_a_patient(clinic: Site, live_server: Any, chromium: Chromium) -> None:
    addresses: list[str] = []

    def walk(page: Page) -> None:
        page.on("request", lambda request: addresses.append(request.url))
        sign_in(page, f"{live_server.url}/admin/")
        page.get_by_role("heading", name="Visits today").wait_for()
        box = page.get_by_role(BOX)
        page.keyboard.press("/")
        expect(box).to_be_focused()
        expect(box).to_have_value("")
        page.keyboard.type("reyés")
        options = page.get_by_role("option")
        expect(options).to_have_count(3)
        expect(page.get_by_role("status").filter(has_text="2 patients.")).to_have_count(1)
        expect(box).to_have_attribute("aria-expanded", "true")
        page.keyboard.press("ArrowDown")
        expect(options.nth(0)).to_have_attribute("aria-selected", "true")
        page.keyboard.press("ArrowDown")
        expect(options.nth(1)).to_contain_text("Next visit Tue, Jan 5, 2027, 8:00 AM MST")
        expect(box).to_have_attribute("aria-activedescendant", "patient-match-1-visit")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")  # around, to the first again
        page.keyboard.press("ArrowUp")
        expect(options.nth(2)).to_have_attribute("aria-selected", "true")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert faults(page) == []
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Reyes, Émilie")).to_be_visible()
        page.go_back()
        expect(page.get_by_role(BOX)).to_have_value("")
        page.keyboard.press("/")
        page.keyboard.type("reyes ana")
        expect(page.get_by_role("option")).to_have_count(2)
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(r"/admin/scheduling/appointment/\d+/change/"))

    chromium.visit(walk)
    assert addresses
    assert [each for each in addresses if re.search("rey|mil", each, re.IGNORECASE)] == []


def test_a_slash_in_a_field_is_a_slash_and_escape_puts_the_box_away(
    clinic: Site, live_server: Any, chromium: Chromium
) -> None:
    def walk(page: Page) -> None:
        sign_in(page, f"{live_server.url}/admin/patients/patient/search/")
        field = page.get_by_placeholder("Name, date of birth, phone or MRN")
        field.press_sequentially("3/4/1980")
        expect(field).to_have_value("3/4/1980")
        box = page.get_by_role(BOX)
        box.fill("zzz")
        expect(page.get_by_text("Nobody fits.").first).to_be_visible()
        expect(box).to_have_attribute("aria-expanded", "false")
        assert faults(page) == []
        page.keyboard.press("Escape")
        expect(page.locator(".onset-search-panel")).to_be_hidden()
        expect(box).to_have_value("zzz")
        page.keyboard.press("Escape")
        expect(box).to_have_value("")
        expect(box).not_to_be_focused()
        box.fill("emilie")
        expect(page.get_by_role("option")).to_have_count(1)
        page.keyboard.press("Enter")  # nothing chosen: to the page of the search
        expect(page.get_by_text("1 patient.")).to_be_visible()
        expect(page.get_by_role("link", name="Reyes, Émilie")).to_be_visible()

    chromium.visit(walk)


def test_on_a_phone_the_box_opens_over_the_header(clinic: Site, live_server: Any, chromium: Chromium) -> None:
    def walk(page: Page) -> None:
        page.set_viewport_size(PHONE)
        sign_in(page, f"{live_server.url}/admin/patients/patient/")
        page.get_by_role(BOX).click()
        page.keyboard.type("reyes")
        expect(page.get_by_role("option")).to_have_count(3)
        panel = page.locator(".onset-search-panel").bounding_box()
        assert panel is not None
        assert panel["x"] >= 0
        assert panel["x"] + panel["width"] <= PHONE["width"]
        assert panel["width"] > 300
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.get_by_role("option", name=re.compile("Millie")).click()
        expect(page.get_by_role("heading", name="Reyes, Émilie")).to_be_visible()

    chromium.visit(walk)
