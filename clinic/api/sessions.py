"""POST /auth/login/ and /auth/logout/."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clinic.access import second_factor, tokens
from clinic.access.actors import actor_of
from clinic.access.models import SignIn, User
from clinic.access.tries import Kind
from clinic.api.auth import TokenAuthentication
from clinic.api.throttles import CredentialGuard
from clinic.common import clock
from clinic.common.errors import Forbidden


@extend_schema_serializer(
    examples=[OpenApiExample("A nurse signs in", {"username": "nurse", "password": "onset-demo"})]
)
class LoginSerializer(serializers.Serializer[Any]):
    """Credentials."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=256, trim_whitespace=False)
    otp = serializers.CharField(
        max_length=16,
        required=False,
        help_text="Once a second factor is enrolled: the code of the authenticator app, or a recovery code.",
    )


class SignedInRoleSerializer(serializers.Serializer[Any]):
    """A role at a site."""

    site = serializers.IntegerField()
    role = serializers.CharField()


class SignedInUserSerializer(serializers.Serializer[Any]):
    """Who signed in."""

    id = serializers.IntegerField()
    username = serializers.CharField()
    name = serializers.CharField()
    is_superuser = serializers.BooleanField()
    roles = SignedInRoleSerializer(many=True)


class SignedInSerializer(serializers.Serializer[Any]):
    """A fresh token."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField()
    user = SignedInUserSerializer()


class LoginView(APIView):
    """Exchange a password for a token."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()

    def get_authenticate_header(self, request: Request) -> str:
        """So that a wrong password is 401."""
        return TokenAuthentication.keyword

    @extend_schema(
        operation_id="login", request=LoginSerializer, responses={200: SignedInSerializer}, auth=[]
    )
    def post(self, request: Request) -> Response:
        """Sign in. Too many wrong passwords or codes answer 429 for a while."""
        serializer = LoginSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given, wall = serializer.validated_data, clock.wall()
        guard = CredentialGuard(username=given["username"], address=request.META.get("REMOTE_ADDR", ""))
        with guard.trying(Kind.PASSWORD, wall):
            user = authenticate(request, username=given["username"], password=given["password"])
            if not isinstance(user, User):
                raise AuthenticationFailed("User name or password is wrong.")
        has_factor = second_factor.enrolled(user)
        if has_factor:
            _require_code(user, given.get("otp", ""), guard)
        elif second_factor.required_of(user):
            raise Forbidden(
                "Your role needs a second factor. Sign in to the admin in a browser and set it up first.",
                code="second_factor_required",
            )
        secret, token = tokens.issue(
            user=user,
            lifetime=timedelta(hours=settings.API_TOKEN_HOURS),
            wall=wall,
            agent=request.headers.get("User-Agent", ""),
            second_factor=has_factor,
        )
        roles = actor_of(user).roles
        shown = {
            "token": secret,
            "expires_at": token.expires_at,
            "user": {
                "id": user.pk,
                "username": user.username,
                "name": user.get_full_name(),
                "is_superuser": user.is_superuser,
                "roles": [
                    {"site": site, "role": role} for site in sorted(roles) for role in sorted(roles[site])
                ],
            },
        }
        return Response(SignedInSerializer(shown).data)


class LogoutView(APIView):
    """End the session that asks."""

    authentication_classes = (TokenAuthentication,)
    permission_classes = ()

    @extend_schema(operation_id="logout", request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        """Revoke the token at once."""
        if not isinstance(request.auth, SignIn):
            self.permission_denied(request)
        _ = request.data  # nothing is expected in the body, but what is not JSON is refused as everywhere
        tokens.revoke(token=request.auth)
        return Response(status=204)


def _require_code(user: User, code: str, guard: CredentialGuard) -> None:
    """Raise AuthenticationFailed (``otp_required``, ``otp_invalid``) unless the code is right and unused."""
    if not code:
        raise AuthenticationFailed(
            "Send otp too: the code of your authenticator app, or a recovery code.", code="otp_required"
        )
    wall = clock.wall()
    with guard.trying(Kind.CODE, wall):
        if second_factor.check_code(user_id=user.pk, code=code, wall=wall) is None:
            raise AuthenticationFailed(
                "This code is wrong, too old or already used. Wait for the next one.", code="otp_invalid"
            )
