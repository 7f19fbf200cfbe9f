"""The life of an offer as one table, and the refusals of one that is over."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from clinic.common.errors import Conflict


class Mode(StrEnum):
    """How a freed time is offered."""

    ORDER = "order"
    PARALLEL = "parallel"


class OfferStatus(StrEnum):
    """Where an offer is. ``superseded``: somebody else has the time, or it is not free any more."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


class Verb(StrEnum):
    """What happens to an offer."""

    ACCEPT = "accept"
    DECLINE = "decline"
    EXPIRE = "expire"
    SUPERSEDE = "supersede"


TRANSITIONS: Mapping[OfferStatus, Mapping[Verb, OfferStatus]] = MappingProxyType(
    {
        OfferStatus.OFFERED: MappingProxyType(
            {
                Verb.ACCEPT: OfferStatus.ACCEPTED,
                Verb.DECLINE: OfferStatus.DECLINED,
                Verb.EXPIRE: OfferStatus.EXPIRED,
                Verb.SUPERSEDE: OfferStatus.SUPERSEDED,
            }
        ),
        OfferStatus.ACCEPTED: MappingProxyType({}),
        OfferStatus.DECLINED: MappingProxyType({}),
        OfferStatus.EXPIRED: MappingProxyType({}),
        OfferStatus.SUPERSEDED: MappingProxyType({}),
    }
)


def after(status: OfferStatus, verb: Verb) -> OfferStatus:
    """The status that ``verb`` leads to.

    Raises Conflict: ``offer_gone`` (somebody else has it), ``offer_expired``, else ``invalid_transition``.
    """
    steps = TRANSITIONS[status]
    if verb in steps:
        return steps[verb]
    if status == OfferStatus.SUPERSEDED:
        raise gone()
    if status == OfferStatus.EXPIRED:
        raise expired()
    raise Conflict(
        f"This offer was {status.value} already. Book, move or cancel the visit instead.",
        code="invalid_transition",
        state=status.value,
        possible=[],
    )


def status_at(status: OfferStatus, *, expires_at: datetime, now: datetime) -> OfferStatus:
    """What the stored status means at ``now``: an offer ends by the clock, before anybody writes it down."""
    over = status == OfferStatus.OFFERED and now >= expires_at
    return OfferStatus.EXPIRED if over else status


def deadline(*, now: datetime, answer: timedelta, start: datetime) -> datetime:
    """Until when an offer stands: the answer time, and never beyond the start."""
    return min(now + answer, start)


def gone() -> Conflict:
    """409: the time is somebody else's."""
    return Conflict(
        "Someone else has this time. The patient stays on the waitlist for the next one.", code="offer_gone"
    )


def expired() -> Conflict:
    """409: the answer came too late."""
    return Conflict(
        "This offer has expired. If the time is still free, book it as any other visit.", code="offer_expired"
    )
