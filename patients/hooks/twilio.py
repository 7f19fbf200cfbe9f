"""Twilio's two webhooks. Whoever cannot sign with our account's token changes nothing and learns nothing.

The signature covers the address as Twilio knows it, so it is checked against PUBLIC_URL and never against
the host or scheme that a request claims.
"""

import re
from collections.abc import Callable
from functools import wraps

import structlog
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseForbidden
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse

from clinic.common import clock
from patients.services import inbound as texts
from patients.services import reports

log = structlog.get_logger(__name__)

_SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}")
_STATUS = re.compile(r"[a-z_]{1,20}")
_CODE = re.compile(r"[0-9]{1,6}")
_REFERENCE = re.compile(r"m([0-9]{1,18})\.([0-9]{1,5})")


def _signed(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer 404 while texts are off, 403 without a valid signature; else run the view."""

    @never_cache
    @csrf_exempt  # the signature is stronger than a token of ours, and Twilio has no cookie
    @require_POST
    @wraps(view)
    def check(request: HttpRequest) -> HttpResponse:
        if settings.SMS_GATEWAY != "twilio":
            raise Http404
        signature = request.headers.get("X-Twilio-Signature", "")
        address = f"{settings.PUBLIC_URL}{request.get_full_path()}"
        if not RequestValidator(settings.TWILIO_AUTH_TOKEN).validate(address, request.POST, signature):
            log.warning("hook_signature_refused", hook=view.__name__)
            return HttpResponseForbidden()
        return view(request)

    return check


@_signed
def status(request: HttpRequest) -> HttpResponse:
    """What became of a text we sent. 204, also for what we have heard before or know nothing of."""
    provider_id, state = request.POST.get("MessageSid", ""), request.POST.get("MessageStatus", "")
    code = request.POST.get("ErrorCode", "")
    if not _SID.fullmatch(provider_id) or not _STATUS.fullmatch(state):
        return HttpResponseBadRequest()
    reference = _REFERENCE.fullmatch(request.GET.get("ref", ""))
    reports.receive(
        provider_id=provider_id,
        status=state,
        code=int(code) if _CODE.fullmatch(code) else 0,
        sent_to=request.POST.get("To", ""),
        reference=(int(reference[1]), int(reference[2])) if reference else None,
        now=clock.now(),
    )
    return HttpResponse(status=204)


@_signed
def inbound(request: HttpRequest) -> HttpResponse:
    """A text from somebody. Usually answered with nothing: our replies go out through the outbox."""
    provider_id = request.POST.get("MessageSid", "")
    if not _SID.fullmatch(provider_id):
        return HttpResponseBadRequest()
    answer = MessagingResponse()
    words = texts.receive(
        provider_id=provider_id,
        sender=request.POST.get("From", ""),
        body=request.POST.get("Body", ""),
        answered_by_provider=bool(request.POST.get("OptOutType")),
        now=clock.now(),
    )
    if words:
        answer.message(words)
    return HttpResponse(str(answer), content_type="text/xml; charset=utf-8")
