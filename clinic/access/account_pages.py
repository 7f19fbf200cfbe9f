"""One's own account: where one is signed in, ending that, and what the idle warning asks."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.views import RemoveWebAuthnView
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse, reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from clinic.access import tokens
from clinic.access.models import SignIn, User
from clinic.access.watch import polling
from clinic.common import clock


def links(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu behind one's name in the admin."""
    return [
        {"title": "Second factor", "link": reverse("mfa_index")},
        {"title": "Where you are signed in", "link": reverse("account_sign_ins")},
        {"title": "Change password", "link": reverse("admin:password_change")},
    ]


@require_GET
@never_cache
@login_required
@polling
def idle(request: HttpRequest) -> HttpResponse:
    """How many seconds are left until the idle logoff, in whichever window one was last active."""
    return JsonResponse({"seconds": _seconds_left(_here(request))})


@require_POST
@login_required
def stay(request: HttpRequest) -> HttpResponse:
    """Somebody is still there. The request itself is the activity."""
    return HttpResponse(status=204)


@require_GET
@never_cache
@login_required
def sign_ins(request: HttpRequest) -> HttpResponse:
    """Every browser and program signed in as oneself."""
    here = _here(request)
    live = SignIn.objects.filter(user=here.user, expires_at__gt=clock.wall())
    return TemplateResponse(
        request, "account/sign_ins.html", {"sign_ins": live.order_by("-last_used_at"), "here": here}
    )


@require_POST
@login_required
def end(request: HttpRequest) -> HttpResponse:
    """End one of one's sign-ins, or all others; what is somebody else's is not found among them."""
    here = _here(request)
    which = request.POST.get("sign_in", "")
    if which.isdecimal():
        for sign_in in SignIn.objects.filter(user=here.user, pk=int(which)):
            tokens.revoke(token=sign_in)
        messages.success(request, "That sign-in has ended.")
    else:
        tokens.revoke_all(user_id=here.user_id, keep=here)
        messages.success(request, "You are signed out everywhere else.")
    return HttpResponseRedirect(reverse("account_sign_ins"))


class RemovePasskeyView(RemoveWebAuthnView):
    """Back to the page of all second factors, not to a list of passkeys alone."""

    success_url = reverse_lazy("mfa_index")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With its name."""
        passkey: Authenticator = self.get_object()
        return {**super().get_context_data(**kwargs), "name": passkey.wrap().name}


remove_passkey = RemovePasskeyView.as_view()


def _here(request: HttpRequest) -> SignIn:
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - login_required stands before
    assert user.onset_sign_in is not None  # noqa: S101 - SignInMiddleware lets nobody past without
    return user.onset_sign_in


def _seconds_left(sign_in: SignIn) -> int:
    wall = clock.wall()
    ends = min(sign_in.last_used_at + tokens.idle_time(), sign_in.expires_at)
    return max(0, int((ends - wall).total_seconds()))
