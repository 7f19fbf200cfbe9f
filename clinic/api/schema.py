"""How drf-spectacular describes our conventions: operation ids, problem replies, headers."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from clinic.api.auth import spectacular_scheme


class FieldErrorSerializer(serializers.Serializer[Any]):
    """One fault in the input."""

    pointer = serializers.CharField(help_text="JSON pointer to the field.")
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """An RFC 9457 problem document."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    code = serializers.CharField(help_text="Stable; see docs/api.md.")
    request_id = serializers.CharField()
    errors = FieldErrorSerializer(many=True)  # type: ignore[assignment]  # DRF's own name for its result


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Teaches the generator about our token header."""

    target_class = "clinic.api.auth.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """The scheme object."""
        return spectacular_scheme()


class OnsetSchema(AutoSchema):
    """Adds to every operation what every operation has."""

    def get_override_parameters(self) -> list[Any]:
        """If-Match where versions count, Idempotency-Key on every POST."""
        parameters = []
        if self.method == "POST":
            parameters.append(
                OpenApiParameter(
                    "Idempotency-Key",
                    OpenApiTypes.STR,
                    OpenApiParameter.HEADER,
                    description="Repeating the request with the same key replays the stored reply for 24 h.",
                )
            )
        if self.method == "PATCH" or (self.method == "POST" and "{id}" in self.path):
            parameters.append(
                OpenApiParameter(
                    "If-Match",
                    OpenApiTypes.STR,
                    OpenApiParameter.HEADER,
                    required=self.method == "PATCH",
                    description="The ETag of the version being changed.",
                )
            )
        return parameters

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        for status, meaning in self._problems():
            bodies.setdefault(status, self._problem(meaning))
        return bodies

    def _problems(self) -> list[tuple[str, str]]:
        problems = [
            ("400", "Malformed"),
            ("401", "Not signed in"),
            ("403", "Not your role"),
            ("429", "Too often"),
            ("503", "Busy"),
        ]
        if "{" in self.path:
            problems.append(("404", "Not there, or not yours to see"))
        if self.method in {"POST", "PATCH"}:
            problems += [
                ("409", "The present state forbids it"),
                ("412", "Stale If-Match"),
                ("415", "Not JSON"),
                ("422", "A rule forbids it"),
            ]
        if self.method == "PATCH":
            problems.append(("428", "If-Match is missing"))
        return problems

    def _problem(self, meaning: str) -> Any:
        return self._get_response_for_code(  # type: ignore[no-untyped-call]
            OpenApiResponse(ProblemSerializer, description=meaning), "400", ["application/problem+json"]
        )
