"""The demo's mailbox: what was really delivered, as telephones would show it and as JSON, and a way to write
back as a patient. Open to whoever reaches the demo."""

import http.client
from base64 import b64encode
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from clinic.common import clock
from clinic.embedded.conversations import conversations
from clinic.embedded.mailbox import Delivery, inbox, read
from clinic.embedded.sms_sink import WRITE_PATH

_SHOWN = 200
_LONGEST_TEXT = 1600
_TIMEOUT_SECONDS = 20.0
_ZONE = ZoneInfo("America/Denver")
"""The zone of the demo's first site, in which the page shows times."""


@never_cache
@require_safe
def mailbox_json(_request: HttpRequest) -> JsonResponse:
    """Everything delivered so far, oldest first, each with the patient whose ledger row it belongs to."""
    deliveries = _received()
    whose = import_string(settings.MAILBOX_PATIENTS)(delivery.provider_id for delivery in deliveries)
    return JsonResponse([_as_json(delivery, whose) for delivery in deliveries], safe=False)


@never_cache
@require_safe
def mailbox_page(request: HttpRequest) -> HttpResponse:
    """The conversations, and the one that ``with`` names (else the latest)."""
    received = _received()
    receivers = import_string(settings.MAILBOX_RECEIVERS)(delivery.provider_id for delivery in received)
    talks = conversations(received, read(inbox(_mailbox())), receivers)
    asked = request.GET.get("with")
    chosen = next((talk for talk in talks if talk.key == asked), None)
    talk = chosen or (talks[0] if talks else None)
    return render(
        request,
        "demo/mailbox.html",
        {
            "talks": talks,
            "talk": talk,
            "bubbles": talk.bubbles[-_SHOWN:] if talk else [],
            "chosen": chosen is not None,
            "wrote": request.GET.get("wrote"),
            "count": len(received),
            "now": clock.now(),
            "zone": _ZONE,
            "turned": abs((clock.now() - clock.wall()).total_seconds()) > 1,
            "longest": _LONGEST_TEXT,
        },
    )


@never_cache
@require_safe
def calendar_entry(request: HttpRequest) -> HttpResponse:
    """The .ics file that came with an e-mail."""
    wanted = request.GET.get("of", "")
    entry = next((each.calendar for each in _received() if each.provider_id == wanted and each.calendar), "")
    if not entry:
        raise Http404
    headers = {"Content-Disposition": 'attachment; filename="appointment.ics"'}
    return HttpResponse(entry, content_type="text/calendar; charset=utf-8", headers=headers)


@never_cache
@require_POST
def write_text(request: HttpRequest) -> HttpResponse:
    """Text the clinic as a patient: through the pretended Twilio, which brings it signed to the webhook."""
    words = request.POST.get("body", "").strip()[:_LONGEST_TEXT]
    wrote = "no"
    if words:
        form = {"From": request.POST.get("phone", ""), "To": settings.TWILIO_FROM, "Body": words}
        wrote = "yes" if _hand_to_sink(form) == http.client.CREATED else "failed"
    query = urlencode({"with": request.POST.get("with", ""), "wrote": wrote})
    return HttpResponseRedirect(f"{reverse('demo-mailbox')}?{query}#latest")


def _hand_to_sink(form: dict[str, str]) -> int:
    """The status of the sink's answer; 0 when it is away."""
    sink = urlsplit(settings.TWILIO_BASE_URL)
    account = b64encode(f"{settings.TWILIO_ACCOUNT_SID}:{settings.TWILIO_AUTH_TOKEN}".encode()).decode()
    headers = {
        "Authorization": f"Basic {account}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    connection = http.client.HTTPConnection(sink.hostname or "", sink.port or 80, timeout=_TIMEOUT_SECONDS)
    with closing(connection):
        try:
            connection.request("POST", WRITE_PATH, urlencode(form), headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0


def _mailbox() -> Path:
    return Path(settings.ONSET_DATA) / "mailbox"


def _received() -> list[Delivery]:
    return read(_mailbox())


def _as_json(delivery: Delivery, whose: dict[str, int]) -> dict[str, Any]:
    shown = asdict(delivery)
    del shown["calendar"], shown["provider_id"]
    return shown | {"patient": whose.get(delivery.provider_id)}
