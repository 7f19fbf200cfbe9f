"""Issue, recognise and end sign-ins: API tokens, and browsers, whose secret lies in their session.

``wall`` is the machine's time (clock.wall): no turned clock lengthens a sign-in.
"""

import hashlib
import re
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.crypto import constant_time_compare

from clinic.access.models import SignIn, User

_NOTED_EVERY = timedelta(seconds=20)
"""How exactly the last use is known. Writing it at every request would cost more than it tells."""
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrom", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)


def issue(
    *,
    user: User,
    lifetime: timedelta,
    wall: datetime,
    door: SignIn.Door = SignIn.Door.API,
    agent: str = "",
    second_factor: bool = False,
) -> tuple[str, SignIn]:
    """Make a sign-in. The secret is returned once and cannot be read again."""
    SignIn.objects.filter(user=user, expires_at__lte=wall).delete()
    secret = secrets.token_urlsafe(32)
    sign_in = SignIn.objects.create(
        user=user,
        door=door,
        digest=digest(secret),
        agent=coarse(agent),
        second_factor=second_factor,
        password_mark=user.get_session_auth_hash(),
        created_at=wall,
        last_used_at=wall,
        expires_at=wall + lifetime,
    )
    return secret, sign_in


def find(*, secret: str, wall: datetime, door: SignIn.Door = SignIn.Door.API) -> SignIn | None:
    """The live sign-in of this secret. None when it is over or idle, or the password is another one.

    In a browser Django's own session notices another password, and spares the browser that changed it.
    """
    found = (
        SignIn.objects.select_related("user")
        .filter(
            digest=digest(secret),
            door=door,
            expires_at__gt=wall,
            last_used_at__gt=wall - idle_time(),
            user__is_active=True,
        )
        .first()
    )
    if found is None:
        return None
    if door == SignIn.Door.API and not constant_time_compare(
        found.password_mark, found.user.get_session_auth_hash()
    ):
        return None
    found.user.onset_sign_in = found
    return found


def idle_time() -> timedelta:
    """After so long without activity a sign-in is over."""
    return timedelta(minutes=settings.IDLE_MINUTES)


def used(*, sign_in: SignIn, wall: datetime) -> None:
    """Note that somebody was active just now. What a page asks by itself is not activity."""
    if sign_in.last_used_at > wall - _NOTED_EVERY:
        return
    later = SignIn.objects.filter(pk=sign_in.pk, last_used_at__lt=wall)
    later.update(last_used_at=wall)


def revoke(*, token: SignIn) -> None:
    """End one sign-in at once."""
    SignIn.objects.filter(pk=token.pk).delete()


def revoke_all(*, user_id: int, keep: SignIn | None = None) -> int:
    """End every sign-in of a person at once, except perhaps the one that asks. Returns how many ended."""
    ended = SignIn.objects.filter(user_id=user_id)
    if keep is not None:
        ended = ended.exclude(pk=keep.pk)
    return ended.delete()[0]


def coarse(agent: str) -> str:
    """``Firefox on Windows``: enough to know one's own sign-ins, too little to follow anybody."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    if browser:
        return f"{browser} on {system}" if system else browser
    program = re.match(r"[A-Za-z][A-Za-z0-9._-]{0,38}", agent)
    return program.group() if program else "Unknown"


def digest(secret: str) -> bytes:
    """What is stored in place of a secret. 256 random bits need no salt: there is nothing to guess."""
    return hashlib.sha256(secret.encode()).digest()
