"""What each search finds, what it refuses, and how pages follow each other."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from rest_framework.test import APIClient

from clinic.access.policy import SYSTEM
from patients.models import Assessment
from patients.services import assessments
from scheduling.models import Allocation
from tests.api.fhir.conftest import (
    BASE,
    Records,
    answered,
    bundle,
    matches,
    posted,
    reading_of,
    refusal,
)
from tests.conftest import NOW
from tests.factories import PatientFactory, ResourceFactory, SiteFactory
from tests.factories.bookings import booked
from tests.factories.prescriptions import prescribed


def pages(client: APIClient, query: str) -> Iterator[dict[str, Any]]:
    """Every page, by the next links, which lead to where the caller began."""
    url = f"{BASE}/{query}"
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.content
        page = answer.json()
        yield page
        links = {link["relation"]: link["url"] for link in page["link"]}
        assert set(links) <= {"self", "next"}
        url = links.get("next", "")
        url = url[url.index(BASE) :] if url else ""


# --- patients ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        {"name": "reyes ana"},
        {"name": "rey"},
        {"birthdate": "1980-05-17", "name": "ana"},
        {"birthdate": "eq1980-05-17"},
        {"phone": "{phone}"},
        {"identifier": "{mrn}"},
        {"identifier": "|{mrn}"},
        {"_id": "{pk}", "name": "ana"},
    ],
)
def test_people_are_found_by_post(form: dict[str, str], records: Records, nurse: APIClient) -> None:
    patient = records.patient
    other = {
        "last_name": "Zoltan",
        "first_name": "Ben",
        "date_of_birth": "1970-01-01",
        "sort_name": "zoltan ben",
    }
    PatientFactory.create(site=records.site, **other)
    filled = {
        name: value.format(phone=patient.phone, mrn=patient.mrn.lower(), pk=patient.pk)
        for name, value in form.items()
    }
    found = bundle(nurse, "Patient", **filled)
    assert matches(found) == [str(patient.pk)]
    links = str(found["link"])
    assert not any(value in links for name, value in filled.items() if name != "_id")


def test_an_identifier_of_another_system_is_nobodys(
    records: Records, nurse: APIClient, settings: Any
) -> None:
    ours = f"{settings.PUBLIC_URL}/fhir/r4/mrn|{records.patient.mrn}"
    assert matches(bundle(nurse, "Patient", identifier=ours)) == [str(records.patient.pk)]
    theirs = f"http://elsewhere.example|{records.patient.mrn}"
    assert matches(bundle(nurse, "Patient", identifier=theirs)) == []


@pytest.mark.parametrize(
    "query",
    [
        "Patient?name=reyes",
        "Patient?name:exact=Reyes",
        "Patient?birthdate=1980-05-17",
        "Patient?phone=3035550123",
        "Patient?identifier=T000001",
    ],
)
def test_personal_data_in_an_address_is_refused(query: str, nurse: APIClient) -> None:
    answers = nurse.get(f"{BASE}/{query}"), nurse.post(f"{BASE}/{query.replace('?', '/_search?')}")
    for answer in answers:
        assert refusal(answer, 400) == "personal_in_address"
        assert "_search" in answer.json()["issue"][0]["details"]["text"]
        assert query.partition("=")[2] not in answer.content.decode()


def test_more_people_than_fit_are_said_to_be_more(records: Records, nurse: APIClient) -> None:
    for _ in range(3):
        PatientFactory.create(site=records.site)
    found = bundle(nurse, "Patient", name="reyes", _count="2")
    assert len(matches(found)) == 2
    [note] = [entry for entry in found["entry"] if entry["search"]["mode"] == "outcome"]
    assert note["resource"]["issue"][0]["severity"] == "warning"
    assert {link["relation"] for link in found["link"]} == {"self"}


# --- the others -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("date=2027-01-04", True),
        ("date=2027-01-05", False),
        ("date=ge2027-01-04&date=lt2027-01-05", True),
        ("date=gt2027-01-04", False),
        ("date=sa2027-01-03", True),
        ("date=le2027-01-04", True),
        ("date=lt2027-01-04", False),
        ("date=eb2027-01-05", True),
        ("date=ne2027-01-04", False),
        ("date=2027-01", True),
        ("date=2027", True),
        ("date=2026-12", False),
        ("date=2027-01-04T08:00:00-07:00", True),
        ("date=2027-01-04T15:00Z", True),
        ("date=ge2027-01-04T15:00:01Z", False),
        ("status=booked", True),
        ("status=http://hl7.org/fhir/appointmentstatus|booked,arrived", True),
        ("status=fulfilled", False),
        ("status=waitlist", False),
        ("patient={patient}", True),
        ("patient=Patient/{patient}", True),
        ("patient=1", False),
        ("location={site}", True),
        ("location=Location/{site}&status=booked&patient={patient}", True),
        ("_id={visit}", True),
        ("_id=abc", False),
    ],
)
def test_visits(query: str, *, found: bool, records: Records, nurse: APIClient) -> None:
    asked = query.format(patient=records.patient.pk, site=records.site.pk, visit=records.visit.pk)
    assert matches(bundle(nurse, f"Appointment?{asked}")) == ([str(records.visit.pk)] if found else [])


def test_a_day_is_a_day_at_the_site_where_the_visit_is(
    records: Records, client_as: Callable[..., APIClient]
) -> None:
    """06:30 UTC on the fifth is still the fourth in Denver, and the fifth in New York."""
    east = SiteFactory.create(timezone="America/New_York")
    late = NOW.replace(day=5, hour=6, minute=30)
    visits = {
        site.timezone: booked(site, late, on={ResourceFactory.create(site=site): 0}).pk
        for site in (records.site, east)
    }
    client = client_as("front_desk", records.site, east)
    fourth, fifth = (set(matches(bundle(client, f"Appointment?date=2027-01-0{day}"))) for day in (4, 5))
    assert fourth == {str(records.visit.pk), str(visits["America/Denver"])}
    assert fifth == {str(visits["America/New_York"])}


def test_a_visit_shows_what_it_holds_now(records: Records, nurse: APIClient) -> None:
    gone = ResourceFactory.create(site=records.site, kind="nurse")
    Allocation.objects.create(
        appointment=records.visit, resource=gone, use="exclusive", lane=0, released_at=NOW,
        start_at=NOW, end_at=NOW + timedelta(hours=1),
    )  # fmt: skip
    shown = nurse.get(f"{BASE}/Appointment/{records.visit.pk}").json()
    held = [each["actor"].get("identifier", {}).get("value") for each in shown["participant"]]
    assert held == [None, None, str(records.chair.pk)]


def test_prescriptions(records: Records, nurse: APIClient) -> None:
    other = prescribed(PatientFactory.create(site=records.site))
    ours = str(records.prescription.pk)
    assert matches(bundle(nurse, f"MedicationRequest?patient={records.patient.pk}")) == [ours]
    assert matches(bundle(nurse, "MedicationRequest?status=active")) == [ours, str(other.pk)]
    assert matches(bundle(nurse, "MedicationRequest?status=stopped")) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("questionnaire=PHQ-9", True),
        ("questionnaire=44249-1", True),
        ("questionnaire=http://loinc.org/q/44249-1", True),
        ("questionnaire={home}/fhir/r4/Questionnaire/PHQ-9|1", True),
        ("questionnaire={home}/fhir/r4/Questionnaire/PHQ-9|2", False),
        ("questionnaire=GAD-7", False),
        ("questionnaire=/", False),
        ("authored=2027-01-04", True),
        ("authored=lt2027-01-04", False),
        ("_lastUpdated=ge2027-01-04T15:00:00Z", True),
        ("_lastUpdated=gt2027-01-04T15:00:00Z", False),
    ],
)
def test_answers(query: str, *, found: bool, records: Records, nurse: APIClient, settings: Any) -> None:
    asked = query.format(home=settings.PUBLIC_URL)
    expected = [str(records.assessment.pk)] if found else []
    assert matches(bundle(nurse, f"QuestionnaireResponse?{asked}")) == expected


def test_a_correction_shows_on_both(records: Records, nurse: APIClient) -> None:
    old = records.assessment
    later = NOW + timedelta(hours=1)
    url = f"{BASE}/QuestionnaireResponse/{old.pk}"
    etag = nurse.get(url)["ETag"]
    assessments.correct(
        actor=SYSTEM,
        now=later,
        assessment_id=old.pk,
        answers={str(item): 2 for item in range(1, 10)},
        reason="Misheard",
    )
    new = Assessment.objects.get(supersedes=old)
    answer = nurse.get(url, HTTP_IF_NONE_MATCH=etag)
    assert answer.status_code == 200
    assert answer["ETag"] == 'W/"2"'
    assert answer.json()["status"] == "entered-in-error"
    assert answer.json()["meta"]["lastUpdated"] == "2027-01-04T16:00:00.000Z"
    assert nurse.get(f"{BASE}/QuestionnaireResponse/{new.pk}").json()["status"] == "amended"
    scores = bundle(nurse, "Observation?category=survey")["entry"]
    assert [(each["resource"]["status"], each["resource"]["valueQuantity"]["value"]) for each in scores] == [
        ("entered-in-error", 9),
        ("corrected", 18),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "score bp hr spo2 rr temp weight"),
        ("category=survey", "score"),
        ("category=vital-signs", "bp hr spo2 rr temp weight"),
        ("code=http://loinc.org|85354-9", "bp"),
        ("code=8867-4,29463-7", "hr weight"),
        ("code=2708-6", "spo2"),
        ("code=44261-6", "score"),
        ("code=http://snomed.info/sct|85354-9", ""),
        ("patient={patient}", "score bp hr spo2 rr temp weight"),
        ("patient=1", ""),
        ("date=2027-01-04", "score bp hr spo2 rr temp weight"),
        ("date=gt2027-01-04", ""),
        ("_id=bp-{reading},weight-{session}", "bp weight"),
        ("_id=nothing-1", ""),
    ],
)
def test_observations(query: str, found: str, records: Records, nurse: APIClient) -> None:
    asked = query.format(patient=records.patient.pk, reading=records.reading.pk, session=records.session.pk)
    got = [pk.partition("-")[0] for pk in matches(bundle(nurse, f"Observation?{asked}"))]
    assert got == found.split()


def test_a_sign_that_was_not_taken_is_not_there(records: Records, nurse: APIClient) -> None:
    only_pulse = reading_of(
        records.session, systolic=None, diastolic=None, spo2=None, respiratory_rate=None, temperature_c=None
    )
    found = [pk for pk in matches(bundle(nurse, "Observation")) if pk.endswith(f"-{only_pulse.pk}")]
    assert f"hr-{only_pulse.pk}" in found
    assert not {f"{name}-{only_pulse.pk}" for name in ("bp", "spo2", "rr", "temp")} & set(found)
    assert nurse.get(f"{BASE}/Observation/bp-{only_pulse.pk}").status_code == 404


@pytest.mark.parametrize("actor", ["{chair}", "Location/{chair}"])
def test_schedules_by_actor(actor: str, records: Records, nurse: APIClient) -> None:
    asked = actor.format(chair=records.chair.pk)
    assert matches(bundle(nurse, f"Schedule?actor={asked}")) == [str(records.chair.pk)]


# --- slots ------------------------------------------------------------------------------------------


def slots(client: APIClient, query: str) -> list[tuple[str, str]]:
    """(start, visit type) of every slot on every page."""
    return [
        (entry["resource"]["start"], entry["resource"]["serviceType"][0]["coding"][0]["code"])
        for page in pages(client, f"Slot?{query}")
        for entry in page.get("entry", ())
    ]


def test_slots_are_what_the_availability_search_finds(records: Records, nurse: APIClient) -> None:
    chair, site = records.chair.pk, records.site.pk
    since, until = "2027-01-04T15:00:00Z", "2027-01-07T07:00:00Z"
    query = f"schedule={chair}&status=free&start=ge{since}&start=lt{until}&service-type=ketamine-mood"
    asked: dict[str, Any] = {
        "visit_type": "ketamine-mood",
        "site": site,
        "resource": chair,
        "start": since,
        "end": until,
    }
    offered = nurse.get("/api/v1/availability/", {**asked, "limit": 2000}).json()["slots"]
    starts = [start for start, _code in slots(nurse, f"{query}&_count=200")]
    assert len(starts) == len(offered) > 20
    assert starts == sorted(starts)
    assert slots(nurse, f"{query}&_count=7") == [(start, "ketamine-mood") for start in starts]
    taken = {start for start in starts if "2027-01-04T15:00" <= start < "2027-01-04T17:00"}
    assert taken == set(), "somebody sits on the chair until 10:00"


def test_slots_of_every_visit_type_that_needs_such_a_resource(records: Records, nurse: APIClient) -> None:
    found = slots(nurse, f"schedule={records.chair.pk}&start=2027-01-05&_count=9")
    assert {code for _start, code in found} == {"ketamine-mood", "ketamine-pain", "esketamine"}
    assert len(found) == len(set(found))


def test_a_resource_out_of_service_has_no_slots(records: Records, nurse: APIClient) -> None:
    ResourceFactory.create(site=records.site, name="Another chair")
    records.chair.active = False
    records.chair.save(update_fields=["active"])
    assert slots(nurse, f"schedule={records.chair.pk}") == []


def test_a_slot_is_there_until_it_is_taken(records: Records, nurse: APIClient) -> None:
    start = NOW + timedelta(days=1)
    query = f"Slot?schedule={records.chair.pk}&service-type=ketamine-mood&start={start:%Y-%m-%dT%H:%M:%SZ}"
    [pk] = matches(bundle(nurse, query))
    assert nurse.get(f"{BASE}/Slot/{pk}").json()["start"] == "2027-01-05T15:00:00.000Z"
    booked(records.site, start, on={records.chair: 0})
    assert refusal(nurse.get(f"{BASE}/Slot/{pk}"), 404) == "not_found"
    assert matches(bundle(nurse, query)) == []


# --- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("Appointment?unknown=1", "unknown_parameter"),
        ("Appointment?patient.name=ana", "unknown_parameter"),
        ("Appointment?_include=Appointment:patient", "unknown_parameter"),
        ("Appointment?status=booked&status=arrived", "unknown_parameter"),
        ("Appointment?status=late", "invalid"),
        ("Appointment?status=", "blank"),
        ("Appointment?patient=abc", "invalid"),
        ("Appointment?patient=Practitioner/1", "invalid"),
        ("Appointment?patient=9999999999999999999", "invalid"),
        ("Appointment?date=yesterday", "invalid"),
        ("Appointment?date=ap2027-01-04", "invalid"),
        ("Appointment?date=2027-02-30", "invalid"),
        ("Appointment?date=2027-13", "invalid"),
        ("Appointment?date=0001", "out_of_range"),
        ("Appointment?date=2027-01-04T09:00", "offset_required"),
        ("Appointment?date=2027-01-04T09:00:00+01:00", "invalid"),
        ("Appointment?date=2027%00", "unknown_parameter"),
        ("Appointment?patient=" + "1," * 150, "too_long"),
        ("Appointment?_count=0", "out_of_range"),
        ("Appointment?_count=-1", "out_of_range"),
        ("Appointment?_count=many", "out_of_range"),
        ("Appointment?_count=" + "9" * 5000, "too_long"),
        ("Appointment?_cursor=x", "invalid_cursor"),
        ("Appointment?_cursor=WzFd", "invalid_cursor"),
        ("Appointment?_cursor=WzEsMl0", "invalid_cursor"),
        ("Patient?_cursor=WyJhIl0", "invalid_cursor"),
        ("Patient?_cursor=Wy0xXQ", "invalid_cursor"),
        ("Observation?_cursor=Wzk5LDFd", "invalid_cursor"),
        ("Observation?category=laboratory", "invalid"),
        ("Slot", "invalid"),
        ("Slot?schedule=1,2", "invalid"),
        ("Slot?schedule=1&status=busy", "invalid"),
        ("Slot?schedule=1&service-type=massage", "invalid"),
        ("Slot?schedule={chair}&start=ne2027-01-04", "invalid"),
        ("Slot?schedule={chair}&start=ge2027-01-04&start=lt2027-06-01", "range_too_long"),
        ("Slot?schedule={chair}&_cursor=WyIyMDI2LTAxLTA0VDE1OjAwOjAwWiIsMV0", "invalid_cursor"),
        ("Patient/1?name=ana", "unknown_parameter"),
    ],
)
def test_bad_parameters(query: str, code: str, records: Records, nurse: APIClient) -> None:
    answer = nurse.get(f"{BASE}/{query.format(chair=records.chair.pk)}")
    assert refusal(answer, 400) == code


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"name": "…"}, "no_letters"),
        ({"name": " ".join("abcdefghijk")}, "too_many_words"),
        ({"phone": "12"}, "too_few_digits"),
        ({"birthdate": "1980"}, "invalid"),
        ({"birthdate": "lt1980-05-17"}, "invalid"),
        ({"identifier": "|-"}, "invalid"),
        ({"unknown": "1"}, "unknown_parameter"),
        ({"name": "a\x00"}, "unknown_parameter"),
    ],
)
def test_bad_forms(form: dict[str, str], code: str, nurse: APIClient) -> None:
    assert refusal(posted(nurse, "Patient", form), 400) == code


def test_a_form_is_no_json(nurse: APIClient) -> None:
    answer = nurse.post(f"{BASE}/Patient/_search", {"name": "ana"}, format="json")
    assert refusal(answer, 415) == "unsupported_media_type"


_NAMES = (
    *("_id", "_count", "_cursor", "name", "patient", "date", "start", "schedule", "code", "status"),
    *("questionnaire", "authored", "birthdate", "phone", "identifier", "category", "location"),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=some.sampled_from(["Patient", "Appointment", "Observation", "Slot", "QuestionnaireResponse"]),
    form=some.dictionaries(
        some.sampled_from(_NAMES),
        some.text(max_size=30) | some.from_regex(r"(ge|lt)?[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True),
        max_size=3,
    ),
)
def test_no_form_makes_a_fault(kind: str, form: dict[str, str], records: Records, nurse: APIClient) -> None:
    answer = posted(nurse, kind, form)
    if answer.status_code != 200:
        refusal(answer, 400)


# --- form of the replies ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "query", "content_type"),
    [
        ("*/*", "", "application/fhir+json"),
        ("application/fhir+json", "", "application/fhir+json"),
        ("application/fhir+json; fhirVersion=4.0", "", "application/fhir+json"),
        ("application/json", "", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "", "application/fhir+json"),
        ("application/fhir+xml", "?_format=json", "application/fhir+json"),
        ("*/*", "?_format=application/fhir%2Bjson", "application/fhir+json"),
        ("application/fhir+xml", "", None),
        ("application/xml", "", None),
        ("*/*", "?_format=xml", None),
        ("text/turtle", "", None),
    ],
)
def test_media_types(
    accept: str, query: str, content_type: str | None, records: Records, nurse: APIClient
) -> None:
    for path in ("Patient", f"Patient/{records.patient.pk}", "metadata"):
        answer = nurse.get(f"{BASE}/{path}{query}", HTTP_ACCEPT=accept)
        if content_type is None:
            assert refusal(answer, 406) == "not_acceptable"
        else:
            assert (answer.status_code, answer["Content-Type"]) == (200, content_type)


def test_what_has_not_changed_is_not_sent_again(records: Records, nurse: APIClient) -> None:
    for kind, pk in records.ids().items():
        first = nurse.get(f"{BASE}/{kind}/{pk}")
        assert first["ETag"] == f'W/"{first.json()["meta"]["versionId"]}"'
        assert first["Cache-Control"] == "private, no-cache"
        again = nurse.get(f"{BASE}/{kind}/{pk}", HTTP_IF_NONE_MATCH=f'W/"99", {first["ETag"]}')
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
        assert nurse.get(f"{BASE}/{kind}/{pk}", HTTP_IF_NONE_MATCH='W/"99"').status_code == 200


def test_pages_hold_everything_once(records: Records, nurse: APIClient) -> None:
    for day in range(1, 6):
        patient = PatientFactory.create(site=records.site)
        booked(records.site, NOW + timedelta(days=day), on={records.chair: 0}, patient=patient)
        prescribed(patient)
        answered(patient)
        reading_of(records.session)
    counts = {
        "Patient": 6,
        "Appointment": 6,
        "MedicationRequest": 6,
        "QuestionnaireResponse": 6,
        "Schedule": 3,
        "Observation": 6 * 6 + 1,
    }
    for kind, count in counts.items():
        whole = matches(bundle(nurse, f"{kind}?_count=200"))
        assert len(whole) == len(set(whole)) == count
        for size in (1, 4, 6):
            found = list(pages(nurse, f"{kind}?_count={size}"))
            assert [pk for page in found for pk in matches(page)] == whole
            assert all(len(matches(page)) <= size for page in found)


def test_the_filter_goes_on_from_page_to_page(records: Records, nurse: APIClient) -> None:
    for day in range(1, 4):
        booked(records.site, NOW + timedelta(days=day), on={records.chair: 0}, patient=records.patient)
    booked(records.site, NOW + timedelta(days=9), on={records.chair: 0})
    query = f"Appointment?patient={records.patient.pk}&date=gt2027-01-04&date=lt2027-01-07&_count=1"
    found = list(pages(nurse, query))
    assert [len(matches(page)) for page in found] == [1, 1]
    assert found[0]["link"][0]["url"].endswith(
        f"?patient={records.patient.pk}&date=gt2027-01-04&date=lt2027-01-07&_count=1"
    )


def test_a_huge_count_is_as_much_as_there_may_be(nurse: APIClient) -> None:
    assert "_count=200" in bundle(nurse, "Patient?_count=100000")["link"][0]["url"]


@pytest.mark.parametrize(
    "kind",
    [
        "Patient",
        "Location",
        "Schedule",
        "Appointment",
        "MedicationRequest",
        "QuestionnaireResponse",
        "Observation",
    ],
)
def test_queries_do_not_grow_with_the_page(kind: str, records: Records, nurse: APIClient) -> None:
    def queries() -> int:
        nurse.get(f"{BASE}/{kind}")
        with CaptureQueriesContext(connection) as seen:
            assert nurse.get(f"{BASE}/{kind}?_count=200").status_code == 200
        return len(seen)

    one = queries()
    for day in range(1, 9):
        patient = PatientFactory.create(site=records.site)
        visit = booked(records.site, NOW + timedelta(days=day), on={records.chair: 0}, patient=patient)
        prescribed(patient)
        answered(patient)
        reading_of(records.session)
        ResourceFactory.create(site=records.site)
        assert visit.pk
    assert queries() == one <= 9
