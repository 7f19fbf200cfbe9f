"""Watches signed-in browsers: idle logoff, lifetime, revocation, the second factor that a role requires."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.http import urlencode

from clinic.access import second_factor, tokens
from clinic.access.models import SignIn, User
from clinic.common import clock

SECRET = "onset_sign_in"  # noqa: S105 - the name under which the session holds it
ACCOUNT = "/account/"
POLL_HEADER = "X-Onset-Poll"
_OPEN = frozenset({"admin:logout", "admin:login", "admin:jsi18n"})
"""Admin pages for those whose second factor is missing."""

View = Callable[..., HttpResponse]


def polling(view: View) -> View:
    """Mark a view that pages ask by themselves: its requests keep nobody signed in."""
    view.onset_polls = True  # type: ignore[attr-defined]
    return view


def asked_by_itself(request: Any) -> bool:
    """Whether a page asks, not a person: it says so in a header, which can only shorten a sign-in."""
    return POLL_HEADER in request.headers


class SignInMiddleware:
    """Judges the sign-in of a browser on every request, and leads those without a second factor to it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if isinstance(request.user, User):
            self._judge(request, request.user)
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """Note activity; let nobody past who has to enrol first."""
        user, match = request.user, request.resolver_match
        if not isinstance(user, User) or user.onset_sign_in is None or match is None:
            return None
        if not (asked_by_itself(request) or getattr(view, "onset_polls", False)):
            tokens.used(sign_in=user.onset_sign_in, wall=clock.wall())
        if match.namespace == "admin" and match.view_name not in _OPEN and second_factor.missing(user):
            return HttpResponseRedirect(reverse("mfa_index"))
        return None

    def process_template_response(self, request: HttpRequest, response: TemplateResponse) -> TemplateResponse:
        """The admin's frame, scripts and colours around allauth's pages."""
        if request.path.startswith(ACCOUNT):
            must_enrol = isinstance(request.user, User) and second_factor.missing(request.user)
            frame = {**admin.site.each_context(request), "must_enrol": must_enrol, "site_url": ""}
            response.context_data = {**frame, **(response.context_data or {})}
        return response

    @staticmethod
    def _judge(request: HttpRequest, user: User) -> None:
        secret = request.session.get(SECRET, "")
        sign_in = tokens.find(secret=secret, wall=clock.wall(), door=SignIn.Door.BROWSER)
        if sign_in is not None and sign_in.user_id == user.pk:
            user.onset_sign_in = sign_in
            return
        if asked_by_itself(request):
            request.user = AnonymousUser()  # the page that a person opens next says what happened
            return
        logout(request)
        if not request.path.startswith("/api/"):
            messages.info(request, "You were signed out. Sign in to go on where you were.")


@receiver(user_logged_in)
def begin(sender: object, request: HttpRequest, user: User, **_: Any) -> None:
    """Django's own word that a browser has just been signed in, by whichever page."""
    secret, sign_in = tokens.issue(
        user=user,
        lifetime=timedelta(seconds=settings.SESSION_COOKIE_AGE),
        wall=clock.wall(),
        door=SignIn.Door.BROWSER,
        agent=request.META.get("HTTP_USER_AGENT", ""),
        second_factor=any(each["method"] == "mfa" for each in get_authentication_records(request, user)),
    )
    request.session[SECRET] = secret
    user.onset_sign_in = sign_in


@receiver(user_logged_out)
def end(sender: object, request: HttpRequest, user: User | None, **_: Any) -> None:
    """Leaving ends the sign-in, so that a copy of the session is worth nothing."""
    if user is not None and user.onset_sign_in is not None:
        tokens.revoke(token=user.onset_sign_in)


def idle_script(request: HttpRequest) -> str:
    """The script that warns before the idle logoff, told when that is; without it does nothing."""
    address = static("onset/idle.js")
    if not request.user.is_authenticated:
        return address
    told: dict[str, str | int] = {
        "seconds": settings.IDLE_MINUTES * 60,
        "state": reverse("account_idle"),
        "stay": reverse("account_stay"),
    }
    return f"{address}?{urlencode(told)}"
