"""Calendar feeds in the admin: making an address, which the page shows once, replacing it, revoking it."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.cache import add_never_cache_headers
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.admin.inputs import Choice
from clinic.access.admin.refusals import attempt, submit
from clinic.access.policy import Actor
from clinic.common import clock
from scheduling.admin.booking import admin_version
from scheduling.models import CalendarFeed, Resource
from scheduling.services import calendar_feeds
from scheduling.services.calendar_feeds import Issued

_TITLE = "New calendar feed"
_EXPLANATION = (
    "An address for the calendar program of a phone or a computer. It shows when somebody comes and to which "
    "chair, never who comes or for what."
)


class NewFeedForm(forms.Form):
    """Whose visits."""

    resource = Choice(label="Visits of", required=False)

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        resources = Resource.objects.filter(active=True).select_related("site")
        if not actor.sees_every_site:
            resources = resources.filter(site_id__in=actor.sites("setup.write"))
        self.fields["resource"].choices = [  # type: ignore[attr-defined]
            ("", "myself"),
            *((str(each.pk), f"{each.name}, {each.site.name}") for each in resources),
        ]


@admin.register(CalendarFeed)
class CalendarFeedAdmin(OnsetAdmin):
    """One's own; for whoever reads the schedule also that there are some of its resources."""

    reads = writes = "appointments.read"
    may_change = False
    list_display = ("whose", "address_made", "last_used", "status_shown")
    list_display_links = ("whose",)
    fields = (("whose", "status_shown"), ("made", "address_made"), "last_used")
    readonly_fields = ("whose", "status_shown", "made", "address_made", "last_used")
    change_form_outer_before_template = "admin/scheduling/calendar_feed_steps.html"
    empty_hint = "Make an address with the + above, and give it to your calendar program."

    def site_of(self, obj: CalendarFeed) -> int | None:
        """Of a resource's feed; a person's belongs to no site."""
        return None if obj.resource is None else obj.resource.site_id

    def get_queryset(self, request: HttpRequest) -> QuerySet[CalendarFeed]:
        """With what is shown."""
        rows: QuerySet[CalendarFeed] = super().get_queryset(request)
        return rows.select_related("resource__site", "user", "created_by")

    @display(description="visits of")  # type: ignore[untyped-decorator]
    def whose(self, obj: CalendarFeed) -> str:
        """A resource with its site, or a person."""
        if obj.resource is None:
            return str(obj.user)
        return f"{obj.resource.name}, {obj.resource.site.name}"

    @display(description="made")  # type: ignore[untyped-decorator]
    def made(self, obj: CalendarFeed) -> str:
        """By whom, when."""
        return f"{_when(obj, obj.created_at)} by {obj.created_by or 'Onset'}"

    @display(description="address made", ordering="issued_at")  # type: ignore[untyped-decorator]
    def address_made(self, obj: CalendarFeed) -> str:
        """The present one."""
        return _when(obj, obj.issued_at)

    @display(description="last read", ordering="last_used_at")  # type: ignore[untyped-decorator]
    def last_used(self, obj: CalendarFeed) -> str:
        """To the hour."""
        return _when(obj, obj.last_used_at) if obj.last_used_at else "never"

    @display(description="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: CalendarFeed) -> str:
        """Whether the address opens anything."""
        return shown.label("active", "in use") if obj.revoked_at is None else shown.label("over", "revoked")

    def get_urls(self) -> list[URLPattern]:
        """Replacing and revoking."""
        return [
            self.route("<int:pk>/rotate/", self.rotate, "rotate", post=True),
            self.route("<int:pk>/revoke/", self.revoke, "revoke", post=True),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Choose whose visits; the answer to the POST holds the address, so nothing that is kept does."""
        actor = actor_in(request)
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NewFeedForm(request.POST if request.method == "POST" else None, actor=actor)
        issued = submit(
            form,
            lambda given: calendar_feeds.create(
                actor=actor,
                now=clock.now(),
                resource_id=int(given["resource"]) if given["resource"] else None,
            ),
        )
        if issued is not None:
            return self._address(request, issued)
        return self.page(
            request,
            "onset/form_page.html",
            title=_TITLE,
            explanation=_EXPLANATION,
            form=form,
            button="Make the address",
            back=reverse("admin:scheduling_calendarfeed_changelist"),
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page knows what may be done."""
        feed = CalendarFeed.objects.filter(pk=object_id).first() if object_id.isdecimal() else None
        context = {**_possible(feed, actor_in(request)), **(extra_context or {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def rotate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A new address in place of the old one."""
        feed = self.found(request, pk)
        issued = attempt(
            request,
            lambda: calendar_feeds.rotate(
                actor=actor_in(request),
                now=clock.now(),
                feed_id=feed.pk,
                expected_version=admin_version(request),
            ),
        )
        return self.to(feed.pk) if issued is None else self._address(request, issued)

    def revoke(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The address opens nothing from now on."""
        feed = self.found(request, pk)
        done = attempt(
            request,
            lambda: calendar_feeds.revoke(
                actor=actor_in(request),
                now=clock.now(),
                feed_id=feed.pk,
                expected_version=admin_version(request),
            ),
        )
        if done is not None:
            messages.success(request, "Revoked. Calendars that read it get nothing any more.")
        return self.to(feed.pk)

    def _address(self, request: HttpRequest, issued: Issued) -> HttpResponse:
        page = self.page(
            request,
            "admin/scheduling/calendar_feed_address.html",
            title="Calendar address",
            address=issued.address,
            feed=issued.feed,
        )
        add_never_cache_headers(page)
        return page


def _when(feed: CalendarFeed, instant: datetime) -> str:
    """On the clocks of the resource's site; a person may have several sites, so theirs is in UTC."""
    return shown.local_time(instant, ZoneInfo("UTC") if feed.resource is None else feed.resource.site.zone)


def _possible(feed: CalendarFeed | None, actor: Actor) -> dict[str, bool]:
    """Which buttons the page shows; the services decide."""
    if feed is None or feed.revoked_at is not None:
        return {}
    own = feed.user_id is not None and feed.user_id == actor.user_id
    managed = feed.resource is not None and actor.may("setup.write", feed.resource.site_id)
    return {"may_rotate": own or managed, "may_revoke": own or managed or feed.user_id is not None}
