"""The page of an infusion session in a real browser: on a phone, in the dark, by axe, and adding up."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from clinic.access.policy import SYSTEM
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment
from scheduling.services import dosing, drug_log, session_steps, visit_steps, vitals
from tests.browser.driving import Chromium
from tests.factories import PatientFactory, SiteFactory, UserFactory, open_clinic
from tests.factories.infusions import NINE, arrived_infusion
from tests.factories.sessions import pass_start_gates

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
PASSWORD = "a password for the clinic"
PHONE: ViewportSize = {"width": 390, "height": 844}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture
def in_recovery(clock: Callable[[datetime], None]) -> Appointment:
    """Ana, 50 minutes after her start: a reading to review, a drug log that does not balance yet."""
    site = SiteFactory.create(name="Cedar Street")
    open_clinic(site, chairs=1, nurses=1)
    for role in ("nurse", "front_desk"):
        user = UserFactory.create(username=role, first_name="Sam", last_name="Reed", roles={site: [role]})
        user.set_password(PASSWORD)
        user.save()
    ana = PatientFactory.create(site=site, first_name="Ana", last_name="Reyes")
    visit = arrived_infusion(site, patient=ana)
    acts: dict[str, Any] = {"actor": SYSTEM, "appointment_id": visit.pk}
    before = NINE - timedelta(minutes=5)
    dosing.weigh(**acts, now=before, weight_kg=Decimal(70))
    drug_log.record(**acts, now=before, kind="drawn", mg=Decimal(50), lot="K7")
    values = {"systolic": 124, "diastolic": 78, "heart_rate": 72, "spo2": 98}
    vitals.record(**acts, now=before, values=values)
    pass_start_gates(visit, now=before)
    visit_steps.step(**acts, now=NINE, verb=Verb.START)
    for minutes, systolic, diastolic in ((10, 138, 84), (20, 151, 92), (30, 172, 104), (40, 158, 96)):
        values = {"systolic": systolic, "diastolic": diastolic, "heart_rate": 60 + minutes, "spo2": 97}
        vitals.record(**acts, now=NINE + timedelta(minutes=minutes), values=values)
    ended = NINE + timedelta(minutes=40)
    session_steps.end(**acts, now=ended)
    drug_log.record(**acts, now=ended, kind="given", mg=Decimal(35))
    clock(ended + timedelta(minutes=10))
    return visit


def signed_in(page: Page, url: str, username: str) -> None:
    page.goto(url)
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def faults(page: Page) -> list[str]:
    """What axe-core finds wrong in the page itself, and whether it scrolls sideways."""
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    found = Axe().run(page, context=".onset-page", options=options)
    wrong = [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]
    width = page.evaluate("document.documentElement.scrollWidth")
    viewport = page.viewport_size
    assert viewport is not None
    return wrong + ([f"{width} px wide"] if width > viewport["width"] else [])


def test_it_is_accessible_wide_and_narrow_light_and_dark(
    live_server: Any, chromium: Chromium, in_recovery: Appointment
) -> None:
    url = f"{live_server.url}/admin/scheduling/appointment/{in_recovery.pk}/session/"

    def look(page: Page) -> dict[str, list[str]]:
        signed_in(page, url, "nurse")
        page.get_by_role("heading", name="Reyes, Ana").wait_for()
        found = {}
        for width in (1280, PHONE["width"]):
            page.set_viewport_size({"width": width, "height": 844})
            for scheme in SCHEMES:
                page.evaluate(
                    "scheme => localStorage.setItem('_x_adminTheme', JSON.stringify(scheme))", scheme
                )
                page.reload()
                page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
                found[f"{scheme} {width}"] = faults(page)
        return found

    found = chromium.visit(look)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_discharge_on_a_phone(live_server: Any, chromium: Chromium, in_recovery: Appointment) -> None:
    url = f"{live_server.url}/admin/scheduling/appointment/{in_recovery.pk}/session/"

    def walk(page: Page) -> None:
        page.set_viewport_size(PHONE)
        signed_in(page, url, "nurse")
        page.get_by_role("link", name="Discharge", exact=True).last.click()
        total = page.locator("output")
        expect(total).to_have_text("0 so far, 5 to answer")
        for domain in ("Activity", "Respiration", "Circulation", "Consciousness", "Oxygen saturation"):
            page.get_by_role("group", name=domain).get_by_text("2", exact=True).click()
        expect(total).to_have_text("10 of 10")
        page.get_by_role("group", name="Walks steadily").get_by_text("No", exact=True).click()
        page.locator("#discharge").get_by_role("button", name="Discharge").click()
        expect(page.get_by_role("alert").first).to_contain_text("Steady gait")
        expect(total).to_have_text("10 of 10")  # what was tapped is still there
        page.get_by_role("button", name="Undo last step").click()
        expect(page.get_by_text("The last step is taken back.")).to_be_visible()
        expect(page.get_by_role("button", name="End infusion")).to_be_visible()

    chromium.visit(walk)


def test_the_front_desk_reads_nothing_clinical(
    live_server: Any, chromium: Chromium, in_recovery: Appointment
) -> None:
    url = f"{live_server.url}/admin/scheduling/appointment/{in_recovery.pk}/session/"

    def look(page: Page) -> tuple[str, list[str]]:
        signed_in(page, url, "front_desk")
        page.get_by_role("heading", name="Reyes, Ana").wait_for()
        return page.locator(".onset-page").inner_text(), faults(page)

    text, wrong = chromium.visit(look)
    assert wrong == []
    assert "Clinical check" in text
    for hidden in ("172", "mg", "Aldrete", "Vital"):
        assert hidden not in text
