"""Chairs, nurses, prescribers, pumps and rooms in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import mark_safe
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, SiteFilter, actor_in
from clinic.access.admin.forms import OnsetForm
from clinic.common import clock
from scheduling.models import Resource
from scheduling.services import resources


class ResourceForm(OnsetForm):
    """The capacity may be left out for a new one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None and "capacity" in self.fields:
            self.fields["capacity"].required = False


@admin.register(Resource)
class ResourceAdmin(OnsetAdmin):
    """What visits occupy. Out of service is ``active`` off; what is stranded by it is listed."""

    reads, writes = "setup.read", "setup.write"
    form = ResourceForm
    list_display = ("name", "kind", "site", "capacity", "active")
    list_filter = (SiteFilter, ("kind", ChoicesDropdownFilter), "active")
    list_select_related = ("site",)
    search_fields = ("name",)
    fields = ("site", "kind", "name", "capacity", "active")
    empty_hint = "Add the chairs, nurses and prescribers of your site; without them nothing can be booked."

    def get_readonly_fields(self, request: HttpRequest, obj: Resource | None = None) -> tuple[str, ...]:
        """A resource stays at its site."""
        return ("site",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Resource, form: Any, change: bool) -> None:  # noqa: FBT001
        """Through the service, which names the visits that now need another resource."""
        actor, now = actor_in(request), clock.now()
        if not change:
            given = form.given("site")
            obj.pk = resources.add_resource(
                actor=actor, now=now, site_id=form.cleaned_data["site"].pk, **given
            ).pk
            return
        done = resources.change_resource(
            actor=actor,
            now=now,
            resource_id=obj.pk,
            expected_version=form.expected_version(),
            changes=form.changes(),
        )
        tell_affected(request, done.affected_appointments)


def tell_affected(request: HttpRequest, appointment_ids: list[int]) -> None:
    """Say which visits somebody now has to move, with a link to each. Each has a work item already."""
    if not appointment_ids:
        return
    links = format_html_join(
        ", ",
        "{}",
        ((shown.to("scheduling_appointment_change", pk, text=f"visit {pk}"),) for pk in appointment_ids),
    )
    count = len(appointment_ids)
    said = f"{count} visit{'' if count == 1 else 's'} must be moved; a work item is open for each: "
    told = mark_safe(said) + links  # noqa: S308 - a count and escaped links
    if actor_in(request).may("appointments.write"):
        query = urlencode({"visits": ",".join(str(pk) for pk in appointment_ids)})
        repair = f"{reverse('admin:scheduling_repair_new')}?{query}"
        told = format_html("{}. {}", told, shown.link(repair, "Find other places for them"))
    messages.warning(request, told)
