"""From where a request comes, when proxies stand in front: only what trusted ones wrote is believed."""

from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from clinic.settings.env import Proxies


class TrustedProxyMiddleware:
    """Puts the caller's own address into REMOTE_ADDR, as far as TRUSTED_PROXIES says."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        found = caller(
            peer=request.META.get("REMOTE_ADDR", ""),
            forwarded=request.META.get("HTTP_X_FORWARDED_FOR", ""),
            proxies=settings.TRUSTED_PROXIES,
        )
        request.META["REMOTE_ADDR"] = found
        return self.get_response(request)


def caller(*, peer: str, forwarded: str, proxies: Proxies) -> str:
    """The address before the trusted hops; ``peer`` when the header is missing, too short or no addresses.

    Each proxy appends the address that it was called from, so the list is read from its end; what
    stands further left may have been sent by the caller.
    """
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    if proxies.count:
        return _address(hops[-proxies.count], peer) if len(hops) >= proxies.count else peer
    here = peer
    while hops and _trusted(here, proxies):
        before = _address(hops.pop(), "")
        if not before:
            break
        here = before
    return here


def _trusted(address: str, proxies: Proxies) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in proxies.networks)


def _address(text: str, otherwise: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return otherwise
