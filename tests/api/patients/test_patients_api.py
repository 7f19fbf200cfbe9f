"""/patients/ over HTTP: every verb, every refusal, nothing personal in an address."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Consent, Patient
from tests.conftest import codes
from tests.factories import PatientFactory, SiteFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

URL = "/api/v1/patients/"
FIELDS = {
    "id",
    "mrn",
    "first_name",
    "last_name",
    "preferred_name",
    "date_of_birth",
    "sex",
    "site",
    "email",
    "phone",
    "timezone",
    "language",
    "contact_preferences",
    "status",
    "email_failed_at",
    "phone_failed_at",
    "version",
}
Clients = Callable[..., APIClient]


@pytest.fixture
def desk(client_as: Clients, site: Site) -> APIClient:
    return client_as("front_desk", site)


def ana(site: Site, /, **more: Any) -> dict[str, Any]:
    return {
        "first_name": "Ana",
        "last_name": "O'Neil-Peña",
        "date_of_birth": "1980-05-17",
        "site": site.pk,
        "phone": "(303) 555-0123",
    } | more


def change(client: APIClient, patient: Patient, **changes: Any) -> Any:
    return client.patch(f"{URL}{patient.pk}/", changes, headers={"If-Match": f'"{patient.version}"'})


def test_a_patient_is_registered_and_read_back(desk: APIClient, site: Site) -> None:
    made = desk.post(URL, ana(site, language="es"))
    assert made.status_code == 201, made.json()
    body = made.json()
    assert body.keys() == FIELDS
    assert made["ETag"] == '"1"'
    assert (body["phone"], body["timezone"], body["language"]) == ("+13035550123", "America/Denver", "es")
    assert body["contact_preferences"] == {"email": False, "sms": True}
    assert body["mrn"].startswith("ONS")
    read = desk.get(f"{URL}{body['id']}/")
    assert (read.status_code, read.json(), read["ETag"]) == (200, body, '"1"')


def test_absent_null_and_blank_mean_the_same(desk: APIClient, site: Site) -> None:
    given = ana(site, mrn=None, email=None, phone="", preferred_name=None)
    body = desk.post(URL, given).json()
    assert (body["email"], body["phone"], body["preferred_name"]) == ("", "", "")
    assert body["mrn"]


def test_a_possible_duplicate_is_asked_about(desk: APIClient, site: Site) -> None:
    first = desk.post(URL, ana(site)).json()
    again = desk.post(URL, ana(site, first_name="ANA", last_name="oneil pena"))
    assert (again.status_code, again.json()["code"]) == (409, "possible_duplicate")
    assert again.json()["existing"] == [first["id"]]
    assert desk.post(URL, ana(site, confirm_duplicate=True)).status_code == 201


def test_a_taken_mrn_is_409_on_its_field(desk: APIClient, site: Site) -> None:
    PatientFactory.create(mrn="A-77")
    taken = desk.post(URL, ana(site, mrn="a-77"))
    assert (taken.status_code, taken.json()["code"], codes(taken)) == (
        409,
        "mrn_taken",
        {("/mrn", "mrn_taken")},
    )


def test_a_repeated_key_registers_once(desk: APIClient, site: Site) -> None:
    headers = {"Idempotency-Key": "front-desk-1"}
    first = desk.post(URL, ana(site), headers=headers)
    second = desk.post(URL, ana(site), headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert (Patient.objects.count(), Consent.objects.count()) == (1, 1)


def test_every_wrong_field_is_named_in_one_reply(desk: APIClient, site: Site) -> None:
    wrong = desk.post(
        URL,
        {
            "mrn": "?",
            "first_name": "=1+1",
            "date_of_birth": "2027-01-05",
            "sex": "x",
            "site": 10**30,
            "email": "no",
            "phone": "12",
            "timezone": "Mars/Olympus",
            "language": "de",
            "status": "gone",
            "contact_preferences": {"telepathy": True},
        },
    )
    assert wrong.status_code == 400
    assert codes(wrong) == {
        ("/mrn", "not_an_mrn"),
        ("/first_name", "not_a_name"),
        ("/last_name", "required"),
        ("/date_of_birth", "in_the_future"),
        ("/sex", "invalid_choice"),
        ("/site", "unknown_site"),
        ("/email", "not_an_email"),
        ("/phone", "not_a_phone"),
        ("/timezone", "unknown_timezone"),
        ("/language", "invalid_choice"),
        ("/status", "invalid_choice"),
        ("/contact_preferences/telepathy", "unknown_channel"),
    }


VALUES: list[Any] = [None, "", "\x00", "\ud800", "😀", "x" * 100_000, 0, -1, 1.5, 10**40, True, [], {}, [[1]]]


@pytest.mark.parametrize("field", sorted(FIELDS | {"confirm_duplicate"}))
def test_no_value_of_any_field_is_our_fault(desk: APIClient, site: Site, field: str) -> None:
    patient = PatientFactory.create(site=site)
    for value in VALUES:
        body = json.dumps(ana(site, **{field: value}))  # escaped: the client's own JSON takes less
        posted = desk.post(URL, body, content_type="application/json")
        assert posted.status_code in {201, 400, 409}, value
        patient.refresh_from_db()
        headers = {"If-Match": f'"{patient.version}"'}
        body = json.dumps({field: value})
        changed = desk.patch(f"{URL}{patient.pk}/", body, content_type="application/json", headers=headers)
        assert changed.status_code in {200, 400}, value


@pytest.mark.parametrize("site_value", [1.5, True, "x", {}])
def test_a_site_is_a_whole_number(desk: APIClient, site: Site, site_value: Any) -> None:
    assert desk.post(URL, ana(site, site=site_value)).status_code == 400


def test_sites_that_are_not_yours_or_closed_are_unknown(desk: APIClient, site: Site) -> None:
    for other in (SiteFactory.create(), SiteFactory.create(active=False)):
        refused = desk.post(URL, ana(other))
        assert (refused.status_code, codes(refused)) == (400, {("/site", "unknown_site")})
    assert codes(desk.post(URL, ana(site, site=999_999))) == {("/site", "unknown_site")}


def test_a_visible_site_where_your_role_does_not_register_is_403(client_as: Clients, site: Site) -> None:
    mixed = client_as("front_desk", site)
    elsewhere = SiteFactory.create()
    mixed.user.memberships.create(site=elsewhere, role="manager")  # type: ignore[attr-defined]
    assert mixed.post(URL, ana(elsewhere)).status_code == 403
    patient = PatientFactory.create(site=elsewhere)
    assert mixed.get(f"{URL}{patient.pk}/").status_code == 200
    assert change(mixed, patient, first_name="Bo").status_code == 403


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        ("front_desk", True, True),
        ("nurse", True, True),
        ("prescriber", True, True),
        ("manager", True, False),
        ("auditor", False, False),
    ],
)
def test_who_may_do_what(client_as: Clients, site: Site, role: str, *, reads: bool, writes: bool) -> None:
    client = client_as(role, site)
    patient = PatientFactory.create(site=site)
    for response in (
        client.get(URL),
        client.get(f"{URL}{patient.pk}/"),
        client.post(f"{URL}search/", {"mrn": "x"}),
    ):
        assert response.status_code == (200 if reads else 403)
    assert client.post(URL, ana(site)).status_code == (201 if writes else 403)
    assert change(client, patient, first_name="Bo").status_code == (200 if writes else 403)


def test_patients_of_other_sites_do_not_exist(desk: APIClient) -> None:
    stranger = PatientFactory.create()
    assert desk.get(f"{URL}{stranger.pk}/").status_code == 404
    assert change(desk, stranger, first_name="Bo").status_code == 404
    assert desk.get(URL).json()["results"] == []


def test_a_change_needs_the_current_version(desk: APIClient, site: Site) -> None:
    patient = PatientFactory.create(site=site)
    url = f"{URL}{patient.pk}/"
    assert desk.patch(url, {"first_name": "Bo"}).status_code == 428
    changed = change(desk, patient, first_name="Bo", phone=None)
    assert (changed.status_code, changed["ETag"], changed.json()["phone"]) == (200, '"2"', "")
    stale = change(desk, patient, first_name="Cy")
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    assert Patient.objects.get(pk=patient.pk).first_name == "Bo"


def test_an_mrn_is_replaced_but_not_taken_away(desk: APIClient, site: Site) -> None:
    patient = PatientFactory.create(site=site)
    for nothing in (None, ""):
        refused = change(desk, patient, mrn=nothing)
        assert (refused.status_code, codes(refused)) == (400, {("/mrn", "blank")})
    assert change(desk, patient, mrn="n-1").json()["mrn"] == "N-1"


def test_preferences_show_what_is_in_force_and_are_appended(desk: APIClient, site: Site) -> None:
    patient = desk.post(URL, ana(site)).json()
    url, etag = f"{URL}{patient['id']}/", {"If-Match": '"1"'}
    changed = desk.patch(url, {"contact_preferences": {"sms": False}}, headers=etag).json()
    assert changed["contact_preferences"] == {"email": False, "sms": False}
    said = Consent.objects.order_by("id").values_list("channel", "granted", "source")
    assert list(said) == [("sms", True, "registration"), ("sms", False, "staff")]


def test_the_list_filters_by_site_and_status_only(client_as: Clients, site: Site) -> None:
    other = SiteFactory.create()
    client = client_as("nurse", site, other)
    here = PatientFactory.create(site=site)
    there = PatientFactory.create(site=other, status="inactive")

    def ids(query: str) -> list[int]:
        return [row["id"] for row in client.get(f"{URL}?{query}").json()["results"]]

    assert ids("") == [here.pk, there.pk]
    assert ids(f"site={site.pk}") == [here.pk]
    assert ids("status=inactive") == [there.pk]
    for query in ("last_name=Reyes", "mrn=T1", "date_of_birth=1980-05-17", "status=gone", "site=x"):
        assert client.get(f"{URL}?{query}").status_code == 400, query
    invisible = PatientFactory.create()
    assert ids(f"site={invisible.site_id}") == []


def test_no_link_holds_anything_personal(desk: APIClient, site: Site) -> None:
    for _ in range(3):
        PatientFactory.create(site=site, first_name="Zoraida", last_name="Quintero")
    page = desk.get(f"{URL}?limit=1").json()
    seen = [page["results"][0]["id"]]
    while page["next"]:
        assert not any(word in page["next"].lower() for word in ("zoraida", "quintero", "em9y", "cxvpbn"))
        page = desk.get(page["next"]).json()
        seen.append(page["results"][0]["id"])
    assert seen == sorted(seen)
    assert len(set(seen)) == 3


def test_the_number_of_queries_does_not_grow(
    desk: APIClient, site: Site, django_assert_num_queries: Callable[[int], CaptureQueriesContext]
) -> None:
    first, *_others = PatientFactory.create_batch(12, site=site)
    with django_assert_num_queries(2):  # roles, patients
        assert len(desk.get(URL).json()["results"]) == 12
    with django_assert_num_queries(1):
        assert len(desk.post(f"{URL}search/", {"query": "ana"}).json()["results"]) == 12
    with django_assert_num_queries(1):
        assert desk.get(f"{URL}{first.pk}/").status_code == 200
