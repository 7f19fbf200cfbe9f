"""The second factor in the browser and over the API: asked for, used once, required by role, taken away."""

import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from clinic.access import second_factor
from clinic.access.actors import actor_of
from clinic.access.models import SecondFactorReset, SignIn, Site, User
from clinic.common.errors import Forbidden, Invalid
from tests.factories import SiteFactory, UserFactory
from tests.factories.racing import at_once
from tests.integration.sign_in.conftest import API_LOGIN, LOGIN, MOMENT, PASSWORD, code, is_in

CODE = "/account/second-factor/code/"
STEP = timedelta(seconds=30)


def api(**body: str) -> Any:
    return APIClient().post(API_LOGIN, {"username": "nora", "password": PASSWORD, **body})


@pytest.mark.django_db
class TestCodes:
    def test_a_password_alone_does_not_open_the_admin(
        self, person: Callable[..., User], sign_in: Callable[..., Client], wall: Any
    ) -> None:
        person("nurse", app=True)
        client = sign_in()
        assert not is_in(client)
        assert client.get(LOGIN).status_code == 302  # back to the second step
        wrong = client.post(CODE, {"code": "000000"})
        assert "wrong, too old or already used" in wrong.content.decode()
        assert not is_in(client)
        client.post(CODE, {"code": code(MOMENT)})
        assert is_in(client)

    @pytest.mark.parametrize(
        ("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
    )
    def test_a_phones_clock_may_be_one_step_off(
        self, steps: int, accepted: bool, person: Callable[..., User], wall: Any
    ) -> None:
        person("nurse", app=True)
        answer = api(otp=code(MOMENT + steps * STEP))
        assert answer.status_code == (200 if accepted else 401)
        if not accepted:
            assert answer.json()["code"] == "otp_invalid"

    def test_a_code_is_good_once_whichever_door(
        self, person: Callable[..., User], sign_in: Callable[..., Client], wall: Any
    ) -> None:
        person("nurse", app=True)
        assert is_in(sign_in(otp=code(MOMENT)))
        assert api(otp=code(MOMENT)).json()["code"] == "otp_invalid"
        assert not is_in(sign_in(otp=code(MOMENT)))
        assert api(otp=code(MOMENT - STEP)).json()["code"] == "otp_invalid"  # an older one neither
        wall.shift(STEP)
        assert api(otp=code(MOMENT + STEP)).status_code == 200

    def test_the_api_says_that_it_wants_one(self, person: Callable[..., User], wall: Any) -> None:
        person("front_desk", app=True)
        answer = api()
        assert (answer.status_code, answer.json()["code"]) == (401, "otp_required")
        assert answer["WWW-Authenticate"] == "Token"
        assert APIClient().post(API_LOGIN, {"username": "nora", "password": "x"}).json()["code"] == (
            "not_authenticated"
        )

    def test_recovery_codes_work_once_each(
        self, person: Callable[..., User], sign_in: Callable[..., Client], wall: Any
    ) -> None:
        user = person("nurse", app=True)
        recovery = Authenticator.objects.create(
            user=user, type="recovery_codes", data={"seed": "5" * 80, "used_mask": 0}
        )
        first, second = recovery.wrap().generate_codes()[:2]
        assert is_in(sign_in(otp=first))
        assert not is_in(sign_in(otp=first))
        assert api(otp=second).status_code == 200
        assert api(otp=second).status_code == 401


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_two_who_send_the_same_code_at_once_one_gets_in(person: Callable[..., User], wall: Any) -> None:
    person("nurse", app=True)
    sent = code(MOMENT)
    statuses = at_once([lambda: api(otp=sent).status_code] * 4)
    assert sorted(map(str, statuses)) == ["200", "401", "401", "401"]
    assert SignIn.objects.count() == 1


@pytest.mark.django_db
class TestRequired:
    @pytest.fixture(autouse=True)
    def _required(self, settings: Any) -> None:
        settings.MFA_REQUIRED_ROLES = ["nurse", "superuser"]

    def test_without_one_a_nurse_can_only_enrol(
        self, person: Callable[..., User], sign_in: Callable[..., Client], site: Site
    ) -> None:
        person("nurse")
        client = sign_in()
        for page in ("/admin/", "/admin/patients/patient/", "/admin/password_change/"):
            assert client.get(page)["Location"] == "/account/second-factor/", page
        assert client.post("/admin/access/user/add/").status_code == 302
        assert "Your role needs one" in client.get("/account/second-factor/").content.decode()
        assert client.get("/api/v1/sites/").json()["code"] == "second_factor_required"
        answer = api()
        assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")

    def test_enrolling_opens_the_admin_and_shows_recovery_codes_once(
        self,
        person: Callable[..., User],
        sign_in: Callable[..., Client],
        wall: Any,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        user = person("nurse")
        client = sign_in()
        page = client.get("/account/second-factor/app/").content.decode()
        assert "data:image/svg+xml;base64," in page
        found = re.search(r'onset-secret">([A-Z2-7]+)<', page)
        assert found is not None
        secret = found[1]
        refused = client.post("/account/second-factor/app/", {"code": "000000"})
        assert refused.status_code == 200
        assert not second_factor.enrolled(user)
        with django_capture_on_commit_callbacks(execute=True):
            done = client.post("/account/second-factor/app/", {"code": code(MOMENT, secret=secret)})
        assert done["Location"] == "/account/second-factor/recovery/"
        shown = client.get("/account/second-factor/recovery/").content.decode()
        codes = re.findall(r"^\d{8}$", re.sub(r".*aria-label=\"Recovery codes\">", "", shown), re.MULTILINE)
        assert len(set(codes)) == 10
        again = client.get("/account/second-factor/recovery/").content.decode()
        assert not any(each in again for each in codes)
        assert is_in(client)
        # The code that enrolled was seen on a screen: it does not sign in as well.
        assert api(otp=code(MOMENT, secret=secret)).json()["code"] == "otp_invalid"
        wall.shift(2 * STEP)
        assert api(otp=code(MOMENT + 2 * STEP, secret=secret)).status_code == 200

    def test_a_token_from_before_the_rule_does_nothing(
        self, person: Callable[..., User], settings: Any
    ) -> None:
        settings.MFA_REQUIRED_ROLES = []
        person("nurse")
        client = APIClient(HTTP_AUTHORIZATION=f"Token {api().json()['token']}")
        assert client.get("/api/v1/sites/").status_code == 200
        settings.MFA_REQUIRED_ROLES = ["nurse"]
        assert client.get("/api/v1/sites/").json()["code"] == "second_factor_required"
        assert client.post("/api/v1/auth/logout/").status_code == 204

    def test_other_roles_go_on_with_a_password(
        self, person: Callable[..., User], sign_in: Callable[..., Client]
    ) -> None:
        person("front_desk")
        assert is_in(sign_in())
        assert api().status_code == 200

    def test_superusers_need_one(self, person: Callable[..., User], sign_in: Callable[..., Client]) -> None:
        person(is_superuser=True)
        assert not is_in(sign_in())

    def test_removing_the_last_one_leads_back_to_enrolling(
        self, person: Callable[..., User], sign_in: Callable[..., Client], wall: Any
    ) -> None:
        person("nurse", app=True)
        client = sign_in(otp=code(MOMENT))
        assert is_in(client)
        assert client.post("/account/second-factor/app/remove/").status_code == 302
        assert client.get("/admin/")["Location"] == "/account/second-factor/"

    def test_the_password_is_asked_again_before_anything_changes(
        self, person: Callable[..., User], sign_in: Callable[..., Client], wall: Any
    ) -> None:
        user = person("nurse", app=True)
        client = sign_in(otp=code(MOMENT))
        wall.shift(timedelta(minutes=6))
        asked = client.post("/account/second-factor/app/remove/")
        assert asked["Location"].startswith("/account/reauthenticate/")
        assert second_factor.enrolled(user)
        client.post(asked["Location"], {"password": "wrong"})
        assert second_factor.enrolled(user)
        client.post(asked["Location"], {"password": PASSWORD})
        assert not second_factor.enrolled(user)


@pytest.mark.django_db
class TestReset:
    def test_a_manager_resets_it_with_a_reason(
        self, person: Callable[..., User], sign_in: Callable[..., Client], site: Site, wall: Any
    ) -> None:
        nurse, manager = person("nurse", app=True), person("manager", username="max")
        client, boss = sign_in(otp=code(MOMENT)), sign_in("max")
        page = f"/admin/access/user/{nurse.pk}/second-factor/reset/"
        assert boss.get(page).status_code == 200
        assert boss.post(page, {"reason": "  "}).status_code == 200
        assert second_factor.enrolled(nurse)
        assert boss.post(page, {"reason": "Phone lost"}).status_code == 302
        assert not second_factor.enrolled(nurse)
        assert not is_in(client)
        row = SecondFactorReset.objects.get()
        assert (row.user, row.by, row.reason) == (nurse, manager, "Phone lost")
        assert "Phone lost" in boss.get(f"/admin/access/user/{nurse.pk}/change/").content.decode()

    def test_not_ones_own_nor_of_somebody_who_also_works_elsewhere(
        self, person: Callable[..., User], site: Site, wall: Any
    ) -> None:
        manager = person("manager")
        elsewhere = UserFactory.create(roles={site: ["nurse"], SiteFactory.create(): ["nurse"]})
        chief = UserFactory.create(roles={site: ["nurse"]}, is_superuser=True)
        for user, refused in ((manager, "own_factor"), (elsewhere, "forbidden"), (chief, "forbidden")):
            with pytest.raises(Forbidden) as caught:
                second_factor.reset(actor=actor_of(manager), wall=MOMENT, user_id=user.pk, reason="lost")
            assert caught.value.code == refused
        with pytest.raises(Invalid):
            second_factor.reset(actor=actor_of(manager), wall=MOMENT, user_id=manager.pk, reason=" ")
        assert not SecondFactorReset.objects.exists()

    def test_nurses_open_no_such_page(
        self, person: Callable[..., User], sign_in: Callable[..., Client]
    ) -> None:
        person("nurse")
        other = person("nurse", username="olga")
        assert sign_in().get(f"/admin/access/user/{other.pk}/second-factor/reset/").status_code == 403


@pytest.mark.django_db
def test_the_server_resets_it_when_nobody_else_may(person: Callable[..., User]) -> None:
    chief = person(is_superuser=True, app=True)
    call_command("reset_second_factor", "nora", "--reason", "phone lost", stdout=StringIO())
    assert not second_factor.enrolled(chief)
    assert SecondFactorReset.objects.get().by is None
    with pytest.raises(CommandError):
        call_command("reset_second_factor", "nobody", "--reason", "phone lost")


@pytest.mark.django_db
def test_no_admin_page_shows_what_allauth_keeps(superuser_client: Client) -> None:
    assert superuser_client.get("/admin/mfa/authenticator/").status_code == 404
    assert superuser_client.get("/admin/account/emailaddress/").status_code == 404


@pytest.fixture
def superuser_client(db: None) -> Client:
    """Somebody who sees everything."""
    client = Client()
    client.force_login(UserFactory.create(is_superuser=True))
    return client
