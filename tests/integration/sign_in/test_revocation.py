"""What ends sign-ins at once: another password, no account, fewer roles, one's own and a manager's wish."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from clinic.access import services, tokens
from clinic.access.actors import actor_of
from clinic.access.models import SignIn, Site, User
from clinic.access.policy import Role
from tests.conftest import NOW
from tests.factories import SiteFactory, UserFactory
from tests.integration.sign_in.conftest import API_LOGIN, PASSWORD, is_in

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def nora(person: Callable[..., User]) -> User:
    """At the front desk and a nurse."""
    return person("front_desk", "nurse")


@pytest.fixture
def boss(person: Callable[..., User], sign_in: Callable[..., Client]) -> Client:
    """The manager's browser."""
    person("manager", username="max")
    return sign_in("max")


def program(username: str = "nora") -> APIClient:
    token = APIClient().post(API_LOGIN, {"username": username, "password": PASSWORD}).json()["token"]
    return APIClient(HTTP_AUTHORIZATION=f"Token {token}")


def works(client: APIClient) -> bool:
    return client.get("/api/v1/sites/").status_code == 200


def test_another_password_ends_everything_but_the_browser_that_set_it(
    nora: User, sign_in: Callable[..., Client]
) -> None:
    here, elsewhere, token = sign_in(), sign_in(), program()
    new = "another good password"
    given = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert here.post("/admin/password_change/", given).status_code == 302
    assert is_in(here)
    assert not is_in(elsewhere)
    assert not works(token)


def test_a_password_set_anywhere_ends_tokens(nora: User) -> None:
    token = program()
    assert works(token)
    nora.set_password("set on the server")
    nora.save()
    assert not works(token)


def test_an_account_made_inactive_ends_and_stays_ended(
    nora: User, boss: Client, sign_in: Callable[..., Client], site: Site
) -> None:
    browser, token = sign_in(), program()
    page = f"/admin/access/user/{nora.pk}/change/"
    form = boss.get(page).context["adminform"].form
    given = {
        "username": "nora",
        "roles": [f"{site.pk}:nurse", f"{site.pk}:front_desk"],
        "stamp": form.initial["stamp"],
    }
    assert boss.post(page, given).status_code == 302
    nora.refresh_from_db()
    assert not nora.is_active
    assert not is_in(browser)
    assert not works(token)
    User.objects.filter(pk=nora.pk).update(is_active=True)
    assert not is_in(browser)
    assert not works(token)


def test_a_role_taken_away_ends_sign_ins(
    nora: User, person: Callable[..., User], sign_in: Callable[..., Client], site: Site
) -> None:
    browser, token = sign_in(), program()
    manager = person("manager", username="max")
    services.revoke_role(actor=actor_of(manager), now=NOW, user_id=nora.pk, site_id=site.pk, role=Role.NURSE)
    assert not is_in(browser)
    assert not works(token)
    assert is_in(sign_in())


def test_one_sees_and_ends_ones_own(nora: User, sign_in: Callable[..., Client]) -> None:
    here, other, token = sign_in(), Client(HTTP_USER_AGENT=FIREFOX), program()
    other.post("/account/login/", {"login": "nora", "password": PASSWORD})
    page = here.get("/account/sign-ins/").content.decode()
    assert "Firefox on Windows" in page
    assert "API token" in page
    [firefox] = SignIn.objects.filter(agent="Firefox on Windows")
    here.post("/account/sign-ins/end/", {"sign_in": firefox.pk})
    assert not is_in(other)
    assert works(token)
    here.post("/account/sign-ins/end/")
    assert not works(token)
    assert is_in(here)


def test_nobody_ends_somebody_elses(nora: User, boss: Client, sign_in: Callable[..., Client]) -> None:
    browser = sign_in()
    [hers] = SignIn.objects.filter(user=nora)
    boss.post("/account/sign-ins/end/", {"sign_in": hers.pk})
    boss.post("/account/sign-ins/end/")
    assert is_in(browser)


def test_a_manager_signs_somebody_out_everywhere(
    nora: User, boss: Client, sign_in: Callable[..., Client], site: Site
) -> None:
    browser, token = sign_in(), program()
    page = f"/admin/access/user/{nora.pk}/sign-out/"
    assert boss.get(page).status_code == 200
    assert is_in(browser)
    assert boss.post(page).status_code == 302
    assert not is_in(browser)
    assert not works(token)
    elsewhere = UserFactory.create(roles={SiteFactory.create(): ["nurse"]})
    both = UserFactory.create(roles={site: ["nurse"], SiteFactory.create(): ["nurse"]})
    assert boss.post(f"/admin/access/user/{elsewhere.pk}/sign-out/").status_code == 404
    assert boss.post(f"/admin/access/user/{both.pk}/sign-out/").status_code == 403


def test_a_copy_of_a_left_session_is_worth_nothing(nora: User, sign_in: Callable[..., Client]) -> None:
    browser, copy = sign_in(), Client()
    kept = dict(browser.session.items())
    browser.post("/admin/logout/")
    copy.force_login(nora)
    session = copy.session
    session.update(kept)
    session.save()
    assert not is_in(copy)


def test_a_browsers_secret_is_no_token(nora: User, sign_in: Callable[..., Client]) -> None:
    secret = sign_in().session["onset_sign_in"]
    assert not works(APIClient(HTTP_AUTHORIZATION=f"Token {secret}"))
    assert not works(APIClient(HTTP_AUTHORIZATION="Token "))


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        (FIREFOX, "Firefox on Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Linux"),
        ("python-requests/2.32", "python-requests"),
        ("", "Unknown"),
        ("<script>alert(1)</script>", "Unknown"),
    ],
)
def test_agents_are_kept_coarsely(agent: str, shown: str) -> None:
    assert tokens.coarse(agent) == shown


def test_old_sign_ins_are_swept_when_one_begins(
    nora: User, wall: Any, sign_in: Callable[..., Client]
) -> None:
    sign_in()
    wall.shift(12 * 3600 + 1)
    sign_in()
    assert SignIn.objects.filter(user=nora).count() == 1
