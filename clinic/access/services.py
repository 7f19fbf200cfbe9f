"""Sites, and the roles people have at them.

Whoever opens a site manages it, so that no site is ever without somebody who may change it.
"""

import re
from datetime import datetime
from typing import TypedDict

from django.db import IntegrityError

from clinic.access import second_factor, tokens
from clinic.access.models import Membership, Site, User
from clinic.access.policy import Actor, Role
from clinic.common import changes as named
from clinic.common.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from clinic.common.transactions import durable, violated
from clinic.common.versions import require_version

_REVEALING = re.compile(
    r"infus|ketamin|\bpain\b|depress|psych|\bmental|psiqui|neuro|opioid|\bdolor\b|depresi",
    re.IGNORECASE,
)
"""What a name shown in a text message must not contain (DOMAIN section 5): drug, diagnosis, specialty."""


class SiteChanges(TypedDict, total=False):
    """What may change about a site."""

    name: str
    discreet_name: str
    timezone: str
    phone: str
    address: str
    active: bool


def lock_site(*, site_id: int) -> None:
    """Lock a site's row before any resource: closures, new resources, bookings that need no resource.

    It does not hold up rows that merely refer to the site.
    """
    if not Site.objects.select_for_update(no_key=True).filter(pk=site_id).exists():
        raise NotFound("This site does not exist.")


@durable
def add_site(
    *,
    actor: Actor,
    now: datetime,
    name: str,
    discreet_name: str,
    timezone: str,
    phone: str = "",
    address: str = "",
    active: bool = True,
) -> Site:
    """Open a site, managed by whoever opens it.

    Raises Conflict (``name_taken``), Invalid (``revealing_name``), Forbidden.
    """
    actor.require("setup.write")
    refuse_revealing(discreet_name)
    try:
        site = Site.objects.create(
            name=name,
            discreet_name=discreet_name,
            timezone=timezone,
            phone=phone,
            address=address,
            active=active,
        )
    except IntegrityError as error:
        raise _refused(error) from error
    if actor.user_id is not None and not actor.sees_every_site:
        Membership.objects.create(user_id=actor.user_id, site=site, role=Role.MANAGER)
    return site


@durable
def change_site(
    *,
    actor: Actor,
    now: datetime,
    site_id: int,
    expected_version: int | None,
    changes: SiteChanges,
) -> Site:
    """Change what a site is called, where it is, or whether it takes bookings.

    Another time zone moves no appointment; working hours are read in the new zone from then on.
    Raises Conflict (``name_taken``), Invalid (``revealing_name``), StaleVersion, NotFound, Forbidden.
    """
    site = Site.objects.visible_to(actor).select_for_update(no_key=True).filter(pk=site_id).first()
    if site is None:
        raise NotFound("This site does not exist.")
    actor.require("setup.write", site.pk)
    require_version(site, expected_version)
    refuse_revealing(changes.get("discreet_name", site.discreet_name))
    try:
        named.apply(site, changes)
    except IntegrityError as error:
        raise _refused(error) from error
    return site


@durable
def grant_role(*, actor: Actor, now: datetime, user_id: int, site_id: int, role: Role) -> Membership:
    """Give a person a role at a site; granting it twice changes nothing.

    Raises Forbidden, also for one's own roles (``own_roles``): nobody makes themselves a prescriber.
    NotFound for no such active user.
    """
    _require_staffing(actor, user_id=user_id, site_id=site_id)
    if not User.objects.filter(pk=user_id, is_active=True).exists():
        raise NotFound("This person has no active account.")
    membership, _created = Membership.objects.get_or_create(user_id=user_id, site_id=site_id, role=role)
    return membership


@durable
def revoke_role(*, actor: Actor, now: datetime, user_id: int, site_id: int, role: Role) -> None:
    """Take a role away, and end the person's sign-ins: what is open on a screen was opened with it.

    Raises Forbidden (also ``own_roles``), NotFound when it is not held.
    """
    _require_staffing(actor, user_id=user_id, site_id=site_id)
    gone, _rows = Membership.objects.filter(user_id=user_id, site_id=site_id, role=role).delete()
    if not gone:
        raise NotFound("This person does not have that role at this site.")
    tokens.revoke_all(user_id=user_id)


@durable
def sign_out_everywhere(*, actor: Actor, now: datetime, user_id: int) -> int:
    """End every sign-in of a person at once; returns how many. Raises Forbidden, NotFound."""
    user = User.objects.filter(pk=user_id, service_token=None).first()
    if user is None:
        raise NotFound("There is no such account.")
    second_factor.require_authority(actor, user)
    return tokens.revoke_all(user_id=user.pk)


def refuse_revealing(name: str, *, pointer: str = "/discreet_name") -> None:
    """Raise Invalid (``revealing_name``) when a name for messages tells what is treated."""
    if _REVEALING.search(name):
        detail = "Messages show this name, so it must not say what is treated. Choose a neutral one."
        raise Invalid(detail, code="revealing_name", errors=[FieldError(pointer, "revealing_name", detail)])


def _require_staffing(actor: Actor, *, user_id: int, site_id: int) -> None:
    actor.require("staff.write", site_id)
    if actor.user_id == user_id and not actor.sees_every_site:
        raise Forbidden("Nobody changes their own roles. Ask another manager.", code="own_roles")


def _refused(error: IntegrityError) -> Conflict:
    if "name" not in (violated(error) or ""):
        raise error
    detail = "Another site has this name. Choose another one."
    return Conflict(detail, code="name_taken", errors=[FieldError("/name", "name_taken", detail)])
