"""A course planned and booked, and a repair accepted, in a real browser."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from clinic.access.models import Site
from clinic.common import clock
from scheduling.models import Appointment, Course, Repair, Resource
from scheduling.services import repair_runs
from tests.browser.driving import Chromium
from tests.factories import PatientFactory, SiteFactory, UserFactory, open_clinic

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
PASSWORD = "a password for the desk"


@pytest.fixture
def clinic(live_server: Any) -> Site:
    """A clinic that is open, a patient, and somebody at the front desk."""
    site = SiteFactory.create(name="Cedar Street")
    open_clinic(site, nurses=2)
    PatientFactory.create(site=site, first_name="Ana", last_name="Reyes", sort_name="reyes ana")
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


def test_plan_and_book_a_course_then_repair_it_when_the_nurse_is_sick(
    clinic: Site, live_server: Any, chromium: Chromium
) -> None:
    addresses: list[str] = []

    def plan(page: Page) -> None:
        page.on("request", lambda request: addresses.append(request.url.split("/static/")[0]))
        sign_in(page, f"{live_server.url}/admin/")
        page.get_by_role("link", name="Plan a course").click()
        page.get_by_placeholder("Name, date of birth, phone or MRN").fill("reyes")
        page.get_by_role("button", name="Find").click()
        page.get_by_role("link", name=re.compile("Reyes, Ana")).click()
        page.get_by_label("Course").select_option(label="Ketamine, mood: six in two weeks")
        page.get_by_label("Preferred start").fill("10:00")
        page.get_by_role("button", name="Show plans").click()
        expect(page.get_by_role("article")).to_have_count(3)
        page.get_by_role("button", name=re.compile(r"Book this course\s+plan 2")).click()
        expect(page.get_by_text("The course is booked. Every session is below.")).to_be_visible()
        expect(page.get_by_role("link", name=re.compile("Move session"))).to_have_count(6)

    chromium.visit(plan)
    course = Course.objects.get()
    first = course.sessions.order_by("start_at")[0]
    nurse = Resource.objects.get(allocations__appointment=first, kind="nurse", allocations__use="shared")
    day = first.start_at.astimezone(clinic.zone)

    def ask(page: Page) -> None:
        sign_in(page, f"{live_server.url}/admin/scheduling/repair/new/")
        page.get_by_label("Who or what is away").select_option(value=str(nurse.pk))
        page.get_by_label("From").fill(f"{day:%Y-%m-%d}T08:00")
        page.get_by_label("Until").fill(f"{day:%Y-%m-%d}T18:00")
        page.get_by_role("button", name="Propose other places").click()
        expect(page.get_by_text("Waiting for a worker.")).to_be_visible()
        computed = page.get_by_role("button", name="Accept what is ticked")
        assert not computed.is_visible()
        page.wait_for_event("framenavigated")  # the page asks again by itself

    chromium.visit(ask)
    assert repair_runs.run_next(now=clock.now())
    repair = Repair.objects.get()

    def accept(page: Page) -> None:
        sign_in(page, f"{live_server.url}/admin/scheduling/repair/{repair.pk}/change/")
        expect(page.get_by_role("link", name=re.compile("Reyes, Ana"))).to_be_visible()
        page.get_by_role("button", name="Accept what is ticked").click()
        expect(page.get_by_text("1 visit moved or given to somebody else")).to_be_visible()

    chromium.visit(accept)
    repair.refresh_from_db()
    assert repair.status == "accepted"
    held = Appointment.objects.get(pk=first.pk).allocations.filter(released_at__isnull=True)
    assert not held.filter(resource=nurse).exists()
    assert addresses
    assert [each for each in addresses if re.search("reyes|ana", each, re.IGNORECASE)] == []
