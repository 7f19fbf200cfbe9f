"""Issue, recognise and revoke API tokens."""

import hashlib
import secrets
from datetime import datetime, timedelta

from clinic.access.models import ApiToken, User


def issue(*, user: User, lifetime: timedelta, wall: datetime) -> tuple[str, ApiToken]:
    """Make a token. The string is returned once and cannot be read again."""
    secret = secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user, digest=_digest(secret), created_at=wall, expires_at=wall + lifetime
    )
    return secret, token


def find(*, secret: str, wall: datetime) -> ApiToken | None:
    """The live token for this secret, with its active user; None otherwise."""
    return (
        ApiToken.objects.select_related("user")
        .filter(digest=_digest(secret), expires_at__gt=wall, user__is_active=True)
        .first()
    )


def revoke(*, token: ApiToken) -> None:
    """End one session at once."""
    ApiToken.objects.filter(pk=token.pk).delete()


def _digest(secret: str) -> bytes:
    # 256 random bits need no salt or stretching: there is nothing to guess.
    return hashlib.sha256(secret.encode()).digest()
