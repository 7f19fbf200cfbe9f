"""The page of a visit: every state and verb, another time, the calendar, how to prepare."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar
import pytest

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Message, Patient, WorkItem
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, PatientPagePolicy
from scheduling.services import appointments, visit_steps
from tests.factories import PatientFactory, visit_type
from tests.integration.pages.conftest import START, Browser, Link, text_of

LAST_DAY = START - timedelta(hours=23)
NEW = START + timedelta(days=1, hours=1)
Turn = Callable[[datetime], None]


def policy(site: Site, **fields: Any) -> None:
    PatientPagePolicy.objects.create(site=site, source="this clinic", mark="D", **fields)


def last_event(visit: Appointment) -> tuple[str, str, int | None]:
    event = visit.events.order_by("id").last()
    assert event is not None
    return event.verb, event.via, event.by_id


def test_the_page_says_when_and_where(browser: Browser, link: Link, visit: Appointment) -> None:
    page = browser.get(link(visit))
    words = text_of(page)
    assert page.status_code == 200
    assert "Monday, January 11 at 9:00 AM" in words
    assert "Cedar Street Office 12 Cedar Street Denver, CO 80203" in words
    assert "Not confirmed yet" in words
    assert "(303) 555-0100" in words
    assert "Consultation" not in words
    assert visit.patient.last_name not in words


def test_a_patient_elsewhere_reads_both_times(browser: Browser, link: Link, visit: Appointment) -> None:
    Patient.objects.update(timezone="America/New_York")
    words = text_of(browser.get(link(visit)))
    assert "Monday, January 11 at 9:00 AM Time at the office." in words
    assert "Where you are it is Monday, January 11 at 11:00 AM (EST)." in words


def test_in_spanish(browser: Browser, link: Link, visit: Appointment) -> None:
    Patient.objects.update(language="es")
    page = browser.get(link(visit))
    assert '<html lang="es">' in page.content.decode()
    words = text_of(page)
    assert "Hola, Ana" in words
    assert "lunes 11 de enero a las 9:00 am" in words
    assert "Sí, voy a ir" in words
    assert "appointment" not in words.lower()


def test_confirming_twice_is_confirming_once(browser: Browser, link: Link, visit: Appointment) -> None:
    path = link(visit)
    version = str(visit.version)
    for _ in range(2):
        answer = browser.press(path, f"{path}confirm/", version=version)
        assert (answer.status_code, answer["Location"]) == (303, f"{path}?told=confirmed")
    visit.refresh_from_db()
    assert (visit.status, visit.version) == ("confirmed", 2)
    assert last_event(visit) == ("confirm", "page", None)
    assert visit.events.filter(verb="confirm").count() == 1
    assert "Thank you. We expect you." in text_of(browser.get(f"{path}?told=confirmed"))
    assert not Message.objects.filter(kind="confirm_request", status="queued").exists()


def test_what_is_told_must_be_true(browser: Browser, link: Link, visit: Appointment) -> None:
    words = text_of(browser.get(f"{link(visit)}?told=cancelled"))
    assert "is cancelled" not in words


def test_confirming_what_staff_moved_shows_the_new_time_first(
    browser: Browser, link: Link, visit: Appointment, now: datetime
) -> None:
    path, shown = link(visit), str(visit.version)
    appointments.reschedule(actor=SYSTEM, now=now, appointment_id=visit.pk, start=NEW)
    answer = browser.press(path, f"{path}confirm/", version=shown)
    assert answer.status_code == 409
    assert "was changed in the meantime" in text_of(answer)
    assert "Tuesday, January 12 at 10:00 AM" in text_of(answer)
    visit.refresh_from_db()
    assert visit.status == "booked"


def test_cancelling_asks_for_the_birth_date_then_asks_again(
    browser: Browser, link: Link, visit: Appointment
) -> None:
    path = link(visit)
    assert "Your date of birth" in text_of(browser.get(f"{path}cancel/"))
    refused = browser.press(path, f"{path}cancel/")
    assert (refused.status_code, refused["Location"]) == (303, f"{path}cancel/")
    visit.refresh_from_db()
    assert visit.status == "booked"

    assert browser.identify(path, next="cancel")["Location"] == f"{path}cancel/"
    assert "Cancel this appointment?" in text_of(browser.get(f"{path}cancel/"))
    version = str(visit.version)
    for _ in range(2):
        answer = browser.press(path, f"{path}cancel/", version=version)
        assert (answer.status_code, answer["Location"]) == (303, f"{path}?told=cancelled")
    visit.refresh_from_db()
    assert visit.status == "cancelled"
    assert last_event(visit) == ("cancel", "page", None)
    assert not visit.allocations.filter(released_at=None).exists()
    words = text_of(browser.get(f"{path}?told=cancelled"))
    assert "Your appointment is cancelled." in words
    assert "Ask us to call you" in words
    assert "Choose another time" not in words


def test_on_the_last_day_they_are_asked_to_call(
    browser: Browser, link: Link, visit: Appointment, clock: Turn
) -> None:
    path = link(visit)
    clock(LAST_DAY)
    browser.identify(path)
    words = text_of(browser.get(path))
    assert "please call us" in words
    assert "Choose another time" not in words
    assert "Yes, I will come" in words
    for step in ("cancel", "move"):
        assert browser.get(f"{path}{step}/")["Location"] == path
    version = str(visit.version)
    assert browser.press(path, f"{path}cancel/", version=version).status_code == 409
    assert browser.press(path, f"{path}move/", version=version, start=NEW.isoformat()).status_code == 409
    visit.refresh_from_db()
    assert (visit.status, visit.start_at) == ("booked", START)

    for _ in range(2):
        assert browser.press(path, f"{path}call/")["Location"] == f"{path}?told=call"
    item = WorkItem.objects.get(kind="call_patient")
    assert (item.severity, item.due_at, item.patient) == (
        "urgent",
        LAST_DAY + timedelta(hours=1),
        visit.patient,
    )
    assert "will call you" in text_of(browser.get(f"{path}?told=call"))


@pytest.mark.parametrize("step", ["move", "cancel"])
def test_a_site_may_keep_changes_to_itself(
    step: str, browser: Browser, link: Link, visit: Appointment
) -> None:
    policy(visit.site, **{step: False})
    path = link(visit)
    browser.identify(path)
    assert browser.get(f"{path}{step}/")["Location"] == path
    answer = browser.press(path, f"{path}{step}/", version=str(visit.version), start=NEW.isoformat())
    assert answer.status_code == 409
    visit.refresh_from_db()
    assert (visit.status, visit.start_at) == ("booked", START)


STATES: dict[str, list[Verb]] = {
    "confirmed": [Verb.CONFIRM],
    "arrived": [Verb.CHECK_IN],
    "in_progress": [Verb.CHECK_IN, Verb.START],
    "completed": [Verb.CHECK_IN, Verb.START, Verb.COMPLETE],
    "cancelled": [Verb.CANCEL],
    "no_show": [Verb.NO_SHOW],
}
OUTCOMES = {
    # status: confirm, cancel, move
    "confirmed": (303, 303, 303),
    "arrived": (409, 409, 409),
    "in_progress": (409, 409, 409),
    "completed": (409, 409, 409),
    "cancelled": (409, 303, 409),
    "no_show": (409, 409, 409),
}


@pytest.mark.parametrize("status", STATES)
@pytest.mark.parametrize("verb", ["confirm", "cancel", "move"])
def test_every_state_and_verb(
    status: str, verb: str, browser: Browser, link: Link, visit: Appointment, now: datetime
) -> None:
    for step in STATES[status]:
        at = START if step == Verb.NO_SHOW else now
        visit_steps.step(actor=SYSTEM, now=at, appointment_id=visit.pk, verb=step)
    visit.refresh_from_db()
    path = link(visit)
    browser.identify(path)
    version = str(visit.version)
    answer = browser.press(path, f"{path}{verb}/", version=version, start=NEW.isoformat())
    assert answer.status_code == OUTCOMES[status][["confirm", "cancel", "move"].index(verb)]
    visit.refresh_from_db()
    done = answer.status_code == 303 and status != "cancelled" and verb != "confirm"
    assert visit.version == int(version) + done
    assert browser.get(path).status_code == 200


def test_a_visit_whose_time_came_offers_nothing(
    browser: Browser, link: Link, visit: Appointment, clock: Turn
) -> None:
    clock(START)
    path = link(visit)
    words = text_of(browser.get(path))
    assert "in the past" in words
    assert "Yes, I will come" not in words
    browser.identify(path)
    assert browser.press(path, f"{path}confirm/", version="1").status_code == 409


# --- moving ---------------------------------------------------------------------------------------


def test_moving_to_a_free_time(browser: Browser, link: Link, visit: Appointment) -> None:
    path = link(visit)
    browser.identify(path)
    choose = browser.get(f"{path}move/")
    assert "Choose another time" in text_of(choose)
    assert f"to={START.date()}T16%3A00" not in choose.content.decode(), "it is there already"
    sure = browser.get(f"{path}move/?to={NEW.isoformat().replace('+', '%2B')}")
    assert "Move to this time? Tuesday, January 12 at 10:00 AM" in text_of(sure)
    version = str(visit.version)
    for _ in range(2):
        answer = browser.press(path, f"{path}move/", version=version, start=NEW.isoformat())
        assert (answer.status_code, answer["Location"]) == (303, f"{path}?told=moved")
    visit.refresh_from_db()
    assert (visit.start_at, visit.status, visit.plan_version) == (NEW, "booked", 2)
    assert last_event(visit) == ("reschedule", "page", None)
    assert "This is your new time." in text_of(browser.get(f"{path}?told=moved"))


def test_a_time_taken_meanwhile_keeps_the_old_one_and_names_others(
    browser: Browser, link: Link, visit: Appointment, now: datetime
) -> None:
    path = link(visit)
    browser.identify(path)
    appointments.book(
        actor=SYSTEM,
        now=now,
        patient_id=PatientFactory.create(site=visit.site).pk,
        visit_type=visit_type("consultation"),
        site=visit.site,
        start=NEW,
    )
    asked = browser.get(f"{path}move/?to={NEW.isoformat().replace('+', '%2B')}")
    answer = browser.press(path, f"{path}move/", version=str(visit.version), start=NEW.isoformat())
    for page in (asked, answer):
        assert page.status_code == 409
        words = text_of(page)
        assert "You still have your old one" in words
        assert "Tuesday, January 12 at 9:15 AM" in words
        assert "Tuesday, January 12 at 10:45 AM" in words
    visit.refresh_from_db()
    assert visit.start_at == START


def test_two_tabs_move_it_once(browser: Browser, link: Link, visit: Appointment) -> None:
    path = link(visit)
    browser.identify(path)
    version = str(visit.version)
    assert browser.press(path, f"{path}move/", version=version, start=NEW.isoformat()).status_code == 303
    other = (NEW + timedelta(hours=2)).isoformat()
    second = browser.press(path, f"{path}move/", version=version, start=other)
    assert second.status_code == 409
    assert "was changed in the meantime" in text_of(second)
    visit.refresh_from_db()
    assert visit.start_at == NEW


@pytest.mark.parametrize(
    "start",
    [
        pytest.param("2027-01-05T14:00:00+00:00", id="too soon for this site's page"),
        pytest.param("2027-03-15T16:00:00+00:00", id="further than the page goes"),
        pytest.param("2026-12-30T16:00:00+00:00", id="past"),
    ],
)
def test_only_times_inside_the_policy(start: str, browser: Browser, link: Link, visit: Appointment) -> None:
    path = link(visit)
    browser.identify(path)
    answer = browser.press(path, f"{path}move/", version=str(visit.version), start=start)
    assert answer.status_code == 409
    visit.refresh_from_db()
    assert visit.start_at == START


@pytest.mark.parametrize("start", ["", "tomorrow", "2027-01-12T10:00", "2027-01-12T16:07:00+00:00"])
def test_nonsense_moves_nothing(start: str, browser: Browser, link: Link, visit: Appointment) -> None:
    path = link(visit)
    browser.identify(path)
    answer = browser.press(path, f"{path}move/", version=str(visit.version), start=start)
    assert answer.status_code in {303, 409}
    visit.refresh_from_db()
    assert visit.start_at == START


def test_mornings_and_later_days(browser: Browser, link: Link, visit: Appointment) -> None:
    path = link(visit)
    browser.identify(path)
    whole = text_of(browser.get(f"{path}move/"))
    assert "8:00 AM" in whole
    assert "PM" in whole
    morning = text_of(browser.get(f"{path}move/?part=morning"))
    assert "11:45 AM" in morning
    assert "PM" not in morning
    afternoon = text_of(browser.get(f"{path}move/?part=afternoon"))
    assert "AM" not in afternoon.split("Afternoon", 1)[1]
    later = text_of(browser.get(f"{path}move/?since=2027-01-20"))
    assert "Wednesday, January 20" in later
    assert "January 19" not in later


def test_nothing_free_leads_to_a_call(browser: Browser, link: Link, visit: Appointment) -> None:
    path = link(visit)
    browser.identify(path)
    visit.site.resources.update(active=False)
    words = text_of(browser.get(f"{path}move/"))
    assert "We found no free time that fits." in words
    assert "Ask us to call you" in words


def test_the_day_the_clocks_change(
    browser: Browser, link: Link, visit: Appointment, clock: Turn, now: datetime
) -> None:
    """Sunday 2027-03-14: 09:00 in Denver is 15:00 UTC, the day before it was 16:00."""
    clock(datetime(2027, 3, 8, 16, tzinfo=UTC))
    sunday = datetime(2027, 3, 14, 15, tzinfo=UTC)
    later = appointments.reschedule(
        actor=SYSTEM, now=now, appointment_id=visit.pk, start=datetime(2027, 3, 13, 16, tzinfo=UTC)
    )
    path = link(later, expires_at=datetime(2027, 4, 1, tzinfo=UTC))
    browser.identify(path)
    sure = browser.get(f"{path}move/?to={sunday.isoformat().replace('+', '%2B')}")
    assert "Sunday, March 14 at 9:00 AM" in text_of(sure)
    assert (
        browser.press(path, f"{path}move/", version=str(later.version), start=sunday.isoformat()).status_code
        == 303
    )
    visit.refresh_from_db()
    assert visit.start_at == sunday


# --- calendar and preparation ----------------------------------------------------------------------


def test_the_calendar_file_is_the_one_of_the_mails(browser: Browser, link: Link, visit: Appointment) -> None:
    answer = browser.get(f"{link(visit)}calendar/")
    assert answer["Content-Type"].startswith("text/calendar; method=PUBLISH")
    event: Any
    (event,) = icalendar.Calendar.from_ical(answer.content).walk("VEVENT")
    assert event["UID"] == f"appointment-{visit.pk}@testserver"
    assert event["SUMMARY"] == "Cedar Street Office: appointment"
    assert event["DTSTART"].dt == START


def test_how_to_prepare_comes_after_the_birth_date(
    browser: Browser, link: Link, clinic: Site, ana: Patient, now: datetime
) -> None:
    infusion = appointments.book(
        actor=SYSTEM, now=now, patient_id=ana.pk, visit_type=visit_type(), site=clinic, start=START
    )
    path = link(infusion)
    assert "8 hours" not in text_of(browser.get(f"{path}prepare/"))
    browser.identify(path)
    words = text_of(browser.get(f"{path}prepare/"))
    assert "8 hours before" in words
    assert "An adult must take you home." in words
    assert "infusion" not in words.lower()
