"""The pages patients open from our messages, in a real browser: without JavaScript, by keyboard, on small
screens, in light and dark, and held to WCAG 2.2 AA by axe-core."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Patient
from patients.services import links
from scheduling.models import Appointment
from scheduling.services import appointments
from tests.browser.driving import Chromium
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
NOW = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)
START = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)
SIZES = {"phone": (390, 844), "reflow at 320": (320, 640), "desktop": (1280, 900)}
EVERY_PAIR = [
    ("en", "phone", "light"),
    ("es", "phone", "dark"),
    ("es", "reflow at 320", "light"),
    ("en", "reflow at 320", "dark"),
    ("en", "desktop", "light"),
    ("es", "desktop", "dark"),
]
"""Language, size and scheme: every two of them together at least once."""
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture
def clinic(live_server: Any, clock: Callable[[datetime], None], empty_cache: None, settings: Any) -> Site:
    """A clinic that is open, seen from a week before the visit."""
    settings.PATIENT_PAGE_RATE = "10000/min"
    site = SiteFactory.create(address="12 Cedar Street\nDenver, CO 80203")
    open_clinic(site)
    return site


@pytest.fixture
def visit(clinic: Site) -> Appointment:
    """Ana's first visit, Monday the 11th at 09:00; she lives in New York."""
    patient = PatientFactory.create(site=clinic, timezone="America/New_York")
    return appointments.book(
        actor=SYSTEM, now=NOW, patient_id=patient.pk, visit_type=visit_type(), site=clinic, start=START
    )


@pytest.fixture
def address(live_server: Any, visit: Appointment) -> str:
    """What the link in a message says."""
    url = links.issue(
        patient=visit.patient,
        subject_kind="appointment",
        subject_id=visit.pk,
        message=None,
        expires_at=NOW + timedelta(days=30),
        now=NOW,
    )
    return url.replace("http://testserver", live_server.url)


def give_birth_date(page: Page, *, month: str = "May", day: str = "17", year: str = "1980") -> None:
    """As the form asks, in English."""
    page.get_by_label("Month").select_option(label=month)
    page.get_by_label("Day").fill(day)
    page.get_by_label("Year").fill(year)
    page.get_by_role("button", name="Continue").click()


def every_page(page: Page, address: str) -> list[tuple[str, str]]:
    """(name, address) of each page of a visit, the date of birth given along the way."""
    home, _p, _token = address.partition("/p/")
    page.goto(f"{address}cancel/")
    if page.get_by_label("Year").count():
        give_birth_date(page)
    page.goto(f"{address}move/")
    to = page.locator(".times a").first.get_attribute("href")
    assert to
    return [
        ("visit", address),
        ("confirmed", f"{address}?told=confirmed"),
        ("move", f"{address}move/"),
        ("sure", home + to),
        ("taken", f"{address}move/?to=2027-01-12T04:00:00%2B00:00"),
        ("cancel", f"{address}cancel/"),
        ("prepare", f"{address}prepare/"),
        ("preferences", f"{address}preferences/"),
        ("gone", f"{home}/p/unknown/"),
    ]


def faults(page: Page) -> list[str]:
    """What axe-core finds wrong, and whether the page scrolls sideways."""
    found = [
        f"{each['id']}: {each['nodes'][0]['html']}"
        for each in Axe().run(page, options=RULES).response["violations"]
    ]
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        found.append("scrolls sideways")
    return found


@pytest.mark.parametrize(("language", "size", "scheme"), EVERY_PAIR)
def test_every_page_is_accessible(
    language: str, size: str, scheme: Any, address: str, chromium: Chromium
) -> None:
    def walk(page: Page) -> dict[str, list[str]]:
        width, height = SIZES[size]
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{address}prepare/")
        found = {"birth date": faults(page)}
        give_birth_date(page, year="1981")
        found["birth date, wrong"] = faults(page)
        steps = every_page(page, address)
        page.goto(f"{address}preferences/")
        page.locator(f"button[value={language}]").click()
        for name, where in steps:
            page.goto(where)
            found[name] = faults(page)
        return {name: wrong for name, wrong in found.items() if wrong}

    assert chromium.visit(walk) == {}


def test_text_twice_as_large_still_fits(address: str, chromium: Chromium) -> None:
    """WCAG 1.4.4 on a phone: the browser's text size at 200 %."""

    def walk(page: Page) -> list[str]:
        page.set_viewport_size({"width": 390, "height": 844})
        wide = []
        for name, where in every_page(page, address):
            page.goto(where)
            page.evaluate("document.documentElement.style.fontSize = '200%'")
            if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                wide.append(name)
        return wide

    assert chromium.visit(walk) == []


def test_confirm_and_move_without_javascript(address: str, visit: Appointment, chromium: Chromium) -> None:
    def walk(page: Page) -> None:
        page.route("**/*.js", lambda route: route.abort())
        page.goto(address)
        assert page.locator("script").count() == 0
        page.get_by_role("button", name="Yes, I will come").click()
        expect(page.get_by_text("Thank you. We expect you.")).to_be_visible()
        page.get_by_role("link", name="Choose another time").click()
        give_birth_date(page)
        page.get_by_role("link", name="Afternoon").click()
        page.get_by_role("link", name="Thursday, January 7, 12:00 PM").click()
        expect(page.get_by_text("Where you are it is Thursday, January 7 at 2:00 PM (EST).")).to_be_visible()
        page.get_by_role("button", name="Yes, move it").click()
        expect(page.get_by_text("Done. This is your new time.")).to_be_visible()

    chromium.visit(walk)
    visit.refresh_from_db()
    assert (visit.start_at, visit.status) == (datetime(2027, 1, 7, 19, 0, tzinfo=UTC), "booked")


def test_the_keyboard_is_enough(address: str, visit: Appointment, chromium: Chromium) -> None:
    """Tab, Enter and typing: skip to the page, cancel, say the date of birth, cancel for good."""

    def tab_to(page: Page, name: str) -> None:
        for _ in range(30):
            page.keyboard.press("Tab")
            focused = page.evaluate("document.activeElement.textContent.trim() || document.activeElement.id")
            if focused.startswith(name):
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"{name} does not show that it is focused"
                return
        pytest.fail(f"Tab never reached {name}")

    def walk(page: Page) -> None:
        page.goto(address)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        tab_to(page, "Cancel the appointment")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Month")).to_be_visible()
        tab_to(page, "Choose")
        page.keyboard.type("May")
        page.keyboard.press("Tab")
        page.keyboard.type("17")
        page.keyboard.press("Tab")
        page.keyboard.type("1980")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Cancel this appointment?")).to_be_visible()
        tab_to(page, "Yes, cancel it")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Your appointment is cancelled.")).to_be_visible()

    chromium.visit(walk)
    visit.refresh_from_db()
    assert visit.status == "cancelled"
    assert visit.events.get(verb="cancel").via == "page"


def test_one_tap_stops_the_texts(address: str, visit: Appointment, chromium: Chromium) -> None:
    def walk(page: Page) -> None:
        page.goto(address)
        page.get_by_role("link", name="Messages and language").click()
        page.get_by_role("button", name="Stop text messages").click()
        expect(page.get_by_text("We do not text you.")).to_be_visible()
        page.get_by_role("button", name="Español").click()
        expect(page.get_by_role("heading", name="Mensajes e idioma")).to_be_visible()

    chromium.visit(walk)
    patient = Patient.objects.get(pk=visit.patient_id)
    assert (patient.accepts_sms, patient.accepts_email, patient.language) == (False, True, "es")
