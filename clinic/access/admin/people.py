"""Staff accounts and their roles. A manager sees the people of the sites they manage.

An account that also works elsewhere, or that sees everything, is changed only by those who manage
all of it: otherwise a manager could take over an account that may do more than the manager.
"""

from collections import defaultdict
from typing import Any

from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import CHECKBOX_CLASSES

from clinic.access import second_factor, services, shown, tokens
from clinic.access.admin.base import OnsetAdmin, SiteFilter, actor_in
from clinic.access.admin.forms import STAMP, OnsetForm, require_stamp
from clinic.access.admin.inputs import Text
from clinic.access.admin.refusals import submit
from clinic.access.models import Membership, SignIn, Site, User
from clinic.access.policy import Actor, Role
from clinic.common import clock

admin.site.unregister(Group)  # what a person may do is decided by roles per site


class ReasonForm(forms.Form):
    """Why."""

    reason = Text(max_length=300, help_text="It stays on record.")


class RolesField(forms.MultipleChoiceField):
    """The roles of a person, as ``site:role``, for the sites that the editor staffs."""

    def __init__(self) -> None:
        boxes = forms.CheckboxSelectMultiple(attrs={"class": " ".join(CHECKBOX_CLASSES)})
        boxes.template_name = "onset/roles.html"
        super().__init__(required=False, widget=boxes, help_text="Of the sites that you manage.")

    def offer(self, sites: QuerySet[Site]) -> None:
        """Set what can be chosen."""
        self.choices = [
            (site.name, [(f"{site.pk}:{role.value}", role.label) for role in Role])
            for site in sites.order_by("name")
        ]


class StaffForm(OnsetForm):
    """What a new and a known account have in common."""

    ruled_by_service = False
    roles = RolesField()
    editor: Actor = Actor(user_id=None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "roles" in self.fields:
            self._offer_roles()

    def _offer_roles(self) -> None:
        sites = _staffed(self.editor)
        self.fields["roles"].offer(sites)  # type: ignore[attr-defined]
        held = Membership.objects.filter(user_id=self.instance.pk, site__in=sites)
        self.initial["roles"] = sorted(f"{row.site_id}:{row.role}" for row in held)

    def save_roles(self, user: User) -> None:
        """Grant and revoke through the services. Raises Forbidden (``own_roles``)."""
        now, wanted = clock.now(), set(self.cleaned_data.get("roles", ()))
        before = set(self.initial.get("roles", ()))
        for change, keys in ((services.grant_role, wanted - before), (services.revoke_role, before - wanted)):
            for key in sorted(keys):
                site_id, role = key.split(":")
                change(actor=self.editor, now=now, user_id=user.pk, site_id=int(site_id), role=Role(role))


class PersonForm(StaffForm, UserChangeForm):
    """A known account."""


class NewPersonForm(StaffForm, UserCreationForm):
    """A new account; the password is handed over in person."""

    usable_password = None

    def clean(self) -> dict[str, Any]:
        """A manager's new colleague needs a role, or the manager could not see them any more."""
        cleaned = super().clean()
        if not cleaned.get("roles") and not self.editor.sees_every_site:
            self.add_error("roles", "Choose at least one role.")
        return cleaned


@admin.register(User)
class PersonAdmin(OnsetAdmin, UserAdmin[User]):
    """Accounts and roles."""

    reads = writes = "staff.write"
    form, add_form, change_password_form = PersonForm, NewPersonForm, AdminPasswordChangeForm
    list_display = ("username", "full_name", "roles_held", "is_active", "last_login")
    list_filter = (SiteFilter, "is_active")
    search_fields = ("username",)
    ordering = ("username",)
    filter_horizontal = ()
    empty_hint = "Add the first member of staff."
    fieldsets = (
        (None, {"fields": ("username", "password", ("first_name", "last_name"), "email", "is_active")}),
        ("Roles", {"fields": ("roles",)}),
        ("Sign-in", {"fields": ("factors", "signed_in")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "password1", "password2", "first_name", "last_name")}),
        ("Roles", {"fields": ("roles",)}),
    )

    def visible(self, rows: Any, actor: Actor) -> QuerySet[User]:
        """Everybody for a superuser; for a manager those with a role at a site of theirs."""
        people: QuerySet[User] = rows.filter(service_token=None).prefetch_related("memberships__site")
        if actor.sees_every_site:
            return people
        here = Membership.objects.filter(user=OuterRef("pk"), site__in=actor.sites(self.reads))
        return people.filter(Exists(here))

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Only by somebody who manages every site of the account."""
        actor = actor_in(request)
        if obj is None or actor.sees_every_site:
            return super().has_change_permission(request)
        elsewhere = {row.site_id for row in obj.memberships.all()} - set(actor.sites(self.writes))
        return super().has_change_permission(request) and not obj.is_superuser and not elsewhere

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Read-only pages show no password and no boxes to tick."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return self.add_fieldsets
        if self.has_change_permission(request, obj):
            if request.user.is_superuser:
                return [*fieldsets, ("Everything", {"fields": ("is_superuser",)})]
            return fieldsets
        return [
            (None, {"fields": ("username", ("first_name", "last_name"), "email", "is_active", "roles_held")})
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """``roles_held`` stands in for the boxes."""
        return ("roles_held", "last_login", "factors", "signed_in")

    def get_form(self, request: HttpRequest, obj: User | None = None, *args: Any, **kwargs: Any) -> Any:
        """The form knows who edits."""
        form = super().get_form(request, obj, *args, **kwargs)
        form.editor = actor_in(request)
        return form

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Django's own view would open a transaction around ours."""
        return self.changeform_view(request, None, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001
        """The account, then its roles through the services."""
        if change:
            require_stamp(User.objects.select_for_update().get(pk=obj.pk), form.cleaned_data[STAMP])
        else:
            obj.is_staff = True
        obj.save()
        form.save_roles(obj)
        if not obj.is_active:
            tokens.revoke_all(user_id=obj.pk)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        """Roles are saved already; groups and permissions are not used."""

    def get_urls(self) -> list[URLPattern]:
        """What a manager does about somebody's sign-in."""
        return [
            self.route("<int:pk>/second-factor/reset/", self.reset, "reset_factor"),
            self.route("<int:pk>/sign-out/", self.sign_out, "sign_out"),
            *super().get_urls(),
        ]

    def reset(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Somebody lost their phone: take the second factor away, with a reason that is kept."""
        person = self.found(request, pk, self.writes)
        form = ReasonForm(request.POST or None)

        def save(given: dict[str, Any]) -> bool:
            second_factor.reset(
                actor=actor_in(request), wall=clock.wall(), user_id=pk, reason=given["reason"]
            )
            return True

        if submit(form, save):
            messages.success(request, "The second factor is reset, and every sign-in has ended.")
            return self.to(pk)
        return self.page(
            request,
            "onset/form_page.html",
            title="Reset the second factor",
            under_title=str(person),
            explanation="Only after you have made sure, in person, who asks. Then set a new password too: "
            "until a new second factor is set up, the password alone opens this account.",
            button="Reset",
            form=form,
            back=reverse("admin:access_user_change", args=[pk]),
        )

    def sign_out(self, request: HttpRequest, pk: int) -> HttpResponse:
        """End all of somebody's sign-ins."""
        person = self.found(request, pk, self.writes)

        def save(_given: dict[str, Any]) -> bool:
            ended = services.sign_out_everywhere(actor=actor_in(request), now=clock.now(), user_id=pk)
            messages.success(request, f"Ended: {ended}.")
            return True

        form = forms.Form(request.POST if request.method == "POST" else None)
        if submit(form, save):
            return self.to(pk)
        return self.page(
            request,
            "onset/form_page.html",
            title="Sign out everywhere",
            under_title=str(person),
            explanation="Every browser and every API token of this account is signed out at once.",
            button="Sign out",
            form=form,
            back=reverse("admin:access_user_change", args=[pk]),
        )

    @display(description="second factor")  # type: ignore[untyped-decorator]
    def factors(self, obj: User) -> str:
        """What there is, when it was last reset and why, and the way to do that."""
        held = [each.get_type_display() for each in Authenticator.objects.filter(user=obj).order_by("pk")]
        said = [", ".join(held) or "None"]
        if latest := obj.factor_resets.select_related("by").first():
            on, by = shown.local_day(latest.at.date()), latest.by or "the server"
            said.append(f"Reset on {on} by {by}: {latest.reason}")
        link = shown.to("access_user_reset_factor", obj.pk, text="Reset") if held else ""
        return format_html("{} {}", "; ".join(said), link)

    @display(description="signed in")  # type: ignore[untyped-decorator]
    def signed_in(self, obj: User) -> str:
        """Where, and the way to end it."""
        live = SignIn.objects.filter(user=obj, expires_at__gt=clock.wall()).order_by("-last_used_at")
        agents = [sign_in.agent for sign_in in live]
        if not agents:
            return "Nowhere"
        link = shown.to("access_user_sign_out", obj.pk, text="Sign out everywhere")
        return format_html("{} {}", ", ".join(agents), link)

    @display(description="name")  # type: ignore[untyped-decorator]
    def full_name(self, obj: User) -> str:
        """First and last name."""
        return obj.get_full_name()

    @display(description="roles")  # type: ignore[untyped-decorator]
    def roles_held(self, obj: User) -> str:
        """``Cedar Street: Nurse, Manager``."""
        if obj.is_superuser:
            return "Everything, everywhere"
        by_site: dict[str, list[str]] = defaultdict(list)
        for row in obj.memberships.all():
            by_site[row.site.name].append(Role(row.role).label)
        return "; ".join(f"{site}: {', '.join(sorted(roles))}" for site, roles in sorted(by_site.items()))


def _staffed(actor: Actor) -> QuerySet[Site]:
    if actor.sees_every_site:
        return Site.objects.all()
    return Site.objects.filter(pk__in=actor.sites("staff.write"))
