"""Tokens of programs: what they may do and nothing else, who makes them, and their end."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from clinic.access import service_tokens
from clinic.access.actors import actor_of
from clinic.access.models import ServiceToken, Site, User
from clinic.common.errors import Forbidden, Invalid, NotFound
from tests.factories import PatientFactory, SiteFactory
from tests.integration.sign_in.conftest import API_LOGIN, LOGIN, MOMENT

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(person: Callable[..., User]) -> User:
    """Of the site."""
    return person("manager", username="max")


@pytest.fixture
def make(manager: User, site: Site, wall: Any) -> Callable[..., tuple[APIClient, ServiceToken]]:
    """A program with these scopes at the site."""

    def issue(*scopes: str, days: int = 30) -> tuple[APIClient, ServiceToken]:
        secret, token = service_tokens.issue(
            actor=actor_of(manager),
            wall=MOMENT,
            name="Lab feed",
            site_ids=[site.pk],
            scopes=scopes,
            expires_at=MOMENT + timedelta(days=days),
        )
        return APIClient(HTTP_AUTHORIZATION=f"Token {secret}"), token

    return issue


Make = Callable[..., tuple[APIClient, ServiceToken]]


def test_scopes_at_sites_and_nothing_else(make: Make, site: Site) -> None:
    mine, other = PatientFactory.create(site=site), PatientFactory.create(site=SiteFactory.create())
    client, token = make("patients.read", "patients.write")
    assert client.get(f"/api/v1/patients/{mine.pk}/").status_code == 200
    assert client.get(f"/api/v1/patients/{other.pk}/").status_code == 404
    assert client.get("/api/v1/appointments/").status_code == 403
    assert client.get("/api/v1/assessments/").status_code == 403
    written = client.patch(f"/api/v1/patients/{mine.pk}/", {"preferred_name": "Mimi"}, HTTP_IF_MATCH="*")
    assert written.status_code == 200
    assert client.post("/api/v1/auth/logout/").status_code == 403
    token.refresh_from_db()
    assert token.last_used_at == MOMENT


def test_reading_is_not_writing(make: Make, site: Site) -> None:
    patient = PatientFactory.create(site=site)
    client, _token = make("patients.read")
    refused = client.patch(f"/api/v1/patients/{patient.pk}/", {"preferred_name": "Mimi"}, HTTP_IF_MATCH="*")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_it_ends_by_time_and_by_hand(make: Make, manager: User, wall: Any) -> None:
    client, token = make("patients.read", days=2)
    wall.shift(timedelta(days=1))
    assert client.get("/api/v1/patients/").status_code == 200
    wall.shift(timedelta(days=1))
    assert client.get("/api/v1/patients/").status_code == 401
    client, token = make("patients.read")
    service_tokens.revoke(actor=actor_of(manager), wall=MOMENT, token_id=token.pk)
    assert client.get("/api/v1/patients/").status_code == 401


def test_its_account_never_signs_in(make: Make) -> None:
    _client, token = make("patients.read")
    name = token.user.username
    assert APIClient().post(API_LOGIN, {"username": name, "password": ""}).status_code == 400
    assert APIClient().post(API_LOGIN, {"username": name, "password": "!"}).status_code == 401
    assert "wrong" in Client().post(LOGIN, {"login": name, "password": "!"}).content.decode()


def test_nobody_gives_what_they_do_not_manage(manager: User, person: Callable[..., User], site: Site) -> None:
    nurse, elsewhere = person("nurse"), SiteFactory.create()
    soon = MOMENT + timedelta(days=1)
    cases: list[tuple[User, list[int], list[str], Any, type[Exception]]] = [
        (nurse, [site.pk], ["patients.read"], soon, Forbidden),
        (manager, [site.pk, elsewhere.pk], ["patients.read"], soon, NotFound),
        (manager, [site.pk], ["staff.write"], soon, Invalid),
        (manager, [site.pk], ["everything"], soon, Invalid),
        (manager, [site.pk], [], soon, Invalid),
        (manager, [site.pk], ["patients.read"], MOMENT, Invalid),
        (manager, [site.pk], ["patients.read"], MOMENT + timedelta(days=731), Invalid),
    ]
    for who, sites, scopes, until, refusal in cases:
        with pytest.raises(refusal):
            service_tokens.issue(
                actor=actor_of(who), wall=MOMENT, name="x", site_ids=sites, scopes=scopes, expires_at=until
            )
    assert not ServiceToken.objects.exists()
    assert not User.objects.filter(username__startswith="service-").exists()


def test_a_manager_makes_one_sees_it_once_and_revokes_it(
    manager: User, sign_in: Callable[..., Client], site: Site
) -> None:
    boss = sign_in("max")
    given = {"name": "Lab feed", "sites": [site.pk], "scopes": ["patients.read"], "days": 30}
    made = boss.post("/admin/access/servicetoken/add/", given)
    assert "no-store" in made["Cache-Control"]
    found = re.search(r'id="secret">(onset_[\w-]+)<', made.content.decode())
    assert found is not None
    secret = found[1]
    client = APIClient(HTTP_AUTHORIZATION=f"Token {secret}")
    assert client.get("/api/v1/patients/").status_code == 200
    [token] = ServiceToken.objects.all()
    page = f"/admin/access/servicetoken/{token.pk}/change/"
    shown = boss.get(page).content.decode()
    assert secret not in shown
    assert secret[:12] in shown
    assert "Lab feed" not in boss.get("/admin/access/user/").content.decode()  # a program is no person
    assert boss.post(f"/admin/access/servicetoken/{token.pk}/revoke/").status_code == 302
    assert client.get("/api/v1/patients/").status_code == 401
    assert "revoked" in boss.get(page).content.decode()
