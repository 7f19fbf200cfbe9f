"""The thin path as a front desk walks it in a real browser: find, book, see the messages, cancel."""

import re
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from clinic.access.models import Site
from patients.models import Message, Patient
from scheduling.models import Appointment
from tests.browser.driving import Chromium
from tests.factories import PatientFactory, SiteFactory, UserFactory, open_clinic

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
PASSWORD = "a password for the desk"


@pytest.fixture
def clinic(live_server: Any) -> Site:
    """A clinic that is open, a patient, somebody at the front desk and somebody who manages it."""
    site = SiteFactory.create(name="Cedar Street")
    open_clinic(site)
    PatientFactory.create(site=site, first_name="Ana", last_name="Reyes", sort_name="reyes ana")
    for role in ("front_desk", "manager"):
        user = UserFactory.create(username=role, roles={site: [role]})
        user.set_password(PASSWORD)
        user.save()
    return site


def sign_in(page: Page, address: str, name: str) -> None:
    """As everybody does."""
    page.goto(address)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def messages_on(page: Page) -> Locator:
    """The table of messages on a visit's page."""
    return page.locator("section", has=page.get_by_role("heading", name="Messages to the patient"))


def test_book_a_visit_see_its_messages_cancel_it(clinic: Site, live_server: Any, chromium: Chromium) -> None:
    addresses: list[str] = []

    def book(page: Page) -> None:
        page.on("request", lambda request: addresses.append(request.url.split("/static/")[0]))
        sign_in(page, f"{live_server.url}/admin/", "front_desk")
        page.locator("#main").get_by_role("link", name="Book a visit").click()
        page.get_by_placeholder("Name, date of birth, phone or MRN").fill("réyes")
        page.get_by_role("button", name="Find").click()
        page.get_by_role("link", name=re.compile("Reyes, Ana")).click()
        page.get_by_label("Visit type").select_option(label="Ketamine infusion, mood")
        page.get_by_role("button", name="Show free times").click()
        page.get_by_role("link", name="Later").click()
        page.get_by_label("Reason (optional)").fill("first visit")
        page.locator("button[name=start]").nth(4).click()
        expect(page.get_by_text("Booked for")).to_be_visible()
        expect(messages_on(page).get_by_role("link", name="Confirmation")).to_have_count(2)
        expect(messages_on(page).get_by_text("Queued").first).to_be_visible()

    chromium.visit(book)
    visit = Appointment.objects.get()
    assert (visit.status, visit.reason, visit.patient) == ("booked", "first visit", Patient.objects.get())

    def cancel(page: Page) -> None:
        page.on("request", lambda request: addresses.append(request.url.split("/static/")[0]))
        sign_in(page, f"{live_server.url}/admin/scheduling/appointment/{visit.pk}/change/", "front_desk")
        page.get_by_label("Reason").fill("patient is ill")
        page.get_by_role("button", name="Cancel visit").click()
        expect(page.get_by_text("The visit is now cancelled.")).to_be_visible()
        expect(messages_on(page).get_by_text("Withdrawn").first).to_be_visible()
        expect(page.get_by_role("button", name="Undo last step")).to_be_visible()

    chromium.visit(cancel)
    visit.refresh_from_db()
    assert visit.status == "cancelled"
    assert not Message.objects.filter(kind="day_before", status="queued").exists()
    assert addresses
    assert [each for each in addresses if re.search("reyes|r%C3%A9yes|ana", each, re.IGNORECASE)] == []


def test_import_keeps_the_chosen_file_between_check_and_load(
    clinic: Site, live_server: Any, chromium: Chromium
) -> None:
    csv = b"first_name,last_name,date_of_birth\nEva,Lind,1991-02-03\nNo,,1990-01-01\n"

    def load(page: Page) -> None:
        sign_in(page, f"{live_server.url}/admin/patients/patient/import/", "manager")
        page.get_by_label("Site").select_option(label="Cedar Street")
        file = FilePayload(name="list.csv", mimeType="text/csv", buffer=csv)
        page.locator("input[type=file]").set_input_files(file)
        page.get_by_role("button", name="Check the file").click()
        expect(page.get_by_text("1 patient would be loaded")).to_be_visible()
        expect(page.get_by_role("cell", name="last_name")).to_be_visible()
        page.get_by_role("button", name="Load 1 patient").click()
        expect(page.get_by_text("1 patient loaded")).to_be_visible()

    chromium.visit(load)
    assert Patient.objects.filter(last_name="Lind").count() == 1
