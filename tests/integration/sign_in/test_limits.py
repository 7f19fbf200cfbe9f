"""Guessing is limited on every way in, per account and per address, with or without Redis."""

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings as configured
from django.test import Client
from rest_framework.test import APIClient

from clinic.access.models import CredentialTry, User
from clinic.embedded.ports import free_port
from tests.factories.racing import at_once
from tests.integration.sign_in.conftest import API_LOGIN, LOGIN, MOMENT, PASSWORD, code, is_in

WINDOW = timedelta(seconds=configured.SIGN_IN_WINDOW_SECONDS)
CODE = "/account/second-factor/code/"


@pytest.fixture(params=[True, False], ids=["redis", "no redis"])
def redis(request: pytest.FixtureRequest, settings: Any) -> None:
    """With the store of counts, and with nobody listening where it should be."""
    if not request.param:
        caches = copy.deepcopy(configured.CACHES)
        caches["default"]["LOCATION"] = f"redis://127.0.0.1:{free_port()}/0"
        settings.CACHES = caches


def browser_login(username: str, password: str, address: str = "127.0.0.1") -> Any:
    return Client().post(LOGIN, {"login": username, "password": password}, REMOTE_ADDR=address)


def api_login(username: str, password: str, **more: str) -> Any:
    return APIClient().post(API_LOGIN, {"username": username, "password": password, **more})


@pytest.mark.django_db
class TestPasswords:
    @pytest.mark.parametrize("door", [browser_login, api_login])
    def test_five_wrong_ones_lock_the_account_at_both_doors_until_retry_after(
        self, door: Callable[..., Any], person: Callable[..., User], redis: None, wall: Any
    ) -> None:
        person("front_desk")
        statuses = [door("NORA" if n % 2 else "nora", "wrong").status_code for n in range(5)]
        assert 429 not in statuses
        for way in (browser_login, api_login):
            locked = way("nora", PASSWORD)
            assert locked.status_code == 429
            assert int(locked["Retry-After"]) in {WINDOW.seconds, WINDOW.seconds + 1}
        assert "Wait 6 minutes" in browser_login("nora", PASSWORD).content.decode()
        wall.shift(WINDOW)
        assert api_login("nora", PASSWORD).status_code == 200

    def test_a_right_one_starts_the_account_afresh(self, person: Callable[..., User], wall: Any) -> None:
        person("front_desk")
        for _ in range(3):
            for _ in range(4):
                assert api_login("nora", "wrong").status_code == 401
            assert api_login("nora", PASSWORD).status_code == 200
        assert CredentialTry.objects.filter(forgiven=False).count() == 0

    @pytest.mark.parametrize("username", ["nora", "nobody", "gone"])
    def test_the_answer_does_not_tell_who_exists(
        self, username: str, person: Callable[..., User], wall: Any
    ) -> None:
        person("front_desk")
        person("front_desk", username="gone", is_active=False)
        wrong = PASSWORD if username == "gone" else "wrong"
        for n in range(7):
            answer = api_login(username, wrong)
            assert answer.status_code == (401 if n < 5 else 429)
            if n < 5:
                assert answer.json()["detail"] == "User name or password is wrong."
        page = browser_login(f"{username}2", "wrong").content.decode()
        assert "User name or password is wrong." in page

    def test_all_accounts_together_are_limited_per_address(
        self, person: Callable[..., User], wall: Any, settings: Any
    ) -> None:
        settings.SIGN_IN_TRIES_PER_ADDRESS = 6
        person("front_desk")
        for n in range(6):
            assert browser_login(f"guess{n}", "wrong", address="192.0.2.7").status_code == 200
        assert browser_login("nora", PASSWORD, address="192.0.2.7").status_code == 429
        assert browser_login("nora", PASSWORD, address="192.0.2.8").status_code == 302

    def test_changing_the_password_counts_too(
        self, person: Callable[..., User], sign_in: Callable[..., Client], wall: Any
    ) -> None:
        person("front_desk")
        client = sign_in()
        new = "another good password"
        given = {"old_password": "wrong", "new_password1": new, "new_password2": new}
        statuses = [client.post("/admin/password_change/", given).status_code for _ in range(6)]
        assert statuses == [200] * 5 + [429]
        given["old_password"] = PASSWORD
        assert client.post("/admin/password_change/", given).status_code == 429
        wall.shift(WINDOW)
        assert client.post("/admin/password_change/", given).status_code == 302

    def test_confirming_the_password_counts_too(
        self, person: Callable[..., User], sign_in: Callable[..., Client], wall: Any
    ) -> None:
        person("front_desk")
        client = sign_in()
        wall.shift(timedelta(minutes=6))
        page = "/account/reauthenticate/"
        assert [client.post(page, {"password": "no"}).status_code for _ in range(6)] == [200] * 5 + [429]


@pytest.mark.django_db
class TestSecondFactors:
    def test_five_wrong_codes_lock_it_at_both_doors(
        self, person: Callable[..., User], sign_in: Callable[..., Client], redis: None, wall: Any
    ) -> None:
        person("nurse", app=True)
        client = sign_in()
        statuses = [client.post(CODE, {"code": f"00000{n}"}).status_code for n in range(6)]
        assert statuses == [200] * 5 + [429]
        assert client.post(CODE, {"code": code(MOMENT)}).status_code == 429
        assert api_login("nora", PASSWORD, otp=code(MOMENT)).status_code == 429
        wall.shift(WINDOW)
        client.post(CODE, {"code": code(MOMENT + WINDOW)})
        assert is_in(client)

    def test_a_day_of_patient_guessing_is_limited(self, person: Callable[..., User], wall: Any) -> None:
        person("nurse", app=True)
        failed = 0
        for _ in range(8):
            for n in range(4):
                failed += api_login("nora", PASSWORD, otp=f"00000{n}").status_code == 401
            wall.shift(WINDOW)
        assert failed == configured.SECOND_FACTOR_TRIES_PER_DAY
        wall.shift(timedelta(days=1))
        assert api_login("nora", PASSWORD, otp="000000").status_code == 401

    def test_recovery_codes_and_passkeys_count_as_one(
        self, person: Callable[..., User], sign_in: Callable[..., Client], wall: Any
    ) -> None:
        user = person("nurse", app=True)
        kept = {"seed": "5" * 80, "used_mask": 0}
        Authenticator.objects.create(user=user, type="recovery_codes", data=kept)
        client = sign_in()
        for n in range(3):
            assert client.post(CODE, {"code": f"1234567{n}"}).status_code == 200
        for credential in ("7", '{"id": "x"}'):
            assert client.post(CODE, {"credential": credential}).status_code == 200
        assert client.post(CODE, {"credential": "7"}).status_code == 429

    @pytest.mark.parametrize(
        "credential",
        [
            "",
            "[]",
            "7",
            "null",
            '"x"',
            "{}",
            '{"id": "eA", "rawId": "eA", "response": {}}',
            '{"id": "eA", "rawId": "eA", "response": {"clientDataJSON": "e30", "authenticatorData": "eA"}}',
            '{"id": "eA", "rawId": "eA", "response": {"clientDataJSON": "e30", "signature": "eA"}}',
        ],
    )
    def test_what_is_no_passkey_is_refused_in_words(
        self, credential: str, person: Callable[..., User], sign_in: Callable[..., Client]
    ) -> None:
        person("nurse", app=True)
        client = sign_in()
        client.get(CODE)
        answer = client.post(CODE, {"credential": credential})
        assert answer.status_code == 200
        assert not is_in(client)
        desk = person("front_desk", username="olga")
        enrolling = sign_in("olga")
        enrolling.get("/account/second-factor/passkeys/add/")
        page = enrolling.post("/account/second-factor/passkeys/add/", {"credential": credential})
        assert page.status_code == 200
        assert not Authenticator.objects.filter(user=desk).exists()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_guessing_in_parallel_gains_nothing(person: Callable[..., User]) -> None:
    person("front_desk")
    came = at_once([lambda: api_login("nora", "wrong").status_code] * 12)
    assert sorted(map(str, came)) == ["401"] * 5 + ["429"] * 7
