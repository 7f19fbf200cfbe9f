"""Search everywhere: the box in the header, what it finds and for whom; what is typed is kept nowhere."""

import logging
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.domain import names
from patients.models import Patient
from patients.selectors import patients as finding
from scheduling.models import Appointment
from tests.conftest import NOW
from tests.factories import PatientFactory, ResourceFactory, SiteFactory
from tests.factories.bookings import booked
from tests.integration.admin.pages import words

MATCHES = "admin:patients_patient_matches"
SEARCH = "admin:patients_patient_search"
BOX = 'id="patient-search"'


def person(site: Site, first: str, last: str, preferred: str = "", **more: Any) -> Patient:
    """A patient who is found as one registered by the service would be."""
    plain = names.sort_name(first_name=first, last_name=last, preferred_name=preferred)
    return PatientFactory.create(
        site=site, first_name=first, last_name=last, preferred_name=preferred, sort_name=plain, **more
    )


@pytest.fixture
def messy(site: Site) -> Site:
    """People with the names that people have."""
    person(site, "Émile", "Durand", mrn="ONS00000013", date_of_birth=date(1980, 3, 4), phone="+13035550101")
    person(site, "Emile", "Dupont", date_of_birth=date(1980, 4, 3), phone="+13035550102")
    person(site, "Łucja", "Groß", mrn="A-77.B")
    person(site, "Søren", "Ærø")
    person(site, "Iñigo", "Núñez del Prado")
    person(site, "Ana", "García Márquez", "Nita", date_of_birth=date(1980, 3, 4))
    person(site, "Siobhán", "O\u2019Neil-Peña")
    person(site, "Anne-Marie", "van der Berg")
    person(site, "小龙", "李")
    person(site, "철수", "김")
    person(site, "Мария", "Иванова")
    person(site, "Aarón", "Ng")
    return site


def matching(client: Client, text: str) -> list[str]:
    """The first names of those whom the box finds."""
    answer = client.post(reverse(MATCHES), {"find": text})
    assert answer.status_code == 200
    return [match.patient.first_name for match in answer.context.get("matches", ())]


@pytest.mark.parametrize(
    ("text", "first_names"),
    [
        ("emile", ["Emile", "Émile"]),
        ("Émile", ["Emile", "Émile"]),
        ("E\u0301MILE", ["Emile", "Émile"]),
        ("lucja", ["Łucja"]),
        ("ŁUCJA GROSS", ["Łucja"]),
        ("groß", ["Łucja"]),
        ("soren aero", ["Søren"]),
        ("Søren Ærø", ["Søren"]),
        ("nunez", ["Iñigo"]),
        ("prado núñez", ["Iñigo"]),
        ("delprado", []),
        ("del prado", ["Iñigo"]),
        ("garcia marquez", ["Ana"]),
        ("Márquez García", ["Ana"]),
        ("marquez, ana", ["Ana"]),
        ("nita", ["Ana"]),
        ("garciamarquez", ["Ana"]),
        ("o'neil", ["Siobhán"]),
        ("O\u2019NEIL PENA", ["Siobhán"]),
        ("o neil", ["Siobhán"]),
        ("oneil\u2013pena", ["Siobhán"]),
        ("annemarie", ["Anne-Marie"]),
        ("anne marie", ["Anne-Marie"]),
        ("vander berg", ["Anne-Marie"]),
        ("vanderberg", ["Anne-Marie"]),
        ("berg", ["Anne-Marie"]),
        ("李", ["小龙"]),
        ("李小龙", ["小龙"]),
        ("小龙 李", ["小龙"]),
        ("小龙李", ["小龙"]),
        ("김철수", ["철수"]),
        ("иванова мария", ["Мария"]),
        ("ИВАН", ["Мария"]),
        ("ng", ["Aarón"]),
        ("si", ["Siobhán"]),
        ("garcia dupont", []),
        ("1980-03-04", ["Émile", "Ana"]),
        ("3/4/80", ["Émile", "Ana"]),
        ("Mar 4, 1980", ["Émile", "Ana"]),
        ("03041980", ["Émile", "Ana"]),
        ("garcia 1980-03-04", ["Ana"]),
        ("4 Mar 1980 emile", ["Émile"]),
        ("emile 4/3/1980", ["Emile"]),
        ("ana 4/3/1980", []),
        ("+1 (303) 555-0101", ["Émile"]),
        ("303.555.0101", ["Émile"]),
        ("5550101", ["Émile"]),
        ("0102", ["Emile"]),
        ("durand 0101", ["Émile"]),
        ("durand 0102", []),
        ("(303) 555-0102 dupont", ["Emile"]),
        ("ONS00000013", ["Émile"]),
        ("ons 0000001-3", ["Émile"]),
        ("durand ons00000013", ["Émile"]),
        ("a77b", ["Łucja"]),
        ("A 77 B", ["Łucja"]),
    ],
)
def test_people_are_found_however_they_are_written(
    messy: Site, staff: Callable[..., Client], text: str, first_names: list[str]
) -> None:
    assert matching(staff("front_desk", messy), text) == first_names


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x", "Write at least two letters of the name."),
        ("12", "Write at least the last 4 digits of a phone number, or a whole birth date"),
        ("2/30/1980", "There was no such day. Write a date of birth like 1980-03-04"),
        ("zzz", "Nobody fits. Try fewer letters of the name"),
        ("zzz 3/4/1980", "The birth date was read as Mar 4, 1980."),
        ("3/4/1980", "2 patients born Mar 4, 1980."),
        ("durand", "1 patient."),
        ("a b c d e f g h i", "Use at most 8 words."),
        ("1\x00", "No MRN is exactly this."),
    ],
)
def test_what_was_understood_or_what_to_write_is_said(
    messy: Site, staff: Callable[..., Client], text: str, says: str
) -> None:
    client = staff("front_desk", messy)
    for page in (MATCHES, SEARCH, "admin:scheduling_appointment_book", "admin:scheduling_course_plan"):
        assert says in words(client.post(reverse(page), {"find": text}))


def test_too_many_say_so(site: Site, staff: Callable[..., Client]) -> None:
    for number in range(9):
        person(site, f"Ana {number}", "Reyes")
    client = staff("nurse", site)
    assert len(matching(client, "reyes")) == 8
    answer = words(client.post(reverse(MATCHES), {"find": "reyes"}))
    assert "The first 8 patients; there are more. Add the date of birth or more of the name." in answer
    assert "9 patients." in words(client.post(reverse(SEARCH), {"find": "reyes"}))


def test_last_names_come_before_first_names(site: Site, staff: Callable[..., Client]) -> None:
    person(site, "Rey", "Abad")
    person(site, "Zoe", "Reyes")
    person(site, "Ana", "Reyes", "Rey")
    assert matching(staff("nurse", site), "rey") == ["Ana", "Zoe", "Rey"]


def test_a_match_says_who_it_is_and_what_comes_next(site: Site, staff: Callable[..., Client]) -> None:
    chair = ResourceFactory.create(site=site)
    ana = person(site, "Ana", "Reyes", "Nita", mrn="T-1", phone="+13035550101", status="inactive")
    person(site, "Ben", "Reyes", mrn="T-2", phone="", status="deceased")
    for days in (-1, 9):
        booked(site, NOW + timedelta(days=days), on={chair: 0}, patient=ana)
    visit = booked(site, NOW + timedelta(days=2), on={chair: 0}, patient=ana)
    client = staff("front_desk", site)
    for page in (MATCHES, SEARCH):
        answer = client.post(reverse(page), {"find": "reyes"})
        text = words(answer)
        for shown in ("Reyes, Ana", "Nita", "May 17, 1980", "T-1", site.name, "0101", "Inactive"):
            assert shown in text, shown
        assert "5550101" not in text
        assert text.count("Wed, Jan 6, 2027, 8:00 AM MST Booked") == 1
        assert "Deceased" in text
        body = answer.content.decode()
        assert reverse("admin:patients_patient_record", args=[ana.pk]) in body
        assert reverse("admin:scheduling_appointment_change", args=[visit.pk]) in body


@pytest.mark.parametrize(("status", "shown"), [("arrived", True), ("cancelled", False), ("no_show", False)])
def test_who_is_here_is_here_and_what_is_lost_is_no_next_visit(
    site: Site, staff: Callable[..., Client], status: str, shown: bool
) -> None:
    ana = person(site, "Ana", "Reyes")
    chair = ResourceFactory.create(site=site)
    visit = booked(site, NOW - timedelta(hours=3), on={chair: 0}, patient=ana)
    Appointment.objects.filter(pk=visit.pk).update(status=status)
    answer = staff("nurse", site).post(reverse(MATCHES), {"find": "reyes"})
    assert (answer.context["matches"][0].visit is not None) is shown


def test_a_visit_at_another_site_is_not_shown(site: Site, staff: Callable[..., Client]) -> None:
    elsewhere = SiteFactory.create()
    ana = person(site, "Ana", "Reyes")
    chair = ResourceFactory.create(site=elsewhere)
    booked(elsewhere, NOW + timedelta(days=1), on={chair: 0}, patient=ana)
    answer = staff("nurse", site).post(reverse(MATCHES), {"find": "reyes"})
    assert answer.context["matches"][0].visit is None


@pytest.mark.parametrize(
    "page",
    [
        "admin:index",
        "admin:patients_patient_changelist",
        "admin:patients_patient_search",
        "admin:patients_patient_add",
        "admin:scheduling_appointment_book",
        "admin:scheduling_course_plan",
        "admin:scheduling_waitlistentry_changelist",
        "admin:access_site_changelist",
        "admin:password_change",
    ],
)
def test_the_box_is_on_every_page_that_one_sees(
    page: str, site: Site, staff: Callable[..., Client], superuser: Client
) -> None:
    for client in (staff("front_desk", site), superuser):
        shown = client.get(reverse(page), follow=True).content.decode()
        assert shown.count(BOX) == 1
        assert shown.count('action="/admin/patients/patient/search/"') >= 1


def test_whoever_reads_no_patients_has_no_box(site: Site, staff: Callable[..., Client]) -> None:
    auditor = staff("auditor", site)
    for page in ("admin:index", "admin:access_site_changelist"):
        assert BOX not in auditor.get(reverse(page)).content.decode()
    assert BOX not in Client().get(reverse("admin:login")).content.decode()
    assert auditor.post(reverse(MATCHES), {"find": "reyes"}).status_code == 403


def test_matches_are_posted_with_a_token_by_somebody_signed_in(
    site: Site, staff: Callable[..., Client]
) -> None:
    person(site, "Ana", "Reyes")
    client = staff("nurse", site)
    assert client.get(reverse(MATCHES), {"find": "reyes"}).status_code == 405
    anybody = Client().post(reverse(MATCHES), {"find": "reyes"})
    assert anybody.status_code == 302
    assert "reyes" not in anybody["Location"]
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(client.user)  # type: ignore[attr-defined]
    assert careful.post(reverse(MATCHES), {"find": "reyes"}).status_code == 403
    page = careful.get(reverse("admin:index")).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None
    given = {"find": "reyes", "csrfmiddlewaretoken": token[1]}
    answer = careful.post(reverse(MATCHES), given)
    assert "Reyes, Ana" in words(answer)
    assert "no-store" in answer["Cache-Control"]


def test_other_sites_have_nobody_to_find(messy: Site, staff: Callable[..., Client]) -> None:
    stranger = staff("front_desk", SiteFactory.create())
    for text in ("emile", "1980-03-04", "0101", "ONS00000013", "emile 3/4/1980", "durand 0101"):
        assert matching(stranger, text) == []


def test_a_search_takes_a_constant_number_of_queries(messy: Site, staff: Callable[..., Client]) -> None:
    client = staff("nurse", messy)
    chair = ResourceFactory.create(site=messy)

    def queries() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as asked:
            matching(client, "emile")
        every = [each["sql"] for each in asked.captured_queries if each["sql"].startswith("SELECT")]
        searching = [sql for sql in every if "patients_patient" in sql or "scheduling_appointment" in sql]
        return len(searching), len(every)

    few = queries()
    for days in range(6):
        ana = person(messy, "Emile", f"Extra{days}")
        booked(messy, NOW + timedelta(days=days + 1), on={chair: 0}, patient=ana)
    assert len(matching(client, "emile")) == 8
    assert queries() == few
    assert few[0] == 2  # the patients, and their next visits


def test_the_box_costs_no_query(site: Site, staff: Callable[..., Client]) -> None:
    with CaptureQueriesContext(connection) as asked:
        staff("nurse", site).get(reverse("admin:patients_patient_search"))
    assert [each for each in asked.captured_queries if "patients_patient" in each["sql"]] == []


def test_what_is_typed_is_in_no_address_cookie_session_or_log(
    messy: Site, staff: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    client = staff("front_desk", messy)
    with caplog.at_level(logging.DEBUG):
        answers = [
            client.post(reverse(page), {"find": "Durand 03/04/1980"})
            for page in (MATCHES, SEARCH, "admin:scheduling_appointment_book")
        ]
        answers.append(client.post(reverse(MATCHES), {"find": "2/30/1980 durand"}))
    kept = [record.getMessage() + str(record.__dict__) for record in caplog.records]
    kept += [value for answer in answers for value in answer.headers.values()]
    kept += [morsel.value for morsel in client.cookies.values()]
    kept.append(str(dict(client.session)))
    for answer in answers:
        kept += re.findall(r'(?:href|action|src|data-\w+|value)="([^"]*)"', answer.content.decode())
    assert len(kept) > 20
    for typed in ("durand", "03/04", "1980", "2/30"):
        assert [each for each in kept if typed in each.lower().split("/static/")[0]] == []


@pytest.mark.parametrize(
    ("criteria", "index"),
    [({"phone": "4242"}, "patient_phone_ending"), ({"mrn": "m-4242"}, "patient_plain_mrn")],
)
def test_indexes_find_how_a_number_ends_and_a_plain_mrn(
    site: Site, criteria: dict[str, Any], index: str
) -> None:
    Patient.objects.bulk_create(
        PatientFactory.build(site=site, mrn=f"M{number:04d}", phone=f"+1303555{number:04d}")
        for number in range(5_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE patients_patient")
    with CaptureQueriesContext(connection) as asked:
        (found,) = finding.search(actor=SYSTEM, **criteria)
    assert found.mrn == "M4242"
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {asked.captured_queries[0]['sql']}")
        assert index in str(cursor.fetchall())
