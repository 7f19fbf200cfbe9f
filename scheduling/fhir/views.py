"""/fhir/r4/: one view for every kind of resource, and the CapabilityStatement.

Sign-in, roles and throttles are the API's; only the form differs: FHIR's own media type, Bundles, and an
OperationOutcome for whatever is refused.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from django.conf import settings
from rest_framework import exceptions
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import FormParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clinic.api import outcomes, problems
from clinic.api.views import OnsetViewSet
from clinic.common.errors import NotFound
from scheduling.fhir import reading
from scheduling.fhir.kinds import Kind
from scheduling.fhir.mappers.bundles import searchset
from scheduling.fhir.mappers.capability import capability_statement
from scheduling.fhir.parameters import Asked
from scheduling.fhir.served import KINDS

_JSON = frozenset({"*/*", "application/*", "application/json", "application/fhir+json", "json", "text/json"})
_ETAG = re.compile(r'(?:W/)?"([^"]*)"')
_PASSED_ON = ("Retry-After", "WWW-Authenticate")


class FhirJson(JSONRenderer):
    """JSON under FHIR's name."""

    media_type = outcomes.CONTENT_TYPE


class Negotiation(DefaultContentNegotiation):
    """JSON, under whichever of its names was asked for; 406 for whoever accepts only XML or Turtle."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, Any]:
        """``_format`` goes before Accept, as FHIR has it. Raises NotAcceptable (406)."""
        fhir, plain = renderers
        asked = request.query_params.get("_format") or request.headers.get("Accept", "*/*")
        named = [
            part.partition(";")[0].strip().lower() for part in asked.replace(" json", "+json").split(",")
        ]
        if not _JSON & set(named):
            raise exceptions.NotAcceptable("Only JSON is served. Ask for application/fhir+json.")
        chosen = plain if "application/json" in named and outcomes.CONTENT_TYPE not in named else fhir
        return chosen, chosen.media_type


def handle(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """The API's problem document, as an OperationOutcome."""
    refusal = problems.handle(error, context)
    if refusal is None:
        return None
    headers = {name: refusal[name] for name in _PASSED_ON if name in refusal}
    return Response(outcomes.outcome_of(refusal.data), status=refusal.status_code, headers=headers)


class _InFhir(APIView):
    """The form of every reply."""

    renderer_classes = (FhirJson, JSONRenderer)
    content_negotiation_class = Negotiation
    parser_classes = (FormParser,)
    schema: Any = None  # described by the CapabilityStatement, not by OpenAPI

    def get_exception_handler(self) -> Callable[..., Response | None]:
        """Refusals as FHIR writes them."""
        return handle


class FhirView(_InFhir, OnsetViewSet):
    """Read and search of one kind. A search by POST is a read: it has no effect to be kept from repeating."""

    kind: ClassVar[Kind]
    query_parameters: ClassVar[Mapping[str, frozenset[str]]] = {"retrieve": frozenset({"_format"})}

    def _once(self, handler: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        reply: Response = handler(request, *args, **kwargs)
        return reply

    @property
    def asked(self) -> Asked:
        """By whom and when."""
        return Asked(actor=self.actor, now=self.now)

    def list(self, request: Request) -> Response:
        """One page as a searchset Bundle."""
        kind, base = self.kind, base_url()
        wanted = reading.wanted(kind, request)
        page = kind.search(wanted, self.asked)
        links = {"self": reading.link(kind, wanted, base=base)}
        if page.after:
            links["next"] = reading.link(kind, wanted, base=base, after=page.after)
        return Response(
            searchset(page.resources, notes=page.notes, links=links, base=base), headers=_kept_private()
        )

    def retrieve(self, request: Request, pk: str) -> Response:
        """One resource; 404 when it is not there or not the caller's to see."""
        resource = self.kind.read(pk, self.asked)
        if resource is None:
            raise NotFound(f"There is no {self.kind.type} with this id among those you may see.")
        headers = _kept_private()
        if version := resource.get("meta", {}).get("versionId"):
            headers["ETag"] = f'W/"{version}"'
            if _matches(request.headers.get("If-None-Match", ""), version):
                return Response(status=304, headers=headers)
        return Response(resource, headers=headers)


class CapabilityView(_InFhir):
    """What this server answers, for anyone."""

    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request) -> Response:
        """The CapabilityStatement."""
        return Response(capability_statement(KINDS, base=base_url()))


def view_of(kind: Kind) -> type[FhirView]:
    """The view class of one kind, with its line in the table of permissions."""
    permissions = dict.fromkeys(("list", "retrieve"), kind.permission)
    return type(f"{kind.type}View", (FhirView,), {"kind": kind, "permissions": permissions})


def base_url() -> str:
    """Where this server is, for links that leave it."""
    return f"{settings.PUBLIC_URL}/fhir/r4"


def _kept_private() -> dict[str, str]:
    """A browser or program may keep it and must ask again; nobody between may."""
    return {"Cache-Control": "private, no-cache"}


def _matches(header: str, version: str) -> bool:
    return header.strip() == "*" or version in _ETAG.findall(header)
