"""What the reports on one message add up to. They come late, twice and out of order; a final word outranks
every word on the way to it, and of two final words the good one counts."""

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """What became of a message that a provider had accepted."""

    DELIVERED = "delivered"
    FAILED = "failed"


_DELIVERED = frozenset({"delivered", "read"})
_FAILED = frozenset({"undelivered", "failed", "canceled"})


def verdict(statuses: Iterable[str]) -> Verdict | None:
    """The final word, or None while the message is on its way (queued, sending, sent, …)."""
    said = set(statuses)
    if said & _DELIVERED:
        return Verdict.DELIVERED
    return Verdict.FAILED if said & _FAILED else None
