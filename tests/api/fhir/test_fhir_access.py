"""Who reads what of FHIR: every kind x every role x own and other site, without and with a token."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from rest_framework.test import APIClient

from clinic.access import tokens
from clinic.access.models import User
from clinic.common import clock
from scheduling.fhir.served import KINDS
from tests.api.fhir.conftest import BASE, Records, bundle, matches, posted, refusal
from tests.fakes.fhir_validator import refuse_invalid

ROLES = ("front_desk", "nurse", "prescriber", "manager", "auditor")
STAFF = {"front_desk", "nurse", "prescriber", "manager"}
CLINICAL = {"nurse", "prescriber"}
READERS = {
    "Patient": STAFF,
    "Location": set(ROLES),
    "Schedule": set(ROLES),
    "Slot": STAFF,
    "Appointment": STAFF,
    "MedicationRequest": CLINICAL,
    "QuestionnaireResponse": CLINICAL,
    "Observation": CLINICAL,
}


def test_every_kind_is_in_the_table() -> None:
    assert {kind.type for kind in KINDS} == set(READERS)


@pytest.mark.parametrize("role", ROLES)
def test_reads_and_searches_by_role(
    role: str, records: Records, elsewhere: Records, client_as: Callable[..., APIClient]
) -> None:
    client = client_as(role, records.site)
    for kind, pk in records.ids().items():
        own, other = client.get(f"{BASE}/{kind}/{pk}"), client.get(f"{BASE}/{kind}/{elsewhere.ids()[kind]}")
        if role in READERS[kind]:
            assert own.status_code == 200, (kind, own.content)
            assert own.json()["id"] == pk
            refuse_invalid(own.json())
            assert refusal(other, 404) == "not_found"
            found = bundle(client, kind)
            assert pk in matches(found)
            assert elsewhere.ids()[kind] not in matches(found)
            assert f"Patient/{elsewhere.patient.pk}" not in str(found)
        else:
            assert {refusal(own, 403), refusal(other, 403)} == {"forbidden"}
            assert refusal(client.get(f"{BASE}/{kind}"), 403) == "forbidden"
            assert refusal(posted(client, kind, {}), 403) == "forbidden"


@pytest.mark.parametrize("role", ROLES)
def test_slots_by_role(
    role: str, records: Records, elsewhere: Records, client_as: Callable[..., Any]
) -> None:
    client = client_as(role, records.site)
    own, other = (f"Slot?schedule={each.chair.pk}" for each in (records, elsewhere))
    if role in READERS["Slot"]:
        slots = matches(bundle(client, own))
        assert slots
        assert client.get(f"{BASE}/Slot/{slots[0]}").status_code == 200
        assert matches(bundle(client, other)) == []
    else:
        assert refusal(client.get(f"{BASE}/{own}"), 403) == "forbidden"


def test_scores_and_vitals_need_the_role_at_that_site(
    records: Records, elsewhere: Records, client_as: Callable[..., APIClient]
) -> None:
    """A nurse here who is front desk there reads no scores from there."""
    client = client_as("nurse", records.site)
    user: User = client.user  # type: ignore[attr-defined]
    user.memberships.create(site=elsewhere.site, role="front_desk")
    assert elsewhere.ids()["Patient"] in matches(bundle(client, "Patient"))
    for kind in ("MedicationRequest", "QuestionnaireResponse", "Observation"):
        assert f"Patient/{elsewhere.patient.pk}" not in str(bundle(client, kind))
        assert refusal(client.get(f"{BASE}/{kind}/{elsewhere.ids()[kind]}"), 404) == "not_found"


@pytest.mark.parametrize("kind", READERS)
def test_without_a_token(kind: str, db: None) -> None:
    client = APIClient()
    for answer in (
        client.get(f"{BASE}/{kind}"),
        client.get(f"{BASE}/{kind}/1"),
        posted(client, kind, {}),
    ):
        assert refusal(answer, 401) == "not_authenticated"
        assert answer["WWW-Authenticate"] == "Token"


def test_a_token_of_the_api_opens_it(records: Records, client_as: Callable[..., APIClient]) -> None:
    user = client_as("nurse", records.site).user  # type: ignore[attr-defined]
    secret, _token = tokens.issue(user=user, lifetime=timedelta(hours=1), wall=clock.wall())
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    assert matches(bundle(client, "Patient")) == [str(records.patient.pk)]
    client.credentials(HTTP_AUTHORIZATION="Token wrong")
    assert refusal(client.get(f"{BASE}/Patient"), 401) == "not_authenticated"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_is_written(method: str, records: Records, nurse: APIClient) -> None:
    for kind in READERS:
        for path in (f"{BASE}/{kind}/1", f"{BASE}/{kind}"):
            answer = getattr(nurse, method)(path, "", content_type="application/x-www-form-urlencoded")
            assert refusal(answer, 405) == "method_not_allowed", path


def test_what_is_not_there_is_an_outcome_too(nurse: APIClient) -> None:
    for path in ("Practitioner", "Patient/1/_history", "Patient/1/", "Patient/", "", "nonsense/7"):
        assert refusal(nurse.get(f"{BASE}/{path}"), 404) == "not_found"


def test_the_capability_statement_is_for_everybody(db: None) -> None:
    answer = APIClient().get(f"{BASE}/metadata")
    assert answer.status_code == 200
    statement = answer.json()
    refuse_invalid(statement)
    [rest] = statement["rest"]
    assert {each["type"] for each in rest["resource"]} == set(READERS)
    assert {each["code"] for kind in rest["resource"] for each in kind["interaction"]} == {
        "read",
        "search-type",
    }
    declared = {each["type"]: {one["name"] for one in each["searchParam"]} for each in rest["resource"]}
    assert declared["Patient"] == {"_id", "identifier", "name", "birthdate", "phone"}
    assert declared["Appointment"] == {"_id", "patient", "date", "status", "location"}


@pytest.mark.usefixtures("empty_cache")
def test_it_is_throttled_as_the_api(
    records: Records, nurse: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clinic.api.throttles.UserThrottle.THROTTLE_RATES", {"user": "2/min"})
    answers = [nurse.get(f"{BASE}/Patient") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert refusal(answers[-1], 429) == "throttled"
    assert int(answers[-1]["Retry-After"]) > 0


@override_settings(ALLOWED_HOSTS=["clinic.example"])
def test_a_wrong_host_is_an_outcome(db: None) -> None:
    answer = APIClient(raise_request_exception=False).get(f"{BASE}/metadata", HTTP_HOST="evil.example")
    assert refusal(answer, 400) == "bad_request"


def test_a_fault_of_ours_is_an_outcome(
    records: Records, nurse: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("scheduling.fhir.views.searchset", fail)
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(nurse.user)  # type: ignore[attr-defined]
    answer = client.get(f"{BASE}/Patient")
    assert answer.status_code == 500
    refuse_invalid(answer.json())
    assert "a fault of ours" not in answer.content.decode()
