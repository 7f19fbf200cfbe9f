"""From an address to its page: find the link, ask for the date of birth where the page needs it, and let
the page answer. Whatever does not open looks the same."""

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.module_loading import import_string

from clinic.common import clock
from clinic.common.errors import Busy, NotFound
from patients.models import Consent
from patients.pages import shared
from patients.pages.guard import guarded, guarded_for_machines, plainly
from patients.pages.handlers import Page
from patients.pages.links import OpenLink, address, opened
from patients.services import links, preferences

_UNSUBSCRIBE_FOR = timedelta(days=30)
"""An e-mail's unsubscribe button works for so long after its link expired."""


@guarded
def page(request: HttpRequest, token: str, step: str = "") -> HttpResponse:
    """GET shows, POST does. 404 for every link that does not open, whatever the reason."""
    if request.method not in {"GET", "HEAD", "POST"}:
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    link = opened(request, token, now=clock.now())
    found = pages_of(link.row.subject_kind).get(step) if link else None
    if link is None or found is None:
        return plainly(request, "gone", status=404)
    try:
        return _answer(request, link, found(), step)
    except NotFound:
        return plainly(request, "gone", status=404)
    except Busy as busy:
        response = plainly(request, "busy", status=503)
        response["Retry-After"] = str(busy.retry_after)
        return response


def _answer(request: HttpRequest, link: OpenLink, found: Page, step: str) -> HttpResponse:
    if found.needs_birth_date and not link.identified:
        if request.method == "POST":  # the proof ran out while they looked at the form
            return found.go(link, step)
        return shared.ask_birth_date(found, request, link, step=step)
    return found.post(request, link) if request.method == "POST" else found.get(request, link)


def pages_of(subject_kind: str) -> Mapping[str, type[Page]]:
    """The pages of one kind of link: its own, and those that every link has."""
    dotted = settings.PATIENT_PAGES.get(subject_kind)
    own: Mapping[str, type[Page]] = import_string(dotted) if dotted else {}
    return {**shared.PAGES, **own} if own else {}


@guarded_for_machines
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """One click in a mail program (RFC 8058): no more e-mails. A person who comes here sees the choice."""
    if request.method in {"GET", "HEAD"}:
        return HttpResponse(status=303, headers={"Location": address(token, "preferences")})
    if request.method != "POST":
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    now = clock.now()
    row = links.find(token=token, now=now, grace=_UNSUBSCRIBE_FOR)
    if row is None or request.POST.get("List-Unsubscribe") != "One-Click":
        return plainly(request, "gone", status=404)
    preferences.choose_channel(
        patient_id=row.patient_id, channel=Consent.Channel.EMAIL, granted=False, now=now
    )
    return HttpResponse(status=200, content_type="text/plain")
