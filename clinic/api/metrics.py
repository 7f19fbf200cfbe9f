"""/metrics for Prometheus: gauges computed from the database at the moment of asking. It says how much waits,
never for whom; still it is nobody's business outside, so it wants a token or the machine itself."""

import secrets
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from clinic.common import clock
from clinic.common.gauges import exposition, gauges

_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP")


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """200 with the gauges; 401 without the token, 403 from elsewhere where none is set."""
    token = settings.METRICS_TOKEN
    if token:
        given = request.headers.get("Authorization", "")
        if not secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return HttpResponse(
                "Send METRICS_TOKEN as a bearer token.\n",
                status=401,
                content_type="text/plain; charset=utf-8",
                headers={"WWW-Authenticate": "Bearer"},
            )
    elif not _from_here(request):
        return HttpResponse(
            "Set METRICS_TOKEN to read this from another machine.\n",
            status=403,
            content_type="text/plain; charset=utf-8",
        )
    return HttpResponse(exposition(gauges(now=clock.now())), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _from_here(request: HttpRequest) -> bool:
    """Whether it comes from this machine itself, not through a proxy on it."""
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
