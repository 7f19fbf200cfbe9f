"""The doors of the admin: its own sign-in gives way to the one with a second factor, guessing is limited."""

from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.admin import AdminSite
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from clinic.access.credentials import NewPasswordForm


def guard(site: AdminSite) -> None:
    """Lead sign-ins to /account/login/, count wrong old passwords, and hide what allauth keeps.

    Whoever is signed in and no staff gets 403.
    """

    def password_change(
        request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        request.current_app = site.name
        view = PasswordChangeView.as_view(
            form_class=NewPasswordForm,
            success_url=reverse("admin:password_change_done"),
            template_name="registration/password_change_form.html",
            extra_context={**site.each_context(request), **(extra_context or {})},
        )
        return view(request)

    site.login = secure_admin_login(site.login)  # type: ignore[method-assign]
    site.password_change = password_change  # type: ignore[method-assign, assignment]
    for model in (Authenticator, EmailAddress):
        site.unregister(model)
