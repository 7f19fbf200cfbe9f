"""Servers that were given to the demo with DATABASE_URL and REDIS_URL: asked once whether they answer,
so that a wrong URL is one sentence and not six children dying of it. Passwords are never shown."""

from __future__ import annotations

from urllib.parse import urlsplit

from clinic.embedded.errors import EmbeddedError

_SECONDS = 5


def check_database(url: str) -> None:
    """Connect to the PostgreSQL of DATABASE_URL. Raises EmbeddedError."""
    import psycopg  # noqa: PLC0415 - a tenth of a second that only this way of starting needs

    if urlsplit(url).scheme not in {"postgresql", "postgres"}:
        raise EmbeddedError("DATABASE_URL must start with postgresql://.")
    try:
        psycopg.connect(url, connect_timeout=_SECONDS).close()
    except (psycopg.Error, ValueError) as error:
        raise EmbeddedError(
            f"The PostgreSQL of DATABASE_URL{_where(url)} cannot be used: {_first_line(error)}; "
            "correct it, or unset it to let the demo start its own."
        ) from None


def check_redis(url: str) -> None:
    """Ping the Redis of REDIS_URL. Raises EmbeddedError."""
    import redis  # noqa: PLC0415 - as above

    try:
        client = redis.from_url(url, socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS)
        client.ping()
        client.close()
    except (redis.RedisError, OSError, ValueError) as error:
        raise EmbeddedError(
            f"The Redis of REDIS_URL{_where(url)} cannot be used: {_first_line(error)}; "
            "correct it, or unset it to let the demo start its own."
        ) from None


def _where(url: str) -> str:
    """Host and port without user and password, as ` (db.example:5432)`."""
    try:
        host = urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        host = ""
    return f" ({host})" if host else ""


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
