"""A patient answers a check-in on the page: what is kept, what is sent, and what a critical answer does at
once, with a plain client without JavaScript."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from clinic.access.policy import SYSTEM
from patients.models import Assessment, Patient, SafetyAlarm, WorkItem
from scheduling.models import CheckIn, CheckInDraft, Prescription
from scheduling.services import check_ins, prescriptions
from tests.factories import PatientFactory
from tests.factories.prescriptions import prescribed
from tests.integration.pages.conftest import Browser, text_of

pytestmark = pytest.mark.django_db

MONDAY = datetime(2027, 1, 11, 17, 0, tzinfo=UTC)
"""10:00 in Denver, day 7 of a medicine begun on NOW's day; the clinic is open."""
NIGHT = datetime(2027, 1, 11, 10, 0, tzinfo=UTC)
ASQ = [f"ASQ/{n}" for n in range(1, 5)]
PHQ9 = [f"PHQ-9/{n}" for n in range(1, 10)]
Link = Callable[..., str]


@pytest.fixture
def medicine(ana: Patient) -> Prescription:
    """Begun on Monday the 4th."""
    return prescribed(ana, first_dose_on=date(2027, 1, 4))


@pytest.fixture
def week(medicine: Prescription, clock: Callable[[datetime], None]) -> CheckIn:
    """ONSET7 on Monday the 11th, made to ask ASQ and PHQ-9 so that every kind of question is there."""
    CheckIn.objects.filter(prescription=medicine, code="ONSET7").update(asks=["ASQ", "PHQ-9"])
    clock(MONDAY)
    return CheckIn.objects.get(prescription=medicine, code="ONSET7")


@pytest.fixture
def path(week: CheckIn, link: Link, browser: Browser) -> str:
    """Its link, with the date of birth given."""
    found = link(week, kind="check_in")
    browser.identify(found)
    return found


def question(page: Any) -> str:
    """Which question a screen asks."""
    found = re.search(r'name="question" value="([^"]+)"', page.content.decode())
    assert found, text_of(page)
    return found[1]


def reply(browser: Browser, path: str, value: int | None, *, at: str = "question/") -> Any:
    """Answer the question on the screen, or leave it out, and follow."""
    asked = question(browser.get(f"{path}{at}"))
    fields = {"skip": "1"} if value is None else {asked: str(value)}
    return browser.press(f"{path}{at}", f"{path}question/", question=asked, **fields)


def send(browser: Browser, path: str) -> Any:
    """Press the button under the answers."""
    return browser.press(f"{path}review/")


def test_nothing_is_asked_before_the_date_of_birth(week: CheckIn, link: Link, browser: Browser) -> None:
    path = link(week, kind="check_in")
    home = browser.get(path)
    assert "One question at a time" in text_of(home)
    assert "tel:988" in home.content.decode()
    for step in ("question", "all", "review", "help", "done"):
        page = browser.get(f"{path}{step}/")
        assert "Your date of birth" in text_of(page)
        assert "killing" not in text_of(page)


def test_one_question_a_screen_until_thank_you(browser: Browser, path: str, week: CheckIn) -> None:
    for asked in (*ASQ, *PHQ9):
        page = browser.get(f"{path}question/")
        assert question(page) == asked
        assert "tel:988" in page.content.decode()
        done = reply(browser, path, 0)
        assert done.status_code == 303
    assert browser.get(f"{path}question/")["Location"] == f"{path}review/"
    assert "Send my answers" in text_of(browser.get(f"{path}review/"))
    assert Assessment.objects.count() == 0
    sent = send(browser, path)
    assert (sent.status_code, sent["Location"]) == (303, f"{path}done/")
    assert "We have your answers" in text_of(browser.get(f"{path}done/"))
    week.refresh_from_db()
    assert (week.status, week.answered_on) == ("answered", date(2027, 1, 11))
    stored = {row.code: row for row in Assessment.objects.all()}
    assert {code: (row.score, row.band, row.source, row.via) for code, row in stored.items()} == {
        "ASQ": (None, "negative", "page", "page"),
        "PHQ-9": (0, stored["PHQ-9"].band, "page", "page"),
    }
    assert not CheckInDraft.objects.exists()
    assert not SafetyAlarm.objects.exists()


def test_it_is_resumed_where_it_was_left(browser: Browser, path: str) -> None:
    reply(browser, path, 0)
    reply(browser, path, 0)
    later = Browser()
    later.identify(path)
    assert question(later.get(f"{path}question/")) == "ASQ/3"


def test_back_and_change_before_sending(browser: Browser, path: str) -> None:
    for _asked in (*ASQ, *PHQ9):
        reply(browser, path, 0)
    changed = reply(browser, path, 2, at="question/?back=1&n=6")
    assert changed["Location"] == f"{path}review/"
    page = browser.get(f"{path}question/?n=6")
    assert question(page) == "PHQ-9/2"
    assert 'value="2" checked' in page.content.decode()
    send(browser, path)
    assert Assessment.objects.get(code="PHQ-9").score == 2


def test_an_empty_screen_says_what_to_do_and_may_be_skipped(browser: Browser, path: str) -> None:
    empty = browser.press(f"{path}question/", question="ASQ/1")
    assert empty.status_code == 422
    assert 'href="#q1-0"' in empty.content.decode()
    reply(browser, path, None)
    assert question(browser.get(f"{path}question/?n=2")) == "ASQ/2"


def test_nothing_answered_is_not_sent(browser: Browser, path: str, week: CheckIn) -> None:
    assert send(browser, path).status_code == 422
    week.refresh_from_db()
    assert week.status != "answered"


def test_all_on_one_page(browser: Browser, path: str) -> None:
    has = {f"has/{name}": "1" for name in (*ASQ, *PHQ9)}
    some = browser.press(f"{path}all/", **has, **dict.fromkeys(ASQ, "0"))
    assert some.status_code == 422
    assert "These have no answer yet" in text_of(some)
    rest = browser.press(f"{path}all/", **has, **dict.fromkeys(PHQ9[:8], "1"), skip="1")
    assert rest["Location"] == f"{path}review/"
    assert "Not answered" in text_of(browser.get(f"{path}review/"))
    send(browser, path)
    phq9 = Assessment.objects.get(code="PHQ-9")
    assert (phq9.complete, phq9.score) == (False, None)
    assert Assessment.objects.get(code="ASQ").complete


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (MONDAY, "Our office is open and has been told"),
        (NIGHT, "nobody is watching your answers now. It opens Monday, January 11 at 8:00 AM"),
    ],
)
def test_a_critical_answer_alarms_at_once_and_is_never_sent_twice(
    moment: datetime, said: str, browser: Browser, path: str, clock: Callable[[datetime], None]
) -> None:
    clock(moment)
    for _asked in (*ASQ, *PHQ9[:8]):
        reply(browser, path, 0)
    critical = reply(browser, path, 1)
    assert critical["Location"] == f"{path}help/"
    alarm = SafetyAlarm.objects.get()
    assert (alarm.severity, alarm.items, alarm.opened_at) == ("positive", ["9"], moment)
    assert WorkItem.objects.filter(kind="safety_alarm", severity="urgent").count() == 1
    page = browser.get(f"{path}help/")
    words = text_of(page)
    assert said in words
    html = page.content.decode()
    main = html[html.index("<main") :]
    assert main.index("tel:988") < main.index("sms:988") < main.index("tel:911")
    assert not re.search(
        r"PHQ|depress|suicid(?!e &amp;)|score|severe", main.replace("Suicide &amp; Crisis", "")
    )
    later = browser.get(f"{path}review/").content.decode()
    assert later.index("tel:988") < later.index("<h1")
    send(browser, path)
    current = Assessment.objects.current().get(code="PHQ-9")
    assert (current.complete, current.score) == (True, 1)
    assert current.supersedes == alarm.assessment
    assert SafetyAlarm.objects.count() == 1
    done = browser.get(f"{path}done/").content.decode()
    assert done.index("tel:988") < done.index("<h1")


def test_closing_the_window_after_a_critical_answer_leaves_it_stored(browser: Browser, path: str) -> None:
    has = {f"has/{name}": "1" for name in PHQ9}
    page = browser.press(f"{path}all/", **has, **{"PHQ-9/9": "3"})
    assert page["Location"] == f"{path}help/"
    stored = Assessment.objects.get()
    assert (stored.code, stored.answers, stored.complete, stored.score) == ("PHQ-9", {"9": 3}, False, None)
    assert stored.alarm.status == "open"


def test_acuity_is_asked_only_when_asked_for_and_raises_the_one_alarm(browser: Browser, path: str) -> None:
    reply(browser, path, 0)
    assert reply(browser, path, 1)["Location"] == f"{path}help/"
    reply(browser, path, 0)
    reply(browser, path, 0)
    page = browser.get(f"{path}question/")
    assert question(page) == "ASQ/5"
    assert reply(browser, path, 1)["Location"] == f"{path}help/"
    alarm = SafetyAlarm.objects.get()
    assert (alarm.severity, alarm.items) == ("acute", ["2", "5"])
    assert list(alarm.events.values_list("kind", flat=True)) == ["opened", "added"]
    assert not WorkItem.objects.filter(kind="review_answers").exists()


def test_an_answer_taken_back_keeps_the_alarm_and_drops_the_follow_up(browser: Browser, path: str) -> None:
    for value in (1, 0, 0, 0, 0):
        reply(browser, path, value)
    reply(browser, path, 0, at="question/?n=1")
    assert question(browser.get(f"{path}question/?n=5")) == "PHQ-9/1"
    for _asked in PHQ9:
        reply(browser, path, 0)
    send(browser, path)
    current = Assessment.objects.current().get(code="ASQ")
    assert (current.band, current.answers) == ("negative", {"1": 0, "2": 0, "3": 0, "4": 0})
    assert SafetyAlarm.objects.get().status == "open"


def test_sent_twice_is_answered_once(browser: Browser, path: str) -> None:
    reply(browser, path, 0)
    page = browser.get(f"{path}review/").content.decode()
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    first, second = (
        browser.client.post(f"{path}review/", hidden, headers={"Origin": "null"}) for _time in range(2)
    )
    assert (first.status_code, second.status_code) == (303, 303)
    assert Assessment.objects.count() == 1


def test_another_window_is_noticed(browser: Browser, path: str) -> None:
    reply(browser, path, 0)
    page = browser.get(f"{path}review/").content.decode()
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    reply(browser, path, 0, at="question/?n=2")
    stale = browser.client.post(f"{path}review/", hidden, headers={"Origin": "null"})
    assert stale.status_code == 409
    assert "changed in another window" in text_of(stale)
    assert Assessment.objects.count() == 0
    assert send(browser, path).status_code == 303


def test_an_old_window_does_not_empty_what_a_newer_one_answered(browser: Browser, path: str) -> None:
    reply(browser, path, 0)
    has = {f"has/{name}": "1" for name in ASQ}
    browser.press(f"{path}all/", **has, **{"ASQ/2": "0"})
    draft = CheckInDraft.objects.get()
    assert draft.answers["ASQ"]["given"] == {"1": 0, "2": 0}


def test_answered_by_phone_meanwhile(browser: Browser, path: str, week: CheckIn) -> None:
    reply(browser, path, 0)
    shown = browser.get(f"{path}question/")
    assert question(shown) == "ASQ/2"
    check_ins.record(actor=SYSTEM, now=MONDAY, check_in_id=week.pk, answers={"ASQ": {"1": 0}}, note="phone")
    late = browser.press(f"{path}preferences/", f"{path}question/", question="ASQ/2", **{"ASQ/2": "0"})
    assert late.status_code == 409
    assert "We have your answers" in text_of(late)
    assert Assessment.objects.count() == 1
    assert not CheckInDraft.objects.exists()


def test_replaced_meanwhile_nothing_is_lost(
    browser: Browser, path: str, week: CheckIn, medicine: Prescription
) -> None:
    reply(browser, path, 0)
    prescriptions.stop(actor=SYSTEM, now=MONDAY, prescription_id=medicine.pk, effective_on=date(2027, 1, 11))
    page = browser.get(f"{path}question/")
    assert "not needed any more" in text_of(page)
    assert "You had begun to answer" in text_of(page)
    sent = browser.press(f"{path}question/", f"{path}review/")
    assert sent["Location"] == f"{path}done/?told=kept"
    assert "We have your answers" in text_of(browser.get(sent["Location"]))
    stored = Assessment.objects.get()
    assert (stored.code, stored.answers, stored.complete) == ("ASQ", {"1": 0}, False)
    week.refresh_from_db()
    assert (week.status, week.answered_on) == ("superseded", None)


def test_a_contact_asks_what_any_of_its_rows_asks_once(
    browser: Browser, path: str, week: CheckIn, medicine: Prescription
) -> None:
    CheckIn.objects.filter(prescription=medicine, code="REV14").update(
        merged_into=week.pk,
        due_on=date(2027, 1, 12),
        window_start_on=date(2027, 1, 10),
        asks=["NRS", "PHQ-9"],
    )
    asked = []
    while (page := browser.get(f"{path}question/")).status_code == 200:
        asked.append(question(page))
        reply(browser, path, 0)
    assert asked == [*ASQ, *PHQ9, "NRS/1"]
    send(browser, path)
    rows = CheckIn.objects.filter(prescription=medicine, status="answered")
    assert set(rows.values_list("code", flat=True)) == {"ONSET7", "REV14"}
    assert Assessment.objects.count() == 3


def test_spanish(browser: Browser, path: str, ana: Patient) -> None:
    Patient.objects.filter(pk=ana.pk).update(language="es")
    page = text_of(browser.get(f"{path}question/"))
    assert "Pregunta 1 de 13" in page
    assert "¿ha deseado estar muerto(a)?" in page


def test_somebody_elses_check_in_opens_nothing(week: CheckIn, link: Link, browser: Browser) -> None:
    other = PatientFactory.create(site=week.patient.site)
    assert browser.get(link(week, kind="check_in", patient=other)).status_code == 404


def test_an_expired_link_says_so(week: CheckIn, link: Link, browser: Browser) -> None:
    path = link(week, kind="check_in", expires_at=MONDAY - timedelta(minutes=1))
    page = browser.get(path)
    assert page.status_code == 404
    assert "does not work any more" in text_of(page)
