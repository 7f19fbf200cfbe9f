"""Recognises ``Authorization: Token …`` of people and programs. Session sign-in with CSRF works beside it."""

from datetime import datetime
from typing import Any

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from clinic.access import service_tokens, tokens
from clinic.access.models import ServiceToken, SignIn, User
from clinic.access.watch import asked_by_itself
from clinic.common import clock

_PARTS = 2


class TokenAuthentication(BaseAuthentication):
    """Opaque bearer tokens, stored hashed, expiring, revocable."""

    keyword = "Token"

    def authenticate(self, request: Request) -> tuple[User, SignIn | ServiceToken] | None:
        """The token's user; None when another scheme is meant; 401 when the token is no good."""
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != self.keyword.lower().encode():
            return None
        if len(parts) != _PARTS:
            raise AuthenticationFailed("The header must be: Authorization: Token <token>.")
        try:
            secret = parts[1].decode("ascii")
        except UnicodeDecodeError as error:
            raise AuthenticationFailed("This token is not valid. Sign in again.") from error
        wall = clock.wall()
        if secret.startswith(service_tokens.PREFIX):
            return _program(secret, wall)
        sign_in = tokens.find(secret=secret, wall=wall)
        if sign_in is None:
            raise AuthenticationFailed("This token is not valid or has expired. Sign in again.")
        if not asked_by_itself(request):
            tokens.used(sign_in=sign_in, wall=wall)
        return sign_in.user, sign_in

    def authenticate_header(self, request: Request) -> str:
        """What a 401 offers."""
        return self.keyword


def _program(secret: str, wall: datetime) -> tuple[User, ServiceToken]:
    token = service_tokens.find(secret=secret, wall=wall)
    if token is None:
        raise AuthenticationFailed("This service token is not valid, was revoked or has expired.")
    service_tokens.used(token=token, wall=wall)
    return token.user, token


def spectacular_scheme() -> dict[str, Any]:
    """How the OpenAPI document describes the header."""
    return {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Token <token>` from POST /auth/login/, or a service token made in the admin",
    }
