"""Serves the OpenAPI document, and a page to try it, to anyone.

The document is made once per process, because making it takes a second.
"""

from functools import cache
from typing import Any

from django.http import HttpRequest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class DocumentView(APIView):
    """The description of this API."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    renderer_classes = (OpenApiJsonRenderer2,)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """As JSON; docs/openapi.yaml is the same in YAML."""
        return Response(document())


class DocsView(SpectacularSwaggerView):
    """The page. What goes wrong with it is told in JSON, as everywhere below /api/."""

    url_name = "schema"
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    def handle_exception(self, exc: Exception) -> Response:
        """A problem document."""
        response: Response = super().handle_exception(exc)
        self.request.accepted_renderer = JSONRenderer()
        return response

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """Which methods there are, in the Allow header."""
        self.request.accepted_renderer = JSONRenderer()
        return Response(status=204)


@cache
def document() -> Any:
    """The OpenAPI 3.1 document."""
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
