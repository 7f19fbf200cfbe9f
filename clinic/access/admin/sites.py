"""Sites in the admin: where, in which zone, and under which discreet name."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from clinic.access import services
from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.models import Site
from clinic.common import clock


@admin.register(Site)
class SiteAdmin(OnsetAdmin):
    """A site's details."""

    reads, writes = "setup.read", "setup.write"
    list_display = ("name", "discreet_name", "timezone", "phone", "active")
    list_filter = ("active",)
    fields = ("name", "discreet_name", "timezone", "phone", "address", "active")
    empty_hint = "Add the first site: its time zone and discreet name are all it needs to begin."

    def site_of(self, obj: Site) -> int | None:
        """Its own."""
        return obj.pk

    def save_model(self, request: HttpRequest, obj: Site, form: Any, change: bool) -> None:  # noqa: FBT001
        """Through the service."""
        actor, now = actor_in(request), clock.now()
        if change:
            services.change_site(
                actor=actor,
                now=now,
                site_id=obj.pk,
                expected_version=form.expected_version(),
                changes=form.changes(),
            )
        else:
            obj.pk = services.add_site(actor=actor, now=now, **form.given()).pk
