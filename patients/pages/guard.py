"""What every answer of a patient page has, whoever asks: a rate per address, headers that keep it out of
caches, search engines, frames and referrers, and a check that a POST comes from our own form.

Browsers send ``Origin: null`` from a page without referrers, which Django's CSRF check refuses; here it
passes when the browser says that the form was ours, and the token in form and cookie must match as ever.
"""

import functools
from collections.abc import Callable
from typing import Any

import structlog
from csp.constants import NONE, SELF
from csp.decorators import csp
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render
from django.utils.decorators import decorator_from_middleware
from django.views.decorators.csrf import csrf_exempt
from redis.exceptions import RedisError
from rest_framework.throttling import SimpleRateThrottle

from patients.pages.words import COMMON

View = Callable[..., HttpResponseBase]
log = structlog.get_logger("onset.throttle")

POLICY = {
    "default-src": [NONE],
    "style-src": [SELF],
    "img-src": [SELF],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
    "base-uri": [NONE],
}
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


class PageThrottle(SimpleRateThrottle):
    """Requests per address; open when Redis cannot be asked."""

    scope = "patient_page"

    def get_rate(self) -> str:
        """From the settings of the pages, which are no part of the API."""
        return str(settings.PATIENT_PAGE_RATE)

    def get_cache_key(self, request: Any, view: Any) -> str:
        """One count per address."""
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}

    def allow_request(self, request: Any, view: Any = None) -> bool:
        """Whether this request is within the rate."""
        try:
            return bool(super().allow_request(request, view))
        except RedisError as error:
            log.warning("throttle_unavailable", error=type(error).__name__)
            return True


class _FormsOfOurs(CsrfViewMiddleware):
    def _origin_verified(self, request: HttpRequest) -> bool:
        if request.headers.get("Origin") == "null":
            return request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
        return bool(super()._origin_verified(request))  # type: ignore[misc]  # the stubs leave it out

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return plainly(request, "stale_form", status=403)


_checks_form = decorator_from_middleware(_FormsOfOurs)


def guarded(view: View) -> View:
    """A page: throttled, with every header, and its POSTs checked."""
    return csrf_exempt(_with_headers(_throttled(_checks_form(view))))


def guarded_for_machines(view: View) -> View:
    """The same for a POST that a mail program makes, which has no form of ours (RFC 8058)."""
    return csrf_exempt(_with_headers(_throttled(view)))


def plainly(request: HttpRequest, what: str, *, status: int) -> HttpResponse:
    """A page about no link at all, in both languages: ``gone``, ``too_many``, ``stale_form``, ``busy``."""
    context = {"words": COMMON, "what": what, "language": "en"}
    return render(request, "pages/plain.html", context, status=status)


def _throttled(view: View) -> View:
    @functools.wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        throttle = PageThrottle()
        if throttle.allow_request(request):
            return view(request, *args, **kwargs)
        response = plainly(request, "too_many", status=429)
        response["Retry-After"] = str(int(throttle.wait() or 0) + 1)
        return response

    return run


def _with_headers(view: View) -> View:
    @functools.wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        for name, value in HEADERS.items():
            response[name] = value
        return response

    with_policy: View = csp(POLICY)(run)
    return with_policy
