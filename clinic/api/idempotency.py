"""POST with an Idempotency-Key: the effect and its stored reply commit in one transaction.

So there is no moment in which a crash leaves an effect without its reply. A second request with
the same key that arrives meanwhile does not wait: it is told that the first is still running.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from clinic.api.models import IdempotentReply
from clinic.common import clock
from clinic.common.errors import Conflict, Invalid
from clinic.common.transactions import request_unit

KEPT = timedelta(hours=24)
_MAX_KEY = 255
_SWEPT_AT_ONCE = 100
_NOT_STORED = frozenset({429, 500, 502, 503})
_REPLAYED_HEADERS = ("ETag", "Location", "Retry-After")


def once(
    request: Request, handler: Callable[[], Response], on_error: Callable[[Exception], Response]
) -> Response:
    """Run the handler at most once per user and key; replay the stored reply afterwards.

    Raises ValidationError (400) for an unusable key, Conflict (409) while the first request still
    runs, Invalid (422, ``idempotency_key_reused``) for another body.
    """
    key = request.headers["Idempotency-Key"]
    user_id = request.user.pk or 0
    if not key.isascii() or not key.isprintable() or not 1 <= len(key) <= _MAX_KEY:
        raise ValidationError(
            {"Idempotency-Key": f"Use 1 to {_MAX_KEY} printable ASCII characters."}, code="invalid"
        )
    fingerprint = _fingerprint(request)
    with request_unit():
        if not _lock(f"{user_id}:{key}"):
            raise Conflict(
                "The first request with this key is still running. Ask again shortly.",
                code="idempotency_in_progress",
            )
        wall = clock.wall()
        _forget_expired(wall - KEPT, user_id=user_id, key=key)
        stored = IdempotentReply.objects.filter(user_id=user_id, key=key).first()
        if stored:
            return _replay(stored, fingerprint)
        try:
            with transaction.atomic():
                response = handler()
        except Exception as error:  # noqa: BLE001 - on_error re-raises what is our own fault
            response = on_error(error)
        if response.status_code not in _NOT_STORED:
            IdempotentReply.objects.create(
                user_id=user_id,
                key=key,
                fingerprint=fingerprint,
                status=response.status_code,
                content_type=response.content_type or "",
                body=json.loads(json.dumps(_kept(response), cls=JSONEncoder)),
                headers={name: response[name] for name in _REPLAYED_HEADERS if name in response},
                created_at=wall,
            )
    return response


def _replay(stored: IdempotentReply, fingerprint: bytes) -> Response:
    if bytes(stored.fingerprint) != fingerprint:
        raise Invalid(
            "This key was used for another request. Use a new key for a new request.",
            code="idempotency_key_reused",
        )
    headers = {**stored.headers, "Idempotency-Replayed": "true"}
    return Response(
        stored.body, status=stored.status, headers=headers, content_type=stored.content_type or None
    )


def _kept(response: Response) -> Any:
    """The reply as it is stored: without what its view marked as ``shown_once``, such as a secret."""
    secret: frozenset[str] = getattr(response, "shown_once", frozenset())
    if not secret:
        return response.data
    return {name: value for name, value in response.data.items() if name not in secret}


def _forget_expired(before: datetime, *, user_id: int, key: str) -> None:
    """Delete this key's expired reply, and some of the others that nobody else is deleting just now.

    Never all and never waiting: requests would queue up behind each other's locks.
    """
    expired = IdempotentReply.objects.filter(created_at__lt=before)
    expired.filter(user_id=user_id, key=key).delete()
    some = expired.select_for_update(skip_locked=True).values_list("pk", flat=True)[:_SWEPT_AT_ONCE]
    IdempotentReply.objects.filter(pk__in=list(some)).delete()


def _fingerprint(request: Request) -> bytes:
    body = json.dumps(request.data, sort_keys=True, default=str)
    return hashlib.sha256(f"{request.method} {request.path}\n{body}".encode(errors="replace")).digest()


def _lock(name: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"idempotency:{name}"])
        return cursor.fetchone()[0]
