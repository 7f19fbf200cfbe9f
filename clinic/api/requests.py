"""Every request has an id: in its reply, in its log lines, in its problem document."""

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

log = structlog.get_logger("onset.request")
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{8,64}")
_QUIET = frozenset({"livez", "readyz", "metrics"})


class RequestIdMiddleware:
    """Takes a caller's X-Request-ID when it is harmless, else makes one, and logs each request once."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        offered = request.headers.get("X-Request-ID", "")
        request_id = offered if _ACCEPTABLE.fullmatch(offered) else uuid.uuid4().hex
        request.onset_request_id = request_id  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        try:
            response = self.get_response(request)
            route = request.resolver_match.route if request.resolver_match else "unmatched"
            if route.rstrip("/") not in _QUIET:
                log.info(
                    "request",
                    method=request.method,
                    route=route,
                    status=response.status_code,
                    ms=round((time.perf_counter() - started) * 1000, 1),
                )
        finally:
            structlog.contextvars.unbind_contextvars("request_id")
        response["X-Request-ID"] = request_id
        return response


def request_id_of(request: object) -> str:
    """The id of this request; DRF's wrapper delegates to Django's request."""
    return str(getattr(request, "onset_request_id", ""))
