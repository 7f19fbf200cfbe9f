"""The day board in a real browser: book, step, move by keyboard and mouse, two people at once, on a phone."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Locator, Page, expect

from clinic.access.models import Site
from scheduling.admin import day_board
from scheduling.models import Appointment, Resource
from tests.browser.driving import Chromium
from tests.browser.test_patient_pages import RULES, faults
from tests.factories import PatientFactory, SiteFactory, UserFactory
from tests.factories.full_days import full_day

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
PASSWORD = "a password for the board"
NOON = datetime(2027, 1, 4, 19, 30, tzinfo=UTC)
TWO_SECONDS = 2_000


@pytest.fixture
def site(live_server: Any, clock: Callable[[datetime], None]) -> Iterator[Site]:
    """Three chairs on a Monday at 12:30, the last chair free from noon on; a desk and a nurse."""
    day_board.forget()
    clock(NOON)
    site = SiteFactory.create(name="Cedar Street")
    full_day(site, chairs=3)
    for visit in visits_on("Chair 3")[2:]:
        visit.allocations.all().delete()
        visit.delete()
    PatientFactory.create(site=site, first_name="Ana", last_name="Reyes", sort_name="reyes ana")
    for role in ("front_desk", "nurse"):
        user = UserFactory.create(username=role, roles={site: [role]})
        user.set_password(PASSWORD)
        user.save()
    yield site
    day_board.forget()


@pytest.fixture
def address(live_server: Any, site: Site) -> str:
    """The board."""
    return f"{live_server.url}/admin/scheduling/appointment/board/"


def visits_on(chair: str) -> list[Appointment]:
    """By start: over, in recovery, waiting, confirmed, booked."""
    rows = Appointment.objects.filter(allocations__resource__name=chair)
    return list(rows.order_by("start_at").distinct())


def sign_in(page: Page, address: str, name: str = "front_desk") -> None:
    """As everybody does."""
    page.goto(address)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#b-live")).to_have_text("Live")


def wcag_faults(page: Page) -> list[str]:
    """Against WCAG 2.2 AA. The frame around the board is Unfold's, whose habits are not ours to judge."""
    rules = {"runOnly": [rule for rule in RULES["runOnly"] if rule != "best-practice"]}
    found = Axe().run(page, options=rules).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found]


def card(page: Page, visit: Appointment) -> Locator:
    """Its place on the board."""
    return page.locator(f"#v{visit.pk}")


def test_one_click_takes_the_next_step_and_undo_takes_it_back(address: str, chromium: Chromium) -> None:
    visit = visits_on("Chair 1")[3]
    name = visit.patient.last_name

    def walk(page: Page) -> None:
        sign_in(page, address)
        shown = card(page, visit)
        expect(shown).to_contain_text("Confirmed")
        shown.get_by_role("button", name="Patient is here").click()
        expect(shown).to_contain_text("Waiting 0 min")
        toast = page.locator("#b-toast")
        expect(toast).to_contain_text("is here.")
        toast.get_by_role("button", name="Undo").click()
        expect(shown).to_contain_text("Confirmed")
        expect(toast).to_contain_text("Taken back for")
        shown.get_by_role("button", name="More").click()
        page.get_by_role("button", name="Cancel visit").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("The patient is told")
        dialog.get_by_role("button", name="Cancel visit").click()
        expect(page.locator("#b-offs")).to_contain_text(name)
        card(page, visit).get_by_role("button", name="More").click()
        page.get_by_role("button", name="Undo last step").click()
        expect(page.locator("#b-scroll").locator(f"#v{visit.pk}")).to_contain_text("Confirmed")

    chromium.visit(walk)
    visit.refresh_from_db()
    assert visit.status == "confirmed"


def test_a_gate_refuses_and_says_what_is_open(address: str, chromium: Chromium) -> None:
    visit = visits_on("Chair 1")[2]

    def walk(page: Page) -> None:
        sign_in(page, address, "nurse")
        expect(card(page, visit)).to_contain_text("Blocked: Consent to treatment in date")
        card(page, visit).get_by_role("button", name="Start").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("heading")).to_have_text("First, this has to be done")
        expect(dialog).to_contain_text("Weight taken today Weigh the patient.")
        expect(dialog.get_by_role("link", name="Open the session")).to_be_visible()
        page.keyboard.press("Escape")
        expect(card(page, visit)).to_contain_text("Waiting")

    chromium.visit(walk)
    visit.refresh_from_db()
    assert visit.status == "arrived"


def test_an_empty_place_is_booked(address: str, site: Site, chromium: Chromium) -> None:
    def walk(page: Page) -> None:
        sign_in(page, address)
        gap = page.get_by_role("link", name=re.compile("Book 12:30 PM Chair 3"))
        gap.click(position={"x": 30, "y": 190})  # the quarter hour under the mouse
        expect(page.get_by_text("From the day board: Mon, Jan 4, 2027, 2:00 PM MST, Chair 3")).to_be_visible()
        page.get_by_placeholder("Name, date of birth, phone or MRN").last.fill("reyes")
        page.get_by_role("button", name="Find").click()
        page.get_by_role("link", name=re.compile("Reyes, Ana")).click()
        page.get_by_label("Visit type").select_option(label="Ketamine infusion, mood")
        page.get_by_role("button", name="Show free times").click()
        page.get_by_role("button", name="Book Mon, Jan 4, 2027, 2:00 PM MST, Chair 3").click()
        expect(page.get_by_text("Booked for")).to_be_visible()
        expect(page.locator("#b-scroll").get_by_text("Ana Reyes")).to_be_visible()

    chromium.visit(walk)
    booked = Appointment.objects.get(patient__last_name="Reyes")
    assert booked.start_at == datetime(2027, 1, 4, 21, tzinfo=UTC)
    assert booked.allocations.filter(resource__name="Chair 3").exists()


def test_a_visit_is_moved_by_keyboard(address: str, chromium: Chromium) -> None:
    visit = visits_on("Chair 2")[3]  # 14:00 to 16:00

    def walk(page: Page) -> None:
        sign_in(page, address)
        card(page, visit).get_by_role("link").focus()
        page.keyboard.press("m")
        expect(page.locator(".b-ghost")).to_be_visible()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
        expect(page.locator(".b-ghost")).to_have_count(0)
        page.keyboard.press("m")
        for key in ("ArrowRight", "ArrowDown", "ArrowDown", "Enter"):
            page.keyboard.press(key)
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("From2:00 PM, Chair 2To2:30 PM, Chair 3")
        expect(dialog).to_contain_text("The patient is told the new time")
        page.keyboard.press("Enter")
        expect(page.locator("#b-toast")).to_contain_text("is moved to Mon, Jan 4, 2027, 2:30 PM MST")
        expect(card(page, visit)).to_contain_text("2:30 to 4:30 PM")

    chromium.visit(walk)
    visit.refresh_from_db()
    assert (visit.start_at, visit.status) == (datetime(2027, 1, 4, 21, 30, tzinfo=UTC), "booked")
    assert visit.allocations.filter(resource__name="Chair 3").exists()


def test_a_visit_is_dragged_to_another_chair_and_a_refusal_offers_others(
    address: str, chromium: Chromium
) -> None:
    *_others, confirmed, booked = visits_on("Chair 2")

    def drag(page: Page, visit: Appointment, *, right: int, down: int) -> None:
        shown = card(page, visit)
        shown.scroll_into_view_if_needed()
        box = shown.bounding_box()
        column = page.locator(".b-head [data-chair]").first.bounding_box()
        assert box is not None
        assert column is not None
        x, y = box["x"] + box["width"] - 12, box["y"] + 12
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 10, y, steps=2)
        page.mouse.move(x + right * column["width"], y + down, steps=8)
        page.mouse.up()

    def walk(page: Page) -> None:
        sign_in(page, address)
        drag(page, confirmed, right=1, down=0)
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("From2:00 PM, Chair 2To2:00 PM, Chair 3")
        expect(dialog).to_contain_text("the patient is not written to")
        dialog.get_by_role("button", name="Move").click()
        expect(page.locator("#b-toast")).to_contain_text("has another chair")
        expect(card(page, confirmed)).to_contain_text("Chair 3")
        drag(page, booked, right=-1, down=0)  # onto somebody else
        dialog.get_by_role("button", name="Move").click()
        expect(dialog.get_by_role("heading")).to_contain_text("was not moved")
        dialog.get_by_role("button", name="Close").click()

    chromium.visit(walk)
    confirmed.refresh_from_db()
    assert (confirmed.status, confirmed.start_at.hour) == ("confirmed", 21)
    assert booked.allocations.filter(resource__name="Chair 2").exists()


def second_window(page: Page, address: str, name: str) -> tuple[BrowserContext, Page]:
    """Somebody else, elsewhere."""
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    other = context.new_page()
    sign_in(other, address, name)
    return context, other


def test_another_board_sees_it_within_two_seconds_and_the_second_click_is_told(
    address: str, chromium: Chromium
) -> None:
    visit = visits_on("Chair 1")[3]

    def walk(page: Page) -> None:
        sign_in(page, address)
        context, other = second_window(page, address, "nurse")
        try:
            other.evaluate("window.setTimeout = () => 0")  # this board hears of nothing until it acts
            expect(other.locator("#b-live")).to_have_text("Live")
            here, there = card(page, visit), card(other, visit)
            there.get_by_role("link").focus()
            here.get_by_role("button", name="Patient is here").click()
            expect(page.locator("#b-toast")).to_contain_text("is here.")
            there.get_by_role("button", name="More").click()
            other.get_by_role("button", name="Cancel visit").click()
            other.get_by_role("dialog").get_by_role("button", name="Cancel visit").click()
            expect(other.get_by_role("dialog")).to_contain_text("Somebody changed this visit")
            other.get_by_role("dialog").get_by_role("button", name="Close").click()
            expect(there).to_contain_text("Waiting")
            third_context, third = second_window(page, address, "nurse")
            page.locator("#b-toast").get_by_role("button", name="Undo").click()
            expect(card(third, visit)).to_contain_text("Confirmed", timeout=TWO_SECONDS)
            third_context.close()
        finally:
            context.close()

    chromium.visit(walk)
    visit.refresh_from_db()
    assert visit.status == "confirmed"


def test_focus_and_menu_stay_while_the_board_changes(address: str, chromium: Chromium) -> None:
    visit, changed = visits_on("Chair 1")[3], visits_on("Chair 2")[3]

    def walk(page: Page) -> None:
        sign_in(page, address)
        context, other = second_window(page, address, "nurse")
        try:
            card(page, visit).get_by_role("button", name="Patient is here").focus()
            card(other, changed).get_by_role("button", name="Patient is here").click()
            expect(card(page, changed)).to_contain_text("Waiting", timeout=TWO_SECONDS)
            expect(card(page, visit).get_by_role("button", name="Patient is here")).to_be_focused()
            card(other, visit).get_by_role("button", name="Patient is here").click()
            expect(card(page, visit)).to_contain_text("Waiting", timeout=TWO_SECONDS)
            expect(card(page, visit).locator("a, button").and_(page.locator(":focus"))).to_have_count(1)
            card(page, visit).get_by_role("button", name="More").click()
            expect(page.locator("#b-menu")).to_be_visible()
            other.locator("#b-toast").get_by_role("button", name="Undo").click()
            expect(card(page, visit)).to_contain_text("Confirmed", timeout=TWO_SECONDS)
            expect(page.locator("#b-menu")).to_be_visible()
        finally:
            context.close()

    chromium.visit(walk)


def test_it_says_when_it_is_not_live_and_when_one_is_signed_out(address: str, chromium: Chromium) -> None:
    def walk(page: Page) -> None:
        sign_in(page, address)
        page.route("**/board/", lambda route: route.abort())
        expect(page.locator("#b-live")).to_contain_text(re.compile(r"Not live since \d+:\d\d [AP]M"))
        page.unroute("**/board/")
        expect(page.locator("#b-live")).to_have_text("Live")
        page.context.clear_cookies(name="onset_session")
        expect(page.locator("#b-live")).to_contain_text("You are signed out.")
        visit = visits[0]
        card(page, visit).get_by_role("button", name="Patient is here").click()
        expect(page.get_by_role("dialog")).to_contain_text("nothing was done")

    visits = [visits_on("Chair 1")[3]]
    chromium.visit(walk)
    assert Appointment.objects.get(pk=visits[0].pk).status == "confirmed"


def test_keys_go_from_day_to_day(address: str, chromium: Chromium) -> None:
    def walk(page: Page) -> None:
        sign_in(page, address)
        heading = page.locator(".onset-title h2")
        for key, day in (
            ("ArrowRight", "Tue, Jan 5"),
            ("ArrowRight", "Wed, Jan 6"),
            ("ArrowLeft", "Tue, Jan 5"),
            ("t", "Mon, Jan 4"),
        ):
            page.keyboard.press(key)
            expect(heading).to_contain_text(day)
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_contain_text("Keys on the day board")
        page.keyboard.press("ArrowRight")  # belongs to the dialog now
        page.keyboard.press("Escape")
        expect(heading).to_contain_text("Mon, Jan 4")

    chromium.visit(walk)


def test_a_phone_shows_the_same_cards_as_a_list_by_time(address: str, chromium: Chromium) -> None:
    visit, count = visits_on("Chair 1")[3], Appointment.objects.count()

    def walk(page: Page) -> None:
        page.set_viewport_size({"width": 390, "height": 844})
        sign_in(page, address, "nurse")
        cards = page.locator("#b-scroll .b-card")
        expect(cards).to_have_count(count)
        boxes = [cards.nth(n).bounding_box() for n in range(cards.count())]
        tops = [box["y"] for box in boxes if box]
        assert tops == sorted(tops)
        assert {round(box["x"]) for box in boxes if box} == {round(boxes[0]["x"])}  # type: ignore[index]
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        card(page, visit).get_by_role("button", name="Patient is here").click()
        expect(card(page, visit)).to_contain_text("Waiting 0 min")

    chromium.visit(walk)


def test_the_day_sheet_is_ready_for_paper(address: str, chromium: Chromium) -> None:
    count = Appointment.objects.count()

    def walk(page: Page) -> None:
        sign_in(page, address)
        page.get_by_role("link", name="Day sheet").click()
        expect(page.get_by_role("heading", name="Mon, Jan 4, 2027")).to_be_visible()
        expect(page.get_by_role("row")).to_have_count(count + 1)
        page.emulate_media(media="print")
        expect(page.get_by_role("link", name="Back to the board")).to_be_hidden()
        assert page.pdf(prefer_css_page_size=True)[:5] == b"%PDF-"
        page.emulate_media(media="screen")
        assert faults(page) == []

    chromium.visit(walk)


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390), ("light", 320)]
)
def test_the_board_is_accessible(
    scheme: Any, width: int, address: str, site: Site, chromium: Chromium
) -> None:
    Resource.objects.create(site=site, kind="chair", name="Chair 4", capacity=1)
    _done, _recovering, waiting, confirmed, _booked = visits_on("Chair 1")

    def walk(page: Page) -> dict[str, list[str]]:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        sign_in(page, address, "nurse")
        found = {"board": wcag_faults(page)}
        card(page, waiting).get_by_role("button", name="Start").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        found["refusal"] = wcag_faults(page)
        page.keyboard.press("Escape")
        card(page, confirmed).get_by_role("button", name="More").click()
        expect(page.locator("#b-menu")).to_be_visible()
        found["menu"] = wcag_faults(page)
        page.keyboard.press("Escape")
        card(page, confirmed).get_by_role("button", name="Patient is here").click()
        expect(page.locator("#b-toast")).to_be_visible()
        found["toast"] = wcag_faults(page)
        return {name: wrong for name, wrong in found.items() if wrong}

    wrong = chromium.visit(walk)
    assert not wrong, wrong
