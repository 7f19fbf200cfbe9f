"""How drf-spectacular describes our conventions, so that views need not repeat them: operation ids,
summaries, problem replies and headers.

What every operation shares is written once, under ``components``, and referred to.
"""

import re
from typing import Any, ClassVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, get_doc, is_list_serializer
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from clinic.api.auth import spectacular_scheme
from clinic.api.problem_replies import CARRYING_REPLAYS, PROBLEMS, problem_reply, shared_header

_STANDARD_ACTIONS = frozenset({"list", "retrieve", "create", "update", "partial_update", "destroy"})
_LARGEST_IN_PATH = 10**18 - 1
"""OnsetRouter's 18 digits."""


class FieldErrorSerializer(serializers.Serializer[Any]):
    """One fault in the input."""

    pointer = serializers.CharField(
        help_text="JSON pointer to the field, or the name of a parameter or header."
    )
    code = serializers.CharField(help_text="Stable; see docs/api.md.")
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """An RFC 9457 problem document. Some carry more, such as `alternatives` or `possible`."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What is wrong and what to do next, for a person.")
    instance = serializers.CharField()
    code = serializers.CharField(help_text="Stable; see docs/api.md.")
    request_id = serializers.CharField(help_text="The same as in X-Request-ID.")
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

    idempotency_key: ClassVar = OpenApiParameter(
        "Idempotency-Key",
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
        OpenApiParameter.HEADER,
        description="Repeating the request with the same key replays the stored reply for 24 h.",
    )

    def get_operation_id(self) -> str:
        """``appointments_list``, ``appointments_cancel``: addresses and the action, never the method."""
        words = [word.replace("-", "_") for word in self._tokenize_path()]
        if self._action is None:
            return words[-1]
        before = words if self._action in _STANDARD_ACTIONS else words[:-1] or words
        return "_".join([*before, self._action])

    def get_summary(self) -> str:
        """A short title: the name of the action, or how what the view says about it begins."""
        words = " ".join(self._tokenize_path()).replace("-", " ")
        if self._action == "list" and self._inherited:
            return f"List {words}"
        if self._action == "retrieve" and self._inherited:
            return f"Read one of the {words}"
        if self._action and self._action not in _STANDARD_ACTIONS:
            return self._action.replace("_", " ").capitalize()
        begins: str = re.split(r"[.;:](?:\s|$)", self._said)[0]
        return " ".join(begins.replace("`", "").split())

    def get_description(self) -> str:  # type: ignore[override]  # as the generator calls it
        """What the view says, and what it takes to be allowed."""
        needed = getattr(self.view, "permissions", {}).get(self._action)
        return f"{self._said}\n\nNeeds `{needed}`." if needed else self._said

    def get_override_parameters(self) -> list[Any]:
        """If-Match where versions count, Idempotency-Key on every POST."""
        parameters: list[Any] = []
        if self.method == "POST" and self._action:
            parameters.append(self.idempotency_key)
        if self._takes_if_match:
            parameters.append(
                OpenApiParameter(
                    "If-Match",
                    {"type": "string", "pattern": r'^((W/)?"[0-9]{1,9}"|\*)$', "examples": ['"3"']},
                    OpenApiParameter.HEADER,
                    required=self.method == "PATCH",
                    description="The ETag of the version being changed.",
                )
            )
        return parameters

    @property
    def _action(self) -> str | None:
        action: str | None = getattr(self.view, "action", None)
        return action

    @property
    def _takes_if_match(self) -> bool:
        return self.method in {"PATCH", "DELETE"} or (self.method == "POST" and "{id}" in self.path)

    @property
    def _inherited(self) -> bool:
        """Whether the action is ReadMixin's, which says nothing about this resource."""
        return bool(getattr(self.view, self._action or "").__qualname__.startswith("ReadMixin."))

    @property
    def _said(self) -> str:
        """What the action's docstring says, or, where it is inherited, the view's."""
        said = get_doc(type(self.view)) if self._action and self._inherited else super().get_description()
        return str(said).replace("``", "`")

    def _resolve_path_parameters(self, variables: list[str]) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "integer", "minimum": 0, "maximum": _LARGEST_IN_PATH},
            }
            for name in variables
        ]

    def _is_list_view(self, serializer: Any = None) -> bool:
        """A list comes in pages; the answer to a search, such as /availability/, is one object."""
        paged = getattr(self.view, "pagination_class", None) is not None
        return bool(super()._is_list_view(serializer) and (paged or is_list_serializer(serializer)))

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        """A serializer's ``withheld`` names fields that some readers do not get."""
        schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        withheld: frozenset[str] = getattr(serializer, "withheld", frozenset())
        if required := schema.get("required"):
            schema["required"] = [name for name in required if name not in withheld]
        return schema

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        for body in bodies.values():
            body["description"] = body["description"] or "Done."
            if headers := self._headers_of(body):
                body["headers"] = {name: self._shared("headers", name) for name in headers}
        for status in self._problems():
            bodies.setdefault(status, self._shared("responses", PROBLEMS[status].name))
        return dict(sorted(bodies.items()))

    def _headers_of(self, body: dict[str, Any]) -> list[str]:
        """An ETag wherever the reply is one versioned record; the mark of a replay wherever it may be one."""
        headers = []
        schema = body.get("content", {}).get("application/json", {}).get("schema", {})
        component = schema.get("$ref", "").rpartition("/")[2]
        has_etags = component and getattr(self.view, "has_etags", True)
        if has_etags and "version" in self.registry[component, "schemas"].schema.get("properties", {}):
            headers.append("ETag")
        if self.method == "POST" and self._action:
            headers.append("Idempotency-Replayed")
        return headers

    def _problems(self) -> list[str]:
        """Which refusals are possible, by status."""
        if self._action is None:  # signing in and out
            return ["400", "401", "403", "415", "429", "503"]
        problems = ["400", "401", "403", "429", "503"]
        if "{" in self.path or self.method == "POST":
            problems.append("404")
        if self.method in {"POST", "PATCH"}:
            problems += ["409", "415", "422"]
        if self.method == "DELETE":
            problems.append("409")
        if self._takes_if_match:
            problems.append("412")
        if self.method == "PATCH":
            problems.append("428")
        return problems

    def _shared(self, kind: str, name: str) -> dict[str, Any]:
        """A reference to a shared header or problem reply, which is registered when first used."""
        if kind == "headers":
            schema = shared_header(name)
        else:
            status, problem = next(pair for pair in PROBLEMS.items() if pair[1].name == name)
            document = self.resolve_serializer(ProblemSerializer, "response").ref
            headers = [*problem.headers, *(["Idempotency-Replayed"] if status in CARRYING_REPLAYS else [])]
            schema = problem_reply(
                problem, document, {header: self._shared("headers", header) for header in headers}
            )
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            name=name, type=kind, schema=schema, object=ProblemSerializer
        )
        self.registry.register_on_missing(component)
        ref: dict[str, Any] = component.ref
        return ref
