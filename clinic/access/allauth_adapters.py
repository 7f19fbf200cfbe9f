"""Where django-allauth asks us: limits, who may sign in at all, which words it may say.

Of allauth only what the admin needs has an address (clinic/access/account_urls.py): no sign-up, no
mail, no social accounts.
"""

from datetime import timedelta
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed
from django.contrib.auth import authenticate
from django.dispatch import receiver
from django.http import HttpRequest
from django.urls import reverse

from clinic.access import credentials, second_factor, tries
from clinic.access.models import User
from clinic.access.tries import Kind
from clinic.common import clock

_PASSWORD_HOLDS = timedelta(minutes=5)
"""How long after the password it is not asked again before a second factor is changed."""
_SILENT = ("account/messages/", "mfa/messages/recovery_codes")


class AccountAdapter(DefaultAccountAdapter):
    """Names and passwords."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": "User name or password is wrong.",
        "incorrect_password": "This password is wrong.",
    }

    def authenticate(self, request: HttpRequest, **given: Any) -> User | None:
        """Staff only, counted as a try; the same answer, about as fast, for a name that nobody has."""
        wall = clock.wall()
        username = given.get("username", "")
        taken = credentials.take(kind=Kind.PASSWORD, username=username, wall=wall)
        user = authenticate(request, username=username, password=given.get("password", ""))
        if not isinstance(user, User) or not user.is_staff:
            return None
        tries.passed(taken=taken)
        return user

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Accounts are made by managers."""
        return False

    def is_reauthentication_required(self, *, app: str, **_: Any) -> bool:
        """Whoever has just given the password is not asked for it again."""
        request = context.request
        records = get_authentication_records(request, request.user)
        latest = max((each["at"] for each in records if each["method"] == "password"), default=0.0)
        return clock.wall().timestamp() - latest >= _PASSWORD_HOLDS.total_seconds()

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """By password: a stolen phone alone must not be able to change the second factor."""
        url = reverse("account_reauthenticate")
        return [{"id": "reauthenticate", "description": "Use your password", "url": url}]

    def add_message(
        self, request: Any, level: int, message_template: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """Nothing on coming and going, nor what the page says itself."""
        if not (message_template or "").startswith(_SILENT):
            super().add_message(request, level, message_template, *args, **kwargs)


class MfaAdapter(DefaultMFAAdapter):
    """Authenticators."""

    def generate_authenticator_name(self, user: Any, type: Any) -> str:  # noqa: A002 - allauth's name
        """Passkey, Passkey 2, …"""
        held = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return f"Passkey {held + 1}" if held else "Passkey"

    def _get_user_identifier(self, user: Any) -> str:
        return str(user.get_username())

    def _get_site_name(self) -> str:
        return "Onset"


@receiver(authenticator_added)
def added(sender: object, user: User, authenticator: Authenticator, **_: Any) -> None:
    """Enrolling shows possession: this sign-in counts as one with a second factor."""
    if authenticator.type == Authenticator.Type.TOTP:
        second_factor.use_up(authenticator, clock.wall())
    second_factor.passed_in(user, second_factor=True)


@receiver(authenticator_removed)
def removed(sender: object, user: User, **_: Any) -> None:
    """Without any factor left, no sign-in of the person counts as one with it."""
    if not second_factor.enrolled(user):
        second_factor.passed_in(user, second_factor=False)
