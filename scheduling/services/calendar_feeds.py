"""Making, replacing and taking back the addresses of calendar feeds. An address is returned once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from clinic.access.policy import Actor
from clinic.common import tokens, versions
from clinic.common.errors import Conflict, Forbidden, NotFound
from clinic.common.transactions import durable
from scheduling.models import CalendarFeed, Resource

_NOTED_AGAIN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """A feed and its address, which nobody can look up later."""

    feed: CalendarFeed
    address: str


@durable
def create(*, actor: Actor, now: datetime, resource_id: int | None = None) -> Issued:
    """A feed of one's own visits, or, for whoever sets up its site, of a resource.

    Raises Forbidden, NotFound.
    """
    if resource_id is None:
        actor.require("appointments.read")
        if actor.user_id is None:
            raise Forbidden("Only a person has visits of their own.")
    else:
        resource = Resource.objects.visible_to(actor).filter(pk=resource_id).first()
        if resource is None:
            raise NotFound("This resource does not exist.")
        actor.require("setup.write", resource.site_id)
    token = tokens.make()
    feed = CalendarFeed.objects.create(
        resource_id=resource_id,
        user_id=actor.user_id if resource_id is None else None,
        token_hash=tokens.hash_of(token),
        created_at=now,
        created_by_id=actor.user_id,
        issued_at=now,
    )
    return Issued(feed, _address(token))


@durable
def rotate(*, actor: Actor, now: datetime, feed_id: int, expected_version: int | None = None) -> Issued:
    """A new address; the old one opens nothing any more.

    Raises NotFound, StaleVersion, Conflict (``feed_revoked``), Forbidden for another person's own feed.
    """
    feed = _locked(feed_id, actor=actor, expected_version=expected_version)
    if feed.user_id is not None and feed.user_id != actor.user_id:
        raise Forbidden("Only its owner gets a new address. You may revoke it.")
    token = tokens.make()
    feed.token_hash, feed.issued_at, feed.last_used_at = tokens.hash_of(token), now, None
    versions.save(feed, "token_hash", "issued_at", "last_used_at")
    return Issued(feed, _address(token))


@durable
def revoke(*, actor: Actor, now: datetime, feed_id: int, expected_version: int | None = None) -> CalendarFeed:
    """The address opens nothing from now on. Raises NotFound, StaleVersion, Conflict (``feed_revoked``)."""
    feed = _locked(feed_id, actor=actor, expected_version=expected_version)
    feed.revoked_at, feed.revoked_by_id = now, actor.user_id
    versions.save(feed, "revoked_at", "revoked_by")
    return feed


@durable
def note_use(*, feed_id: int, now: datetime) -> None:
    """Remember, to the hour, that a calendar asked: an address that nobody uses can be revoked."""
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _NOTED_AGAIN_AFTER)
    CalendarFeed.objects.filter(stale, pk=feed_id).update(last_used_at=now)


def _locked(feed_id: int, *, actor: Actor, expected_version: int | None) -> CalendarFeed:
    visible = CalendarFeed.objects.visible_to(actor).filter(pk=feed_id)
    feed = CalendarFeed.objects.select_for_update(of=("self",)).filter(pk__in=visible.values("pk")).first()
    if feed is None:
        raise NotFound("This calendar feed does not exist.")
    if feed.resource is not None:
        actor.require("setup.write", feed.resource.site_id)
    versions.require_version(feed, expected_version)
    if feed.revoked_at is not None:
        raise Conflict("This feed was revoked. Make a new one.", code="feed_revoked")
    return feed


def _address(token: str) -> str:
    return f"{settings.PUBLIC_URL}/feeds/{token}.ics"
