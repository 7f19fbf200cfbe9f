"""Service tokens in the admin: who made them for what, the secret once, and revoking."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from clinic.access import service_tokens, shown
from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.admin.inputs import Text
from clinic.access.admin.refusals import attempt, submit
from clinic.access.models import ServiceToken, Site
from clinic.access.policy import SCOPES, Actor
from clinic.common import clock

_MOST_DAYS = service_tokens.LONGEST.days


def _by_record() -> list[tuple[str, list[tuple[str, str]]]]:
    rows: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for scope in SCOPES:
        record, _dot, access = scope.partition(".")
        rows[record.replace("_", " ").capitalize()].append((scope, access))
    return list(rows.items())


class NewTokenForm(forms.Form):
    """What a program needs, and no more."""

    name = Text(max_length=60, help_text="Which program: records show it as who acted.")
    sites = forms.ModelMultipleChoiceField(
        Site.objects.none(), widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    scopes = forms.MultipleChoiceField(
        choices=_by_record,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="As few as it can do with; docs/access.md says what each one opens.",
    )
    days = forms.IntegerField(
        min_value=1, max_value=_MOST_DAYS, initial=365, label="Ends after days", widget=Text.widget
    )

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        staffed = Site.objects.visible_to(actor)
        if not actor.sees_every_site:
            staffed = staffed.filter(pk__in=actor.sites("staff.write"))
        self.fields["scopes"].widget.template_name = "onset/roles.html"  # a row for each kind of record
        self.fields["sites"].queryset = staffed.order_by("name")  # type: ignore[attr-defined]


@admin.register(ServiceToken)
class ServiceTokenAdmin(OnsetAdmin):
    """Tokens of programs, of the sites that one manages."""

    reads = writes = "staff.write"
    may_change = False
    list_display = ("name", "begins", "at_sites", "state", "last_used_at", "expires_at")
    list_display_links = ("name",)
    fields = (
        ("name", "begins"),
        ("at_sites", "state"),
        "allowed",
        ("created_by", "created_at"),
        ("expires_at", "last_used_at"),
    )
    readonly_fields = ("begins", "at_sites", "state", "allowed", "created_by", "created_at", "last_used_at")
    change_form_outer_before_template = "admin/access/revoke_token.html"
    empty_hint = "No program has access. Add a token for one that books or reads over the API."

    def get_queryset(self, request: HttpRequest) -> QuerySet[ServiceToken]:
        """With what is shown."""
        rows: QuerySet[ServiceToken] = super().get_queryset(request)
        return rows.select_related("created_by").prefetch_related("sites")

    def get_urls(self) -> list[URLPattern]:
        """Revoking."""
        return [self.route("<int:pk>/revoke/", self.revoke, "revoke", post=True), *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Make one; the page that answers shows the secret, and no other ever does."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        actor, wall = actor_in(request), clock.wall()
        form = NewTokenForm(request.POST or None, actor=actor)

        def save(given: dict[str, Any]) -> tuple[str, ServiceToken]:
            return service_tokens.issue(
                actor=actor,
                wall=wall,
                name=given["name"],
                site_ids=[site.pk for site in given["sites"]],
                scopes=given["scopes"],
                expires_at=wall + timedelta(days=given["days"]),
            )

        back = reverse("admin:access_servicetoken_changelist")
        made = submit(form, save)
        if made is not None:
            secret, token = made
            title = f"Token of {token.name}"
            return self.page(request, "admin/access/token_made.html", title=title, secret=secret, back=back)
        return self.page(
            request, "onset/form_page.html", title="New service token", button="Make", form=form, back=back
        )

    def revoke(self, request: HttpRequest, pk: int) -> HttpResponseRedirect:
        """At once."""
        self.found(request, pk, self.writes)
        wall = clock.wall()
        attempt(request, lambda: service_tokens.revoke(actor=actor_in(request), wall=wall, token_id=pk))
        messages.success(request, "The token is revoked.")
        return self.to(pk)

    @display(description="begins with")  # type: ignore[untyped-decorator]
    def begins(self, obj: ServiceToken) -> str:
        """Enough to know which one it is."""
        return f"{obj.prefix}…"

    @display(description="sites")  # type: ignore[untyped-decorator]
    def at_sites(self, obj: ServiceToken) -> str:
        """Where it may act."""
        return ", ".join(sorted(site.name for site in obj.sites.all()))

    @display(description="may")  # type: ignore[untyped-decorator]
    def allowed(self, obj: ServiceToken) -> str:
        """Its scopes."""
        return ", ".join(obj.scopes)

    @display(description="state")  # type: ignore[untyped-decorator]
    def state(self, obj: ServiceToken) -> str:
        """Whether it works."""
        if obj.revoked_at is not None:
            return shown.label("cancelled", "revoked")
        over = obj.expires_at <= clock.wall()
        return shown.label("over", "expired") if over else shown.label("active", "works")
