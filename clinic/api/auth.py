"""Recognises ``Authorization: Token …``. Session sign-in with CSRF works beside it."""

from typing import Any

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from clinic.access import tokens
from clinic.access.models import ApiToken, User
from clinic.common import clock

_PARTS = 2


class TokenAuthentication(BaseAuthentication):
    """Opaque bearer tokens, stored hashed, expiring, revocable."""

    keyword = "Token"

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
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
        token = tokens.find(secret=secret, wall=clock.wall())
        if token is None:
            raise AuthenticationFailed("This token is not valid or has expired. Sign in again.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """What a 401 offers."""
        return self.keyword


def spectacular_scheme() -> dict[str, Any]:
    """How the OpenAPI document describes the header."""
    return {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Token <token>` from POST /auth/login/",
    }
