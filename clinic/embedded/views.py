"""The demo's mailbox: what was really delivered, as a page and as JSON. Open to whoever reaches the demo."""

from dataclasses import asdict
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from clinic.common import clock
from clinic.embedded.mailbox import read

_SHOWN = 300
_ZONE = ZoneInfo("America/Denver")
"""The zone of the demo's first site, in which the page shows times."""


@never_cache
@require_safe
def mailbox_json(_request: HttpRequest) -> JsonResponse:
    """Everything delivered so far, oldest first."""
    return JsonResponse(_deliveries(), safe=False)


@never_cache
@require_safe
def mailbox_page(request: HttpRequest) -> HttpResponse:
    """The latest messages, newest first, e-mails and texts side by side as a phone would show them."""
    deliveries = _deliveries()
    return render(
        request,
        "demo/mailbox.html",
        {
            "deliveries": deliveries[: -_SHOWN - 1 : -1],
            "count": len(deliveries),
            "now": clock.now(),
            "zone": _ZONE,
            "turned": abs((clock.now() - clock.wall()).total_seconds()) > 1,
        },
    )


def _deliveries() -> list[dict[str, Any]]:
    """Each delivery with the patient whose ledger row it belongs to."""
    found = [asdict(delivery) for delivery in read(Path(settings.ONSET_DATA) / "mailbox")]
    whose = import_string(settings.MAILBOX_PATIENTS)(delivery["provider_id"] for delivery in found)
    for delivery in found:
        delivery["patient"] = whose.get(delivery.pop("provider_id"))
    return found
