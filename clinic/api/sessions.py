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

from clinic.access import tokens
from clinic.access.actors import actor_of
from clinic.access.models import ApiToken, User
from clinic.api.auth import TokenAuthentication
from clinic.api.throttles import LoginFailures
from clinic.common import clock


@extend_schema_serializer(
    examples=[OpenApiExample("A nurse signs in", {"username": "nurse", "password": "onset-demo"})]
)
class LoginSerializer(serializers.Serializer[Any]):
    """Credentials."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=256, trim_whitespace=False)
    otp = serializers.CharField(max_length=16, required=False)


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


class SessionSerializer(serializers.Serializer[Any]):
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

    @extend_schema(operation_id="login", request=LoginSerializer, responses={200: SessionSerializer}, auth=[])
    def post(self, request: Request) -> Response:
        """Sign in. Too many wrong passwords answer 429 for a while."""
        serializer = LoginSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        username = serializer.validated_data["username"]
        failures = LoginFailures(username=username, address=request.META.get("REMOTE_ADDR", ""))
        failures.refuse_when_exhausted()
        user = authenticate(request, username=username, password=serializer.validated_data["password"])
        if not isinstance(user, User):
            failures.add()
            raise AuthenticationFailed("User name or password is wrong.")
        failures.forget()
        secret, token = tokens.issue(
            user=user, lifetime=timedelta(hours=settings.API_TOKEN_HOURS), wall=clock.wall()
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
        return Response(SessionSerializer(shown).data)


class LogoutView(APIView):
    """End the session that asks."""

    authentication_classes = (TokenAuthentication,)
    permission_classes = ()

    @extend_schema(operation_id="logout", request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        """Revoke the token at once."""
        if not isinstance(request.auth, ApiToken):
            self.permission_denied(request)
        _ = request.data  # nothing is expected in the body, but what is not JSON is refused as everywhere
        tokens.revoke(token=request.auth)
        return Response(status=204)
