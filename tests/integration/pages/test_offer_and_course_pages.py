"""The pages of offers, courses and check-ins; and moving a session, which keeps the gaps of its course."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial

import pytest

from clinic.access.models import Site
from clinic.access.policy import PATIENT_ON_PAGE, SYSTEM
from clinic.common.errors import Invalid
from patients.models import Message, Patient
from scheduling.domain.transitions import Verb
from scheduling.models import (
    Appointment,
    CheckIn,
    Course,
    CourseTemplate,
    Offer,
    WaitlistEntry,
)
from scheduling.selectors import patient_pages as selector
from scheduling.services import appointments, offers, patient_requests, visit_steps
from tests.factories import CREATED, PatientFactory, visit_type
from tests.factories.prescriptions import prescribed
from tests.factories.racing import race
from tests.integration.pages.conftest import START, Browser, Link, text_of

Turn = Callable[[datetime], None]


@pytest.fixture
def offered(clinic: Site, visit: Appointment, now: datetime) -> list[Offer]:
    """Ana's consultation was cancelled, and two waiting patients are offered its time at once."""
    for _ in range(2):
        WaitlistEntry.objects.create(
            patient=PatientFactory.create(site=clinic),
            site=clinic,
            visit_type=visit_type("consultation"),
            earliest_at=now,
            latest_at=now + timedelta(days=20),
            created_at=CREATED,
        )
    visit_steps.step(actor=SYSTEM, now=now + timedelta(hours=2), appointment_id=visit.pk, verb=Verb.CANCEL)
    offers.offer_freed_slots(now=now + timedelta(hours=2), limit=10)
    made = list(Offer.objects.order_by("pk"))
    assert len(made) == 2
    return made


@pytest.fixture
def soon(now: datetime, clock: Turn) -> datetime:
    """Five minutes after the offers were made."""
    clock(now + timedelta(hours=2, minutes=5))
    return now + timedelta(hours=2, minutes=5)


def test_the_first_to_say_yes_gets_it(
    browser: Browser, link: Link, offered: list[Offer], soon: datetime
) -> None:
    first, second = (link(offer, kind="offer") for offer in offered)
    words = text_of(browser.get(first))
    assert "An earlier time for you Monday, January 11 at 9:00 AM" in words
    assert "Please answer by Monday, January 4 at 10:30 AM." in words
    assert "Your date of birth" in text_of(browser.get(f"{first}accept/"))
    browser.identify(first, next="accept")
    assert "Take this time?" in text_of(browser.get(f"{first}accept/"))
    for _ in range(2):
        answer = browser.press(first, f"{first}accept/")
        assert (answer.status_code, answer["Location"]) == (303, first)
    assert "It is yours" in text_of(browser.get(first))
    booked = Appointment.objects.get(patient=offered[0].patient)
    event = booked.events.get()
    assert (booked.start_at, event.verb, event.via) == (START, "book", "page")

    browser.identify(second)
    assert browser.get(f"{second}accept/")["Location"] == second
    late = browser.press(second, f"{second}accept/")
    assert late.status_code == 409
    assert "This time is gone" in text_of(late)
    assert "You stay on the list" in text_of(late)
    assert "You stay on the list" in text_of(browser.get(second))
    assert Message.objects.filter(patient=offered[1].patient, kind="waitlist_gone").exists()


def test_accepting_without_a_birth_date_is_not_done(
    browser: Browser, link: Link, offered: list[Offer], soon: datetime
) -> None:
    path = link(offered[0], kind="offer")
    answer = browser.press(path, f"{path}accept/")
    assert (answer.status_code, answer["Location"]) == (303, f"{path}accept/")
    assert Offer.objects.get(pk=offered[0].pk).status == "offered"


def test_a_time_that_the_front_desk_gave_away_is_gone(
    browser: Browser, link: Link, offered: list[Offer], soon: datetime, clinic: Site
) -> None:
    appointments.book(
        actor=SYSTEM,
        now=soon,
        patient_id=PatientFactory.create(site=clinic).pk,
        visit_type=visit_type("consultation"),
        site=clinic,
        start=START,
    )
    path = link(offered[0], kind="offer")
    browser.identify(path)
    answer = browser.press(path, f"{path}accept/")
    assert answer.status_code == 409
    assert "Somebody else was quicker" in text_of(answer)


def test_declining_keeps_them_on_the_list(
    browser: Browser, link: Link, offered: list[Offer], soon: datetime
) -> None:
    path = link(offered[0], kind="offer")
    for _ in range(2):
        assert browser.press(path, f"{path}decline/")["Location"] == path
    offered[0].refresh_from_db()
    assert (offered[0].status, offered[0].entry.status) == ("declined", "active")
    words = text_of(browser.get(path))
    assert "Thank you for telling us" in words
    assert "You stay on the list" in words
    browser.identify(path)
    assert browser.press(path, f"{path}accept/").status_code == 409


def test_too_late(browser: Browser, link: Link, offered: list[Offer], clock: Turn, now: datetime) -> None:
    clock(offered[0].expires_at)
    path = link(offered[0], kind="offer")
    assert "This offer has ended" in text_of(browser.get(path))
    browser.identify(path)
    answer = browser.press(path, f"{path}accept/")
    assert answer.status_code == 409
    assert "You stay on the list" in text_of(answer)
    assert browser.press(path, f"{path}decline/")["Location"] == path
    assert Offer.objects.get(pk=offered[0].pk).appointment is None


def test_another_patients_offer(browser: Browser, link: Link, offered: list[Offer], soon: datetime) -> None:
    path = link(offered[0], kind="offer", patient=offered[1].patient)
    browser.identify(path)
    assert browser.get(path).status_code == 404
    assert browser.press("/p/x/", f"{path}accept/").status_code == 404
    assert browser.press("/p/x/", f"{path}decline/").status_code == 404
    assert set(Offer.objects.values_list("status", flat=True)) == {"offered"}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_patients_say_yes_at_once(offered: list[Offer], soon: datetime) -> None:
    accept = partial(offers.accept, actor=PATIENT_ON_PAGE, now=soon)
    answers = race([partial(accept, offer_id=offer.pk) for offer in offered])
    assert sorted(answers) == ["offer_gone", "ok"]


# --- courses --------------------------------------------------------------------------------------


@pytest.fixture
def course(clinic: Site, ana: Patient, now: datetime) -> Course:
    """Three sessions, two or three days apart: Monday 11th, Wednesday 13th, Friday 15th at 09:00."""
    template = CourseTemplate.objects.get(code="ketamine-mood-3-per-week")
    made = Course.objects.create(
        patient=ana,
        template=template,
        template_version=1,
        visit_type=template.visit_type,
        site=clinic,
        stages=template.stages,
        allowed_weekdays=template.allowed_weekdays,
        sessions_planned=3,
        created_at=now,
    )
    for number in range(3):
        session = appointments.book(
            actor=SYSTEM,
            now=now,
            patient_id=ana.pk,
            visit_type=template.visit_type,
            site=clinic,
            start=START + timedelta(days=2 * number),
        )
        Appointment.objects.filter(pk=session.pk).update(course=made, session_number=number + 1)
    return made


def session(course: Course, number: int) -> Appointment:
    return course.sessions.select_related("visit_type", "site", "patient").get(session_number=number)


def test_the_sessions_are_listed_after_the_birth_date(browser: Browser, link: Link, course: Course) -> None:
    path = link(course, kind="course")
    assert "January 13" not in text_of(browser.get(path))
    browser.identify(path)
    words = text_of(browser.get(path))
    for day in ("Monday, January 11", "Wednesday, January 13", "Friday, January 15"):
        assert f"{day} at 9:00 AM" in words


def test_a_session_moves_only_where_the_gaps_hold(
    browser: Browser, link: Link, course: Course, now: datetime
) -> None:
    """The middle session may go to another hour of Wednesday only: two days to either side, at least."""
    middle = session(course, 2)
    starts = selector.free_starts(middle, selector.policy_of(course.site_id), now=now)
    assert {start.astimezone(course.site.zone).date() for start in starts} == {date(2027, 1, 13)}
    last = session(course, 3)
    starts = selector.free_starts(last, selector.policy_of(course.site_id), now=now)
    days = {start.astimezone(course.site.zone).date() for start in starts}
    assert days == {date(2027, 1, 15), date(2027, 1, 16)}

    path = link(middle)
    browser.identify(path)
    for start in (START + timedelta(days=1), START + timedelta(days=3)):
        answer = browser.press(path, f"{path}move/", version=str(middle.version), start=start.isoformat())
        assert answer.status_code == 409
        assert "Wednesday, January 13" in text_of(answer)
    same_day = START + timedelta(days=2, hours=3)
    answer = browser.press(path, f"{path}move/", version=str(middle.version), start=same_day.isoformat())
    assert answer.status_code == 303
    middle.refresh_from_db()
    assert middle.start_at == same_day


def test_the_gaps_are_looked_at_again_under_the_lock(course: Course, now: datetime) -> None:
    """Saturday was free for the last session when the page was shown; then the middle one moved."""
    middle, last = session(course, 2), session(course, 3)
    saturday = last.start_at + timedelta(days=1)
    assert saturday in selector.free_starts(last, selector.policy_of(course.site_id), now=now)
    appointments.reschedule(
        actor=SYSTEM, now=now, appointment_id=middle.pk, start=middle.start_at - timedelta(days=1)
    )
    with pytest.raises(Invalid) as refused:
        patient_requests.move(visit=last, version=last.version, start=saturday, now=now)
    assert refused.value.code == "not_offered"
    last.refresh_from_db()
    assert last.start_at == START + timedelta(days=4)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_tabs_cannot_pull_two_sessions_apart(course: Course, now: datetime) -> None:
    """Each move alone keeps the gaps, both together would not."""
    middle, last = session(course, 2), session(course, 3)
    friday = last.start_at
    appointments.reschedule(actor=SYSTEM, now=now, appointment_id=last.pk, start=friday + timedelta(days=1))
    last.refresh_from_db()
    answers = race(
        [
            partial(
                patient_requests.move,
                visit=middle,
                version=middle.version,
                start=middle.start_at + timedelta(days=1),
                now=now,
            ),
            partial(patient_requests.move, visit=last, version=last.version, start=friday, now=now),
        ]
    )
    assert sorted(answers) == ["not_offered", "ok"]


# --- check-ins ------------------------------------------------------------------------------------


def a_check_in(patient: Patient, now: datetime) -> CheckIn:
    """The first that a prescription of sertraline brings."""
    prescription = prescribed(patient, now=now, first_dose_on=date(2027, 1, 5))
    found = CheckIn.objects.filter(prescription=prescription).order_by("due_on").first()
    assert found is not None
    return found


def test_a_check_in_says_how_to_answer_and_where_to_find_help(
    browser: Browser, link: Link, ana: Patient, clinic: Site, now: datetime
) -> None:
    asked = a_check_in(ana, now)
    for language, sentence in (("en", "call or text 988"), ("es", "envíe un mensaje al 988")):
        Patient.objects.update(language=language)
        page = browser.get(link(asked, kind="check_in"))
        assert page.status_code == 200
        words = text_of(page)
        assert sentence in words
        assert "911" in words
        assert 'href="tel:988"' in page.content.decode()
        assert "sertraline" not in words
    stranger = PatientFactory.create(site=clinic)
    assert browser.get(link(asked, kind="check_in", patient=stranger)).status_code == 404
