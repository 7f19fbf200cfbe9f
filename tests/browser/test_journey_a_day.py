"""Ana's fourth session (DOMAIN section 6, journey A) as the clinic works it: from the board to the board, by
a front desk, two nurses and a prescriber, each in a window of their own."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from clinic.access.policy import SYSTEM
from patients.models import Patient
from patients.services import assessments
from patients.services.assessments import Submission
from scheduling.admin import day_board
from scheduling.models import Appointment
from tests.browser.driving import Chromium
from tests.browser.test_board_page import sign_in
from tests.factories import PatientFactory, SiteFactory, UserFactory, open_clinic
from tests.factories.infusions import booked_infusion
from tests.integration.journeys.tables import at
from tests.unit.assessments.shipped import answers as answers_to

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
PASSWORD = "a password for the board"
ROLES = {"front_desk": "front_desk", "nurse": "nurse", "second_nurse": "nurse", "prescriber": "prescriber"}


@pytest.fixture
def ana(live_server: Any, clock: Callable[[datetime], None]) -> Iterator[Appointment]:
    """Her visit of 11 January at 09:00, ten minutes before."""
    day_board.forget()
    site = SiteFactory.create(name="Cedar Street")
    open_clinic(site)
    for name, role in ROLES.items():
        user = UserFactory.create(username=name, roles={site: [role]})
        user.set_password(PASSWORD)
        user.save()
    patient = PatientFactory.create(site=site, first_name="Ana", last_name="Reyes")
    yield booked_infusion(site, patient=patient)
    day_board.forget()


def answered(patient: Patient, total: int, item9: int, *, now: datetime) -> int:
    """The PHQ-9, on her phone on the way; the alarm that it opens."""
    recorded = assessments.record(
        actor=SYSTEM,
        now=now,
        patient_id=patient.pk,
        submission=Submission(
            instrument="PHQ-9",
            answers=answers_to("PHQ-9", total, i9=item9),
            answered_at=now,
            source="page",
        ),
    )
    assert recorded.alarm is not None
    return recorded.alarm.pk


class Room:
    """A window of somebody."""

    def __init__(self, page: Page, url: str, visit: Appointment, name: str) -> None:
        self.page, self.url, self.visit = page, url, visit
        sign_in(page, f"{url}/admin/scheduling/appointment/board/", name)

    @property
    def card(self) -> Locator:
        return self.page.locator(f"#v{self.visit.pk}")

    def board(self) -> None:
        self.page.goto(f"{self.url}/admin/scheduling/appointment/board/")
        expect(self.page.locator("#b-live")).to_have_text("Live")

    def session(self) -> None:
        self.page.goto(f"{self.url}/admin/scheduling/appointment/{self.visit.pk}/session/")

    def gate(self, code: str) -> Locator:
        """The form of a gate, unfolded: the one to be answered next is so already."""
        form = self.page.locator(f"#form-gate{code}")
        if not form.is_visible():
            self.page.locator(f"#gate-{code} > summary").click()
        return form

    def tick(self, gate: str, *choices: tuple[str, str]) -> None:
        """Answer a gate: group of buttons and the one to tap."""
        form = self.gate(gate)
        for group, choice in choices:
            form.get_by_role("group", name=group).get_by_text(choice, exact=True).click()
        form.get_by_role("button", name="Save").click()

    def measure(self, systolic: int, diastolic: int) -> None:
        form = self.page.locator("#form-reading")
        form.get_by_label("Systolic", exact=False).fill(str(systolic))
        form.get_by_label("Diastolic", exact=False).fill(str(diastolic))
        form.get_by_label("SpO2", exact=False).fill("98")
        form.get_by_role("button", name="Record").click()

    def log(self, kind: str, mg: str) -> None:
        form = self.page.locator("#form-drug")
        form.get_by_role("group", name="What").get_by_text(kind, exact=True).click()
        form.get_by_label("Amount, mg").fill(mg)
        form.get_by_role("button", name="Log").click()
        expect(self.page.locator("#drug-log")).to_contain_text(f"{mg}.00 mg {kind.lower()}")


def test_from_arrival_to_going_home(
    live_server: Any, chromium: Chromium, clock: Callable[[datetime], None], ana: Appointment
) -> None:
    clock(at("2027-01-11T08:40"))
    alarm = answered(ana.patient, 17, 2, now=at("2027-01-11T08:20"))

    def walk(page: Page) -> None:
        browser = page.context.browser
        assert browser is not None
        windows = [browser.new_context(viewport={"width": 1280, "height": 900}) for _name in ROLES]
        try:
            rooms = {
                name: Room(window.new_page(), live_server.url, ana, name)
                for name, window in zip(ROLES, windows, strict=True)
            }
            _day(rooms, clock, alarm)
        finally:
            for window in windows:
                window.close()

    chromium.visit(walk)
    ana.refresh_from_db()
    assert ana.status == "completed"
    assert [event.verb for event in ana.events.order_by("id")] == [
        "book",
        "check_in",
        "start",
        "end",
        "discharge",
        "complete",
    ]


def _day(rooms: dict[str, Room], clock: Callable[[datetime], None], alarm: int) -> None:
    desk, nurse, second, doctor = (rooms[name] for name in ROLES)

    # The desk receives her and does its part of the gates.
    desk.card.get_by_role("button", name="Patient is here").click()
    expect(desk.card).to_contain_text("Waiting")
    desk.session()
    consent = desk.gate("consent")
    consent.get_by_label("Consent signed on").fill("2027-01-04")
    consent.get_by_role("button", name="Save").click()
    desk.tick("identity", ("Name and date of birth checked", "Yes"))
    escort = desk.gate("escort")
    escort.get_by_label("Who takes the patient home").fill("Her sister")
    escort.get_by_role("button", name="Save").click()
    desk.tick("driving", ("The patient will not drive until after a night's sleep", "Yes"))

    # The nurse does hers. Item 9 was 2: treatment is held, whatever else is done.
    nurse.session()
    fasting = nurse.gate("fasting")
    for tick in fasting.get_by_label("Not since yesterday evening").all():
        tick.check()
    fasting.get_by_role("button", name="Save").click()
    nurse.tick("rescreen", ("Could be pregnant", "No"), ("New medicines", "No"), ("Substances", "No"))
    weigh = nurse.page.locator("#form-weigh")
    weigh.get_by_label("Weight, kg").fill("70")
    weigh.get_by_role("button", name="Weigh").click()
    expect(nurse.page.locator("#dose")).to_contain_text("35 mg")
    nurse.measure(128, 80)
    expect(nurse.page.get_by_role("alert").first).to_contain_text("safety alarm")
    nurse.board()
    nurse.card.get_by_role("button", name="Start").click()
    refused = nurse.page.get_by_role("dialog")
    expect(refused).to_contain_text("safety alarm")
    nurse.page.keyboard.press("Escape")

    # A prescriber speaks with her, writes the plan down and signs off.
    doctor.page.goto(f"{doctor.url}/admin/patients/safetyalarm/{alarm}/resolve/")
    doctor.page.get_by_label("What was found and done").fill("Wish to be dead, no plan.")
    doctor.page.get_by_label("Plan", exact=True).fill("Safety plan written, sister informed.")
    doctor.page.get_by_label("The next infusion may go ahead").check()
    doctor.page.get_by_role("button", name="Resolve").click()

    # 09:00: it starts. Thirty minutes in 172/104 asks a prescriber, and is not urgent.
    clock(at("2027-01-11T09:00"))
    nurse.board()
    nurse.card.get_by_role("button", name="Start").click()
    expect(nurse.card).to_contain_text("Infusing")
    clock(at("2027-01-11T09:30"))
    nurse.session()
    nurse.measure(172, 104)
    expect(nurse.page.locator("#vitals")).to_contain_text("A prescriber answers.")
    doctor.session()
    doctor.page.locator("#vitals").get_by_text("Acknowledge").first.click()
    doctor.page.locator("#vitals").get_by_label("What was done").fill("No symptoms, go on.")
    doctor.page.locator("#vitals").get_by_role("button", name="Acknowledge").click()
    expect(doctor.page.locator("#vitals")).to_contain_text("No symptoms, go on.")

    # The infusion ends; what is wasted is seen by another nurse.
    clock(at("2027-01-11T09:40"))
    nurse.board()
    nurse.card.get_by_role("button", name="End infusion").click()
    expect(nurse.card).to_contain_text("Recovery")
    nurse.session()
    for kind, mg in (("Drawn", "50"), ("Given", "35"), ("Wasted", "15")):
        nurse.log(kind, mg)
    second.session()
    second.page.get_by_role("row", name="15.00 mg wasted").get_by_role("button", name="I saw it").click()
    expect(second.page.locator("#drug-log")).to_contain_text("balances")

    # 138/86 an hour after the start, Aldrete 10, her escort is there: she goes home.
    clock(at("2027-01-11T10:00"))
    nurse.session()
    nurse.measure(138, 86)
    leaving = nurse.page.locator("#discharge")
    for domain in ("Activity", "Respiration", "Circulation", "Consciousness", "Oxygen saturation"):
        leaving.get_by_role("group", name=domain).get_by_text("2", exact=True).click()
    for question in (
        "Oriented to person, place and time",
        "Walks steadily",
        "The escort is here",
        "Told not to drive until after a night's sleep",
    ):
        leaving.get_by_role("group", name=question).get_by_text("Yes", exact=True).click()
    leaving.get_by_role("button", name="Discharge").click()
    expect(nurse.page.get_by_text("Discharged").first).to_be_visible()
    nurse.board()
    nurse.card.get_by_role("button", name="Complete").click()
    expect(desk.page.locator("#v0")).to_have_count(0)
    desk.board()
    expect(desk.card).to_contain_text("Completed")
