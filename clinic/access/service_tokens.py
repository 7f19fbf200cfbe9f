"""Service tokens: made by whoever manages the sites, recognised at the API, revoked at once.

Each has an account of its own without roles and password, so that what a program does is recorded
under its name; that account never signs in.
"""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from clinic.access.models import ServiceToken, Site, User
from clinic.access.policy import SCOPES, Actor, Role
from clinic.access.tokens import digest
from clinic.common.errors import Invalid, NotFound
from clinic.common.transactions import durable

PREFIX = "onset_"
_SHOWN = len(PREFIX) + 6
LONGEST = timedelta(days=730)
_NOTED_EVERY = timedelta(seconds=20)


@durable
def issue(
    *,
    actor: Actor,
    wall: datetime,
    name: str,
    site_ids: Collection[int],
    scopes: Collection[str],
    expires_at: datetime,
) -> tuple[str, ServiceToken]:
    """Make a token for a program. The secret is returned once and cannot be read again.

    Raises Forbidden unless the actor staffs every site, NotFound for no such site, Invalid
    (``no_scope``, ``unknown_scope``, ``expiry_out_of_range``).
    """
    if not site_ids or not scopes:
        raise Invalid("Choose at least one site and one scope.", code="no_scope")
    if set(scopes) - set(SCOPES):
        raise Invalid("There is no such scope.", code="unknown_scope")
    if not wall < expires_at <= wall + LONGEST:
        detail = "A token ends in the future, within two years."
        raise Invalid(detail, code="expiry_out_of_range")
    sites = list(Site.objects.visible_to(actor).filter(pk__in=site_ids))
    if len(sites) != len(set(site_ids)):
        raise NotFound("There is no such site among yours.")
    for site in sites:
        actor.require("staff.write", site.pk)
    secret = PREFIX + secrets.token_urlsafe(32)
    shown = secret[:_SHOWN]
    account = User(username=f"service-{secrets.token_hex(6)}", last_name=name)
    account.set_unusable_password()
    account.save()
    token = ServiceToken.objects.create(
        name=name,
        user=account,
        scopes=sorted(scopes),
        prefix=shown,
        digest=digest(secret),
        created_by_id=actor.user_id,
        created_at=wall,
        expires_at=expires_at,
    )
    token.sites.set(sites)
    return secret, token


@durable
def revoke(*, actor: Actor, wall: datetime, token_id: int) -> None:
    """End a token at once; ending it twice changes nothing. Whoever staffs one of its sites may.

    Raises NotFound.
    """
    token = ServiceToken.objects.visible_to(actor).filter(pk=token_id).first()
    if token is None:
        raise NotFound("There is no such token at your sites.")
    ServiceToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=wall)


def find(*, secret: str, wall: datetime) -> ServiceToken | None:
    """The live token of this secret; its user carries the actor. None otherwise."""
    live = ServiceToken.objects.select_related("user").filter(
        digest=digest(secret), expires_at__gt=wall, revoked_at=None, user__is_active=True
    )
    token = live.first()
    if token is None:
        return None
    token.user.onset_actor = Actor(
        user_id=token.user_id,
        roles={site.pk: frozenset({Role.SERVICE}) for site in token.sites.all()},
        scopes=frozenset(token.scopes),
    )
    return token


def used(*, token: ServiceToken, wall: datetime) -> None:
    """Note the last use."""
    if token.last_used_at is None or token.last_used_at <= wall - _NOTED_EVERY:
        ServiceToken.objects.filter(pk=token.pk).update(last_used_at=wall)
