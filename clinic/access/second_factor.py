"""The second factor: who must have one, whether a code is right, and taking one away.

django-allauth keeps authenticators and speaks WebAuthn; codes are judged here, under a lock in the
database, so that no code is good twice, not even when Redis is gone or both arrive at once.
"""

import secrets
from datetime import datetime

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.conf import settings
from django.db.models import Q

from clinic.access import tokens
from clinic.access.actors import actor_of
from clinic.access.models import Membership, SecondFactorReset, SignIn, User
from clinic.access.policy import Actor
from clinic.common.errors import Forbidden, Invalid, NotFound
from clinic.common.transactions import durable

_STEP_SECONDS = 30
_STEPS_ASIDE = 1
"""How far a phone's clock may be off, in steps, before or behind."""
LAST_STEP = "last_step"
SUPERUSER = "superuser"
_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
_CODES = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)


def required_of(user: User) -> bool:
    """Whether one of the person's roles (or being a superuser) asks for a second factor."""
    asking = settings.MFA_REQUIRED_ROLES
    if not asking:
        return False
    if user.is_superuser and SUPERUSER in asking:
        return True
    return any(role.value in asking for held in actor_of(user).roles.values() for role in held)


def missing(user: User) -> bool:
    """Whether this request may do nothing yet: a second factor is required and this sign-in had none."""
    sign_in = user.onset_sign_in
    if sign_in is not None and sign_in.second_factor:
        return False
    return required_of(user)


def enrolled(user: User) -> bool:
    """Whether the person has an authenticator app or a passkey."""
    return bool(Authenticator.objects.filter(user=user, type__in=_FACTORS).exists())


@durable
def check_code(*, user_id: int, code: str, wall: datetime) -> Authenticator | None:
    """The authenticator app or recovery codes that this code is right for; it is used up by that."""
    given = "".join(code.split())
    held = Authenticator.objects.select_for_update().filter(user_id=user_id, type__in=_CODES)
    for authenticator in held.order_by("-type"):
        if authenticator.type == Authenticator.Type.RECOVERY_CODES:
            right = given.isascii() and authenticator.wrap().validate_code(given)
        else:
            right = _right_now(authenticator, given, wall)
        if right:
            return authenticator
    return None


def use_up(authenticator: Authenticator, wall: datetime) -> None:
    """The codes that are good now were seen while the app was enrolled: none of them signs in."""
    authenticator.data[LAST_STEP] = _step(wall) + _STEPS_ASIDE
    authenticator.save(update_fields=["data"])


@durable
def reset(*, actor: Actor, wall: datetime, user_id: int, reason: str) -> None:
    """Take away somebody's second factors, for instance when a phone is lost, and end all their sign-ins.

    Raises Invalid (``reason_required``), NotFound, Forbidden (``own_factor`` for one's own).
    """
    if not reason.strip():
        raise Invalid("Say why, for instance: phone lost.", code="reason_required")
    user = User.objects.filter(service_token=None).select_for_update(of=("self",)).filter(pk=user_id).first()
    if user is None:
        raise NotFound("There is no such account.")
    require_authority(actor, user)
    if actor.user_id == user.pk:
        raise Forbidden("Nobody resets their own second factor. Ask another manager.", code="own_factor")
    take_away(user=user, by_id=actor.user_id, reason=reason.strip(), wall=wall)


def take_away(*, user: User, by_id: int | None, reason: str, wall: datetime) -> None:
    """Without asking who: for the command on the server. Call it inside a transaction."""
    Authenticator.objects.filter(user=user).delete()
    tokens.revoke_all(user_id=user.pk)
    SecondFactorReset.objects.create(user=user, by_id=by_id, reason=reason, at=wall)


def require_authority(actor: Actor, user: User) -> None:
    """Raise Forbidden unless this actor manages every site of the account; of superusers, only superusers."""
    if actor.sees_every_site:
        return
    sites = set(Membership.objects.filter(user=user).values_list("site_id", flat=True))
    if user.is_superuser or not sites or not sites <= set(actor.sites("staff.write")):
        raise Forbidden("This account also works elsewhere. Ask somebody who manages all its sites.")


def passed_in(user: User, *, second_factor: bool) -> None:
    """Note on all (or, when something was enrolled, on this one) of a person's sign-ins what they had."""
    which = Q(user=user)
    if second_factor:
        which &= Q(pk=user.onset_sign_in.pk if user.onset_sign_in else None)
    SignIn.objects.filter(which).update(second_factor=second_factor)


def _right_now(authenticator: Authenticator, code: str, wall: datetime) -> bool:
    secret, last = totp.decrypt(authenticator.data["secret"]), authenticator.data.get(LAST_STEP, -1)
    now = _step(wall)
    for step in range(now - _STEPS_ASIDE, now + _STEPS_ASIDE + 1):
        expected = totp.format_hotp_value(totp.hotp_value(secret, step))
        if secrets.compare_digest(expected.encode(), code.encode()) and step > last:
            authenticator.data[LAST_STEP] = step
            authenticator.save(update_fields=["data"])
            return True
    return False


def _step(wall: datetime) -> int:
    return int(wall.timestamp()) // _STEP_SECONDS
