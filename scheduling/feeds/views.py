"""GET /feeds/<token>.ics: whoever has the address reads it; unknown and revoked ones answer alike."""

import hashlib
import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from clinic.common import clock
from clinic.common.intervals import Interval
from patients.pages.guard import PageThrottle
from scheduling.feeds import calendars
from scheduling.models import CalendarFeed
from scheduling.selectors import feeds
from scheduling.services import calendar_feeds

HEADERS = {
    "Cache-Control": f"private, max-age={int(calendars.REFRESHED_EVERY.total_seconds())}",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}
_REFUSED = {**HEADERS, "Cache-Control": "no-store"}
_TAG = re.compile(r'"([^"]*)"')


class FeedThrottle(PageThrottle):
    """Requests per address, counted apart from the patients' pages."""

    scope = "calendar_feed"

    def get_rate(self) -> str:
        """From the settings."""
        return str(settings.FEED_RATE)


@require_safe
def feed(request: HttpRequest, token: str) -> HttpResponse:
    """The calendar, or 304 when the caller has it, or 404."""
    throttle = FeedThrottle()
    if not throttle.allow_request(request):
        wait = str(int(throttle.wait() or 0) + 1)
        return _plainly("Too many requests. Ask again later.", status=429, **{"Retry-After": wait})
    found, now = feeds.find(token), clock.now()
    if found is None:
        return _plainly("There is no calendar at this address.", status=404)
    calendar_feeds.note_use(feed_id=found.pk, now=now)
    content = _content(found, now)
    etag = hashlib.sha256(content).hexdigest()[:32]
    headers = {**HEADERS, "ETag": f'"{etag}"'}
    if etag in _TAG.findall(request.headers.get("If-None-Match", "")):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(content, content_type="text/calendar; charset=utf-8", headers=headers)


def _content(found: CalendarFeed, now: datetime) -> bytes:
    during = Interval(
        now - timedelta(days=settings.FEED_PAST_DAYS), now + timedelta(days=settings.FEED_AHEAD_DAYS)
    )
    host = urlsplit(settings.PUBLIC_URL).hostname or "onset"
    entries = feeds.visits(found, during=during)
    return calendars.written(entries, name=_name(found), host=host, during=during)


def _name(found: CalendarFeed) -> str:
    """What the calendar is called: a person knows whose it is."""
    if found.resource is None:
        return "Visits"
    return f"{found.resource.name}, {found.resource.site.discreet_name}"


def _plainly(sentence: str, *, status: int, **headers: str) -> HttpResponse:
    return HttpResponse(
        sentence, status=status, content_type="text/plain; charset=utf-8", headers={**_REFUSED, **headers}
    )
