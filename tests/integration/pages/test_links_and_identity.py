"""Who gets in: links that open nothing, the date of birth, its lock, and what no page may do or show."""

import logging
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import get_resolver
from redis.exceptions import ConnectionError as RedisDown

from clinic.access.models import Site
from patients.models import Consent, IdentityCheck, Patient, PatientLink, WorkItem
from patients.pages.views import pages_of
from patients.services import identity
from scheduling.models import Appointment
from tests.factories import PatientFactory
from tests.factories.racing import at_once
from tests.integration.pages.conftest import START, Browser, Link, text_of

Turn = Callable[[datetime], None]
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Frame-Options": "DENY",
}
POLICY = {
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}


def has_every_header(response: Any) -> bool:
    policy = set(response["Content-Security-Policy"].split("; "))
    return policy == POLICY and all(response[name] == value for name, value in HEADERS.items())


# --- links ----------------------------------------------------------------------------------------


def test_links_that_do_not_open_look_the_same(
    browser: Browser, link: Link, visit: Appointment, now: datetime, clock: Turn
) -> None:
    expired = link(visit, expires_at=now + timedelta(seconds=1))
    revoked, of_nobody, of_nothing = link(visit), link(visit), link(visit, kind="lottery")
    PatientLink.objects.filter(subject_kind="lottery").update(subject_id=1)
    ids = list(PatientLink.objects.order_by("id").values_list("id", flat=True))
    PatientLink.objects.filter(pk=ids[1]).update(revoked_at=now)
    stranger = PatientFactory.create(site=visit.site)
    PatientLink.objects.filter(pk=ids[2]).update(patient=stranger)
    clock(now + timedelta(seconds=1))
    answers = [
        browser.get(path) for path in (expired, revoked, of_nobody, of_nothing, "/p/nobody-made-this-one/")
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert len({answer.content for answer in answers}) == 1
    assert all(has_every_header(answer) for answer in answers)
    assert "This link does not work any more" in text_of(answers[0])
    assert "Este enlace ya no funciona" in text_of(answers[0])
    assert "Cedar" not in text_of(answers[0])
    assert not browser.client.cookies


@pytest.mark.parametrize("status", ["inactive", "deceased"])
def test_a_closed_record_opens_nothing(status: str, browser: Browser, link: Link, visit: Appointment) -> None:
    path = link(visit)
    Patient.objects.update(status=status)
    for address in (path, f"{path}preferences/", f"{path}calendar/"):
        assert browser.get(address).status_code == 404
    assert browser.press("/p/x/", f"{path}confirm/").status_code in {403, 404}


@pytest.mark.parametrize("kind", ["offer", "course", "check_in"])
def test_a_link_opens_its_own_kind_of_subject_only(
    kind: str, browser: Browser, link: Link, visit: Appointment
) -> None:
    path = link(visit, kind=kind)
    browser.identify(path)
    assert browser.get(path).status_code == 404
    for step in ("confirm", "move", "cancel", "prepare", "calendar", "call"):
        assert browser.get(f"{path}{step}/").status_code == 404
    visit.refresh_from_db()
    assert visit.version == 1


def test_only_a_hash_is_stored(link: Link, visit: Appointment) -> None:
    token = link(visit).split("/")[2]
    assert token not in str(list(PatientLink.objects.values_list()))


def test_other_verbs_and_unknown_steps(browser: Browser, link: Link, visit: Appointment) -> None:
    path = link(visit)
    assert browser.client.put(path).status_code == 403  # stopped before the page by the form check
    assert browser.client.options(path).status_code == 405
    assert browser.client.head(path).status_code == 200
    assert browser.get(f"{path}anything/").status_code == 404


# --- what a GET may not do, and what no page may hold ---------------------------------------------


def snapshot() -> dict[str, Any]:
    """Every row of every table of ours, as text."""
    rows = {}
    for model in apps.get_models():
        if model._meta.app_label in {"access", "api", "patients", "scheduling"}:
            with connection.cursor() as cursor:
                cursor.execute(
                    f"SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM \"{model._meta.db_table}\" t"  # noqa: S608, E501
                )
                rows[model._meta.label] = cursor.fetchone()[0]
    return rows


def test_looking_changes_nothing(browser: Browser, link: Link, visit: Appointment, settings: Any) -> None:
    settings.PATIENT_PAGE_RATE = "10000/min"
    paths = {kind: link(visit, kind=kind) for kind in ("appointment", "offer", "course", "check_in")}
    for identified in (False, True):
        if identified:
            assert browser.identify(paths["appointment"]).status_code == 303
        before = snapshot()
        for kind, path in paths.items():
            steps = [*pages_of(kind), "unsubscribe", "anything"]
            for step in steps:
                address = f"{path}{step}/" if step else path
                for query in ("", "?told=moved", "?to=2027-01-12T17:00:00%2B00:00&channel=email&answer=no"):
                    assert browser.get(address + query).status_code in {200, 303, 404, 409}
                assert browser.client.head(address).status_code in {200, 303, 404, 409}
        assert snapshot() == before


def test_the_walk_knows_every_route_under_p() -> None:
    pages: Any
    (pages,) = [each for each in get_resolver().url_patterns if str(each.pattern) == "p/"]
    assert {each.name for each in pages.url_patterns} == {
        "patient-page",
        "patient-step",
        "patient-unsubscribe",
    }


def test_every_answer_has_the_headers(browser: Browser, link: Link, visit: Appointment) -> None:
    path = link(visit)
    browser.identify(path)
    for step in pages_of("appointment"):
        address = f"{path}{step}/" if step else path
        assert has_every_header(browser.get(address)), step
        assert has_every_header(browser.press(path, address)), step
    assert has_every_header(Client(enforce_csrf_checks=True).post(path))
    assert "Content-Security-Policy" not in browser.get("/livez")


def test_cookies_are_ours_and_no_others(browser: Browser, link: Link, visit: Appointment) -> None:
    path = link(visit)
    browser.get(path)
    browser.identify(path)
    browser.get(f"{path}cancel/")
    assert set(browser.client.cookies) == {"csrftoken", "onset_birth_date_given"}
    proof = browser.client.cookies["onset_birth_date_given"]
    assert (proof["path"], proof["max-age"], proof["httponly"], proof["samesite"]) == (
        path,
        1200,
        True,
        "Lax",
    )


def test_no_personal_data_in_addresses_or_logs(
    browser: Browser, link: Link, visit: Appointment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = link(visit)
    answers = [browser.get(path), browser.identify(path, year="1981"), browser.identify(path)]
    answers += [browser.press(path, f"{path}confirm/", version="1"), browser.get(f"{path}move/")]
    said = caplog.text + "".join(answer.get("Location", "") for answer in answers)
    said += "".join(part for page in answers for part in page.content.decode().split('href="')[1:2])
    assert path.split("/")[2] not in caplog.text
    for private in (visit.patient.last_name, visit.patient.mrn, visit.patient.email, "1980", "1981"):
        assert private not in said


def test_a_form_of_another_site_is_refused(browser: Browser, link: Link, visit: Appointment) -> None:
    path = link(visit)
    browser.get(path)
    token = browser.client.cookies["csrftoken"].value
    form = {"csrfmiddlewaretoken": token, "version": "1"}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    ):
        assert browser.client.post(f"{path}confirm/", form, headers=headers).status_code == 403
    refused = browser.client.post(f"{path}confirm/", {"version": "1"}, headers={"Origin": "null"})
    assert refused.status_code == 403
    assert "Nothing was changed" in text_of(refused)
    visit.refresh_from_db()
    assert visit.status == "booked"
    ours = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    assert browser.client.post(f"{path}confirm/", form, headers=ours).status_code == 303


# --- throttle -------------------------------------------------------------------------------------


def test_one_address_may_not_try_many_links(browser: Browser, db: None, settings: Any) -> None:
    settings.PATIENT_PAGE_RATE = "3/min"
    codes = [browser.get(f"/p/guess{n}/").status_code for n in range(5)]
    assert codes == [404, 404, 404, 429, 429]
    refused = browser.get("/p/guess/")
    assert int(refused["Retry-After"]) in range(1, 62)
    assert has_every_header(refused)


def test_without_redis_the_pages_work(
    browser: Browser, link: Link, visit: Appointment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*args: Any, **kwargs: Any) -> None:
        raise RedisDown

    monkeypatch.setattr(type(cache._connections["default"]), "get", down)  # type: ignore[attr-defined]
    assert browser.get(link(visit)).status_code == 200


# --- date of birth --------------------------------------------------------------------------------


def test_the_right_date_opens_one_link_for_twenty_minutes(
    browser: Browser, link: Link, visit: Appointment
) -> None:
    path, other = link(visit), link(visit)
    answer = browser.identify(path, next="prepare")
    assert (answer.status_code, answer["Location"]) == (303, f"{path}prepare/")
    assert "How to prepare" in text_of(browser.get(f"{path}prepare/"))
    assert "Your date of birth" in text_of(browser.get(f"{other}prepare/"))
    assert IdentityCheck.objects.get().passed


@pytest.mark.parametrize("step", ["//evil.example", "é", "a" * 31, "../x", "\x00"])
def test_the_birth_date_leads_back_to_our_own_pages_only(
    step: str, browser: Browser, link: Link, visit: Appointment
) -> None:
    path = link(visit)
    assert browser.identify(path, next=step)["Location"] == path


def test_another_patients_proof_opens_nothing(
    browser: Browser, link: Link, visit: Appointment, clinic: Site
) -> None:
    path, other = link(visit), link(visit)
    browser.identify(path)
    proof = browser.client.cookies["onset_birth_date_given"].value
    browser.client.cookies.load({"onset_birth_date_given": proof})
    browser.client.cookies["onset_birth_date_given"]["path"] = other
    assert "Your date of birth" in text_of(browser.get(f"{other}cancel/"))
    browser.client.cookies["onset_birth_date_given"] = proof[:-2] + "xx"
    assert "Your date of birth" in text_of(browser.get(f"{path}cancel/"))


def test_the_proof_runs_out(browser: Browser, link: Link, visit: Appointment, settings: Any) -> None:
    path = link(visit)
    settings.BIRTH_DATE_KNOWN_SECONDS = -1
    browser.identify(path)
    assert "Your date of birth" in text_of(browser.get(f"{path}cancel/"))


@pytest.mark.parametrize(
    "born",
    [
        {"month": ""},
        {"day": "31", "month": "2"},
        {"year": "80"},
        {"day": "٣"},
        {"year": "19800"},
        {"day": "5; DROP"},
    ],
)
def test_what_is_no_date_costs_no_try(
    born: dict[str, str], browser: Browser, link: Link, visit: Appointment
) -> None:
    answer = browser.identify(link(visit), **born)
    assert answer.status_code == 422
    unreadable = born.get("year") != "80"
    assert ("This is not a date" in text_of(answer)) is unreadable
    assert IdentityCheck.objects.exists() is not unreadable


def test_five_wrong_dates_lock_every_link_for_an_hour(
    browser: Browser, link: Link, visit: Appointment, now: datetime
) -> None:
    path, other = link(visit), link(visit)
    answers = [browser.identify(each, year="1981") for each in (path, other, path, other, path)]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 429]
    locked = browser.identify(other)
    assert locked.status_code == 429
    assert "closed for an hour. Please call us" in text_of(locked)
    assert IdentityCheck.objects.filter(passed=False).count() == 5
    assert not IdentityCheck.objects.filter(passed=True).exists()
    item = WorkItem.objects.get(kind="identity_locked")
    assert (item.patient, item.owner_role) == (visit.patient, "front_desk")
    assert browser.press(path, f"{path}confirm/", version="1").status_code == 303, "needs no date of birth"


def test_the_lock_ends(link: Link, visit: Appointment, now: datetime) -> None:
    link(visit)
    row = PatientLink.objects.get()
    wrong = partial(identity.check, link_id=row.pk, given=date(1981, 5, 17), now=now)
    right = partial(identity.check, link_id=row.pk, given=date(1980, 5, 17), now=now)
    for minute in range(5):
        wrong(at=now + timedelta(minutes=minute))
    assert right(at=now + timedelta(minutes=63, seconds=59)).locked_until == now + timedelta(minutes=64)
    assert right(at=now + timedelta(minutes=64)).passed
    for minute in range(0, 240, 15):  # four in any hour never lock
        outcome = wrong(at=now + timedelta(hours=3, minutes=minute))
        assert outcome.locked_until is None


# --- preferences ----------------------------------------------------------------------------------


def test_opting_out_and_back_in(browser: Browser, link: Link, visit: Appointment) -> None:
    path = link(visit)
    for answer, state in (("no", False), ("yes", True)):
        for _ in range(2):
            done = browser.press(f"{path}preferences/", channel="texts", answer=answer)
            assert done["Location"] == f"{path}preferences/?told=saved"
        patient = Patient.objects.get()
        assert (patient.accepts_sms, patient.accepts_email) == (state, True)
    rows = list(Consent.objects.order_by("id").values_list("channel", "granted", "source"))
    assert rows == [("sms", False, "page"), ("sms", True, "page")]


def test_choosing_a_language(browser: Browser, link: Link, visit: Appointment) -> None:
    path = link(visit)
    browser.press(f"{path}preferences/", language="es")
    assert Patient.objects.get().language == "es"
    assert "Mensajes e idioma" in text_of(browser.get(f"{path}preferences/"))


@pytest.mark.parametrize(
    "fields",
    [{}, {"channel": "fax", "answer": "no"}, {"channel": "email", "answer": "maybe"}, {"language": "tlh"}],
)
def test_no_choice_changes_nothing(
    fields: dict[str, str], browser: Browser, link: Link, visit: Appointment
) -> None:
    before = Patient.objects.get().version
    assert browser.press(f"{link(visit)}preferences/", **fields).status_code == 303
    assert Patient.objects.get().version == before
    assert not Consent.objects.exists()


def test_one_click_unsubscribe(link: Link, visit: Appointment, clock: Turn, now: datetime) -> None:
    """RFC 8058: a POST by the mail program, without cookies or a form of ours."""
    path = link(visit, expires_at=now + timedelta(days=1))
    program = Client(enforce_csrf_checks=True)
    one_click = {"List-Unsubscribe": "One-Click"}
    assert program.get(f"{path}unsubscribe/")["Location"] == f"{path}preferences/"
    assert program.post(f"{path}unsubscribe/").status_code == 404
    assert Patient.objects.get().accepts_email
    clock(now + timedelta(days=30))
    for _ in range(2):
        answer = program.post(f"{path}unsubscribe/", one_click)
        assert answer.status_code == 200
        assert has_every_header(answer)
    assert not Patient.objects.get().accepts_email
    assert Consent.objects.get().source == "page"
    clock(now + timedelta(days=31))
    assert program.post(f"{path}unsubscribe/", one_click).status_code == 404


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_guessing_in_parallel_gains_nothing(link: Link, visit: Appointment, now: datetime) -> None:
    for _ in range(4):
        link(visit)
    rows = list(PatientLink.objects.values_list("pk", flat=True))
    at = START
    guesses = [
        partial(identity.check, link_id=rows[n % 4], given=date(1970 + n, 5, 17), at=at, now=now)
        for n in range(20)
        if 1970 + n != 1980
    ]
    outcomes = at_once(guesses)
    assert len(outcomes) == 19
    assert IdentityCheck.objects.count() == 5
    assert WorkItem.objects.filter(kind="identity_locked").count() == 1
    right = identity.check(link_id=rows[0], given=date(1980, 5, 17), at=at, now=now)
    assert not right.passed
