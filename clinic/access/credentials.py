"""What the sign-in pages ask: a code, a passkey. Each counts as a try before it is looked at."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar

from allauth.account.forms import LoginForm, ReauthenticateForm
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm, AuthenticateWebAuthnForm
from cryptography.exceptions import InvalidSignature
from django import forms
from django.http import HttpRequest
from django.template.response import TemplateResponse
from unfold.forms import AdminOwnPasswordChangeForm
from unfold.widgets import BASE_INPUT_CLASSES

from clinic.access import second_factor, tries
from clinic.access.models import CredentialTry
from clinic.access.tries import Kind
from clinic.common import clock

_NO_PASSKEY = (AttributeError, InvalidSignature, LookupError, TypeError, ValueError, struct.error)
_WRONG = "This code is wrong, too old or already used. Wait for the next one."


def take(*, kind: CredentialTry.Kind, username: str, wall: datetime) -> tries.Taken:
    """Count one try of this request. Raises ImmediateHttpResponse (a 429 page) after too many failures."""
    request: HttpRequest = context.request
    taken = tries.take(kind=kind, username=username, address=request.META.get("REMOTE_ADDR", ""), wall=wall)
    if taken.locked_until is not None:
        wait = taken.locked_until - wall
        minutes = int(wait.total_seconds() // 60) + 1
        page = TemplateResponse(request, "account/locked.html", {"minutes": minutes}, status=429)
        page["Retry-After"] = str(int(wait.total_seconds()) + 1)
        raise ImmediateHttpResponse(page)
    return taken


@contextmanager
def trying(user: Any, wall: datetime) -> Iterator[None]:
    """Look at a second factor within; what raises counts as a failure."""
    taken = take(kind=Kind.CODE, username=user.get_username(), wall=wall)
    yield
    tries.passed(taken=taken)


@contextmanager
def readable() -> Iterator[None]:
    """Refuse in words what is no passkey at all; allauth lets most of what fido2 raises then pass."""
    try:
        yield
    except _NO_PASSKEY as error:
        raise forms.ValidationError("This passkey was not accepted. Try again.") from error


class Dressed(forms.Form):
    """A form of allauth's in Unfold's looks."""

    attributes: ClassVar[dict[str, dict[str, Any]]] = {}
    """What else the browser is told about a field."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs |= {"class": " ".join(BASE_INPUT_CLASSES), **self.attributes.get(name, {})}
            field.widget.attrs.pop("placeholder", None)


class PasswordForm(Dressed, LoginForm):
    """Name and password."""

    attributes = {"login": {"autofocus": True, "autocapitalize": "none"}}


class AgainForm(Dressed, ReauthenticateForm):
    """The password once more."""

    attributes = {"password": {"autofocus": True}}


class NewPasswordForm(AdminOwnPasswordChangeForm):
    """Changing one's own password: the old one is a try like any other."""

    def clean_old_password(self) -> str:
        """Right."""
        taken = take(kind=Kind.PASSWORD, username=self.user.get_username(), wall=clock.wall())
        old: str = super().clean_old_password()
        tries.passed(taken=taken)
        return old


class CodeForm(Dressed, AuthenticateForm):
    """The code of the authenticator app, or a recovery code."""

    attributes = {"code": {"inputmode": "numeric", "autofocus": True, "maxlength": 16}}

    def clean_code(self) -> str:
        """Right, and not used before."""
        code: str = self.cleaned_data["code"]
        wall = clock.wall()
        with trying(self.user, wall):
            right = second_factor.check_code(user_id=self.user.pk, code=code, wall=wall)
            if right is None:
                raise forms.ValidationError(_WRONG)
        right.user = self.user
        self.authenticator = right
        return code


class PasskeyForm(AuthenticateWebAuthnForm):
    """What the browser answers to the challenge."""

    def clean_credential(self) -> Authenticator:
        """Signed by one of the person's passkeys."""
        with trying(self.user, clock.wall()), readable():
            authenticator: Authenticator = super().clean_credential()
        return authenticator


class NewPasskeyForm(Dressed, AddWebAuthnForm):
    """A passkey and the name it gets."""

    attributes = {"name": {"maxlength": 40}}

    def clean(self) -> dict[str, Any]:
        """Made for our challenge."""
        with readable():
            cleaned: dict[str, Any] = super().clean() or {}
        return cleaned


class EnrolForm(Dressed, ActivateTOTPForm):
    """The first code of an authenticator app shows that it holds the secret."""

    attributes = {"code": {"inputmode": "numeric", "maxlength": 8}}

    def clean_code(self) -> str:
        """Right for the secret that was shown."""
        with trying(self.user, clock.wall()):
            code: str = super().clean_code()
        return code
