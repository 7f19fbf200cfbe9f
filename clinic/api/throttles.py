"""Limits how often a user calls, and how often a credential may be wrong.

When Redis is down people keep working; wrong credentials are counted in the database, and stay limited.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from redis.exceptions import RedisError
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle

from clinic.access import tries
from clinic.access.tries import Kind

log = structlog.get_logger("onset.throttle")


class UserThrottle(UserRateThrottle):
    """Requests per user (or address); open when Redis cannot be asked."""

    scope = "user"

    def allow_request(self, request: Request, view: Any) -> bool:
        """Whether this request is within the rate."""
        try:
            return bool(super().allow_request(request, view))
        except RedisError as error:
            log.warning("throttle_unavailable", error=type(error).__name__)
            return True


@dataclass(frozen=True)
class CredentialGuard:
    """Stands before every credential that comes over the API (clinic/access/tries.py has the limits)."""

    username: str
    address: str

    @contextmanager
    def trying(self, kind: Kind, wall: datetime) -> Iterator[None]:
        """Look at the credential within; what raises counts as a failure. Raises Throttled (429)."""
        taken = tries.take(kind=kind, username=self.username, address=self.address, wall=wall)
        if taken.locked_until is not None:
            raise Throttled(
                wait=math.ceil((taken.locked_until - wall).total_seconds()),
                detail="Too many wrong passwords or codes. Wait a few minutes, then try again.",
            )
        yield
        tries.passed(taken=taken)
