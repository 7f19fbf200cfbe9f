"""A patient answers a check-in in a real browser: without JavaScript, by keyboard, on small screens, in light
and dark, in English and Spanish, and held to WCAG 2.2 AA by axe-core."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from clinic.access.policy import SYSTEM
from patients.models import Assessment, Patient, SafetyAlarm
from patients.services import links
from scheduling.models import CheckIn
from scheduling.services import prescriptions
from tests.browser.driving import Chromium
from tests.browser.test_patient_pages import EVERY_PAIR, SIZES, faults, give_birth_date
from tests.factories import PatientFactory, SiteFactory, open_clinic

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
BEGUN = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)
NOW = datetime(2027, 1, 11, 17, 0, tzinfo=UTC)


@pytest.fixture
def week(live_server: Any, clock: Callable[[datetime], None], empty_cache: None, settings: Any) -> CheckIn:
    """Day 7 of Ana's medicine, made to ask every kind of question."""
    settings.PATIENT_PAGE_RATE = "10000/min"
    site = SiteFactory.create(address="12 Cedar Street\nDenver, CO 80203")
    open_clinic(site)
    patient = PatientFactory.create(site=site)
    prescription = prescriptions.prescribe(
        actor=SYSTEM,
        now=BEGUN,
        patient_id=patient.pk,
        medication="sertraline",
        drug_class="ssri",
        dose_mg=Decimal(50),
        first_dose_on=date(2027, 1, 4),
        indication="depression",
    )
    clock(NOW)
    CheckIn.objects.filter(prescription=prescription, code="ONSET7").update(asks=["NRS", "ASQ", "PHQ-9"])
    return CheckIn.objects.get(prescription=prescription, code="ONSET7")


@pytest.fixture
def address(live_server: Any, week: CheckIn) -> str:
    """What the link in a message says."""
    url = links.issue(
        patient=week.patient,
        subject_kind="check_in",
        subject_id=week.pk,
        message=None,
        expires_at=NOW + timedelta(days=3),
        now=NOW,
    )
    return url.replace("http://testserver", live_server.url)


def choose(page: Page, answer: str) -> None:
    """An answer of the question on the screen, and on."""
    page.get_by_label(answer, exact=True).check()
    page.get_by_role("button", name="Continue").click()


@pytest.mark.parametrize(("language", "size", "scheme"), EVERY_PAIR)
def test_every_screen_is_accessible(
    language: str, size: str, scheme: Any, address: str, week: CheckIn, chromium: Chromium
) -> None:
    def walk(page: Page) -> dict[str, list[str]]:
        width, height = SIZES[size]
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{address}question/")
        give_birth_date(page)
        page.goto(f"{address}preferences/")
        page.locator(f"button[value={language}]").click()
        found: dict[str, list[str]] = {}

        def look(name: str, where: str = "") -> None:
            if where:
                page.goto(f"{address}{where}")
            found[name] = faults(page)

        look("home", "?")
        look("scale", "question/")
        look("yes or no", "question/?n=2")
        page.locator("form .buttons button").first.click()
        look("nothing chosen")
        look("all", "all/")
        page.locator("form .buttons button").first.click()
        look("all, some open")
        look("review, empty", "review/")
        page.goto(f"{address}question/?n=2")
        page.locator("#q2-1").check()
        page.locator("form .buttons button").first.click()
        look("help")
        look("a question after it", "question/")
        look("review", "review/")
        page.locator("main form .button").click()
        look("done")
        return {name: wrong for name, wrong in found.items() if wrong}

    assert chromium.visit(walk) == {}


def test_without_javascript_from_the_first_question_to_thank_you(
    address: str, week: CheckIn, chromium: Chromium
) -> None:
    def walk(page: Page) -> None:
        page.route("**/*.js", lambda route: route.abort())
        page.goto(address)
        assert page.locator("script").count() == 0
        page.get_by_role("link", name="One question at a time").click()
        give_birth_date(page)
        expect(page.get_by_role("heading", name="Question 1 of 14")).to_be_visible()
        choose(page, "4")
        for _question in range(4):
            choose(page, "No")
        for _question in range(8):
            choose(page, "Several days")
        choose(page, "More than half the days")
        expect(page.get_by_role("heading", name="Please get help now")).to_be_visible()
        first = page.locator("main a").first
        assert first.get_attribute("href") == "tel:988"
        expect(page.get_by_text("Our office is open and has been told")).to_be_visible()
        page.get_by_role("link", name="Go on with the questions").click()
        expect(page.get_by_role("heading", name="Your answers")).to_be_visible()
        page.get_by_role("link", name="Change this answer: Feeling down").click()
        choose(page, "Not at all")
        expect(page.get_by_role("heading", name="Your answers")).to_be_visible()
        page.get_by_role("button", name="Send my answers").click()
        expect(page.get_by_role("heading", name="Thank you")).to_be_visible()

    chromium.visit(walk)
    week.refresh_from_db()
    assert week.status == "answered"
    stored = Assessment.objects.current().get(code="PHQ-9")
    assert (stored.complete, stored.score) == (True, 9)
    assert SafetyAlarm.objects.get().items == ["9"]


def test_the_keyboard_is_enough(address: str, chromium: Chromium) -> None:
    """Space and arrows choose, Enter goes on; the summary's link leads to the question."""

    def walk(page: Page) -> None:
        page.goto(f"{address}question/?n=2")
        give_birth_date(page)
        page.goto(f"{address}question/?n=2")
        page.get_by_role("button", name="Continue").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("Choose an answer")
        page.get_by_role("alert").get_by_role("link").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "q2-0"
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Question 3 of 14")).to_be_visible()
        group = page.get_by_role("group", name="In the past few weeks, have you felt")
        expect(group).to_have_accessible_description("Please answer yes or no.")

    chromium.visit(walk)
    assert Patient.objects.count() == 1
