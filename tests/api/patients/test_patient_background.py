"""/patients/{id}/consents/ and /conditions/ over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Patient, PatientCondition
from tests.conftest import codes
from tests.factories import PatientFactory, SiteFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

Clients = Callable[..., APIClient]


@pytest.fixture
def patient(site: Site) -> Patient:
    return PatientFactory.create(site=site)


def url(patient: Patient, what: str) -> str:
    return f"/api/v1/patients/{patient.pk}/{what}/"


def test_consents_are_appended_and_listed_latest_first(
    client_as: Clients, site: Site, patient: Patient
) -> None:
    desk = client_as("front_desk", site)
    said = desk.post(url(patient, "consents"), {"channel": "sms", "granted": False})
    assert said.status_code == 201
    assert said.json().keys() == {
        "id",
        "channel",
        "purpose",
        "granted",
        "source",
        "recorded_at",
        "recorded_by",
    }
    assert (said.json()["purpose"], said.json()["source"]) == ("care", "staff")
    frequent = {"channel": "sms", "purpose": "frequent", "granted": True, "source": "registration"}
    assert desk.post(url(patient, "consents"), frequent).status_code == 201
    listed = desk.get(url(patient, "consents")).json()["results"]
    assert [(row["purpose"], row["granted"]) for row in listed] == [("frequent", True), ("care", False)]
    shown = desk.get(f"/api/v1/patients/{patient.pk}/")
    assert shown.json()["contact_preferences"] == {"email": True, "sms": False}
    assert shown["ETag"] == '"2"'


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {"/channel", "/granted"}),
        ({"channel": "fax", "granted": True}, {"/channel"}),
        ({"channel": "sms", "granted": "perhaps"}, {"/granted"}),
        ({"channel": "sms", "granted": None}, {"/granted"}),
        ({"channel": "sms", "granted": True, "purpose": "adverts"}, {"/purpose"}),
        ({"channel": "sms", "granted": True, "source": "reply"}, {"/source"}),
        ({"channel": "sms", "granted": True, "source": "import"}, {"/source"}),
    ],
)
def test_what_is_no_consent_is_named(
    client_as: Clients, site: Site, patient: Patient, body: dict[str, Any], pointers: set[str]
) -> None:
    refused = client_as("nurse", site).post(url(patient, "consents"), body)
    assert refused.status_code == 400
    assert {pointer for pointer, _code in codes(refused)} == pointers


def test_if_match_is_honoured_where_it_is_sent(client_as: Clients, site: Site, patient: Patient) -> None:
    nurse = client_as("nurse", site)
    stale = {"If-Match": '"7"'}
    body = {"channel": "sms", "granted": False}
    assert nurse.post(url(patient, "consents"), body, headers=stale).status_code == 412
    condition = {"condition": "migraine"}
    assert nurse.post(url(patient, "conditions"), condition, headers=stale).status_code == 412
    assert nurse.post(url(patient, "consents"), body, headers={"If-Match": '"1"'}).status_code == 201


def test_conditions_are_recorded_and_listed(
    client_as: Clients,
    site: Site,
    patient: Patient,
    django_assert_num_queries: Callable[[int], CaptureQueriesContext],
) -> None:
    nurse = client_as("nurse", site)
    made = nurse.post(url(patient, "conditions"), {"condition": "crps", "onset_on": "2020-01-31"})
    assert made.status_code == 201
    assert made.json() | {"id": 0} == {
        "id": 0,
        "condition": "crps",
        "name": "Complex regional pain syndrome",
        "onset_on": "2020-01-31",
        "resolved_on": None,
        "source": "staff",
    }
    assert nurse.post(url(patient, "conditions"), {"condition": "migraine"}).status_code == 201
    with django_assert_num_queries(2):  # the patient, the conditions with their names
        listed = nurse.get(url(patient, "conditions")).json()["results"]
    assert [row["condition"] for row in listed] == ["crps", "migraine"]


@pytest.mark.parametrize(
    ("body", "status", "fault"),
    [
        ({}, 400, ("/condition", "required")),
        ({"condition": "gout"}, 422, ("/condition", "unknown_condition")),
        ({"condition": "crps", "onset_on": "2027-01-05"}, 422, ("/onset_on", "in_the_future")),
        ({"condition": "crps", "onset_on": "1980-05-16"}, 422, ("/onset_on", "before_birth")),
        ({"condition": "crps", "onset_on": "31.1.2020"}, 400, ("/onset_on", "invalid")),
    ],
)
def test_what_cannot_be_recorded_is_named(
    client_as: Clients,
    site: Site,
    patient: Patient,
    body: dict[str, Any],
    status: int,
    fault: tuple[str, str],
) -> None:
    refused = client_as("prescriber", site).post(url(patient, "conditions"), body)
    assert (refused.status_code, codes(refused)) == (status, {fault})
    assert not PatientCondition.objects.exists()


def test_a_condition_is_recorded_once_per_onset(client_as: Clients, site: Site, patient: Patient) -> None:
    nurse = client_as("nurse", site)
    body = {"condition": "crps"}
    assert nurse.post(url(patient, "conditions"), body).status_code == 201
    again = nurse.post(url(patient, "conditions"), body)
    assert (again.status_code, again.json()["code"]) == (409, "condition_already_recorded")
    assert PatientCondition.objects.count() == 1


@pytest.mark.parametrize("role", ["front_desk", "manager", "auditor"])
def test_conditions_are_for_clinical_roles(
    client_as: Clients, site: Site, patient: Patient, role: str
) -> None:
    client = client_as(role, site)
    assert client.get(url(patient, "conditions")).status_code == 403
    assert client.post(url(patient, "conditions"), {"condition": "crps"}).status_code == 403


def test_a_nurse_elsewhere_is_front_desk_here(client_as: Clients, site: Site, patient: Patient) -> None:
    client = client_as("nurse", SiteFactory.create())
    client.user.memberships.create(site=site, role="front_desk")  # type: ignore[attr-defined]
    assert client.get(f"/api/v1/patients/{patient.pk}/").status_code == 200
    assert client.get(url(patient, "conditions")).status_code == 403
    assert client.post(url(patient, "conditions"), {"condition": "crps"}).status_code == 403


@pytest.mark.parametrize("what", ["consents", "conditions"])
def test_other_sites_patients_do_not_exist(client_as: Clients, patient: Patient, what: str) -> None:
    stranger = client_as("nurse", SiteFactory.create())
    body = {"channel": "sms", "granted": False, "condition": "crps"}
    assert stranger.get(url(patient, what)).status_code == 404
    assert stranger.post(url(patient, what), body).status_code == 404


@pytest.mark.parametrize("what", ["consents", "conditions"])
def test_unknown_parameters_are_refused(client_as: Clients, site: Site, patient: Patient, what: str) -> None:
    assert client_as("nurse", site).get(f"{url(patient, what)}?name=x").status_code == 400
