"""Signing in as people do: enrolling an app or a passkey, then using it; the warning before idle logoff."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from axe_playwright_python.sync_playwright import Axe
from django.db import connection
from playwright.sync_api import Page, ViewportSize, expect

from clinic.access.models import SignIn, Site, User
from clinic.common import clock
from tests.browser.driving import DEADLINE_MS, Chromium
from tests.factories import SiteFactory, UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
PASSWORD = "a password for the nurse"
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture
def nurse(live_server: Any, settings: Any) -> User:
    """Somebody who must have a second factor, and has none."""
    settings.MFA_REQUIRED_ROLES = ["nurse"]
    site: Site = SiteFactory.create(name="Cedar Street")
    user: User = UserFactory.create(username="nurse", roles={site: ["nurse"]})
    user.set_password(PASSWORD)
    user.save()
    return user


def log_in(page: Page) -> None:
    """The first step."""
    page.get_by_label("Username").fill("nurse")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def faults(page: Page) -> list[str]:
    """What axe-core finds wrong in light and dark, and whether the page fits a phone."""
    found = []
    for scheme in ("light", "dark"):
        page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", scheme == "dark")
        found += [
            f"{scheme} {each['id']}: {each['nodes'][0]['html']}"
            for each in Axe().run(page).response["violations"]
        ]
    page.evaluate("document.documentElement.classList.remove('dark')")
    page.set_viewport_size(PHONE)
    if page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
        found.append("wider than a phone")
    page.set_viewport_size(DESK)
    return found


def code(secret: str) -> str:
    """What an authenticator app shows now."""
    return str(totp.format_hotp_value(totp.hotp_value(secret, int(clock.wall().timestamp()) // 30)))


def test_an_app_is_enrolled_and_then_asked_for(
    nurse: User, live_server: Any, chromium: Chromium, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere: list[str] = []
    later = timedelta()
    wall = clock.wall
    monkeypatch.setattr("clinic.common.clock.wall", lambda: wall() + later)

    def walk(page: Page) -> None:
        nonlocal later
        page.on("request", lambda request: elsewhere.append(request.url))
        page.goto(f"{live_server.url}/admin/patients/patient/")
        assert faults(page) == []
        log_in(page)
        expect(page.get_by_text("Your role needs one")).to_be_visible()
        assert faults(page) == []
        page.get_by_role("link", name="Set up an authenticator app").click()
        secret = page.locator(".onset-secret").inner_text()
        assert faults(page) == []
        page.get_by_label("Authenticator code").fill(code(secret))
        page.get_by_role("button", name="Turn it on").click()
        expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
        codes = page.locator(".onset-codes").inner_text().split()
        assert len(set(codes)) == 10
        assert faults(page) == []
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        assert download.value.path().read_text().split() == codes
        page.get_by_role("link", name="Onset").click()
        expect(page.get_by_role("heading", name="Visits today")).to_be_visible()

        page.context.clear_cookies()
        later = timedelta(minutes=2)
        page.goto(f"{live_server.url}/admin/patients/patient/")
        log_in(page)
        assert faults(page) == []
        page.get_by_label("Code").fill("000000")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text("This code is wrong, too old or already used.")).to_be_visible()
        page.get_by_label("Code").fill(code(secret))
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_url(re.compile(r"/admin/patients/patient/$"))

    chromium.visit(walk)
    assert {url for url in elsewhere if not url.startswith((live_server.url, "data:"))} == set()


def test_a_passkey_is_added_and_then_used(nurse: User, live_server: Any, chromium: Chromium) -> None:
    home = live_server.url.replace("127.0.0.1", "localhost")

    def walk(page: Page) -> None:
        devtools = page.context.new_cdp_session(page)
        devtools.send("WebAuthn.enable")
        devtools.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        page.goto(f"{home}/admin/")
        log_in(page)
        page.get_by_role("link", name="Add a passkey").click()
        assert faults(page) == []
        page.get_by_label("Name").fill("Ward laptop")
        page.get_by_role("button", name="Add passkey").click()
        expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
        page.get_by_role("link", name="Second factor").click()
        expect(page.get_by_role("link", name="Remove Ward laptop")).to_be_visible()
        page.goto(f"{home}/account/sign-ins/")
        assert faults(page) == []

        page.context.clear_cookies()
        page.goto(f"{home}/admin/")
        log_in(page)
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_role("heading", name="Visits today")).to_be_visible()

    chromium.visit(walk)
    passkey = Authenticator.objects.get(user=nurse, type="webauthn")
    assert passkey.last_used_at is not None


def age(by: timedelta) -> None:
    """As if nobody had done anything for so long."""

    def earlier() -> None:
        SignIn.objects.update(last_used_at=clock.wall() - by)
        connection.close()

    with ThreadPoolExecutor(1) as aside:  # the browser's thread has a running loop
        aside.submit(earlier).result()


def test_the_warning_a_minute_before_and_the_way_back(
    nurse: User, live_server: Any, chromium: Chromium, settings: Any
) -> None:
    settings.MFA_REQUIRED_ROLES, settings.IDLE_MINUTES = [], 15

    def walk(page: Page) -> None:
        page.clock.install()
        page.goto(f"{live_server.url}/account/login/?next=/admin/patients/patient/")
        log_in(page)
        expect(page).to_have_url(re.compile(r"/admin/patients/patient/$"))
        page.locator("dialog.onset-idle").wait_for(state="attached")  # the script has begun to count
        age(timedelta(minutes=14))
        page.clock.fast_forward("14:00")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("You will be signed out in about a minute")
        assert faults(page) == []
        page.get_by_role("button", name="Stay signed in").click()
        expect(dialog).to_be_hidden()
        age(timedelta(minutes=16))
        page.clock.fast_forward("15:00")
        expect(page.get_by_text("You were signed out.")).to_be_visible(timeout=DEADLINE_MS)
        log_in(page)
        expect(page).to_have_url(re.compile(r"/admin/patients/patient/$"))

    chromium.visit(walk)
