"""Limits how often a user calls. When the counter store is down, people keep working."""

import hashlib
import math
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle

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


class LoginFailures:
    """Counts wrong passwords per user name and per address; successes cost nothing."""

    def __init__(self, *, username: str, address: str) -> None:
        self._limits = {
            f"login:user:{_digest(username.casefold())}": settings.API_LOGIN_FAILURES,
            f"login:address:{_digest(address)}": settings.API_LOGIN_FAILURES_PER_ADDRESS,
        }

    def refuse_when_exhausted(self) -> None:
        """Raise Throttled (429) while too many failures are remembered."""
        try:
            counts = cache.get_many(list(self._limits))
        except RedisError as error:
            log.warning("throttle_unavailable", error=type(error).__name__)
            return
        if any(counts.get(key, 0) >= limit for key, limit in self._limits.items()):
            raise Throttled(
                wait=math.ceil(settings.API_LOGIN_WINDOW_SECONDS),
                detail="Too many wrong passwords. Wait a few minutes, then try again.",
            )

    def add(self) -> None:
        """Remember one failure for the length of the window."""
        try:
            for key in self._limits:
                cache.add(key, 0, timeout=settings.API_LOGIN_WINDOW_SECONDS)
                cache.incr(key)
        except (RedisError, ValueError) as error:
            log.warning("throttle_unavailable", error=type(error).__name__)

    def forget(self) -> None:
        """After a success, the user name starts afresh; the address keeps its count."""
        try:
            cache.delete(next(iter(self._limits)))
        except RedisError as error:
            log.warning("throttle_unavailable", error=type(error).__name__)


def _digest(text: str) -> str:
    """A cache key for whatever a caller typed: any characters, any length, and nobody's name to read."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
