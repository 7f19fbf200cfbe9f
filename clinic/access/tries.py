"""Limits guessing: of passwords and second factors, per account and per address.

A try is taken before the credential is looked at, under a lock, so that guessing in parallel gains
nothing; the right credential gives it back. It is counted in PostgreSQL alone: losing Redis loosens
nothing. Names that nobody has are counted like those of people.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Q

from clinic.access.models import CredentialTry
from clinic.common.transactions import durable

Kind = CredentialTry.Kind
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Limit:
    """So many failures within so long."""

    failures: int
    within: timedelta


@dataclass(frozen=True)
class Taken:
    """A try that may be made, or when (``locked_until``) the next one may."""

    pk: int = 0
    locked_until: datetime | None = None


@durable
def take(*, kind: CredentialTry.Kind, username: str, address: str, wall: datetime) -> Taken:
    """Count one try of an account's credential from an address, unless too many failed of late."""
    account, origin = _digest(username.casefold()), _digest(address)
    _lock(account, origin)
    CredentialTry.objects.filter(at__lte=wall - DAY).delete()
    mine = Q(account=account, kind=kind, forgiven=False)
    limits = [(mine, limit) for limit in account_limits(kind)]
    limits.append((Q(address=origin), address_limit()))
    until = max(filter(None, (_locked_until(which, limit, wall) for which, limit in limits)), default=None)
    if until is not None:
        return Taken(locked_until=until)
    return Taken(pk=CredentialTry.objects.create(kind=kind, account=account, address=origin, at=wall).pk)


@durable
def passed(*, taken: Taken) -> None:
    """The credential was right: the account starts afresh, the address keeps its failures."""
    tried = CredentialTry.objects.filter(pk=taken.pk).first()
    if tried is None:
        return
    CredentialTry.objects.filter(
        account=tried.account, kind=tried.kind, at__lte=tried.at, forgiven=False
    ).exclude(pk=tried.pk).update(forgiven=True)
    tried.delete()


def account_limits(kind: CredentialTry.Kind) -> list[Limit]:
    """What one account may fail. A second factor has few digits, so a day's failures are limited too."""
    limits = [Limit(settings.SIGN_IN_TRIES, timedelta(seconds=settings.SIGN_IN_WINDOW_SECONDS))]
    if kind == Kind.CODE:
        limits.append(Limit(settings.SECOND_FACTOR_TRIES_PER_DAY, DAY))
    return limits


def address_limit() -> Limit:
    """What all accounts together may fail from one address."""
    within = timedelta(seconds=settings.SIGN_IN_WINDOW_SECONDS)
    return Limit(settings.SIGN_IN_TRIES_PER_ADDRESS, within)


def _locked_until(which: Q, limit: Limit, wall: datetime) -> datetime | None:
    recent = CredentialTry.objects.filter(which, at__gt=wall - limit.within).order_by("-at", "-id")
    earliest = recent.values_list("at", flat=True)[limit.failures - 1 : limit.failures].first()
    return None if earliest is None else earliest + limit.within


def _lock(*digests: bytes) -> None:
    keys = sorted({int.from_bytes(each[:8], "big", signed=True) for each in digests})
    with connection.cursor() as cursor:
        for key in keys:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
