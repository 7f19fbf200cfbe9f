"""Secrets in addresses: made at random, shown once, kept only as a hash."""

import hashlib
import secrets

_BYTES = 32


def make() -> str:
    """A new secret of 256 random bits, as 43 characters that an address may hold."""
    return secrets.token_urlsafe(_BYTES)


def hash_of(token: str) -> str:
    """How it is kept: there is nothing to guess in so many random bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
