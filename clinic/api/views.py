"""The base of every resource: who acts, what they may load, versions, idempotent POSTs."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.actors import actor_of
from clinic.access.policy import Actor
from clinic.api import etags, idempotency
from clinic.api.filters import PAGING, refuse_unknown
from clinic.api.parsers import refuse_unsized
from clinic.common import clock
from clinic.common.versions import Versioned


class OnsetViewSet(viewsets.GenericViewSet[Any]):
    """Loads through ``visible_to`` only, parses with serializers, calls one service, shows.

    Subclasses set ``permissions`` (action -> name in the role table), ``queryset`` (a model's
    manager with ``visible_to``) and serializers.
    """

    permissions: ClassVar[Mapping[str, str]] = {}
    query_parameters: ClassVar[Mapping[str, frozenset[str]]] = {}
    """Of actions that read query parameters of their own; ``list`` checks its filters itself."""

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        """An address without its last slash is not there: a redirect would turn a POST into a GET."""
        view: Any = super().as_view(actions, **initkwargs)
        view.should_append_slash = False
        return view

    @property
    def actor(self) -> Actor:
        """Who is asking."""
        return actor_of(self.request.user)

    @property
    def now(self) -> datetime:
        """The clinic's time, read once per request."""
        if not hasattr(self, "_now"):
            self._now = clock.now()
        return self._now

    def action_map_missing(self, request: Request) -> bool:
        """Whether no action answers this method, so that DRF will say 405."""
        return (request.method or "").lower() not in self.action_map

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After sign-in, permission and throttle: refuse what cannot be read, guard keyed POSTs.

        Every view refuses a malformed body or an unknown parameter here, before it looks at any record.
        """
        super().initial(request, *args, **kwargs)
        if self.action_map_missing(request):
            return
        if self.action != "list":
            refuse_unknown(request, self._declared_parameters())
        if request.method in {"POST", "PATCH"}:
            refuse_unsized(request)
            _ = request.data
        if request.method == "POST" and "Idempotency-Key" in request.headers and hasattr(self, "post"):
            # DRF looks the handler up after this, on the instance.
            setattr(self, "post", partial(self._once, getattr(self, "post")))  # noqa: B009, B010

    def _declared_parameters(self) -> frozenset[str]:
        """What the query string of this action may hold."""
        action = self.action or ""
        if action in self.query_parameters:
            return self.query_parameters[action]
        if self.request.method not in {"GET", "HEAD"} or action == "retrieve":
            return frozenset()
        filterset: Any = getattr(self, "filterset_class", None) if self.filter_backends else None
        return (PAGING if self.paginator else frozenset()) | frozenset(getattr(filterset, "base_filters", ()))

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """Which methods there are, in the Allow header."""
        return Response(status=204)

    def _once(self, handler: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        return idempotency.once(
            request, partial(handler, request, *args, **kwargs), on_error=self.handle_exception
        )

    def get_queryset(self) -> QuerySet[Any]:
        """Only what the caller may see."""
        queryset: Any = super().get_queryset()
        visible: QuerySet[Any] = queryset.visible_to(self.actor)
        return visible

    def parse(self, serializer_class: type[serializers.BaseSerializer[Any]], **options: Any) -> Any:
        """The validated body. Raises ValidationError (400) that names each field."""
        serializer = serializer_class(
            data=self.request.data, context=self.get_serializer_context(), **options
        )
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def expected_version(self, *, required: bool = False) -> int | None:
        """What If-Match asks for."""
        return etags.expected_version(self.request, required=required)

    def show(self, record: Any, *, status: int = 200, extra: Mapping[str, Any] | None = None) -> Response:
        """One record with its ETag."""
        data = {**self.get_serializer(record).data, **(extra or {})}
        headers = {"ETag": etags.etag_of(record)} if isinstance(record, Versioned) else {}
        return Response(data, status=status, headers=headers)


class ReadMixin:
    """GET of the list and of one record."""

    def list(self: Any, request: Request) -> Response:
        """One page of what the caller may see."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)  # type: ignore[no-any-return]

    def retrieve(self: Any, request: Request, pk: str) -> Response:
        """One record; 404 when it is not there or not the caller's to see."""
        return self.show(self.get_object())  # type: ignore[no-any-return]
