"""A patient's response in a real browser: the chart is drawn without moving the page, on a phone as well."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.driving import Chromium
from tests.factories import SiteFactory, UserFactory, open_clinic
from tests.integration.timeline.responding import ana, anas_course, denver

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
PASSWORD = "a password for the clinic"
PHONE: ViewportSize = {"width": 390, "height": 844}
_DRAWN = """() => {
    const canvas = document.querySelector('.onset-canvas canvas');
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.some(value => value !== 0);
}"""


def test_the_chart_is_drawn_and_narrowed(
    live_server: Any, chromium: Chromium, clock: Callable[[datetime], None]
) -> None:
    site = SiteFactory.create(name="Cedar Street")
    open_clinic(site)
    patient = ana(site)
    anas_course(patient)
    clock(denver(1, 20))
    user = UserFactory.create(username="prescriber", roles={site: ["prescriber"]})
    user.set_password(PASSWORD)
    user.save()

    def look(page: Page) -> None:
        page.set_viewport_size(PHONE)
        page.goto(f"{live_server.url}/admin/patients/patient/{patient.pk}/record/")
        page.get_by_label("Username").fill("prescriber")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("link", name="Response over time").click()
        expect(page.locator(".onset-canvas canvas")).to_be_visible()
        page.wait_for_function(_DRAWN)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        height = page.locator(".onset-canvas").bounding_box()
        assert height is not None
        assert height["height"] == 384  # 24rem, before and after it is drawn
        page.get_by_label("NRS").uncheck()
        page.get_by_label("As", exact=True).select_option("percent")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("figcaption")).to_contain_text("PHQ-9 as percent change")
        page.wait_for_function(_DRAWN)
        page.emulate_media(media="print")
        expect(page.get_by_role("button", name="Show")).to_be_hidden()
        expect(page.get_by_text("Scores", exact=True).last).to_be_visible()

    chromium.visit(look)
